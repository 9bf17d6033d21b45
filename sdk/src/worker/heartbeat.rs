//! The heartbeats of one attempt: the first goes out at once, later ones are throttled, the latest details win.
//!
//! Nothing is spawned for an attempt that does not heartbeat. What the server answers to a heartbeat (cancelled,
//! paused, reset, gone) becomes the attempt's cancellation.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::workflowservice::v1::{
    RecordActivityTaskHeartbeatRequest, RecordActivityTaskHeartbeatResponse,
};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::limits::{Excess, Limit};
use super::poller::sleep;
use super::shared::Shared;
use crate::activity::{ActivityCancelReason, ActivityCancellation, ActivityOutbound};
use crate::client::RpcError;

/// Part of the heartbeat timeout after which the next heartbeat is sent.
const THROTTLE_RATIO: f64 = 0.8;

/// How long to wait between two heartbeats of an attempt.
pub(super) fn throttle_interval(heartbeat_timeout: Option<Duration>, default: Duration, maximum: Duration) -> Duration {
    heartbeat_timeout.map_or(default, |timeout| timeout.mul_f64(THROTTLE_RATIO)).min(maximum)
}

/// Where heartbeats are delivered: a server, or a list in tests.
pub(super) trait HeartbeatTarget: Send + Sync + 'static {
    fn record(
        &self,
        details: Vec<Payload>,
    ) -> impl Future<Output = Result<RecordActivityTaskHeartbeatResponse, RpcError>> + Send;
}

/// The heartbeats of one attempt.
pub(super) struct Heartbeats<T> {
    target: T,
    interval: Duration,
    limit: Limit,
    cancellation: ActivityCancellation,
    runtime: Handle,
    state: Mutex<State>,
    refused: Notify,
}

struct State {
    /// Recorded and not delivered yet.
    unsent: Option<Vec<Payload>>,
    /// The last ones that were recorded; `None` if there was no heartbeat, which is not the same as an empty one.
    latest: Option<Vec<Payload>>,
    last_delivered: Instant,
    delivery: Option<AbortHandle>,
    delivering: bool,
    ended: bool,
    refusal: Option<String>,
}

impl<T: HeartbeatTarget> Heartbeats<T> {
    /// Must be called within a tokio runtime.
    pub(super) fn new(target: T, interval: Duration, limit: Limit, cancellation: ActivityCancellation) -> Arc<Self> {
        let state = State {
            unsent: None,
            latest: None,
            last_delivered: Instant::now(),
            delivery: None,
            delivering: false,
            ended: false,
            refusal: None,
        };
        let (runtime, state) = (Handle::current(), Mutex::new(state));
        Arc::new(Self { target, interval, limit, cancellation, runtime, state, refused: Notify::new() })
    }

    /// Records progress; delivers it now or when the interval has passed.
    pub(super) fn record(self: &Arc<Self>, details: Vec<Payload>) {
        let size: usize = details.iter().map(|payload| payload.encoded_len()).sum();
        let mut state = self.lock();
        if state.ended {
            return;
        }
        match self.limit.check(size, || "the heartbeat's details have".to_string()) {
            Some(Excess::Error(text)) => {
                state.refusal = Some(text);
                self.refused.notify_one();
                return;
            }
            // An activity may record much and often: it is not warned each time.
            Some(Excess::Warning(text)) => tracing::debug!("{text}"),
            None => {}
        }
        state.latest = Some(details.clone());
        state.unsent = Some(details);
        if !state.delivering {
            state.delivering = true;
            let this = Arc::clone(self);
            state.delivery = Some(self.runtime.spawn(async move { this.deliver().await }).abort_handle());
        }
    }

    /// When the server last heard of the attempt.
    pub(super) fn last_delivered(&self) -> Instant {
        self.lock().last_delivered
    }

    /// Waits until details were recorded that cannot be delivered, and says why.
    pub(super) async fn refused(&self) -> String {
        loop {
            if let Some(text) = self.lock().refusal.take() {
                return text;
            }
            self.refused.notified().await;
        }
    }

    /// Ends delivery with the attempt. Gives back the latest details.
    pub(super) fn end(&self) -> Option<Vec<Payload>> {
        let mut state = self.lock();
        state.ended = true;
        if let Some(delivery) = state.delivery.take() {
            delivery.abort();
        }
        state.latest.take()
    }

    /// Delivers details that were recorded last, in an attempt that has ended.
    pub(super) async fn flush(&self) {
        let unsent = self.lock().unsent.take();
        if let Some(details) = unsent {
            let _ = self.target.record(details).await;
        }
    }

    /// Delivers until nothing new was recorded for an interval.
    async fn deliver(self: Arc<Self>) {
        while let Some(details) = self.next_unsent() {
            match self.target.record(details).await {
                Ok(response) => {
                    self.lock().last_delivered = Instant::now();
                    if let Some(reason) = cancel_reason(&response) {
                        self.cancellation.cancel(reason);
                    }
                }
                Err(error) if error.is_not_found() => self.cancellation.cancel(ActivityCancelReason::NotFound),
                Err(error) => tracing::debug!("a heartbeat could not be delivered: {error}"),
            }
            sleep(self.interval).await;
        }
    }

    fn next_unsent(&self) -> Option<Vec<Payload>> {
        let mut state = self.lock();
        let unsent = state.unsent.take();
        state.delivering = unsent.is_some();
        unsent
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cancel_reason(response: &RecordActivityTaskHeartbeatResponse) -> Option<ActivityCancelReason> {
    if response.cancel_requested {
        Some(ActivityCancelReason::Cancelled)
    } else if response.activity_paused {
        Some(ActivityCancelReason::Paused)
    } else if response.activity_reset {
        Some(ActivityCancelReason::Reset)
    } else {
        None
    }
}

/// What an attempt's context talks to.
pub(super) struct HeartbeatSink<T>(pub(super) Arc<Heartbeats<T>>);

impl<T: HeartbeatTarget> ActivityOutbound for HeartbeatSink<T> {
    fn heartbeat(&self, details: Vec<Payload>) {
        self.0.record(details);
    }
}

/// The attempt on the server.
pub(super) struct ServerTarget {
    pub(super) shared: Arc<Shared>,
    pub(super) task_token: Vec<u8>,
}

impl HeartbeatTarget for ServerTarget {
    async fn record(&self, details: Vec<Payload>) -> Result<RecordActivityTaskHeartbeatResponse, RpcError> {
        let request = RecordActivityTaskHeartbeatRequest {
            task_token: self.task_token.clone(),
            details: Some(Payloads { payloads: details }),
            identity: self.shared.identity.clone(),
            namespace: self.shared.namespace(),
            ..Default::default()
        };
        self.shared.client.call(request).await
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    /// Notes when which details came, and answers as it is told.
    struct Target {
        began: Instant,
        log: Arc<Mutex<Vec<(u64, u8)>>>,
        answer: fn() -> Result<RecordActivityTaskHeartbeatResponse, RpcError>,
    }

    impl HeartbeatTarget for Target {
        async fn record(&self, details: Vec<Payload>) -> Result<RecordActivityTaskHeartbeatResponse, RpcError> {
            self.log.lock().unwrap().push((self.began.elapsed().as_secs(), details[0].data[0]));
            (self.answer)()
        }
    }

    struct Case {
        heartbeats: Arc<Heartbeats<Target>>,
        cancellation: ActivityCancellation,
        log: Arc<Mutex<Vec<(u64, u8)>>>,
    }

    fn case(interval: u64, answer: fn() -> Result<RecordActivityTaskHeartbeatResponse, RpcError>) -> Case {
        let (log, cancellation) = (Arc::default(), ActivityCancellation::new());
        let target = Target { began: Instant::now(), log: Arc::clone(&log), answer };
        let heartbeats =
            Heartbeats::new(target, Duration::from_secs(interval), Limit::for_test(100), cancellation.clone());
        Case { heartbeats, cancellation, log }
    }

    fn details(progress: u8) -> Vec<Payload> {
        vec![Payload { data: vec![progress], ..Default::default() }]
    }

    async fn pass(seconds: u64) {
        // Paused time jumps to the next timer: everything due before is done.
        sleep(Duration::from_secs(seconds)).await;
    }

    #[test]
    fn the_interval_is_most_of_the_timeout_within_bounds() {
        let interval = |timeout: Option<u64>| {
            throttle_interval(timeout.map(Duration::from_secs), Duration::from_secs(30), Duration::from_secs(60))
                .as_secs()
        };
        assert_eq!((interval(Some(10)), interval(None), interval(Some(3600))), (8, 30, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_goes_out_at_once_and_then_the_latest_of_each_interval() {
        let case = case(8, || Ok(RecordActivityTaskHeartbeatResponse::default()));
        for progress in 0..20 {
            case.heartbeats.record(details(progress));
            sleep(Duration::from_millis(900)).await;
        }
        pass(60).await;
        assert_eq!(*case.log.lock().unwrap(), [(0, 0), (8, 8), (16, 17), (24, 19)]);
        // After a quiet interval the next one goes out at once again.
        case.heartbeats.record(details(99));
        pass(1).await;
        assert_eq!(case.log.lock().unwrap().last(), Some(&(78, 99)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_answer_cancels_the_attempt() {
        let case = case(8, || Ok(RecordActivityTaskHeartbeatResponse { cancel_requested: true, ..Default::default() }));
        assert_eq!(case.cancellation.reason(), None);
        case.heartbeats.record(details(0));
        assert_eq!(case.cancellation.cancelled().await, ActivityCancelReason::Cancelled);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_the_server_does_not_know_is_cancelled() {
        let case = case(8, || Err(RpcError::for_test(Code::NotFound, "activity not found")));
        case.heartbeats.record(details(0));
        assert_eq!(case.cancellation.cancelled().await, ActivityCancelReason::NotFound);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_delivered_after_the_attempt() {
        let case = case(8, || Ok(RecordActivityTaskHeartbeatResponse::default()));
        case.heartbeats.record(details(1));
        pass(1).await;
        case.heartbeats.record(details(2));
        assert_eq!(case.heartbeats.end(), Some(details(2)));
        case.heartbeats.record(details(3));
        pass(60).await;
        assert_eq!(*case.log.lock().unwrap(), [(0, 1)]);
        case.heartbeats.flush().await;
        assert_eq!(*case.log.lock().unwrap(), [(0, 1), (61, 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_heartbeat_differs_from_an_empty_one() {
        let silent = case(8, || Ok(RecordActivityTaskHeartbeatResponse::default()));
        assert_eq!(silent.heartbeats.end(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn details_that_are_too_large_are_refused() {
        let case = case(8, || Ok(RecordActivityTaskHeartbeatResponse::default()));
        case.heartbeats.record(vec![Payload { data: vec![0; 200], ..Default::default() }]);
        let text = case.heartbeats.refused().await;
        assert!(text.contains("takes 100"), "{text}");
        assert!(case.log.lock().unwrap().is_empty());
    }
}
