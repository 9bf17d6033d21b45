//! One poller: takes a slot, polls, hands the task over, and polls again.
//!
//! If the server is unavailable, the poller waits for it indefinitely. If the server refuses polls (unknown namespace,
//! missing permission), the poller tries for a minute, because a new namespace or a rotated key takes time to become
//! known everywhere; then the worker ends.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::counters::{PollKind, Polls};
use super::outage::Outage;
use super::pollers::WantedPolls;
use super::scaler::Polled;
use super::slots::{Slot, Slots};
use crate::client::RpcError;
use crate::client::retry::{Backoff, EmptyAnswers, RetrySchedule};
use crate::worker::error::WorkerError;
use crate::worker::shutdown::{Phase, Phases};

/// Time for which a server may refuse polls before the worker ends.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(60);

/// The source of a poller's tasks, which also receives them.
pub(crate) trait TaskSource: Send + Sync + 'static {
    /// Answer to a poll: a task, or nothing yet.
    type Response: Send;

    /// Polls once, until there is a task or the server reports that there is none; for at most `within`, if given.
    fn poll(&self, within: Option<Duration>) -> impl Future<Output = Result<Self::Response, RpcError>> + Send;

    /// Returns whether an answer has a task, and the server's suggestion for the number of polls.
    fn brought(&self, response: &Self::Response) -> Polled;

    /// Takes the answer to a poll; an empty answer frees its slot. Must not block.
    fn accept(&self, response: Self::Response, slot: Slot);

    /// Fails a task that cannot be read. Only its token is known.
    fn refuse(&self, task_token: Vec<u8>, error: &RpcError) -> impl Future<Output = ()> + Send;

    /// Waits until another client has taken over.
    fn replaced(&self) -> impl Future<Output = ()> + Send;

    /// Waits while no tasks are wanted.
    fn wanted(&self) -> impl Future<Output = ()> + Send;

    /// Makes a short call to find out if the server answers at all.
    fn probe(&self) -> impl Future<Output = Result<(), RpcError>> + Send;

    /// Returns true if the same poll may soon succeed.
    fn is_transient(&self, error: &RpcError) -> bool;

    /// Returns the kind of task.
    fn kind(&self) -> PollKind;

    /// Returns the phase from which on no poll is started.
    fn last_poll(&self) -> Phase {
        Phase::Draining
    }

    /// Returns the polled task queue, for messages.
    fn task_queue(&self) -> &str;
}

pub(crate) struct Poller<S> {
    pub(crate) source: Arc<S>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) phases: Arc<Phases>,
    pub(crate) outage: Arc<Outage>,
    pub(crate) polls: Arc<Polls>,
    pub(crate) wanted: Arc<WantedPolls>,
    /// Number of this poller, from 0. It rests while fewer polls are wanted.
    pub(crate) index: usize,
}

impl<S: TaskSource> Poller<S> {
    /// Polls until the worker shuts down or another client takes over.
    ///
    /// # Errors
    /// Returns an error if the server refuses polls for more than a minute.
    pub(crate) async fn run(self) -> Result<(), WorkerError> {
        let mut draining = pin!(self.phases.reached(self.source.last_poll()));
        let mut cut = pin!(self.phases.reached(Phase::PollsCut));
        let mut replaced = pin!(self.source.replaced());
        let mut backoff = Backoff::new(RetrySchedule::POLL);
        let mut empty = EmptyAnswers::new();
        let mut refused_since = None;
        loop {
            let (slot, rested) = tokio::select! {
                biased;
                () = &mut draining => return Ok(()),
                () = &mut replaced => return Ok(()),
                turn = self.turn() => turn,
            };
            if rested {
                // Other pollers have polled in the meantime, so earlier errors say nothing about the current state.
                backoff.reset();
                refused_since = None;
            }
            let (poll, began) = (self.polls.begin(self.source.kind()), Instant::now());
            // Not cut when the client is replaced, because the poll may bring a task.
            let polled = tokio::select! {
                biased;
                // Polled first, so that a task that has already arrived is not lost.
                polled = self.source.poll(self.wanted.poll_timeout()) => polled,
                () = &mut cut => return Ok(()),
            };
            match polled {
                Ok(response) => {
                    poll.answered();
                    self.outage.ended(self.source.task_queue());
                    backoff.reset();
                    refused_since = None;
                    let brought = self.source.brought(&response);
                    self.wanted.polled(brought);
                    if let Polled::Answer { has_task: true, .. } = brought {
                        self.polls.brought_task(self.source.kind());
                    }
                    self.source.accept(response, slot);
                    tokio::select! {
                        biased;
                        () = &mut draining => return Ok(()),
                        () = &mut replaced => return Ok(()),
                        () = self.pause(brought, began.elapsed(), &mut empty) => {}
                    }
                }
                Err(error) => {
                    drop((poll, slot));
                    tokio::select! {
                        biased;
                        () = &mut draining => return Ok(()),
                        // Errors of the old client's server do not matter any more.
                        () = &mut replaced => return Ok(()),
                        failed = self.failed(&error, &mut backoff, &mut refused_since) => failed?,
                    }
                }
            }
        }
    }

    /// Waits for this poller's turn and for a slot. Returns true if it had to rest because fewer polls were wanted.
    async fn turn(&self) -> (Slot, bool) {
        let rested = self.wanted.wants(self.index).await;
        self.source.wanted().await;
        (self.slots.take().await, rested)
    }

    /// Waits after an empty answer that came at once, to avoid calling in a tight loop.
    async fn pause(&self, brought: Polled, took: Duration, empty: &mut EmptyAnswers) {
        if let Polled::Answer { has_task: true, .. } = brought {
            return empty.reset();
        }
        let wait = empty.next(took);
        if wait.is_zero() {
            return;
        }
        // Only one poller of each kind logs it.
        if self.index == 0 && empty.is_worth_a_line() {
            let task_queue = self.source.task_queue();
            tracing::warn!(
                task_queue,
                "polls return at once without a task, so the worker polls less often; expected a poll to return with a \
                 task or after a minute: check proxies between the worker and the server"
            );
        }
        sleep(wait).await;
    }

    /// Waits after a failed poll until the next one is worth trying.
    async fn failed(
        &self,
        error: &RpcError,
        backoff: &mut Backoff,
        refused_since: &mut Option<Instant>,
    ) -> Result<(), WorkerError> {
        if let Some(task) = error.undecodable_task() {
            self.unreadable(task.task_token, error, backoff).await;
            return Ok(());
        }
        self.wanted.polled(if error.is_resource_exhausted() { Polled::ResourceExhausted } else { Polled::OtherError });
        self.check_refusal(error, refused_since)?;
        self.wait_for_server(error, backoff).await;
        Ok(())
    }

    /// Handles an unreadable task: the task fails, and polling goes on.
    async fn unreadable(&self, task_token: Vec<u8>, error: &RpcError, backoff: &mut Backoff) {
        let task_queue = self.source.task_queue();
        self.outage.ended(task_queue);
        tracing::error!(task_queue, "a task cannot be decoded and is failed: {error}");
        if !task_token.is_empty() {
            self.source.refuse(task_token, error).await;
        }
        // The server may hand the task out again at once.
        if let Some(wait) = backoff.next(error, Duration::ZERO) {
            sleep(wait).await;
        }
    }

    fn check_refusal(&self, error: &RpcError, refused_since: &mut Option<Instant>) -> Result<(), WorkerError> {
        if self.source.is_transient(error) || error.is_deadline_exceeded() || error.is_cancelled() {
            *refused_since = None;
            return Ok(());
        }
        let since = *refused_since.get_or_insert_with(Instant::now);
        if since.elapsed() < REFUSAL_PATIENCE {
            return Ok(());
        }
        let queue = self.source.task_queue();
        Err(WorkerError::from_rpc(
            format!("the server refuses to hand out tasks of the task queue `{queue}`"),
            error.clone(),
        ))
    }

    /// Waits until the next poll is worth trying. A long poll would not show for a minute that the server is back, so a
    /// short call is used.
    async fn wait_for_server(&self, error: &RpcError, backoff: &mut Backoff) {
        self.outage.began(self.source.task_queue(), error);
        let mut error = error.clone();
        loop {
            let Some(wait) = backoff.next(&error, Duration::ZERO) else { return };
            sleep(wait).await;
            if !error.is_unavailable() {
                return;
            }
            match self.source.probe().await {
                Ok(()) => {
                    self.outage.ended(self.source.task_queue());
                    return;
                }
                Err(still) if still.is_unavailable() => error = still,
                // The server answers, so the next poll will show any other error.
                Err(_) => return,
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a worker waits in real time, outside workflow code")]
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tonic::Code;

    use super::*;
    use crate::worker::polling::behavior::PollerBehavior;

    /// A server with scripted answers; after the last one, its polls never end.
    struct Script {
        answers: Arc<Mutex<Vec<Result<&'static str, RpcError>>>>,
        log: Arc<Mutex<Vec<(u64, String)>>>,
        held: Mutex<Vec<Slot>>,
        began: Instant,
    }

    impl Script {
        fn note(&self, what: impl Into<String>) {
            self.log.lock().unwrap().push((self.began.elapsed().as_secs(), what.into()));
        }
    }

    impl TaskSource for Script {
        type Response = &'static str;

        async fn poll(&self, _: Option<Duration>) -> Result<&'static str, RpcError> {
            self.note("poll");
            let next = {
                let mut answers = self.answers.lock().unwrap();
                (!answers.is_empty()).then(|| answers.remove(0))
            };
            match next {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }

        fn accept(&self, response: &'static str, slot: Slot) {
            self.note(response);
            if !response.is_empty() {
                self.held.lock().unwrap().push(slot);
            }
        }

        fn brought(&self, response: &&'static str) -> Polled {
            Polled::Answer { has_task: !response.is_empty(), suggestion: None }
        }

        async fn refuse(&self, task_token: Vec<u8>, _: &RpcError) {
            self.note(format!("refuse {}", String::from_utf8_lossy(&task_token)));
        }

        async fn replaced(&self) {
            std::future::pending().await
        }

        async fn wanted(&self) {}

        async fn probe(&self) -> Result<(), RpcError> {
            self.note("probe");
            Ok(())
        }

        fn is_transient(&self, error: &RpcError) -> bool {
            error.is_unavailable()
        }

        fn kind(&self) -> PollKind {
            PollKind::Activity
        }

        fn task_queue(&self) -> &str {
            "queue"
        }
    }

    type Log = Arc<Mutex<Vec<(u64, String)>>>;

    fn poller(slots: usize, answers: Vec<Result<&'static str, RpcError>>) -> (Poller<Script>, Log, Arc<Phases>) {
        let (log, phases) = (Log::default(), Arc::new(Phases::new()));
        let answers = Arc::new(Mutex::new(answers));
        let source = Arc::new(Script { answers, log: log.clone(), held: Mutex::default(), began: Instant::now() });
        let (slots, outage, polls) = (Arc::new(Slots::new(slots, Default::default())), Arc::default(), Arc::default());
        let wanted = WantedPolls::new(PollerBehavior::SimpleMaximum(1), false);
        let poller = Poller { source, slots, phases: phases.clone(), outage, polls, wanted, index: 0 };
        (poller, log, phases)
    }

    fn texts(log: &Log) -> Vec<String> {
        log.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }

    fn down() -> RpcError {
        RpcError::for_test(Code::Unavailable, "connection refused")
    }

    #[tokio::test(start_paused = true)]
    async fn polls_do_not_run_ahead_of_slots() {
        let (poller, log, _) = poller(2, vec![Ok("a"), Ok("b"), Ok("c")]);
        let _ = tokio::time::timeout(Duration::from_secs(1), poller.run()).await;
        assert_eq!(texts(&log), ["poll", "a", "poll", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_cannot_be_read_fails_alone_and_is_no_outage() {
        let (poller, log, _) = poller(1, vec![Err(RpcError::undecodable_for_test(b"token")), Ok("a")]);
        let outage = poller.outage.clone();
        let _ = tokio::time::timeout(Duration::from_secs(10), poller.run()).await;
        assert_eq!(texts(&log), ["poll", "refuse token", "poll", "a"]);
        assert!(!outage.ended("queue"), "nothing was said of a server that is away");
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_answer_gives_its_slot_back() {
        let (poller, log, _) = poller(1, vec![Ok(""), Ok("a")]);
        let _ = tokio::time::timeout(Duration::from_secs(1), poller.run()).await;
        assert_eq!(texts(&log), ["poll", "", "poll", "a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_answers_at_once_with_nothing_is_not_asked_all_the_time() {
        let (poller, log, phases) = poller(1, vec![Ok(""); 1000]);
        let mut running = pin!(poller.run());
        assert!(tokio::time::timeout(Duration::from_secs(120), running.as_mut()).await.is_err());
        let polls = texts(&log).iter().filter(|text| *text == "poll").count();
        assert!((15..=25).contains(&polls), "{polls} polls in two minutes");
        // The waiting poller does not delay shutdown either.
        phases.advance(Phase::Draining);
        tokio::time::timeout(Duration::from_millis(1), running).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_comes_back_is_polled_again() {
        let (poller, log, _) = poller(5, vec![Err(down()), Ok("a")]);
        let _ = tokio::time::timeout(Duration::from_secs(60), poller.run()).await;
        assert_eq!(texts(&log), ["poll", "probe", "poll", "a", "poll"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_ends_the_worker_after_a_minute_and_not_before() {
        let refusal = || Err(RpcError::for_test(Code::PermissionDenied, "no"));
        let (poller, log, _) = poller(5, std::iter::repeat_with(refusal).take(100).collect());
        let error = tokio::time::timeout(Duration::from_secs(120), poller.run()).await.unwrap().unwrap_err();
        assert!(error.to_string().contains("`queue`") && error.rpc_error().is_some(), "{error}");
        let last = log.lock().unwrap().last().unwrap().0;
        assert!((60..75).contains(&last), "gave up after {last} s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_in_flight_is_dropped_only_when_polls_are_cut() {
        let (poller, _, phases) = poller(1, vec![]);
        let mut running = pin!(poller.run());
        phases.advance(Phase::Draining);
        // The poll has not started yet: draining ends the poller first.
        running.as_mut().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_the_poll_in_flight() {
        let (poller, log, phases) = poller(1, vec![]);
        let mut running = pin!(poller.run());
        assert!(tokio::time::timeout(Duration::from_secs(1), running.as_mut()).await.is_err());
        phases.advance(Phase::Draining);
        assert!(tokio::time::timeout(Duration::from_secs(1), running.as_mut()).await.is_err());
        phases.advance(Phase::PollsCut);
        running.await.unwrap();
        assert_eq!(texts(&log), ["poll"]);
    }
}
