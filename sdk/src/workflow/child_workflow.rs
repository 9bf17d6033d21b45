//! Child workflows, as a workflow starts them.

use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use abide_protos::temporal::api::command::v1::StartChildWorkflowExecutionCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::{
    Memo, Payload, Payloads, SearchAttributes, WorkflowExecution, WorkflowType,
};
use abide_protos::temporal::api::enums::v1::TaskQueueKind;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ChildWorkflowExecutionFailureInfo, Failure as FailureProto};
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use serde::Serialize;

use super::child_workflow_options::{
    ChildWorkflowCancellationType, ChildWorkflowOptions, ParentClosePolicy, child_workflow_options,
};
use super::context::WorkflowContext;
use super::external_workflow::{SignalExternalWorkflow, Target};
use super::metadata::summary_and_details;
use super::operation::{AWAITED_AGAIN, AwaitedKind, Described, HandleState, OperationFuture};
use super::run_state::RunState;
use crate::converter::{PayloadError, PayloadWriter, RawArguments, to_payload};
use crate::debug_only::debug_only;
use crate::definition::{Arguments, PayloadValue, SignalOf, Workflow, WorkflowDefinition};
use crate::duration::to_proto;
use crate::failure::{CANCELLED, ChildWorkflowFailure, cancelled_failure};
use crate::header::Headers;
use crate::interceptor::rest::Rest;
use crate::interceptor::workflow::{CompletedChildWorkflow, StartChildWorkflowInput};
use crate::replay::command_queue::CommandBody;
use crate::replay::jobs::Outcome;
use crate::replay::machines::child_workflow::{Input, StartChildWorkflow};
use crate::replay::machines::operation::Waiting;
use crate::replay::random_seed::seeded_uuid;
use crate::search_attributes::{SearchAttributeUpdate, apply};

/// A child workflow about to be started: awaiting it starts the child and waits for its result.
///
/// Like any Rust future it does nothing until it is polled; [`start`](Self::start) starts the child at once.
#[must_use = "the child is not started unless this is awaited; `start()` starts it at once"]
pub struct ChildWorkflowCall<W: WorkflowDefinition> {
    shared: Rc<RunState>,
    request: Option<Box<Request<W>>>,
    running: Option<RunningChild>,
}

/// A child workflow whose start was requested. Awaiting it waits until the child has started; dropping it cancels the
/// child.
#[must_use = "dropping it cancels the child; `detach()` lets the child continue"]
pub struct ChildWorkflowStart<W: WorkflowDefinition> {
    started: Option<OperationFuture>,
    running: Option<RunningChild>,
    workflow: PhantomData<fn() -> W>,
}

/// A child workflow that has started. Awaiting it waits for its result; dropping it cancels the child.
///
/// A handle that is dropped after the workflow's last await does not cancel a child with
/// [`ParentClosePolicy::Abandon`]. The child goes on when the workflow returns, also if the handle is dropped in a
/// block of its own or as the loser of a [`select!`](crate::select). To end such a child, cancel it and await its
/// outcome.
#[must_use = "dropping a child's handle cancels the child; `detach()` lets it continue"]
pub struct ChildWorkflowHandle<W: WorkflowDefinition> {
    running: RunningChild,
    execution: Box<WorkflowExecution>,
    workflow: PhantomData<fn() -> W>,
}

struct Request<W: WorkflowDefinition> {
    workflow: W,
    args: W::Args,
    options: ChildWorkflowOptions,
    workflow_id: Option<String>,
    memo: Option<Memo>,
    search_attributes: Option<SearchAttributes>,
    summary: Option<String>,
    details: Option<String>,
    headers: Headers,
    unwritable: Option<PayloadError>,
    location: &'static Location<'static>,
}

/// A child under way, of any type.
struct RunningChild {
    shared: Rc<RunState>,
    state: HandleState<Box<ChildWorkflowFailure>>,
    child: Described<Cow<'static, str>, CompletedChildWorkflow>,
    /// Namespace of the child, if it differs from this workflow's.
    namespace: Option<Box<str>>,
    location: &'static Location<'static>,
}

debug_only!(impl[W: WorkflowDefinition] ChildWorkflowCall<W>, |this| {
    workflow_type: this.request.as_ref().map(|request| request.workflow.name()),
    running: this.running,
});

debug_only!(impl[W: WorkflowDefinition] ChildWorkflowStart<W>, |this| { running: this.running });

debug_only!(impl[W: WorkflowDefinition] ChildWorkflowHandle<W>, |this| {
    running: this.running,
    workflow_id: this.execution.workflow_id,
    run_id: this.execution.run_id,
});

debug_only!(impl[] RunningChild, |this| { workflow_type: this.workflow_type() });

impl WorkflowContext {
    /// Runs another workflow as a child of this one: `ctx.child_workflow(bill, order).await?` starts it and waits for
    /// its result.
    ///
    /// `args` is `()` for a workflow without arguments, the value for one argument, and a tuple for several. The child
    /// has a history of its own, may run on another task queue, and is
    /// [terminated](ChildWorkflowCall::parent_close_policy) if this workflow closes first. Nothing happens until the
    /// call is awaited or [started](ChildWorkflowCall::start).
    ///
    /// ```
    /// # use abide::prelude::*;
    /// #[workflow]
    /// async fn bill(ctx: &WorkflowContext, cents: u64) -> Result<String, WorkflowError> {
    ///     Ok(format!("receipt for {cents}"))
    /// }
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// let receipt = ctx.child_workflow(bill, 995).id("bill-7").run_timeout(days(1)).await?;
    ///
    /// // With `start`, the child's ids, signals and cancellation are available while it runs.
    /// let child = ctx.child_workflow(bill, 995).start().await?;
    /// let started = format!("{} runs as {}", child.workflow_id(), child.run_id());
    /// let receipt = child.await?;
    /// # let _ = (receipt, started); Ok(()) }
    /// ```
    #[track_caller]
    pub fn child_workflow<Kind, W: Workflow<Kind>>(
        &self,
        workflow: W,
        args: <W::Definition as Arguments>::Args,
    ) -> ChildWorkflowCall<W::Definition> {
        let request = Request {
            workflow: workflow.definition(),
            args,
            options: ChildWorkflowOptions::default(),
            workflow_id: None,
            memo: None,
            search_attributes: None,
            summary: None,
            details: None,
            headers: Headers::default(),
            unwritable: None,
            location: Location::caller(),
        };
        ChildWorkflowCall { shared: self.shared.clone(), request: Some(Box::new(request)), running: None }
    }
}

impl<W: WorkflowDefinition> ChildWorkflowCall<W> {
    child_workflow_options!(self => self.request().options);

    /// Uses options shared by several calls. An option set at the call itself takes precedence, in either order.
    pub fn options(mut self, options: &ChildWorkflowOptions) -> Self {
        self.request().options.fill(options);
        self
    }

    /// Sets the child's workflow id. Default: a UUID derived from the run's random seed. It is the same on every
    /// replay, and differs after a reset.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.request().workflow_id = Some(id.into());
        self
    }

    /// Adds a memo field, which descriptions and lists of workflows show.
    pub fn memo<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        if let Some(payload) = self.written(value) {
            self.request().memo.get_or_insert_default().fields.insert(key.into(), payload);
        }
        self
    }

    /// Gives the child a header, which its [info](super::WorkflowInfo::header) shows.
    pub fn header<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        if let Err(error) = self.request().headers.set(key, value) {
            self.request().unwritable = Some(error);
        }
        self
    }

    /// Sets search attributes of the child, by which lists find it; the server must know their names and types.
    pub fn search_attributes(mut self, values: impl IntoIterator<Item = SearchAttributeUpdate>) -> Self {
        let values: Vec<SearchAttributeUpdate> = values.into_iter().collect();
        apply(&values, self.request().search_attributes.get_or_insert_default());
        self
    }

    /// Sets one line about the child's purpose, in Markdown, which the web UI shows in lists. Default: none.
    pub fn static_summary(mut self, summary: impl Into<String>) -> Self {
        self.request().summary = Some(summary.into());
        self
    }

    /// Sets a longer text about the child's purpose, in Markdown and several lines, which the web UI shows. Default:
    /// none.
    pub fn static_details(mut self, details: impl Into<String>) -> Self {
        self.request().details = Some(details.into());
        self
    }

    /// Starts the child now. Awaiting the result waits until the child has started, and yields its handle.
    ///
    /// Await it before you return: a child that begins in the task in which its parent ends is never started, whatever
    /// its policy.
    #[track_caller]
    pub fn start(mut self) -> ChildWorkflowStart<W> {
        let (running, started) = match self.running.take() {
            // The call was polled before, so its start can no longer be awaited separately from its end.
            Some(running) => (running, None),
            None => self.begin(true),
        };
        ChildWorkflowStart { started, running: Some(running), workflow: PhantomData }
    }

    fn request(&mut self) -> &mut Request<W> {
        match &mut self.request {
            Some(request) => request,
            None => unreachable!("a child workflow call is not changed after it was polled"),
        }
    }

    /// Serializes on replay too: a call that is prepared then may be started later, when the run is live. An error is
    /// kept until the child is started.
    fn written<T: Serialize + 'static>(&mut self, value: &T) -> Option<Payload> {
        to_payload(value).map_err(|error| self.request().unwritable = Some(error)).ok()
    }

    #[track_caller]
    fn begin(&mut self, notes_start: bool) -> (RunningChild, Option<OperationFuture>) {
        let request = self.request.take().expect("a child workflow call begins once");
        request.begin(self.shared.clone(), notes_start)
    }
}

impl<W: WorkflowDefinition> Future for ChildWorkflowCall<W> {
    type Output = Result<W::Output, ChildWorkflowFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.running.is_none() {
            this.running = Some(this.begin(false).0);
        }
        this.running.as_mut().expect("the child was just begun").poll_result(cx)
    }
}

impl<W: WorkflowDefinition> ChildWorkflowStart<W> {
    /// Cancels the child, or its start, as its [`ChildWorkflowCancellationType`] says. Await it before you return: a
    /// request in the task in which its parent ends is lost.
    #[track_caller]
    pub fn cancel(&self) {
        if let Some(running) = &self.running {
            running.state.cancel();
        }
    }

    /// Like [`cancel`](Self::cancel), with a reason for the child.
    #[track_caller]
    pub fn cancel_with_reason(&self, reason: impl Into<String>) {
        if let Some(running) = &self.running {
            running.state.cancel_because(&reason.into());
        }
    }

    /// Returns true if the child has started or will not start. Awaiting this value then does not wait.
    pub fn is_done(&self) -> bool {
        self.started.as_ref().is_some_and(OperationFuture::is_done)
            || self.running.as_ref().is_none_or(|running| running.state.is_done())
    }

    /// Drops this value without cancelling the child, which starts and goes on.
    ///
    /// If this workflow returns before its next await, the child is never started, whatever its [`ParentClosePolicy`]
    /// is. To leave a child behind, await its start before you return (`call.start().await?.detach()`).
    pub fn detach(mut self) {
        if let Some(running) = self.running.take() {
            running.state.detach();
        }
    }
}

impl<W: WorkflowDefinition> Future for ChildWorkflowStart<W> {
    type Output = Result<ChildWorkflowHandle<W>, ChildWorkflowFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(started) = &mut this.started
            && let Poll::Ready(outcome) = Pin::new(started).poll(cx)
        {
            this.started = None;
            let Outcome::Started(execution) = outcome else { unreachable!("a start has no other outcome") };
            let running = this.running.take().expect(AWAITED_AGAIN);
            return Poll::Ready(Ok(ChildWorkflowHandle { running, execution, workflow: PhantomData }));
        }
        // A child that cannot be started has an outcome without a start.
        let running = this.running.as_mut().expect(AWAITED_AGAIN);
        match ready!(running.poll_outcome(cx)) {
            Err(failure) => Poll::Ready(Err(failure)),
            Ok(_) => unreachable!("a child completes after it has started"),
        }
    }
}

impl<W: WorkflowDefinition> ChildWorkflowHandle<W> {
    /// The child's workflow id.
    pub fn workflow_id(&self) -> &str {
        &self.execution.workflow_id
    }

    /// The id of the child's first run.
    pub fn run_id(&self) -> &str {
        &self.execution.run_id
    }

    /// Sends a signal to the child. Awaiting it waits until the server has delivered it.
    ///
    /// # Errors
    /// [`ExternalWorkflowFailure`](crate::ExternalWorkflowFailure): the child has closed.
    #[track_caller]
    pub fn signal<S>(&self, signal: S, args: S::Args) -> SignalExternalWorkflow<S>
    where
        S: SignalOf<W::Workflow>,
    {
        // As in Core, the run id is left out: the signal reaches the child's latest run.
        let execution = WorkflowExecution { workflow_id: self.execution.workflow_id.clone(), run_id: String::new() };
        let target = Target { namespace: self.running.namespace.clone(), execution, child_only: true };
        SignalExternalWorkflow::new(self.running.shared.clone(), target, (signal, args), Location::caller())
    }

    /// Cancels the child as its [`ChildWorkflowCancellationType`] says. Does nothing if the child has closed. Await it
    /// before you return: a request in the task in which its parent ends is lost.
    #[track_caller]
    pub fn cancel(&self) {
        self.running.state.cancel();
    }

    /// Like [`cancel`](Self::cancel), with a reason for the child.
    #[track_caller]
    pub fn cancel_with_reason(&self, reason: impl Into<String>) {
        self.running.state.cancel_because(&reason.into());
    }

    /// Returns true if the child has closed. Awaiting the handle then does not wait.
    pub fn is_done(&self) -> bool {
        self.running.state.is_done()
    }

    /// Drops the handle without cancelling the child, which goes on. When this workflow closes, the child's
    /// [`ParentClosePolicy`] decides what happens to it.
    pub fn detach(self) {
        self.running.state.detach();
    }
}

impl<W: WorkflowDefinition> Future for ChildWorkflowHandle<W> {
    type Output = Result<W::Output, ChildWorkflowFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.running.poll_result(cx)
    }
}

impl RunningChild {
    fn workflow_type(&self) -> &str {
        match &self.child {
            Described::Named(name) => name,
            Described::Intercepted(completed) => &completed.workflow_type,
        }
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Payload>, ChildWorkflowFailure>> {
        let result = match ready!(self.state.poll(cx)) {
            Ok(Outcome::Completed(result)) => Ok(result),
            Ok(Outcome::Failed(failure)) => {
                Err(ChildWorkflowFailure::from_proto(self.shared.data_converter.read_failure(*failure)))
            }
            Ok(_) => unreachable!("child workflows have other outcomes"),
            Err(failure) => Err(*failure),
        };
        Poll::Ready(match (self.shared.interceptors(), self.child.completed()) {
            (Some(interceptors), Some(child)) => interceptors.child_workflow_completed(&self.shared, child, result),
            _ => result,
        })
    }

    fn poll_result<T: PayloadValue>(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, ChildWorkflowFailure>> {
        match ready!(self.poll_outcome(cx)) {
            Ok(result) => {
                let what = format_args!("child workflow `{}`", self.workflow_type());
                self.shared.read_result(result.as_ref(), what, self.location).map(Ok)
            }
            Err(failure) => Poll::Ready(Err(failure)),
        }
    }
}

impl<W: WorkflowDefinition> Request<W> {
    /// Begins the child. With `notes_start`, its start is returned as an operation of its own beside the child.
    #[track_caller]
    fn begin(mut self, shared: Rc<RunState>, notes_start: bool) -> (RunningChild, Option<OperationFuture>) {
        shared.must_not_be_read_only("a child workflow");
        let (mut workflow_type, location) = (self.workflow.name(), self.location);
        let number = shared.operation_state.borrow_mut().machines.take_child_number();
        let chosen_id = self.workflow_id.take();
        let mut generated_id = chosen_id.is_none();
        // The seed, and not `{run id}_{number}`: like the run id, the seed changes with a reset, but the run id need
        // not be kept for it, and the result looks like the ids that other SDKs generate.
        let mut workflow_id = chosen_id.unwrap_or_else(|| seeded_uuid(shared.random.borrow().seed(), number));
        let running = |shared, state, child, namespace| RunningChild { shared, state, child, namespace, location };
        if let Some(reason) = shared.cancelled_here() {
            let state = HandleState::ended(Box::new(cancelled_before_sent(&workflow_type, workflow_id, &reason)));
            return (running(shared, state, Described::Named(workflow_type), None), None);
        }
        let mut child = Described::Named(workflow_type.clone());
        let intercepted = self.intercept(&shared, &workflow_id);
        if let Some((completed, _)) = &intercepted {
            generated_id &= completed.workflow_id == workflow_id;
            workflow_id.clone_from(&completed.workflow_id);
            workflow_type = Cow::Owned(completed.workflow_type.clone());
        }
        let arguments = intercepted.map(|(completed, arguments)| {
            child = Described::Intercepted(Box::new(completed));
            arguments
        });
        let namespace = self.options.namespace.as_deref().map(Box::from);
        let end = shared.begin_operation(AwaitedKind::Unstarted);
        let start = notes_start.then(|| shared.begin_operation(AwaitedKind::Other));
        let on_cancel = match self.options.cancellation_type.unwrap_or_default() {
            ChildWorkflowCancellationType::TryCancel => Input::TryCancel,
            ChildWorkflowCancellationType::Abandon => Input::Abandon,
            ChildWorkflowCancellationType::WaitCancellationRequested
            | ChildWorkflowCancellationType::WaitCancellationCompleted => Input::WaitCancel,
        };
        let outlives_parent = self.options.parent_close_policy == Some(ParentClosePolicy::Abandon);
        // Nothing is sent on replay, so nothing is serialized.
        let body =
            if shared.is_replaying() { None } else { self.body(&shared, &workflow_type, &workflow_id, arguments) };
        let request = StartChildWorkflow { workflow_id, generated_id, workflow_type, on_cancel, outlives_parent };
        let waiting = Waiting { start, end: Some(end) };
        let operation = shared.carry_out(end, |machines| machines.begin(request, waiting, location, body));
        let start = start.map(|start| OperationFuture::new(shared.clone(), start));
        (running(shared, HandleState::Running(operation), child, namespace), start)
    }

    /// Shows the child to interceptors. Returns what they are told of its end, and its arguments. `None` without any, or
    /// with arguments that fail the workflow task.
    fn intercept(&mut self, shared: &Rc<RunState>, id: &str) -> Option<(CompletedChildWorkflow, RawArguments)> {
        let interceptors = shared.interceptors()?;
        let arguments = RawArguments::from_proto(self.written_args(shared)?);
        let mut input = StartChildWorkflowInput {
            workflow_type: self.workflow.name().into_owned(),
            workflow_id: id.to_string(),
            arguments,
            headers: std::mem::take(&mut self.headers),
            options: self.options.clone(),
            static_summary: self.summary.take(),
            static_details: self.details.take(),
            memo: Rest(self.memo.take()),
            search_attributes: Rest(self.search_attributes.take()),
        };
        interceptors.before(shared, &mut input, |one, ctx, input| one.start_child_workflow(ctx, input));
        (self.headers, self.options) = (input.headers, input.options);
        (self.summary, self.details) = (input.static_summary, input.static_details);
        (self.memo, self.search_attributes) = (input.memo.0, input.search_attributes.0);
        let StartChildWorkflowInput { workflow_type, workflow_id, arguments, .. } = input;
        Some((CompletedChildWorkflow { workflow_type, workflow_id }, arguments))
    }

    /// Writes the arguments. Fails the workflow task if they, the memo or the headers cannot be written.
    fn written_args(&mut self, shared: &RunState) -> Option<Option<Payloads>> {
        let mut writer = PayloadWriter::new();
        let written = match self.unwritable.take() {
            Some(error) => Err(error),
            None => W::write_args(&self.args, &mut writer),
        };
        if let Err(error) = written {
            let name = self.workflow.name();
            shared.fail_task(format!("child workflow `{name}` cannot be started: {error}"), self.location);
            return None;
        }
        Some(writer.finish())
    }

    fn body(
        mut self,
        shared: &RunState,
        workflow_type: &str,
        workflow_id: &str,
        arguments: Option<RawArguments>,
    ) -> Option<CommandBody> {
        let input = match arguments {
            Some(arguments) => arguments.into_proto(),
            None => self.written_args(shared)?,
        };
        let options = self.options;
        let own_queue = options.task_queue.as_ref().is_none_or(|queue| **queue == *shared.task_queue);
        let task_queue = options.task_queue.unwrap_or_else(|| shared.task_queue.to_string());
        #[expect(deprecated, reason = "the server still reads inherit_build_id, and Core still sends it")]
        let attributes = StartChildWorkflowExecutionCommandAttributes {
            namespace: options.namespace.unwrap_or_else(|| shared.namespace()),
            workflow_id: workflow_id.to_string(),
            workflow_type: Some(WorkflowType { name: workflow_type.to_string() }),
            task_queue: Some(TaskQueue {
                name: task_queue,
                kind: TaskQueueKind::Normal as i32,
                normal_name: String::new(),
            }),
            input,
            workflow_execution_timeout: options.execution_timeout.map(to_proto),
            workflow_run_timeout: options.run_timeout.map(to_proto),
            workflow_task_timeout: options.task_timeout.map(to_proto),
            parent_close_policy: options.parent_close_policy.map(|policy| policy.to_proto()).unwrap_or_default(),
            workflow_id_reuse_policy: options.id_reuse_policy.unwrap_or_default().to_proto(),
            retry_policy: options.retry_policy.as_ref().map(crate::retry_policy::RetryPolicy::to_proto),
            cron_schedule: options.cron_schedule.unwrap_or_default(),
            memo: self.memo,
            search_attributes: self.search_attributes,
            header: self.headers.to_proto(),
            inherit_build_id: options.versioning_intent.unwrap_or_default().inherits_build_id(own_queue),
            priority: options.priority.as_ref().map(crate::priority::Priority::to_proto),
            versioning_override: options.versioning_override.map(|versioning| versioning.to_proto()),
            ..Default::default()
        };
        Some(CommandBody {
            attributes: Attributes::StartChildWorkflowExecutionCommandAttributes(attributes),
            user_metadata: summary_and_details(self.summary, self.details),
        })
    }
}

/// Returns the failure of a child that begins in a cancelled scope.
fn cancelled_before_sent(workflow_type: &str, workflow_id: String, reason: &str) -> ChildWorkflowFailure {
    ChildWorkflowFailure::from_proto(FailureProto {
        message: format!("Child Workflow Execution cancelled before scheduled: {reason}"),
        cause: Some(Box::new(cancelled_failure(CANCELLED, None))),
        failure_info: Some(FailureInfo::ChildWorkflowExecutionFailureInfo(ChildWorkflowExecutionFailureInfo {
            workflow_execution: Some(WorkflowExecution { workflow_id, run_id: String::new() }),
            workflow_type: Some(WorkflowType { name: workflow_type.to_string() }),
            ..Default::default()
        })),
        ..Default::default()
    })
}
