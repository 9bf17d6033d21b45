//! Signals and updates on their way to their handlers, and the outcomes of handlers.
//!
//! A message is handed over when its routine has its first turn. If the task is live, an update is validated then. An
//! accepted update issues its first command before its handler runs.

use std::rc::Rc;

use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::query::v1::WorkflowQuery;
use abide_protos::temporal::api::update::v1::outcome;

use super::failures::TaskError;
use super::handlers::{self, handler_of, is_handled, known_handlers};
use super::intercepted;
use super::order::QueueOrder;
use super::panics;
use super::read_only::read_only;
use super::routines::RoutineResult;
use super::workflow_run::WorkflowRun;
use crate::bounded_text::name as short;
use crate::converter::{PayloadError, PayloadReader};
use crate::failure::{ApplicationFailure, WorkflowError, WorkflowErrorKind};
use crate::replay::jobs::{HandlerMessage, Signal, UpdateRequest};
use crate::replay::slab::Key;
use crate::workflow::message_handlers::table::Validation;
use crate::workflow::run_state::RunState;
use crate::workflow::{
    HandlerKind, InboundMessage, ReadOnlyCode, RoutineFuture, SignalDispatch, UnfinishedPolicy, UpdateDispatch,
    WorkflowInstance,
};

/// Outcome of handing over a message.
pub(super) enum Dispatched<T> {
    /// Its handler has begun, or is about to.
    Running(T),
    /// The message needs nothing more.
    Ended(RoutineResult),
}

impl<T> Dispatched<T> {
    pub(super) fn map<U>(self, running: impl FnOnce(T) -> U) -> Dispatched<U> {
        match self {
            Self::Running(handler) => Dispatched::Running(running(handler)),
            Self::Ended(polled) => Dispatched::Ended(polled),
        }
    }
}

/// Handler of an update, with its machine.
pub(super) struct UpdateHandler {
    pub(super) handler: RoutineFuture<Payload>,
    pub(super) machine: Key,
}

/// Describes a signal to its handler. Takes the signal's name and headers.
pub(super) fn inbound_signal(signal: &mut Signal) -> InboundMessage {
    InboundMessage {
        kind: HandlerKind::Signal,
        name: std::mem::take(&mut signal.name),
        update_id: String::new(),
        signal_event_id: signal.event_id,
        header: signal.header.take().into(),
    }
}

/// Describes an update to its handler.
pub(super) fn inbound_update(request: &UpdateRequest) -> InboundMessage {
    InboundMessage {
        kind: HandlerKind::Update,
        name: request.name().to_string(),
        update_id: request.update_id.clone(),
        signal_event_id: 0,
        header: request.header().map(|header| Box::new(header.clone())).into(),
    }
}

/// Describes a query to its handler.
pub(super) fn inbound_query(query: &WorkflowQuery) -> InboundMessage {
    InboundMessage {
        kind: HandlerKind::Query,
        name: query.query_type.clone(),
        update_id: String::new(),
        signal_event_id: 0,
        header: query.header.clone().map(Box::new).into(),
    }
}

/// Hands a signal to its handler.
pub(super) fn dispatch_signal(
    mut signal: Signal,
    message: &Rc<InboundMessage>,
    instance: &Rc<dyn WorkflowInstance>,
    shared: &Rc<RunState>,
    order: QueueOrder,
) -> Result<Dispatched<RoutineFuture<()>>, TaskError> {
    let name = message.name.as_str();
    if let Some(interceptors) = shared.interceptors()
        && is_handled(&**instance, shared, HandlerKind::Signal, name)
    {
        let (message, instance) = (Rc::clone(message), Rc::clone(instance));
        return Ok(Dispatched::Running(intercepted::signal(interceptors, signal, message, instance, shared, order)));
    }
    let dispatched = panics::catch(|| {
        let mut reader = PayloadReader::of(signal.input.as_ref());
        handlers::signal(instance, shared, name, &mut reader)
    })?;
    Ok(match dispatched {
        SignalDispatch::Running(handler) => Dispatched::Running(handler),
        SignalDispatch::Done(Ok(())) => Dispatched::Ended(RoutineResult::Ended),
        SignalDispatch::Done(Err(error)) => Dispatched::Ended(RoutineResult::HandlerFailed(error)),
        SignalDispatch::Undecodable(error) => {
            signal_does_not_fit(shared, name, &error);
            Dispatched::Ended(RoutineResult::Ended)
        }
        SignalDispatch::Unknown => {
            // Handlers that come later see the signal as it came.
            (signal.name, signal.header) = (name.to_string(), message.headers().into_boxed());
            Dispatched::Ended(RoutineResult::NoHandler(HandlerMessage::Signal(signal)))
        }
    })
}

/// Warns of a signal that is dropped.
pub(super) fn signal_does_not_fit(shared: &RunState, name: &str, error: &PayloadError) {
    if !shared.operation_state.borrow().machines.has_run_before() {
        let info = shared.info.get();
        tracing::warn!(
            workflow_type = info.map_or("", |info| &info.workflow_type),
            workflow_id = info.map_or("", |info| &info.workflow_id),
            run_id = info.map_or("", |info| &info.run_id),
            signal = %short(name),
            "a signal was dropped because its arguments do not fit its handler: {error}; send it again with arguments \
             that fit"
        );
    }
}

/// Accepts or rejects an update.
pub(super) fn dispatch_update(
    request: UpdateRequest,
    message: &Rc<InboundMessage>,
    instance: &Rc<dyn WorkflowInstance>,
    shared: &Rc<RunState>,
) -> Result<Dispatched<UpdateHandler>, TaskError> {
    // The history shows that it was accepted, so it is not validated again.
    let validation = if request.accepted_event_id.is_none() { Validation::Runs } else { Validation::IsOver };
    let is_handled = || is_handled(&**instance, shared, HandlerKind::Update, request.name());
    let dispatched = read_only(shared, ReadOnlyCode::Validator, || {
        if let Some(interceptors) = shared.interceptors().filter(|_| is_handled()) {
            return intercepted::update(interceptors, &request, message, instance, shared, validation);
        }
        let mut reader = PayloadReader::of(request.request.input.as_ref().and_then(|input| input.args.as_ref()));
        handlers::update(instance, shared, request.name(), &mut reader, validation)
    })?;
    if matches!(dispatched, UpdateDispatch::Unknown) && shared.handlers.borrow().updates_wait {
        return Ok(Dispatched::Ended(RoutineResult::NoHandler(HandlerMessage::Update(Box::new(request)))));
    }
    let handler = handler_of(&**instance, shared, HandlerKind::Update, request.name());
    let location = handler.map(|handler| handler.location);
    let to_failure = |failure: &ApplicationFailure| shared.data_converter.to_failure(failure, None);
    let failure = match dispatched {
        UpdateDispatch::Accepted(handler) => {
            let machine = shared.operation_state.borrow_mut().machines.accept_update(request, location);
            return Ok(Dispatched::Running(UpdateHandler { handler, machine }));
        }
        UpdateDispatch::Rejected(error) => failure_of(shared, error, "validator", request.name())?,
        UpdateDispatch::Undecodable(error) => to_failure(&update_does_not_fit(request.name(), &error)),
        UpdateDispatch::Unknown => to_failure(&unknown_update(request.name(), &**instance, shared)),
    };
    shared.operation_state.borrow_mut().machines.reject_update(request, failure, location)?;
    Ok(Dispatched::Ended(RoutineResult::Ended))
}

/// Returns the error of an update whose arguments do not fit.
pub(super) fn update_does_not_fit(name: &str, error: &PayloadError) -> ApplicationFailure {
    let message = format!("the arguments of update `{}` do not fit its handler: {error}", short(name));
    ApplicationFailure::new(message).error_type("PayloadError")
}

/// Returns the error of an update without a handler.
pub(super) fn unknown_update(name: &str, instance: &dyn WorkflowInstance, shared: &RunState) -> ApplicationFailure {
    let known = known_handlers(instance, shared, HandlerKind::Update, "updates");
    ApplicationFailure::new(format!("unknown update `{}`; {known}", short(name))).error_type("UnknownUpdate")
}

/// Returns the failure with which an update is rejected or fails.
fn failure_of(shared: &RunState, error: WorkflowError, of: &str, update: &str) -> Result<FailureProto, TaskError> {
    match error.into_kind() {
        WorkflowErrorKind::Error { error, type_name } => Ok(shared.data_converter.to_failure(&*error, Some(type_name))),
        WorkflowErrorKind::TaskFailure(message) => Err(TaskError::WorkerFailure(message)),
        WorkflowErrorKind::ContinueAsNew(_) => Err(TaskError::WorkerFailure(format!(
            "the {of} of update `{update}` cannot continue as new: change the state, and continue as new in the main \
             routine"
        ))),
    }
}

impl WorkflowRun {
    /// Passes the outcome of an update's handler on to the update's machine.
    pub(super) fn complete_update(
        &mut self,
        machine: Key,
        name: &str,
        result: Result<Payload, WorkflowError>,
    ) -> Result<(), TaskError> {
        let outcome = match result {
            Ok(payload) => outcome::Value::Success(Payloads { payloads: vec![payload] }),
            Err(error) => outcome::Value::Failure(failure_of(self.shared(), error, "handler", name)?),
        };
        self.shared().operation_state.borrow_mut().machines.complete_update(machine, outcome);
        Ok(())
    }

    /// Warns of handlers that are cut off by the end of the workflow, unless their policy permits it. Only the worker
    /// that ended the workflow warns, so there is one warning.
    pub(super) fn warn_of_unfinished_handlers(&self) {
        if let Some(text) = self.unfinished_handlers() {
            let (workflow_id, run_id) = self.ids();
            tracing::warn!(workflow_id, run_id, "{text}");
        }
    }

    pub(super) fn unfinished_handlers(&self) -> Option<String> {
        let instance = self.instance()?;
        let policy = |message: &InboundMessage| {
            // A handler that was removed while it ran is unfinished work, too.
            let handler = handler_of(instance, self.shared(), message.kind, &message.name);
            handler.map_or(UnfinishedPolicy::WarnAndAbandon, |found| found.unfinished_policy)
        };
        let unfinished: Vec<String> = self
            .routines()
            .running_handlers()
            .filter(|message| policy(message) == UnfinishedPolicy::WarnAndAbandon)
            .map(|message| match message.kind {
                HandlerKind::Update => format!("update `{}` (id {})", message.name, message.update_id),
                _ => format!("signal `{}` (event {})", message.name, message.signal_event_id),
            })
            .collect();
        (!unfinished.is_empty()).then(|| {
            format!(
                "[TMPRL1102] the workflow ended before these handlers finished: {}. Wait for them with \
                 `ctx.wait_until(|| ctx.all_handlers_finished())`, or put `unfinished_policy = abandon` into the \
                 attribute of a handler that need not finish",
                unfinished.join(", ")
            )
        })
    }
}
