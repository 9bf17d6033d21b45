//! Nexus operations, as a workflow calls them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use abide_protos::temporal::api::command::v1::ScheduleNexusOperationCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::Payload;

use super::context::WorkflowContext;
use super::metadata::user_metadata;
use super::operation::{AWAITED_AGAIN, AwaitedKind, Described, HandleState, OperationFuture};
use super::run_state::RunState;
use crate::converter::{RawPayload, to_payload};
use crate::debug_only::debug_only;
use crate::definition::PayloadValue;
use crate::duration::to_proto;
use crate::failure::NexusOperationFailure;
use crate::interceptor::workflow::{CompletedNexusOperation, StartNexusOperationInput};
use crate::nexus_operation::NexusOperation;
use crate::replay::command_queue::CommandBody;
use crate::replay::jobs::Outcome;
use crate::replay::machines::nexus_operation::{Input, ScheduleNexusOperation, cancelled_before_sent};
use crate::replay::machines::operation::Waiting;

/// The endpoint of the server's own operations.
const SERVER: &str = "__temporal_system";

/// Effect of cancelling a Nexus operation (Temporal's Nexus operation cancellation types).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NexusOperationCancellationType {
    /// Requests cancellation from the handler and waits for the operation's outcome.
    #[default]
    WaitCancellationCompleted,
    /// Requests cancellation from the handler and yields the cancellation once the handler has acknowledged the
    /// request.
    WaitCancellationRequested,
    /// Requests cancellation from the handler and yields the cancellation at once.
    TryCancel,
    /// Lets the operation go on and yields the cancellation at once.
    Abandon,
}

/// A Nexus operation about to be called: awaiting it calls the operation and waits for its result.
///
/// Like any Rust future it does nothing until it is polled; [`start`](Self::start) calls the operation at once.
#[must_use = "the operation is not called unless this is awaited; `start()` calls it at once"]
pub struct NexusOperationCall<I, O> {
    shared: Rc<RunState>,
    request: Option<Box<Request<I, O>>>,
    handle: Option<NexusOperationHandle<O>>,
}

/// A Nexus operation that was called. Awaiting it waits until the handler has started the operation (or has completed
/// it at once); dropping it cancels the operation.
#[must_use = "dropping it cancels the operation; await it to get the operation's handle, or let it go on with `detach()`"]
pub struct NexusOperationStart<O> {
    started: Option<OperationFuture>,
    handle: Option<NexusOperationHandle<O>>,
}

/// A Nexus operation under way. Awaiting it waits for its outcome; dropping it cancels the operation.
#[must_use = "dropping an operation's handle cancels the operation; `detach()` lets it continue"]
pub struct NexusOperationHandle<O> {
    shared: Rc<RunState>,
    state: HandleState<Box<Ended>>,
    operation_token: Option<String>,
    operation: Described<Names, CompletedNexusOperation>,
    location: &'static Location<'static>,
    result: PhantomData<fn() -> O>,
}

/// Outcome of an operation, after interceptors.
type Ended = Result<Option<Payload>, NexusOperationFailure>;

/// Names of service and operation.
type Names = (Cow<'static, str>, Cow<'static, str>);

struct Request<I, O> {
    endpoint: String,
    operation: NexusOperation<I, O>,
    input: I,
    options: Options,
    location: &'static Location<'static>,
}

debug_only!(impl[I, O] NexusOperationCall<I, O>, |this| {
    operation: this.request.as_ref().map(|request| &request.operation),
    handle: this.handle,
});

debug_only!(impl[O] NexusOperationStart<O>, |this| { handle: this.handle });

debug_only!(impl[O] NexusOperationHandle<O>, |this| { service: this.names().0, operation: this.names().1 });

#[derive(Default)]
struct Options {
    schedule_to_close_timeout: Option<Duration>,
    schedule_to_start_timeout: Option<Duration>,
    start_to_close_timeout: Option<Duration>,
    cancellation_type: NexusOperationCancellationType,
    headers: HashMap<String, String>,
    summary: Option<String>,
}

impl WorkflowContext {
    /// Calls a Nexus operation behind an endpoint: `ctx.nexus_operation("payments", CHARGE, 995).await?`.
    ///
    /// The endpoint is a name that the server knows; it leads to the handler's namespace and task queue. An operation
    /// takes one input (`()` for none). Without a [timeout](NexusOperationCall::schedule_to_close_timeout) the server
    /// retries for as long as the workflow runs. Nothing happens until the call is awaited or
    /// [started](NexusOperationCall::start).
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # use abide::NexusOperation;
    /// const CHARGE: NexusOperation<u64, String> = NexusOperation::new("Payments", "charge");
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// let charging = ctx.nexus_operation("payments", CHARGE, 995).schedule_to_close_timeout(mins(10)).start().await?;
    /// println!("the handler knows it as {:?}", charging.operation_token());
    /// let receipt = charging.await?;
    /// # let _ = receipt; Ok(()) }
    /// ```
    #[track_caller]
    pub fn nexus_operation<I: PayloadValue, O: PayloadValue>(
        &self,
        endpoint: impl Into<String>,
        operation: NexusOperation<I, O>,
        input: I,
    ) -> NexusOperationCall<I, O> {
        let (endpoint, options, location) = (endpoint.into(), Options::default(), Location::caller());
        let request = Box::new(Request { endpoint, operation, input, options, location });
        NexusOperationCall { shared: self.shared.clone(), request: Some(request), handle: None }
    }
}

impl<I: PayloadValue, O: PayloadValue> NexusOperationCall<I, O> {
    /// Calls an operation of the server itself. It cannot be cancelled.
    pub(super) fn of_server(
        shared: Rc<RunState>,
        operation: NexusOperation<I, O>,
        input: I,
        location: &'static Location<'static>,
    ) -> Self {
        let options = Options { cancellation_type: NexusOperationCancellationType::Abandon, ..Options::default() };
        let request = Box::new(Request { endpoint: SERVER.to_string(), operation, input, options, location });
        Self { shared, request: Some(request), handle: None }
    }

    /// Limits the time from the call to the end of the operation, including retries. Default: the workflow's own limit.
    pub fn schedule_to_close_timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.schedule_to_close_timeout = Some(timeout))
    }

    /// Limits the time for the handler to start the operation, or to complete it at once. Default: none. Needs server
    /// 1.31 or later.
    pub fn schedule_to_start_timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.schedule_to_start_timeout = Some(timeout))
    }

    /// Limits the time from the start by the handler to the end of the operation. Default: none. Needs server 1.31 or
    /// later.
    pub fn start_to_close_timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.start_to_close_timeout = Some(timeout))
    }

    /// Sets the effect of cancelling the operation. Default:
    /// [`NexusOperationCancellationType::WaitCancellationCompleted`].
    pub fn cancellation_type(self, cancellation_type: NexusOperationCancellationType) -> Self {
        self.with(|options| options.cancellation_type = cancellation_type)
    }

    /// Adds a header to the request to the handler. The history stores it as plain text. The name is converted to lower
    /// case.
    pub fn nexus_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into().to_lowercase();
        self.with(|options| {
            options.headers.insert(name, value.into());
        })
    }

    /// Sets a short text about this call for people who look at the workflow.
    pub fn summary(self, summary: impl Into<String>) -> Self {
        self.with(|options| options.summary = Some(summary.into()))
    }

    /// Calls the operation now. Awaiting the result waits until the handler has started the operation.
    #[track_caller]
    pub fn start(mut self) -> NexusOperationStart<O> {
        if let Some(handle) = self.handle.take() {
            return NexusOperationStart { started: None, handle: Some(handle) };
        }
        let (handle, started) = self.begin(true);
        NexusOperationStart { started, handle: Some(handle) }
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        if let Some(request) = &mut self.request {
            change(&mut request.options);
        }
        self
    }

    #[track_caller]
    fn begin(&mut self, notes_start: bool) -> (NexusOperationHandle<O>, Option<OperationFuture>) {
        let request = self.request.take().expect("an operation's call begins once");
        request.begin(self.shared.clone(), notes_start)
    }
}

impl<I: PayloadValue, O: PayloadValue> Future for NexusOperationCall<I, O> {
    type Output = Result<O, NexusOperationFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.handle.is_none() {
            this.handle = Some(this.begin(false).0);
        }
        let handle = this.handle.as_mut().expect("the operation was just called");
        Pin::new(handle).poll(cx)
    }
}

// No field of a call is ever pinned.
impl<I, O> Unpin for NexusOperationCall<I, O> {}

impl<O> NexusOperationStart<O> {
    /// Cancels the operation as its [`NexusOperationCancellationType`] says.
    #[track_caller]
    pub fn cancel(&self) {
        if let Some(handle) = &self.handle {
            handle.cancel();
        }
    }

    /// Returns true if the handler has started the operation, or it has ended. Awaiting this value then does not wait.
    pub fn is_done(&self) -> bool {
        self.started.as_ref().is_some_and(OperationFuture::is_done)
            || self.handle.as_ref().is_none_or(NexusOperationHandle::is_done)
    }

    /// Drops this value without cancelling the operation, which starts and goes on. An operation that is sent with the
    /// completion that ends the workflow may never start: await the start before you return.
    pub fn detach(mut self) {
        if let Some(handle) = self.handle.take() {
            handle.detach();
        }
    }
}

impl<O> Future for NexusOperationStart<O> {
    type Output = Result<NexusOperationHandle<O>, NexusOperationFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let handle = this.handle.as_mut().expect(AWAITED_AGAIN);
        if let Some(started) = &mut this.started
            && let Poll::Ready(Outcome::NexusStarted(token)) = Pin::new(started).poll(cx)
        {
            handle.operation_token = Some(token);
        } else {
            // An operation may end without a separate start.
            match ready!(handle.poll_outcome(cx)) {
                Err(failure) => {
                    this.handle = None;
                    return Poll::Ready(Err(failure));
                }
                ended => handle.state = HandleState::ended(Box::new(ended)),
            }
        }
        this.started = None;
        Poll::Ready(Ok(this.handle.take().expect("the handle was just there")))
    }
}

impl<O> NexusOperationHandle<O> {
    /// Token by which the handler knows the operation; `None` if it completed at once.
    pub fn operation_token(&self) -> Option<&str> {
        self.operation_token.as_deref()
    }

    /// Cancels the operation as its [`NexusOperationCancellationType`] says. Does nothing if the operation has ended.
    #[track_caller]
    pub fn cancel(&self) {
        self.state.cancel();
    }

    /// Returns true if the operation has ended. Awaiting the handle then does not wait.
    pub fn is_done(&self) -> bool {
        self.state.is_done()
    }

    /// Drops the handle without cancelling the operation, which goes on.
    pub fn detach(self) {
        self.state.detach();
    }

    fn names(&self) -> (&str, &str) {
        match &self.operation {
            Described::Named((service, operation)) => (service, operation),
            Described::Intercepted(completed) => (&completed.service, &completed.operation),
        }
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let result = match ready!(self.state.poll(cx)) {
            Ok(Outcome::Completed(result)) => Ok(result),
            Ok(Outcome::Failed(failure)) => {
                let failure = self.shared.data_converter.read_failure(*failure);
                Err(NexusOperationFailure::from_proto(failure))
            }
            Ok(_) => unreachable!("Nexus operations have other outcomes"),
            // It ended before it began, or its outcome was taken while its start was awaited.
            Err(ended) => return Poll::Ready(*ended),
        };
        Poll::Ready(match (self.shared.interceptors(), self.operation.completed()) {
            (Some(interceptors), Some(operation)) => {
                interceptors.nexus_operation_completed(&self.shared, operation, result)
            }
            _ => result,
        })
    }
}

impl<O: PayloadValue> Future for NexusOperationHandle<O> {
    type Output = Result<O, NexusOperationFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match ready!(self.poll_outcome(cx)) {
            Ok(result) => {
                let (service, operation) = self.names();
                let what = format_args!("Nexus operation `{service}/{operation}`");
                self.shared.read_result(result.as_ref(), what, self.location).map(Ok)
            }
            Err(failure) => Poll::Ready(Err(failure)),
        }
    }
}

impl<I: PayloadValue, O> Request<I, O> {
    #[track_caller]
    fn begin(mut self, shared: Rc<RunState>, notes_start: bool) -> (NexusOperationHandle<O>, Option<OperationFuture>) {
        shared.must_not_be_read_only("a Nexus operation");
        let location = self.location;
        let handle = |shared, state, operation| NexusOperationHandle {
            shared,
            state,
            operation_token: None,
            operation,
            location,
            result: PhantomData,
        };
        if shared.cancelled_here().is_some() {
            let (service, operation) = self.operation.names();
            let failure = cancelled_before_sent(&self.endpoint, &service, &operation);
            let failure = NexusOperationFailure::from_proto(shared.data_converter.read_failure(failure));
            let state = HandleState::ended(Box::new(Err(failure)));
            return (handle(shared, state, Described::Named((service, operation))), None);
        }
        let input = self.intercept(&shared);
        let (service, operation) = self.operation.names();
        let described = match input {
            None => Described::Named((service.clone(), operation.clone())),
            Some(_) => Described::Intercepted(Box::new(CompletedNexusOperation {
                endpoint: self.endpoint.clone(),
                service: service.to_string(),
                operation: operation.to_string(),
            })),
        };
        let end = shared.begin_operation(AwaitedKind::Unstarted);
        let start = notes_start.then(|| shared.begin_operation(AwaitedKind::Other));
        let on_cancel = match self.options.cancellation_type {
            NexusOperationCancellationType::Abandon => Input::Abandon,
            NexusOperationCancellationType::TryCancel => Input::TryCancel,
            NexusOperationCancellationType::WaitCancellationRequested => Input::WaitRequested,
            NexusOperationCancellationType::WaitCancellationCompleted => Input::WaitCompleted,
        };
        let endpoint = self.endpoint.clone();
        // Nothing is sent on replay, so nothing is serialized.
        let body = if shared.is_replaying() { None } else { self.body(&shared, input) };
        let request = ScheduleNexusOperation { endpoint, service, operation, on_cancel };
        let waiting = Waiting { start, end: Some(end) };
        let operation = shared.carry_out(end, |machines| machines.begin(request, waiting, location, body));
        let start = start.map(|start| OperationFuture::new(shared.clone(), start));
        (handle(shared, HandleState::Running(operation), described), start)
    }

    /// Shows the operation to interceptors. Returns its input; `None` without any, or with an input that fails the
    /// workflow task.
    fn intercept(&mut self, shared: &Rc<RunState>) -> Option<Payload> {
        let interceptors = shared.interceptors()?;
        let input = RawPayload::from_proto(self.written_input(shared)?);
        let options = &mut self.options;
        let mut input = StartNexusOperationInput {
            endpoint: std::mem::take(&mut self.endpoint),
            service: self.operation.service().to_string(),
            operation: self.operation.name().to_string(),
            input,
            nexus_headers: options.headers.drain().collect(),
            schedule_to_close_timeout: options.schedule_to_close_timeout,
            schedule_to_start_timeout: options.schedule_to_start_timeout,
            start_to_close_timeout: options.start_to_close_timeout,
            cancellation_type: options.cancellation_type,
            summary: options.summary.take(),
        };
        interceptors.before(shared, &mut input, |one, ctx, input| one.start_nexus_operation(ctx, input));
        options.headers = input.nexus_headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        options.schedule_to_close_timeout = input.schedule_to_close_timeout;
        options.schedule_to_start_timeout = input.schedule_to_start_timeout;
        options.start_to_close_timeout = input.start_to_close_timeout;
        options.cancellation_type = input.cancellation_type;
        options.summary = input.summary;
        self.endpoint = input.endpoint;
        self.operation = NexusOperation::named(input.service, input.operation);
        Some(input.input.into_proto())
    }

    /// Writes the input. Fails the workflow task if it cannot be written.
    fn written_input(&self, shared: &RunState) -> Option<Payload> {
        let failed = |error| {
            let (service, operation) = (self.operation.service(), self.operation.name());
            let text = format!("the input of Nexus operation `{service}/{operation}` cannot be written: {error}");
            shared.fail_task(text, self.location);
        };
        to_payload(&self.input).map_err(failed).ok()
    }

    fn body(self, shared: &RunState, input: Option<Payload>) -> Option<CommandBody> {
        let input = input.or_else(|| self.written_input(shared))?;
        let (service, operation) = (self.operation.service(), self.operation.name());
        let mut options = self.options;
        if self.endpoint == SERVER {
            // The server refuses headers of its own operations; an interceptor may have added some.
            options.headers.clear();
        }
        let attributes = ScheduleNexusOperationCommandAttributes {
            endpoint: self.endpoint,
            service: service.to_string(),
            operation: operation.to_string(),
            input: Some(input),
            schedule_to_close_timeout: options.schedule_to_close_timeout.map(to_proto),
            nexus_header: options.headers,
            schedule_to_start_timeout: options.schedule_to_start_timeout.map(to_proto),
            start_to_close_timeout: options.start_to_close_timeout.map(to_proto),
        };
        Some(CommandBody {
            attributes: Attributes::ScheduleNexusOperationCommandAttributes(attributes),
            user_metadata: user_metadata(options.summary),
        })
    }
}
