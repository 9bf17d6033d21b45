//! Nexus tasks: each request to a handler runs in a task of its own, from the poll to the answer.
//!
//! A fault of a handler (a panic, unreadable input, an unknown operation, an oversized result) is an error of this
//! request only. A request that takes longer than its caller waits is dropped without an answer: the server has given
//! it up, and repeats it.

mod answer;
mod request;
mod source;

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::workflowservice::v1::PollNexusTaskQueueResponse;
use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument as _, Span};

use self::answer::{Answer, Respond};
use self::request::{Called, Incoming};
pub(super) use self::source::NexusTaskSource;
use super::activity_tasks::blocking;
use super::coding::{decode_by, encode_by};
use super::context::WorkerContext;
use super::polling::{Slot, Slots};
use super::shutdown::Phase;
use super::tuner::SlotKind;
use crate::client::{Client, RpcError};
use crate::converter::RawPayload;
use crate::interceptor::nexus::{NexusCancelOperationInput, NexusStartOperationInput};
use crate::nexus::{
    NexusCancelReason, NexusCancellation, NexusContext, NexusError, NexusInfo, NexusLink, NexusRegistry, NexusStart,
    Request,
};
use crate::runtime::panic_message;

/// Maximum time for a request without a limit of its own. The server always sets one.
const NO_DEADLINE: Duration = Duration::from_secs(60);
/// Minimum time for encoding and sending an answer.
const ANSWER_AT_LEAST: Duration = Duration::from_secs(1);

/// The Nexus side of a worker.
pub(super) struct NexusWorker {
    shared: Arc<WorkerContext>,
    registry: NexusRegistry,
    slots: Arc<Slots>,
    runtime: Handle,
}

/// The end of a handler's code.
enum Ended {
    Started(NexusStart<RawPayload>, Vec<NexusLink>),
    CancelAccepted,
    Error(NexusError),
    /// The caller does not wait any more.
    TimedOut,
}

impl NexusWorker {
    /// Must be called within a tokio runtime.
    pub(super) fn new(shared: Arc<WorkerContext>, registry: NexusRegistry) -> Arc<Self> {
        let slots = Arc::new(shared.slots(SlotKind::NexusTask));
        Arc::new(Self { shared, registry, slots, runtime: Handle::current() })
    }

    pub(super) fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// Starts a request.
    fn start(self: &Arc<Self>, task: PollNexusTaskQueueResponse, mut slot: Slot) {
        slot.begin_task(|| request::name_of(&task));
        self.runtime.spawn(Arc::clone(self).handle(task, slot));
    }

    /// Runs the handler and answers the request; the slot is freed at the end.
    async fn handle(self: Arc<Self>, mut task: PollNexusTaskQueueResponse, slot: Slot) {
        let (began, arrived, metrics) = (Instant::now(), now(), self.shared.metrics.nexus());
        let time = request::time_of(&task);
        let limit = *time.as_ref().unwrap_or(&None);
        let deadline = began + limit.unwrap_or(NO_DEADLINE).min(NO_DEADLINE);
        let decoded =
            decode_by(self.shared.data_converter(), &mut task, self.shared.of_nexus_operation(), deadline).await;
        let respond = Respond::to(&task);
        let Incoming { info, scheduled, called } =
            Incoming::of(task, &self.shared, limit.and_then(|limit| arrived.checked_add(limit)));
        metrics.received(scheduled, arrived);
        let ended = match (decoded, time) {
            (Err(error), _) if error.refusal().is_some() => {
                Ended::Error(NexusError::bad_request(format!("the input of the operation is not valid: {error}")))
            }
            (Err(error), _) => {
                Ended::Error(NexusError::internal(format!("the worker's payload codec failed: {error}")))
            }
            (Ok(()), Err(text)) => Ended::Error(NexusError::bad_request(text)),
            (Ok(()), Ok(_)) => self.run(&info, called, deadline).await,
        };
        let taken = began.elapsed();
        let answer = Answer::of(ended, self.shared.data_converter());
        report(&info, &answer);
        let answer = self.encoded(answer, &info, deadline).await;
        let of_operation = metrics.of_operation(&info.service, &info.operation);
        let reason = answer.failure_reason();
        self.slots.count(reason.is_some());
        of_operation.ended(taken, reason.as_deref());
        if self.answer(respond, answer, &info, deadline).await {
            of_operation.answered(scheduled, now());
        }
        drop(slot);
    }

    /// Runs the handler's code until it ends, its caller does not wait any more, or the worker ends.
    async fn run(&self, info: &NexusInfo, called: Option<Called>, deadline: Instant) -> Ended {
        let operation = match self.registry.find(&info.service, &info.operation) {
            Ok(operation) => operation,
            Err(error) => return Ended::Error(error),
        };
        let cancellation = NexusCancellation::default();
        if self.shared.phases.has_reached(Phase::Draining) {
            cancellation.begin_worker_shutdown();
        }
        let client = Client::from_connection(self.shared.client.now());
        let request = Arc::new(Request::new(client, cancellation.clone(), self.shared.has_update_callbacks));
        let ctx = NexusContext::new(info.clone(), Arc::clone(&request));
        let (registry, headers) = (&self.registry, info.headers.clone());
        let code = async move {
            match called {
                Some(Called::Start { input: argument }) => {
                    let started = registry.run(&operation, &ctx, NexusStartOperationInput { argument, headers }).await;
                    started.map(|started| Ended::Started(started, Vec::new()))
                }
                Some(Called::Cancel { operation_token }) => {
                    let input = NexusCancelOperationInput { operation_token, headers };
                    registry.run(&operation, &ctx, input).await.map(|()| Ended::CancelAccepted)
                }
                None => Err(NexusError::not_implemented("this version of Abide does not know this kind of request")),
            }
        };
        // Starting the handler may panic, as running it may.
        let running = AssertUnwindSafe(code.instrument(span_of(info))).catch_unwind();
        let running = blocking::told_of(running, |blocked| warn_of_blocking(info, blocked));
        let ended = match self.watched(running, &cancellation, deadline).await {
            None => return Ended::TimedOut,
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => Err(NexusError::internal(format!("the handler panicked: {}", panic_message(&*panic)))),
        };
        match ended {
            Ok(Ended::Started(started, _)) => {
                let links = std::mem::take(&mut *request.links.lock().unwrap_or_else(PoisonError::into_inner));
                Ended::Started(started, links)
            }
            Ok(ended) => ended,
            Err(error) => Ended::Error(error),
        }
    }

    /// Returns the output of the code; `None` if its caller does not wait any more.
    async fn watched<T>(
        &self,
        code: impl Future<Output = std::thread::Result<Result<T, NexusError>>>,
        cancellation: &NexusCancellation,
        deadline: Instant,
    ) -> Option<std::thread::Result<Result<T, NexusError>>> {
        let mut code = pin!(code);
        // The common case: code that does not wait needs no timers.
        if let Some(output) = code.as_mut().now_or_never() {
            return Some(output);
        }
        let phases = &self.shared.phases;
        let mut leaving = pin!(phases.reached(Phase::Draining));
        let mut told_to_stop = pin!(phases.reached(Phase::ActivitiesCancelled));
        let mut aborted = pin!(phases.reached(Phase::Aborting));
        let (mut noticed, mut told) = (false, false);
        loop {
            tokio::select! {
                biased;
                output = &mut code => return Some(output),
                () = sleep_until(deadline) => {
                    // For code that the handler has spawned.
                    cancellation.cancel(NexusCancelReason::RequestTimeout);
                    return None;
                }
                () = &mut aborted => {
                    cancellation.cancel(NexusCancelReason::WorkerShutdown);
                    let text = "the worker shut down before the handler of the operation had ended";
                    return Some(Ok(Err(NexusError::unavailable(text))));
                }
                () = &mut leaving, if !noticed => {
                    noticed = true;
                    cancellation.begin_worker_shutdown();
                }
                () = &mut told_to_stop, if !told => {
                    told = true;
                    cancellation.cancel(NexusCancelReason::WorkerShutdown);
                }
            }
        }
    }

    /// Encodes an answer for sending, and replaces one that the server would not accept.
    async fn encoded(&self, mut answer: Answer, info: &NexusInfo, deadline: Instant) -> Answer {
        let deadline = deadline.max(Instant::now() + ANSWER_AT_LEAST);
        let converter = self.shared.data_converter();
        let whose = self.shared.of_nexus_operation();
        let text = match encode_by(converter, &mut answer, whose, deadline).await {
            Err(error) => Some(error.to_string()),
            Ok(()) => answer.too_large(self.shared.limits.blob, info),
        };
        let Some(text) = text else { return answer };
        let told = Answer::of(Ended::Error(NexusError::internal(text)), converter);
        report(info, &told);
        // It contains no payloads of users, so it is sent as it is if the codec fails again.
        let mut coded = told.clone();
        match encode_by(converter, &mut coded, whose, deadline).await {
            Ok(()) => coded,
            Err(_) => told,
        }
    }

    /// Sends the answer. Returns true if the server has accepted it.
    async fn answer(&self, respond: Respond, answer: Answer, info: &NexusInfo, deadline: Instant) -> bool {
        let time = deadline.saturating_duration_since(Instant::now()).max(ANSWER_AT_LEAST);
        let answered = match respond.with(answer, &self.shared) {
            None => return false,
            Some(Ok(completed)) => self.shared.call_within(completed, time).await.map(drop),
            Some(Err(failed)) => self.shared.call_within(failed, time).await.map(drop),
        };
        match answered {
            Ok(()) => return true,
            // The caller did not wait any longer.
            Err(error) if error.is_not_found() => {
                tracing::debug!("an answer to a Nexus request came too late: {error}")
            }
            Err(error) => warn_of_loss(info, &error),
        }
        false
    }
}

/// The span in which the code of a handler runs, so that what it logs says whose it is.
fn span_of(info: &NexusInfo) -> Span {
    tracing::info_span!(
        target: "abide::nexus",
        "nexus_operation",
        namespace = info.namespace,
        task_queue = info.task_queue,
        endpoint = info.endpoint,
        service = info.service,
        operation = info.operation,
        request_id = info.request_id,
    )
}

/// Logs an answer that is an error: as a warning, unless the operation itself has failed or was cancelled, which is a result.
fn report(info: &NexusInfo, answer: &Answer) {
    let NexusInfo { endpoint, service, operation, request_id, .. } = info;
    match answer {
        Answer::Refused(failure) => {
            let cause = failure.cause.as_ref().map_or_else(String::new, |cause| format!(": {}", cause.message));
            let message = &failure.message;
            tracing::warn!(
                endpoint,
                service,
                operation,
                request_id,
                "a Nexus request was not served: {message}{cause}"
            );
        }
        Answer::OperationEnded(failure) => {
            let message = &failure.message;
            tracing::debug!(endpoint, service, operation, request_id, "a Nexus operation did not succeed: {message}");
        }
        Answer::Nothing => {
            tracing::warn!(
                endpoint,
                service,
                operation,
                request_id,
                "the handler of a Nexus operation took longer than its caller waits, so it was dropped; the server repeats the \
                 request: start a workflow for work that takes longer"
            );
        }
        Answer::Completed { .. } | Answer::Later { .. } | Answer::CancelAccepted => {}
    }
}

fn warn_of_blocking(info: &NexusInfo, blocked: Duration) {
    let (service, operation, millis) = (&info.service, &info.operation, blocked.as_millis());
    tracing::warn!(
        service,
        operation,
        "the handler of a Nexus operation has blocked a thread of the async runtime for {millis} ms: for that time it did \
         not reach an `.await` that waits. Everything else on that thread stood still. Run blocking code in \
         `tokio::task::spawn_blocking` and await it"
    );
}

fn warn_of_loss(info: &NexusInfo, error: &RpcError) {
    let NexusInfo { endpoint, service, operation, request_id, .. } = info;
    tracing::warn!(
        endpoint,
        service,
        operation,
        request_id,
        "the answer to a Nexus request could not be delivered; the server repeats the request: {error}"
    );
}

#[expect(clippy::disallowed_methods, reason = "the server tells times by the clock, not the time that is left")]
fn now() -> SystemTime {
    SystemTime::now()
}
