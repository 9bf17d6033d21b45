//! The heartbeats of one attempt: the first is sent at once, later ones are throttled, and the latest details win.
//!
//! An attempt with automatic heartbeats records one whenever nothing was recorded for an interval. The task that runs its
//! code does this, between two polls of the code, so code that blocks its thread makes no heartbeats.
//!
//! Nothing is spawned for an attempt that does not heartbeat. If the server answers that the activity was cancelled,
//! paused, reset or removed, the attempt is cancelled.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use abide_protos::payload_owners::Owner;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::workflowservice::v1::{
    RecordActivityTaskHeartbeatRequest, RecordActivityTaskHeartbeatResponse,
};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::outcome::{CODEC_ERROR, size};
use crate::activity::ActivityInfo;
use crate::activity::{ActivityCancelReason, ActivityCancellation};
use crate::client::RpcError;
use crate::converter::CodecError;
use crate::worker::context::WorkerContext;
use crate::worker::limits::{Excess, Limit};
use crate::worker::polling::sleep;

/// Share of the heartbeat timeout after which the next heartbeat is sent.
const THROTTLE_RATIO: f64 = 0.8;

/// Returns the time between two heartbeats of an attempt.
pub(crate) fn throttle_interval(heartbeat_timeout: Option<Duration>, default: Duration, maximum: Duration) -> Duration {
    heartbeat_timeout.map_or(default, |timeout| timeout.mul_f64(THROTTLE_RATIO)).min(maximum)
}

/// The destination of heartbeats: a server, or a list in tests.
pub(crate) trait HeartbeatTarget: Send + Sync + 'static {
    fn record(
        &self,
        details: Vec<Payload>,
    ) -> impl Future<Output = Result<RecordActivityTaskHeartbeatResponse, RpcError>> + Send;

    /// Encodes details for the wire.
    ///
    /// # Errors
    /// Returns an error if a codec cannot encode them.
    fn encode(&self, details: Vec<Payload>) -> impl Future<Output = Result<Vec<Payload>, CodecError>> + Send {
        async { Ok(details) }
    }

    /// Returns true if details are sent unencoded.
    fn is_plain(&self) -> bool {
        true
    }
}

/// The error type and message of the failure for details that cannot be delivered.
type Refusal = (&'static str, String);

/// The heartbeats of one attempt.
pub(crate) struct Heartbeats<T> {
    target: T,
    interval: Duration,
    limit: Limit,
    cancellation: ActivityCancellation,
    /// The progress of an earlier attempt. Automatic heartbeats repeat it until this attempt reports its own, because
    /// the server keeps only the details of the last heartbeat.
    earlier: Vec<Payload>,
    runtime: Handle,
    state: Mutex<State>,
    refused: Notify,
}

struct State {
    /// The last recorded details; `None` if there was no heartbeat, which differs from an empty one.
    latest: Option<Vec<Payload>>,
    /// Number of recorded heartbeats, and the number of the last that the server has or no longer needs.
    recorded: u64,
    settled: u64,
    /// True if heartbeats are recorded automatically.
    automatic: bool,
    last_recorded: Instant,
    last_delivered: Instant,
    delivery: Option<AbortHandle>,
    delivering: bool,
    ended: bool,
    refusal: Option<Refusal>,
}

impl<T: HeartbeatTarget> Heartbeats<T> {
    /// Must be called within a tokio runtime.
    pub(crate) fn new(
        target: T,
        interval: Duration,
        limit: Limit,
        cancellation: ActivityCancellation,
        earlier: Vec<Payload>,
    ) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            latest: None,
            recorded: 0,
            settled: 0,
            automatic: false,
            last_recorded: now,
            last_delivered: now,
            delivery: None,
            delivering: false,
            ended: false,
            refusal: None,
        };
        let (runtime, state) = (Handle::current(), Mutex::new(state));
        Arc::new(Self { target, interval, limit, cancellation, earlier, runtime, state, refused: Notify::new() })
    }

    /// Records progress, and delivers it now or when the interval has passed.
    pub(crate) fn record(self: &Arc<Self>, details: Vec<Payload>) {
        // The limit applies to the size on the wire, so encoded details are measured when they are delivered.
        let checked = if self.target.is_plain() { self.check(&details) } else { Ok(()) };
        let mut state = self.lock();
        if state.ended {
            return;
        }
        if let Err(refusal) = checked {
            return self.refuse(&mut state, refusal);
        }
        state.latest = Some(details);
        self.recorded(&mut state);
    }

    /// Returns true if the attempt has ended, so that nobody receives its heartbeats.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Turns automatic heartbeats on.
    pub(crate) fn begin_automatic(&self) {
        self.lock().automatic = true;
    }

    /// Returns the time of the next automatic heartbeat; `None` if there is none.
    pub(crate) fn next_automatic(&self) -> Option<Instant> {
        let gone =
            matches!(self.cancellation.reason(), Some(ActivityCancelReason::NotFound | ActivityCancelReason::TimedOut));
        let state = self.lock();
        (state.automatic && !state.ended && !gone).then(|| state.last_recorded + self.interval)
    }

    /// Records an automatic heartbeat, with the last progress, if it is due.
    pub(crate) fn beat_if_due(self: &Arc<Self>) {
        if self.next_automatic().is_some_and(|due| due <= Instant::now()) {
            self.recorded(&mut self.lock());
        }
    }

    fn recorded(self: &Arc<Self>, state: &mut State) {
        state.recorded += 1;
        state.last_recorded = Instant::now();
        if !state.delivering {
            state.delivering = true;
            let this = Arc::clone(self);
            state.delivery = Some(self.runtime.spawn(async move { this.deliver().await }).abort_handle());
        }
    }

    /// Returns the time of the last delivered heartbeat.
    pub(crate) fn last_delivered(&self) -> Instant {
        self.lock().last_delivered
    }

    /// Waits for recorded details that cannot be delivered. Returns the reason.
    pub(crate) async fn refused(&self) -> Refusal {
        loop {
            if let Some(refusal) = self.lock().refusal.take() {
                return refusal;
            }
            self.refused.notified().await;
        }
    }

    /// Ends delivery with the attempt. Returns the latest details.
    pub(crate) fn end(&self) -> Option<Vec<Payload>> {
        let mut state = self.lock();
        state.ended = true;
        if let Some(delivery) = state.delivery.take() {
            delivery.abort();
        }
        state.latest.clone()
    }

    /// Delivers the last details of an attempt that has ended, including details whose delivery was in progress or had
    /// failed.
    pub(crate) async fn flush(&self) {
        let Some((_, details)) = self.unsettled(&self.lock()) else { return };
        // The attempt has ended, so a refusal has no receiver.
        if let Ok(details) = self.encoded(details).await
            && let Err(error) = self.target.record(details).await
        {
            tracing::debug!("an attempt's last heartbeat could not be delivered: {error}");
        }
    }

    fn check(&self, details: &[Payload]) -> Result<(), Refusal> {
        match self.limit.check(size(details), || "the heartbeat's details have".to_string()) {
            Some(Excess::Error(text)) => return Err(("PayloadsTooLarge", text)),
            // Not a warning, because an activity may record often.
            Some(Excess::Warning(text)) => tracing::debug!("{text}"),
            None => {}
        }
        Ok(())
    }

    async fn encoded(&self, details: Vec<Payload>) -> Result<Vec<Payload>, Refusal> {
        if self.target.is_plain() {
            return Ok(details);
        }
        let encoded = self.target.encode(details).await.map_err(|error| (CODEC_ERROR, error.to_string()))?;
        self.check(&encoded).map(|()| encoded)
    }

    fn refuse(&self, state: &mut State, refusal: Refusal) {
        state.refusal = Some(refusal);
        self.refused.notify_one();
    }

    /// Delivers until no details were recorded for an interval. A failed delivery is retried, unless newer details have
    /// come.
    async fn deliver(self: Arc<Self>) {
        while let Some((number, details)) = self.next_unsettled() {
            let details = match self.encoded(details).await {
                Ok(details) => details,
                // The attempt is about to fail, so nothing more is delivered.
                Err(refusal) => return self.refuse(&mut self.lock(), refusal),
            };
            match self.target.record(details).await {
                Ok(response) => {
                    let mut state = self.lock();
                    (state.last_delivered, state.settled) = (Instant::now(), number);
                    drop(state);
                    if let Some(reason) = cancel_reason(&response) {
                        self.cancellation.cancel(reason);
                    }
                }
                Err(error) if error.is_not_found() => {
                    self.lock().settled = number;
                    self.cancellation.cancel(ActivityCancelReason::NotFound);
                }
                Err(error) => {
                    tracing::debug!("a heartbeat could not be delivered: {error}");
                    if error.is_verdict() {
                        self.lock().settled = number;
                    }
                }
            }
            sleep(self.interval).await;
        }
    }

    fn next_unsettled(&self) -> Option<(u64, Vec<Payload>)> {
        let mut state = self.lock();
        let unsettled = self.unsettled(&state);
        state.delivering = unsettled.is_some();
        unsettled
    }

    /// Returns the details of the last heartbeat and its number, unless the server has it or no longer needs it.
    fn unsettled(&self, state: &State) -> Option<(u64, Vec<Payload>)> {
        let details = || state.latest.as_ref().unwrap_or(&self.earlier).clone();
        (state.settled < state.recorded).then(|| (state.recorded, details()))
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

/// An attempt as known to the server.
pub(crate) struct ServerTarget {
    pub(crate) shared: Arc<WorkerContext>,
    pub(crate) task_token: Vec<u8>,
    /// The activity, if a codec may ask for it.
    pub(crate) owner: Owner,
}

impl ServerTarget {
    pub(crate) fn new(shared: &Arc<WorkerContext>, info: &ActivityInfo) -> Self {
        let owner = match shared.data_converter().has_codecs() {
            true => Owner::activity(info.workflow_id.as_deref().unwrap_or_default(), &info.activity_id),
            false => Owner::Unknown,
        };
        Self { shared: Arc::clone(shared), task_token: info.task_token.clone(), owner }
    }
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

    async fn encode(&self, mut details: Vec<Payload>) -> Result<Vec<Payload>, CodecError> {
        self.shared.data_converter().encode(details.as_mut_slice(), self.shared.of(&self.owner)).await.map(|()| details)
    }

    fn is_plain(&self) -> bool {
        !self.shared.data_converter().has_codecs()
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    /// Records the time and details of each heartbeat, and answers as configured.
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
        let heartbeats = Heartbeats::new(
            target,
            Duration::from_secs(interval),
            Limit::for_test(100),
            cancellation.clone(),
            details(0),
        );
        Case { heartbeats, cancellation, log }
    }

    fn details(progress: u8) -> Vec<Payload> {
        vec![Payload { data: vec![progress], ..Default::default() }]
    }

    async fn pass(seconds: u64) {
        // Paused time jumps to the next timer, so everything that is due earlier is done first.
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
        // After a quiet interval the next heartbeat is sent at once again.
        case.heartbeats.record(details(99));
        pass(1).await;
        assert_eq!(case.log.lock().unwrap().last(), Some(&(78, 99)));
    }

    /// Polls an attempt for that many seconds, as the worker does: it asks for a heartbeat when one is due.
    async fn polled(case: &Case, seconds: u64) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while let Some(due) = case.heartbeats.next_automatic().filter(|due| *due < end) {
            tokio::time::sleep_until(due).await;
            case.heartbeats.beat_if_due();
        }
        tokio::time::sleep_until(end).await;
    }

    #[tokio::test(start_paused = true)]
    async fn automatic_heartbeats_repeat_the_last_progress() {
        let case = case(8, || Ok(RecordActivityTaskHeartbeatResponse::default()));
        case.heartbeats.begin_automatic();
        polled(&case, 20).await;
        // The progress of the earlier attempt is not lost.
        assert_eq!(*case.log.lock().unwrap(), [(8, 0), (16, 0)]);
        case.heartbeats.record(details(7));
        polled(&case, 25).await;
        assert_eq!(case.log.lock().unwrap()[2..], [(24, 7), (32, 7), (40, 7)]);
        assert_eq!(case.heartbeats.end(), Some(details(7)));
        assert_eq!(case.heartbeats.next_automatic(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_beats_for_code_that_is_not_polled() {
        let case = case(8, || Ok(RecordActivityTaskHeartbeatResponse::default()));
        case.heartbeats.begin_automatic();
        pass(60).await;
        assert!(case.log.lock().unwrap().is_empty(), "only who polls the code asks for a heartbeat");
        case.heartbeats.beat_if_due();
        pass(60).await;
        assert_eq!(*case.log.lock().unwrap(), [(60, 0)]);
        assert_eq!(case.heartbeats.end(), None, "the attempt itself has reported nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn automatic_heartbeats_end_when_the_server_does_not_know_the_attempt() {
        let case = case(8, || Err(RpcError::for_test(Code::NotFound, "activity not found")));
        case.heartbeats.begin_automatic();
        polled(&case, 100).await;
        assert_eq!(*case.log.lock().unwrap(), [(8, 0)]);
        assert_eq!(case.cancellation.reason(), Some(ActivityCancelReason::NotFound));
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
    async fn refused_details_are_sent_again_during_the_attempt_or_at_its_end() {
        let case = case(8, || Err(RpcError::for_test(Code::ResourceExhausted, "too many")));
        case.heartbeats.record(details(1));
        pass(9).await;
        assert_eq!(*case.log.lock().unwrap(), [(0, 1), (8, 1)]);
        case.heartbeats.end();
        case.heartbeats.flush().await;
        assert_eq!(case.log.lock().unwrap().last(), Some(&(9, 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn details_accepted_or_refused_for_good_are_not_sent_again() {
        for answer in [
            || Ok(RecordActivityTaskHeartbeatResponse::default()),
            || Err(RpcError::for_test(Code::InvalidArgument, "wrong")),
        ] {
            let case = case(8, answer);
            case.heartbeats.record(details(1));
            pass(60).await;
            case.heartbeats.end();
            case.heartbeats.flush().await;
            assert_eq!(*case.log.lock().unwrap(), [(0, 1)]);
        }
    }

    /// A target whose codec takes ten seconds.
    struct SlowCodec(Target);

    impl HeartbeatTarget for SlowCodec {
        async fn record(&self, details: Vec<Payload>) -> Result<RecordActivityTaskHeartbeatResponse, RpcError> {
            self.0.record(details).await
        }

        async fn encode(&self, details: Vec<Payload>) -> Result<Vec<Payload>, CodecError> {
            sleep(Duration::from_secs(10)).await;
            Ok(details)
        }

        fn is_plain(&self) -> bool {
            false
        }
    }

    #[tokio::test(start_paused = true)]
    async fn details_that_are_still_being_encoded_arrive_before_the_attempt_is_let_go() {
        let log = Arc::default();
        let answer = || Ok(RecordActivityTaskHeartbeatResponse::default());
        let target = SlowCodec(Target { began: Instant::now(), log: Arc::clone(&log), answer });
        let interval = Duration::from_secs(8);
        let heartbeats =
            Heartbeats::new(target, interval, Limit::for_test(100), ActivityCancellation::new(), Vec::new());
        heartbeats.record(details(1));
        pass(1).await;
        heartbeats.end();
        heartbeats.flush().await;
        assert_eq!(*log.lock().unwrap(), [(11, 1)]);
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
        let (_, text) = case.heartbeats.refused().await;
        assert!(text.contains("accepts at most 100"), "{text}");
        assert!(case.log.lock().unwrap().is_empty());
    }
}
