//! Interceptors around the main routine and the handlers of a run.
//!
//! Each function here replaces the direct way to the code if there are interceptors. At the end of the chain it does
//! what that way does, at the same moment: an interceptor that only passes on changes nothing.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::query::v1::WorkflowQuery;

use super::failures::cannot_be_started;
use super::handlers;
use super::messages::{signal_does_not_fit, unknown_update, update_does_not_fit};
use super::order::QueueOrder;
use super::queries::unknown_query;
use super::routines::ids;
use crate::bounded_text::name as short;
use crate::converter::{PayloadReader, RawArguments, RawPayload};
use crate::failure::WorkflowError;
use crate::interceptor::workflow::{
    ExecuteWorkflowInput, HandleQueryInput, HandleSignalInput, HandleUpdateInput, RunInterceptors, ValidateUpdateInput,
};
use crate::replay::jobs::{HandlerMessage, Signal, UpdateRequest};
use crate::workflow::message_handlers::table::Validation;
use crate::workflow::run_state::RunState;
use crate::workflow::{
    InboundMessage, RoutineFuture, SignalDispatch, UpdateDispatch, WorkflowContext, WorkflowInstance,
};

/// Returns the main routine within the interceptors.
pub(super) fn main_routine(
    interceptors: &RunInterceptors,
    instance: Rc<dyn WorkflowInstance>,
    ctx: WorkflowContext,
    arguments: Option<Payloads>,
) -> RoutineFuture<Payload> {
    let next = interceptors.around(async move |ctx: WorkflowContext, input: ExecuteWorkflowInput| {
        if let (Some(interceptors), Some(info)) = (ctx.shared.interceptors(), ctx.shared.info.get()) {
            interceptors.set_start_headers(info, input.headers);
        }
        let arguments = input.arguments.into_proto();
        let workflow_type = ctx.info().workflow_type.clone();
        let main = instance.start_main_routine(ctx, &mut PayloadReader::of(arguments.as_ref()));
        let main = main.map_err(|error| WorkflowError::task_failure(cannot_be_started(&workflow_type, &error)))?;
        main.await.map(RawPayload::from_proto)
    });
    let input = ExecuteWorkflowInput { arguments: RawArguments::from_proto(arguments), headers: ctx.info().headers() };
    Box::pin(async move { next.run(&ctx, input).await.map(RawPayload::into_proto) })
}

/// Returns the handler of a signal within the interceptors. There is a handler.
pub(super) fn signal(
    interceptors: &RunInterceptors,
    signal: Signal,
    message: Rc<InboundMessage>,
    instance: Rc<dyn WorkflowInstance>,
    shared: &Rc<RunState>,
    order: QueueOrder,
) -> RoutineFuture<()> {
    let event_id = signal.event_id;
    let input = HandleSignalInput {
        name: message.name.clone(),
        event_id,
        arguments: RawArguments::from_proto(signal.input),
        headers: message.headers(),
    };
    let is_passed_on = Rc::new(Cell::new(false));
    let passed_on = Rc::clone(&is_passed_on);
    let next = interceptors.around(async move |ctx: WorkflowContext, input: HandleSignalInput| {
        passed_on.set(true);
        message.set_headers(input.headers.clone());
        let signal = Signal {
            event_id,
            name: input.name,
            input: input.arguments.into_proto(),
            header: input.headers.into_boxed(),
        };
        hand_over(signal, &instance, &ctx.shared, order).await
    });
    let ctx = WorkflowContext::new(Rc::clone(shared));
    Box::pin(async move {
        let name = input.name.clone();
        next.run(&ctx, input).await?;
        if !is_passed_on.get() {
            let (workflow_id, run_id) = ids(&ctx.shared);
            let signal = short(&name);
            tracing::info!(workflow_id, run_id, %signal, "an interceptor did not pass a signal on, so it is dropped");
        }
        Ok(())
    })
}

/// Hands a signal to its handler, at the end of the chain.
async fn hand_over(
    signal: Signal,
    instance: &Rc<dyn WorkflowInstance>,
    shared: &Rc<RunState>,
    order: QueueOrder,
) -> Result<(), WorkflowError> {
    // A handler that is not async runs before the signal counts as being handled.
    let running = shared.handlers_running.get();
    shared.handlers_running.set(running.saturating_sub(1));
    let mut args = PayloadReader::of(signal.input.as_ref());
    let dispatched = handlers::signal(instance, shared, &signal.name, &mut args);
    shared.handlers_running.set(running);
    match dispatched {
        SignalDispatch::Running(handler) => {
            if order == QueueOrder::HandlersFirst {
                yield_once().await;
            }
            handler.await
        }
        SignalDispatch::Done(result) => result,
        SignalDispatch::Undecodable(error) => {
            signal_does_not_fit(shared, &signal.name, &error);
            Ok(())
        }
        SignalDispatch::Unknown => {
            // An interceptor changed the name, or the handler was removed meanwhile.
            shared.handlers.borrow_mut().keep(HandlerMessage::Signal(signal));
            Ok(())
        }
    }
}

/// Lets other routines have their turns first.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| match std::mem::replace(&mut yielded, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// Validates an update within the interceptors, and returns its handler within them. There is a handler.
pub(super) fn update(
    interceptors: &RunInterceptors,
    request: &UpdateRequest,
    message: &Rc<InboundMessage>,
    instance: &Rc<dyn WorkflowInstance>,
    shared: &Rc<RunState>,
    validation: Validation,
) -> UpdateDispatch {
    let ctx = WorkflowContext::new(Rc::clone(shared));
    let (name, id, headers) = (message.name.clone(), message.update_id.clone(), message.headers());
    let arguments = request.request.input.as_ref().and_then(|input| input.args.clone());
    let arguments = RawArguments::from_proto(arguments);
    if validation == Validation::Runs {
        let (instance, message) = (Rc::clone(instance), Rc::clone(message));
        let next = interceptors.around_plain(move |ctx: &WorkflowContext, input: ValidateUpdateInput| {
            message.set_headers(input.headers);
            let dispatched = dispatch_update(&instance, &ctx.shared, &input.name, input.arguments, validation);
            // The handler gets its arguments later, through the interceptors.
            dispatched.map(drop)
        });
        let input = ValidateUpdateInput {
            name: name.clone(),
            id: id.clone(),
            arguments: arguments.clone(),
            headers: headers.clone(),
        };
        let validated = next.run(&ctx, input);
        if let Err(error) = validated {
            return UpdateDispatch::Rejected(error);
        }
    }
    message.set_headers(headers.clone());
    let (instance, message) = (Rc::clone(instance), Rc::clone(message));
    let next = interceptors.around(async move |ctx: WorkflowContext, input: HandleUpdateInput| {
        message.set_headers(input.headers);
        let handler = dispatch_update(&instance, &ctx.shared, &input.name, input.arguments, Validation::IsOver)?;
        handler.await.map(RawPayload::from_proto)
    });
    let input = HandleUpdateInput { name, id, arguments, headers };
    UpdateDispatch::Accepted(Box::pin(async move { next.run(&ctx, input).await.map(RawPayload::into_proto) }))
}

/// Hands an update to its handler, at the end of the chain.
fn dispatch_update(
    instance: &Rc<dyn WorkflowInstance>,
    shared: &Rc<RunState>,
    name: &str,
    arguments: RawArguments,
    validation: Validation,
) -> Result<RoutineFuture<Payload>, WorkflowError> {
    let arguments = arguments.into_payloads();
    match handlers::update(instance, shared, name, &mut PayloadReader::new(&arguments), validation) {
        UpdateDispatch::Accepted(handler) => Ok(handler),
        UpdateDispatch::Rejected(error) => Err(error),
        UpdateDispatch::Undecodable(error) if validation == Validation::Runs => {
            Err(update_does_not_fit(name, &error).into())
        }
        // They fitted when the update was accepted, so code or interceptors must be corrected.
        UpdateDispatch::Undecodable(error) => {
            Err(WorkflowError::task_failure(update_does_not_fit(name, &error).to_string()))
        }
        UpdateDispatch::Unknown => Err(unknown_update(name, &**instance, shared).into()),
    }
}

/// Answers a query within the interceptors. There is a handler.
pub(super) fn query(
    interceptors: &RunInterceptors,
    query: &WorkflowQuery,
    message: Rc<InboundMessage>,
    instance: &Rc<dyn WorkflowInstance>,
    shared: &Rc<RunState>,
) -> Result<Payload, WorkflowError> {
    let input = HandleQueryInput {
        name: query.query_type.clone(),
        arguments: RawArguments::from_proto(query.query_args.clone()),
        headers: message.headers(),
    };
    let instance = Rc::clone(instance);
    let next = interceptors.around_plain(move |ctx: &WorkflowContext, input: HandleQueryInput| {
        message.set_headers(input.headers);
        let (name, arguments) = (&input.name, input.arguments.into_payloads());
        let answer = handlers::query(&*instance, &ctx.shared, name, &mut PayloadReader::new(&arguments));
        let unknown = || Err(WorkflowError::task_failure(unknown_query(name, &*instance, &ctx.shared)));
        answer.unwrap_or_else(unknown).map(RawPayload::from_proto)
    });
    next.run(&WorkflowContext::new(Rc::clone(shared)), input).map(RawPayload::into_proto)
}
