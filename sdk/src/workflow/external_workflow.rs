//! External workflows: signals and cancellation requests to workflows that this one need not have started.

use std::borrow::Cow;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    RequestCancelExternalWorkflowExecutionCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
};
use abide_protos::temporal::api::common::v1::{Payloads, WorkflowExecution};
use serde::Serialize;

use super::context::WorkflowContext;
use super::metadata::user_metadata;
use super::operation::{AwaitedKind, HandleState};
use super::run_state::RunState;
use crate::converter::{PayloadError, PayloadWriter, RawArguments};
use crate::debug_only::debug_only;
use crate::definition::SignalDefinition;
use crate::failure::{ExternalWorkflowFailure, cancelled_failure};
use crate::header::Headers;
use crate::interceptor::workflow::{CancelExternalWorkflowInput, SignalExternalWorkflowInput};
use crate::replay::command_queue::CommandBody;
use crate::replay::jobs::Outcome;
use crate::replay::machines::external::{Message, SendMessage};
use crate::replay::state_machines::StateMachines;

/// Another workflow. Made by [`WorkflowContext::external_workflow`].
#[derive(Clone)]
#[must_use = "naming another workflow does nothing; signal or cancel it"]
pub struct ExternalWorkflow {
    shared: Rc<RunState>,
    target: Target,
}

/// Recipient of a signal or a cancellation request.
#[derive(Clone)]
pub(super) struct Target {
    /// `None` for the sender's own.
    pub(super) namespace: Option<Box<str>>,
    pub(super) execution: WorkflowExecution,
    /// True if the recipient must be a child of the sender.
    pub(super) child_only: bool,
}

/// A signal to another workflow. Awaiting it sends it and waits until the server has delivered it.
///
/// A signal that is dropped or cancelled before it was sent is withdrawn. Afterwards it can only be awaited.
#[must_use = "the signal is not sent unless this is awaited; `start()` sends it at once"]
pub struct SignalExternalWorkflow<S: SignalDefinition> {
    shared: Rc<RunState>,
    target: Target,
    message: Option<Box<(S, S::Args)>>,
    headers: Headers,
    summary: Option<String>,
    unwritable: Option<PayloadError>,
    location: &'static Location<'static>,
    sent: Option<DeliveryHandle>,
}

/// A cancellation request to another workflow. Awaiting it sends it and waits until the server has delivered it.
#[must_use = "the request to cancel is not sent unless this is awaited; `start()` sends it at once"]
pub struct CancelExternalWorkflow {
    shared: Rc<RunState>,
    target: Target,
    reason: String,
    location: &'static Location<'static>,
    sent: Option<DeliveryHandle>,
}

/// A signal or a cancellation request that is on its way. Awaiting it waits until the server has delivered it.
///
/// If its handle is dropped in the workflow task that sends it, a signal is withdrawn and a cancellation request is
/// not.
#[must_use = "dropping a signal's handle cancels a signal that is not sent yet; `detach()` lets it be sent"]
pub struct DeliveryHandle {
    shared: Rc<RunState>,
    workflow_id: String,
    state: HandleState<Box<ExternalWorkflowFailure>>,
}

debug_only!(impl[] ExternalWorkflow, |this| { target: this.target });

debug_only!(impl[] Target, |this| {
    workflow_id: this.execution.workflow_id,
    run_id: this.execution.run_id,
    namespace: this.namespace,
});

debug_only!(impl[S: SignalDefinition] SignalExternalWorkflow<S>, |this| {
    signal: this.message.as_ref().map(|message| message.0.name()),
    target: this.target,
});

debug_only!(impl[] CancelExternalWorkflow, |this| { target: this.target });

debug_only!(impl[] DeliveryHandle, |this| { workflow_id: this.workflow_id });

impl WorkflowContext {
    /// Refers to another workflow, to signal or cancel it. Does not check that the workflow exists.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # #[workflow] #[derive(Default)] struct Stock { items: State<u32> }
    /// # #[workflow_methods] impl Stock {
    /// # #[run] async fn run(&self) -> Result<(), WorkflowError> { Ok(()) }
    /// # #[signal] fn restock(&self, items: u32) { self.items.set(items); } }
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// let stock = ctx.external_workflow("stock-7");
    /// match stock.signal(Stock::restock, 12).await {
    ///     Err(error) if error.is_not_found() => {} // It has closed, or never existed.
    ///     sent => sent?,
    /// }
    /// stock.cancel().reason("out of season").await?;
    /// # Ok(()) }
    /// ```
    pub fn external_workflow(&self, workflow_id: impl Into<String>) -> ExternalWorkflow {
        let execution = WorkflowExecution { workflow_id: workflow_id.into(), run_id: String::new() };
        let target = Target { namespace: None, execution, child_only: false };
        ExternalWorkflow { shared: self.shared.clone(), target }
    }
}

impl ExternalWorkflow {
    /// Selects one run of the workflow. Default: the latest run.
    pub fn with_run_id(mut self, run_id: impl Into<String>) -> Self {
        self.target.execution.run_id = run_id.into();
        self
    }

    /// Selects a workflow in another namespace of the same server. Default: this workflow's own. A server may refuse
    /// commands across namespaces.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.target.namespace = Some(namespace.into().into_boxed_str());
        self
    }

    /// The workflow id.
    pub fn workflow_id(&self) -> &str {
        &self.target.execution.workflow_id
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// [`ExternalWorkflowFailure`]: there is no such workflow, or it has closed.
    #[track_caller]
    pub fn signal<S: SignalDefinition>(&self, signal: S, args: S::Args) -> SignalExternalWorkflow<S> {
        let message = (signal, args);
        SignalExternalWorkflow::new(self.shared.clone(), self.target.clone(), message, Location::caller())
    }

    /// Requests cancellation of the workflow; `.reason(..)` says why. The workflow decides when and how it ends.
    ///
    /// # Errors
    /// [`ExternalWorkflowFailure`]: there is no such workflow, or it has closed.
    #[track_caller]
    pub fn cancel(&self) -> CancelExternalWorkflow {
        CancelExternalWorkflow {
            shared: self.shared.clone(),
            target: self.target.clone(),
            reason: String::new(),
            location: Location::caller(),
            sent: None,
        }
    }
}

impl<S: SignalDefinition> SignalExternalWorkflow<S> {
    pub(super) fn new(
        shared: Rc<RunState>,
        target: Target,
        message: (S, S::Args),
        location: &'static Location<'static>,
    ) -> Self {
        let (message, headers) = (Some(Box::new(message)), Headers::default());
        Self { shared, target, message, headers, summary: None, unwritable: None, location, sent: None }
    }

    /// Gives the signal a header, which its handler [can read](WorkflowContext::message_header).
    pub fn header<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        if let Err(error) = self.headers.set(key, value) {
            self.unwritable = Some(error);
        }
        self
    }

    /// Sets a short text about the signal for people who look at this workflow.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    /// Sends the signal now, to be awaited later. Await it before you return: a signal in the task in which this
    /// workflow ends is lost.
    #[track_caller]
    pub fn start(mut self) -> DeliveryHandle {
        self.begin()
    }

    #[track_caller]
    fn begin(&mut self) -> DeliveryHandle {
        if let Some(sent) = self.sent.take() {
            return sent;
        }
        let (signal, args) = *self.message.take().expect("a signal is sent once");
        self.shared.must_not_be_read_only("a signal");
        let mut name = signal.name();
        let intercepted = self.intercept(&signal, &args);
        if let Some((changed, _)) = &intercepted {
            name = Cow::Owned(changed.clone());
        }
        let (shared, target) = (self.shared.clone(), self.target.clone());
        let message = Message::Signal(name.clone());
        target.send(shared, message, self.location, || {
            let input = match intercepted {
                Some((_, arguments)) => arguments.into_proto(),
                None => self.written_args(&signal, &args)?,
            };
            Some(self.body(&name, input))
        })
    }

    /// Shows the signal to interceptors. Returns its name and its arguments after them; `None` without interceptors, and
    /// for a signal that is not sent.
    fn intercept(&mut self, signal: &S, args: &S::Args) -> Option<(String, RawArguments)> {
        let shared = self.shared.clone();
        let interceptors = shared.interceptors().filter(|_| shared.cancelled_here().is_none())?;
        let arguments = RawArguments::from_proto(self.written_args(signal, args)?);
        let mut input = SignalExternalWorkflowInput {
            name: signal.name().into_owned(),
            workflow_id: std::mem::take(&mut self.target.execution.workflow_id),
            run_id: self.target.take_run_id(),
            namespace: self.target.namespace.take().map(String::from),
            is_child: self.target.child_only,
            arguments,
            headers: std::mem::take(&mut self.headers),
        };
        interceptors.before(&shared, &mut input, |one, ctx, input| one.signal_external_workflow(ctx, input));
        let SignalExternalWorkflowInput { name, workflow_id, run_id, namespace, arguments, headers, .. } = input;
        self.target.change(workflow_id, run_id, namespace);
        self.headers = headers;
        Some((name, arguments))
    }

    /// Writes the arguments. Fails the workflow task if they, or the headers, cannot be written.
    fn written_args(&mut self, signal: &S, args: &S::Args) -> Option<Option<Payloads>> {
        let mut writer = PayloadWriter::new();
        let written = match self.unwritable.take() {
            Some(error) => Err(("a header", error)),
            None => S::write_args(args, &mut writer).map_err(|error| ("the arguments", error)),
        };
        if let Err((what, error)) = written {
            let text = format!("{what} of signal `{}` cannot be written: {error}", signal.name());
            self.shared.fail_task(text, self.location);
            return None;
        }
        Some(writer.finish())
    }

    fn body(&mut self, name: &str, input: Option<Payloads>) -> CommandBody {
        #[expect(deprecated, reason = "the server still reads the namespace, and Core still sends it")]
        let attributes = SignalExternalWorkflowExecutionCommandAttributes {
            namespace: self.target.namespace(&self.shared),
            execution: Some(self.target.execution.clone()),
            signal_name: name.to_string(),
            input,
            child_workflow_only: self.target.child_only,
            header: self.headers.to_proto(),
            ..Default::default()
        };
        let attributes = Attributes::SignalExternalWorkflowExecutionCommandAttributes(attributes);
        CommandBody { attributes, user_metadata: user_metadata(self.summary.take()) }
    }
}

impl<S: SignalDefinition> Future for SignalExternalWorkflow<S> {
    type Output = Result<(), ExternalWorkflowFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.sent.is_none() {
            this.sent = Some(this.begin());
        }
        let sent = this.sent.as_mut().expect("the signal was just sent");
        Pin::new(sent).poll(cx)
    }
}

impl CancelExternalWorkflow {
    /// Sets the reason that the other workflow sees.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Sends the request now, to be awaited later. Await it before you return: a request in the task in which this
    /// workflow ends is lost.
    #[track_caller]
    pub fn start(mut self) -> DeliveryHandle {
        self.begin()
    }

    #[track_caller]
    fn begin(&mut self) -> DeliveryHandle {
        if let Some(sent) = self.sent.take() {
            return sent;
        }
        self.shared.must_not_be_read_only("a request to cancel");
        self.intercept();
        let (shared, target) = (self.shared.clone(), self.target.clone());
        target.send(shared, Message::CancelRequest, self.location, || Some(self.body()))
    }

    /// Shows the request to interceptors, unless it is not sent.
    fn intercept(&mut self) {
        let shared = self.shared.clone();
        let Some(interceptors) = shared.interceptors().filter(|_| shared.cancelled_here().is_none()) else { return };
        let mut input = CancelExternalWorkflowInput {
            workflow_id: std::mem::take(&mut self.target.execution.workflow_id),
            run_id: self.target.take_run_id(),
            namespace: self.target.namespace.take().map(String::from),
            reason: std::mem::take(&mut self.reason),
        };
        interceptors.before(&shared, &mut input, |one, ctx, input| one.cancel_external_workflow(ctx, input));
        let CancelExternalWorkflowInput { workflow_id, run_id, namespace, reason } = input;
        self.target.change(workflow_id, run_id, namespace);
        self.reason = reason;
    }

    fn body(&self) -> CommandBody {
        let run_id = self.shared.info.get().map_or("", |info| &info.run_id);
        #[expect(deprecated, reason = "the server still reads the namespace, and Core still sends it")]
        let attributes = RequestCancelExternalWorkflowExecutionCommandAttributes {
            namespace: self.target.namespace(&self.shared),
            workflow_id: self.target.execution.workflow_id.clone(),
            run_id: self.target.execution.run_id.clone(),
            reason: format!("Cancel requested by workflow with run id {run_id} with reason: {}", self.reason),
            ..Default::default()
        };
        let attributes = Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes);
        CommandBody { attributes, user_metadata: None }
    }
}

impl Future for CancelExternalWorkflow {
    type Output = Result<(), ExternalWorkflowFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.sent.is_none() {
            this.sent = Some(this.begin());
        }
        let sent = this.sent.as_mut().expect("the request was just sent");
        Pin::new(sent).poll(cx)
    }
}

impl DeliveryHandle {
    /// Takes back a signal that this workflow task has not sent yet: awaiting it then yields a failure that
    /// [is cancelled](crate::TemporalFailure::is_cancelled). A sent signal, and a request to cancel, stands.
    #[track_caller]
    pub fn cancel(&self) {
        self.state.cancel();
    }

    /// Returns true if the message was delivered or will not be. Awaiting the handle then does not wait.
    pub fn is_done(&self) -> bool {
        self.state.is_done()
    }

    /// Drops the handle without withdrawing the message. Before you return, await the handle instead: a message that is
    /// sent in the task in which this workflow ends is lost.
    pub fn detach(self) {
        self.state.detach();
    }
}

impl Future for DeliveryHandle {
    type Output = Result<(), ExternalWorkflowFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.state.poll(cx)) {
            Ok(Outcome::Failed(failure)) => {
                let failure = self.shared.data_converter.read_failure(*failure);
                Err(ExternalWorkflowFailure::new(&self.workflow_id, failure))
            }
            Ok(_) => Ok(()),
            Err(failure) => Err(*failure),
        })
    }
}

impl Target {
    /// Sends a message, unless the current scope is cancelled. `body` is its command, if there is nothing wrong with it.
    fn send(
        self,
        shared: Rc<RunState>,
        message: Message<'static>,
        location: &'static Location<'static>,
        body: impl FnOnce() -> Option<CommandBody>,
    ) -> DeliveryHandle {
        let workflow_id = self.execution.workflow_id;
        let state = if shared.cancelled_here().is_some() {
            let text = match message {
                Message::Signal(_) => "Signal was cancelled before being sent",
                Message::CancelRequest => "The request to cancel was cancelled before being sent",
            };
            let failure = ExternalWorkflowFailure::new(&workflow_id, cancelled_failure(text, None));
            HandleState::ended(Box::new(failure))
        } else {
            let operation = shared.begin_operation(AwaitedKind::Other);
            let body = if shared.is_replaying() { None } else { body() };
            let request = SendMessage { message, workflow_id: workflow_id.clone() };
            let begin = |machines: &mut StateMachines| machines.begin(request, operation.into(), location, body);
            HandleState::Running(shared.carry_out(operation, begin))
        };
        DeliveryHandle { shared, workflow_id, state }
    }

    fn take_run_id(&mut self) -> Option<String> {
        Some(std::mem::take(&mut self.execution.run_id)).filter(|run_id| !run_id.is_empty())
    }

    fn change(&mut self, workflow_id: String, run_id: Option<String>, namespace: Option<String>) {
        self.execution = WorkflowExecution { workflow_id, run_id: run_id.unwrap_or_default() };
        self.namespace = namespace.map(String::into_boxed_str);
    }

    fn namespace(&self, shared: &RunState) -> String {
        self.namespace.as_deref().map_or_else(|| shared.namespace(), str::to_string)
    }
}
