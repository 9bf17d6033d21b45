//! Other workflows, whoever started them: signals and requests to cancel.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    RequestCancelExternalWorkflowExecutionCommandAttributes, SignalExternalWorkflowExecutionCommandAttributes,
};
use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{CanceledFailureInfo, Failure as FailureProto};

use super::context::WorkflowContext;
use super::header::Headers;
use super::metadata::user_metadata;
use super::operation::OperationFuture;
use super::shared::Shared;
use crate::converter::{PayloadError, PayloadWriter};
use crate::definition::{PayloadValue, SignalDefinition};
use crate::failure::ExternalWorkflowFailure;
use crate::replay::command_queue::CommandBody;
use crate::replay::jobs::Outcome;
use crate::replay::slab::Key;

/// Another workflow. Made by [`WorkflowContext::external_workflow`].
#[derive(Clone)]
pub struct ExternalWorkflow {
    shared: Rc<Shared>,
    target: Target,
}

/// Whom a message is for.
#[derive(Clone)]
pub(super) struct Target {
    /// `None` for the sender's own.
    pub(super) namespace: Option<Box<str>>,
    pub(super) execution: WorkflowExecution,
    /// Whether it must be a child of the sender.
    pub(super) child_only: bool,
}

/// A signal to another workflow. Awaiting it sends it and waits until the server has delivered it.
///
/// Dropped or cancelled before it was sent it is taken back; afterwards it can only be waited for.
#[must_use = "futures do nothing unless awaited"]
pub struct SignalExternalWorkflow<S: SignalDefinition> {
    shared: Rc<Shared>,
    target: Target,
    message: Option<Box<(S, S::Args)>>,
    headers: Headers,
    summary: Option<String>,
    unwritable: Option<PayloadError>,
    location: &'static Location<'static>,
    sent: Option<OperationFuture>,
}

/// A request to another workflow to cancel itself. Awaiting it sends it and waits until the server has delivered it.
#[must_use = "futures do nothing unless awaited"]
pub struct CancelExternalWorkflow {
    shared: Rc<Shared>,
    target: Target,
    reason: String,
    location: &'static Location<'static>,
    sent: Option<OperationFuture>,
}

impl WorkflowContext {
    /// Another workflow, to be signalled or asked to cancel itself; nothing checks yet that it is there.
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
    ///     Err(error) if error.is_not_found() => {} // It has closed, or never was there.
    ///     sent => sent?,
    /// }
    /// stock.cancel("out of season").await?;
    /// # Ok(()) }
    /// ```
    pub fn external_workflow(&self, workflow_id: impl Into<String>) -> ExternalWorkflow {
        let execution = WorkflowExecution { workflow_id: workflow_id.into(), run_id: String::new() };
        let target = Target { namespace: None, execution, child_only: false };
        ExternalWorkflow { shared: self.shared.clone(), target }
    }
}

impl ExternalWorkflow {
    /// Means this run of it and no other. Default: the latest run.
    pub fn with_run_id(mut self, run_id: impl Into<String>) -> Self {
        self.target.execution.run_id = run_id.into();
        self
    }

    /// Means a workflow of another namespace of the same server. Default: this workflow's own. A server may refuse
    /// commands across namespaces.
    pub fn with_namespace(mut self, namespace: &str) -> Self {
        self.target.namespace = Some(namespace.into());
        self
    }

    /// Its workflow id.
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

    /// Asks it to cancel itself; the reason may be empty. It decides when and how it ends.
    ///
    /// # Errors
    /// [`ExternalWorkflowFailure`]: there is no such workflow, or it has closed.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<String>) -> CancelExternalWorkflow {
        CancelExternalWorkflow {
            shared: self.shared.clone(),
            target: self.target.clone(),
            reason: reason.into(),
            location: Location::caller(),
            sent: None,
        }
    }
}

impl<S: SignalDefinition> SignalExternalWorkflow<S> {
    pub(super) fn new(
        shared: Rc<Shared>,
        target: Target,
        message: (S, S::Args),
        location: &'static Location<'static>,
    ) -> Self {
        let (message, headers) = (Some(Box::new(message)), Headers::default());
        Self { shared, target, message, headers, summary: None, unwritable: None, location, sent: None }
    }

    /// Gives the signal a header, which its handler [can read](WorkflowContext::message_header).
    pub fn header<T: PayloadValue>(mut self, key: impl Into<String>, value: &T) -> Self {
        if let Err(error) = self.headers.set(key, value) {
            self.unwritable = Some(error);
        }
        self
    }

    /// A short text about the signal for people who look at this workflow.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    fn send(&mut self, signal: S, args: &S::Args) -> OperationFuture {
        let operation = self.shared.begin_operation();
        let replaying = self.shared.core.borrow().machines.replaying;
        let body = if replaying { None } else { self.body(signal, args) };
        let workflow_id = self.target.execution.workflow_id.clone();
        let mut core = self.shared.core.borrow_mut();
        let machine =
            core.machines.signal_external_workflow(signal.name(), workflow_id, operation, self.location, body);
        if let Some(operation) = core.operations.get_mut(operation) {
            operation.machine = Some(machine);
        }
        drop(core);
        OperationFuture::new(self.shared.clone(), operation)
    }

    fn body(&mut self, signal: S, args: &S::Args) -> Option<CommandBody> {
        let mut writer = PayloadWriter::new();
        let written = match self.unwritable.take() {
            Some(error) => Err(("a header", error)),
            None => S::write_args(args, &mut writer).map_err(|error| ("the arguments", error)),
        };
        if let Err((what, error)) = written {
            let text = format!("{what} of signal {} cannot be written: {error}", signal.name());
            self.shared.fail_task(text, self.location);
            return None;
        }
        #[expect(deprecated, reason = "the server still reads the namespace, and Core still sends it")]
        let attributes = SignalExternalWorkflowExecutionCommandAttributes {
            namespace: self.target.namespace(&self.shared),
            execution: Some(self.target.execution.clone()),
            signal_name: signal.name().to_string(),
            input: writer.finish(),
            child_workflow_only: self.target.child_only,
            header: self.headers.to_proto(),
            ..Default::default()
        };
        let attributes = Attributes::SignalExternalWorkflowExecutionCommandAttributes(attributes);
        Some(CommandBody { attributes, user_metadata: user_metadata(self.summary.take()) })
    }
}

impl<S: SignalDefinition> Future for SignalExternalWorkflow<S> {
    type Output = Result<(), ExternalWorkflowFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(message) = this.message.take() {
            let (signal, args) = *message;
            this.shared.must_not_be_read_only("a signal");
            if this.shared.cancelled_here().is_some() {
                return Poll::Ready(Err(cancelled(&this.target, "Signal was cancelled before being sent")));
            }
            this.sent = Some(this.send(signal, &args));
        }
        delivered(&this.target, this.sent.as_mut(), cx)
    }
}

impl CancelExternalWorkflow {
    fn send(&self) -> OperationFuture {
        let operation = self.shared.begin_operation();
        let mut core = self.shared.core.borrow_mut();
        let body = (!core.machines.replaying).then(|| self.body());
        let workflow_id = self.target.execution.workflow_id.clone();
        let machine: Key = core.machines.cancel_external_workflow(workflow_id, Some(operation), self.location, body);
        if let Some(operation) = core.operations.get_mut(operation) {
            operation.machine = Some(machine);
        }
        drop(core);
        OperationFuture::new(self.shared.clone(), operation)
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
            this.shared.must_not_be_read_only("a request to cancel");
            if this.shared.cancelled_here().is_some() {
                let text = "The request to cancel was cancelled before being sent";
                return Poll::Ready(Err(cancelled(&this.target, text)));
            }
            this.sent = Some(this.send());
        }
        delivered(&this.target, this.sent.as_mut(), cx)
    }
}

fn delivered(
    target: &Target,
    sent: Option<&mut OperationFuture>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), ExternalWorkflowFailure>> {
    let sent = sent.expect("a message to another workflow is not polled after it was cancelled");
    Poll::Ready(match ready!(Pin::new(sent).poll(cx)) {
        Outcome::Failed(failure) => Err(ExternalWorkflowFailure::new(&target.execution.workflow_id, *failure)),
        _ => Ok(()),
    })
}

fn cancelled(target: &Target, message: &str) -> ExternalWorkflowFailure {
    let proto = FailureProto {
        message: message.to_string(),
        failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
        ..Default::default()
    };
    ExternalWorkflowFailure::new(&target.execution.workflow_id, proto)
}

impl Target {
    fn namespace(&self, shared: &Shared) -> String {
        self.namespace.as_deref().map_or_else(|| shared.namespace(), str::to_string)
    }
}
