//! Runs an engine: tells it the time, and keeps callers waiting until it wakes them.
//!
//! Time skipping is decided (in [`Flow`]) under the same lock as every change of the state: the clock moves to the next
//! deadline if a caller awaits an outcome, nothing is running ([`Engine::hold`]), and all callers whose outcomes have
//! arrived have had a chance to read them. An activity that awaits an outcome neither stops the clock nor moves it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use abide::activity::ActivityInfo;
use tokio::sync::{Notify, oneshot, watch};

use super::attempts::{AttemptId, Polled};
use super::callers::Caller;
use super::clock::{Clock, Pace, time_of};
use super::engine::errors::Error;
use super::engine::stuck::WaitingRun;
use super::engine::time::{Now, Time};
use super::engine::told::Told;
use super::engine::{Engine, Options, QueueKind, Step, WaiterId};
use super::flow::{Flow, Parked, Sleep, Sleeper, Wake};
use super::verdict::Verdict;

/// Number of turns that other tasks get before time moves on after an outcome was read. What the test does after an
/// awaited outcome or a sleep (for example send a signal) then happens at that time, not after the next timer.
const TURNS: u32 = 8;

/// Maximum failed workflow tasks kept for [`Host::workflow_task_failure`].
const KEPT_FAILURES: usize = 10;

/// An engine with its clock and its waiting callers.
pub struct Host {
    inner: Mutex<Flow>,
    /// Notified when the next deadline may have changed.
    changed: Notify,
    /// Messages of the workers' failed workflow tasks, oldest first.
    task_failures: watch::Sender<Vec<Told>>,
    /// The reason to end the test.
    verdict: watch::Sender<Option<String>>,
    /// The same, while it is not told yet because the workflows' code is being queried for its position.
    unexplained: watch::Sender<Option<Unexplained>>,
}

/// The engine holds the payloads of all runs, so nothing of it is shown.
impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

/// A verdict that is told once it is known where the workflows' code waits.
#[derive(Clone, Debug)]
pub struct Unexplained {
    /// The reason, without the lines.
    pub why: Told,
    /// Number of tests that had begun.
    begun: u64,
}

/// The result of a long wait.
#[derive(Debug)]
pub(crate) enum Waited<T> {
    Done(T),
    TimedOut,
}

/// The limit of a caller's wait, and whether time may skip during it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) limit: Duration,
    pub(crate) awaits: bool,
}

impl Host {
    pub(crate) fn new(options: Options, clock: Clock, pace: Pace) -> Arc<Self> {
        let inner = Flow::new(options, clock, pace);
        Arc::new(Self {
            inner: Mutex::new(inner),
            changed: Notify::new(),
            task_failures: watch::Sender::new(Vec::new()),
            verdict: watch::Sender::new(None),
            unexplained: watch::Sender::new(None),
        })
    }

    /// Executes a request that is answered at once.
    pub(crate) fn call<T>(&self, request: impl FnOnce(&mut Engine) -> T) -> T {
        let mut inner = self.lock();
        if inner.pace.skips() {
            // A helper task of a test should be known before it waits.
            inner.callers.present();
        }
        inner.catch_up();
        let response = request(&mut inner.engine);
        inner.settle();
        drop(inner);
        self.changed.notify_one();
        response
    }

    /// Executes a request whose answer may take time; `resume` fetches it after a wakeup.
    pub(crate) async fn wait<T>(
        &self,
        patience: Patience,
        request: impl FnOnce(&mut Engine) -> Result<Step<T>, Error>,
        mut resume: impl FnMut(&mut Engine, WaiterId) -> Result<Step<T>, Error>,
    ) -> Result<Waited<T>, Error> {
        let timeout = sleep(patience.limit);
        tokio::pin!(timeout);
        let (mut id, mut woken) = match self.step(patience.awaits, request)? {
            Ok(done) => return Ok(Waited::Done(done)),
            Err(parked) => parked,
        };
        loop {
            let mut place = Place { host: self, id: Some(id), awaits: patience.awaits };
            let wake = tokio::select! {
                wake = &mut woken => wake,
                () = &mut timeout => return Ok(Waited::TimedOut),
            };
            if let Ok(Wake::Never(why)) = wake {
                return Err(Error::failed_precondition(why));
            }
            place.id = None;
            let mut seen = Seen { host: self, pending: patience.awaits };
            let step = self.step_seen(patience.awaits, &mut seen, |engine| resume(engine, id))?;
            match step {
                Ok(done) => return Ok(Waited::Done(done)),
                Err(parked) => (id, woken) = parked,
            }
        }
    }

    /// Advances the clock by `duration`, even if something is running; everything due on the way happens.
    pub(crate) fn advance(&self, duration: Duration) {
        let mut inner = self.lock();
        inner.catch_up();
        let target = inner.clock.now().time.plus(duration);
        inner.run_until(target);
        inner.settle();
        drop(inner);
        self.changed.notify_one();
    }

    /// Waits until `duration` has passed on the server's clock; if the clock can skip, it does.
    ///
    /// # Panics
    /// Panics if that time can never come, outside a test that is told so.
    pub(crate) async fn sleep(&self, duration: Duration) {
        let until = self.now().time.plus(duration);
        if let Wake::Never(why) = self.sleep_until(until).await {
            panic!("{why}");
        }
    }

    async fn sleep_until(&self, until: Time) -> Wake {
        // Dropped after `bed`: a wakeup that cannot be received any more would otherwise count as one to be read.
        let (wake, mut woken) = oneshot::channel();
        let key = {
            let mut inner = self.lock();
            inner.catch_up();
            inner.next_sleeper += 1;
            inner.listen_anew();
            let key = (until, inner.next_sleeper);
            let kind = Sleep::Awaits(inner.callers.present());
            inner.sleepers.insert(key, Sleeper { wake, kind });
            inner.settle();
            key
        };
        self.changed.notify_one();
        let mut bed = Bed { host: self, key: Some(key) };
        // The sender is dropped only after it has sent.
        let wake = (&mut woken).await.unwrap_or(Wake::Look);
        bed.key = None;
        self.see();
        wake
    }

    /// Does something when the server's clock shows `elapsed` after `start`. Time passes only if another caller lets it
    /// pass, and stands still while this is done. The clock knows of it as soon as this is called. Texts call it `name`.
    ///
    /// The future must be the only one of its task, so that it is known when it waits for this server.
    pub fn at<F: Future>(
        self: &Arc<Self>,
        start: SystemTime,
        elapsed: Duration,
        name: String,
        what: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let until = time_of(start).plus(elapsed);
        let host = Arc::clone(self);
        let (wake, woken) = oneshot::channel();
        let number = {
            let mut inner = host.lock();
            inner.catch_up();
            inner.next_sleeper += 1;
            let number = inner.next_sleeper;
            inner.sleepers.insert((until, number), Sleeper { wake, kind: Sleep::Waits(name) });
            inner.settle();
            number
        };
        self.changed.notify_one();
        async move {
            // Whoever wakes it has made the clock stand still for it.
            let _ = woken.await;
            let acting = Acting { host: &host, number };
            acting.begin();
            let output = what.await;
            drop(acting);
            output
        }
    }

    /// Returns the time on the server's clock.
    pub fn system_time(&self) -> SystemTime {
        let nanos = u64::try_from(self.now().time.nanos()).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
    }

    pub(crate) fn now(&self) -> Now {
        let mut inner = self.lock();
        inner.catch_up();
        inner.clock.now()
    }

    /// Fires deadlines when they are due, and observes silences; runs as long as the server.
    pub(crate) async fn drive(self: Arc<Self>) {
        loop {
            self.give_turns().await;
            let (next, reached) = {
                let mut inner = self.lock();
                inner.catch_up();
                inner.settle();
                (inner.next_wakeup(), inner.silence_reached())
            };
            self.tell_verdict();
            if let Some(stage) = reached {
                // A worker or a caller that could not run until now comes first.
                give_turns().await;
                self.lock().pass_silence(stage);
                continue;
            }
            match next {
                Some(duration) => {
                    tokio::select! {
                        () = sleep(duration) => {}
                        () = self.changed.notified() => {}
                    }
                }
                None => self.changed.notified().await,
            }
        }
    }

    /// Lets callers that read an outcome act on it, then stops holding the clock for them.
    async fn give_turns(&self) {
        let seen = std::mem::take(&mut self.lock().seen);
        if seen > 0 {
            give_turns().await;
            let mut inner = self.lock();
            inner.unseen = inner.unseen.saturating_sub(seen);
        }
    }

    /// Stores the message of a workflow task that a worker failed.
    pub(crate) fn workflow_task_failed(&self, text: impl Into<Told>) {
        self.task_failures.send_modify(|failures| {
            if failures.len() < KEPT_FAILURES {
                failures.push(text.into());
            }
        });
    }

    /// Waits until a worker fails a workflow task (or has done so). Returns its message; each failure is returned once.
    pub async fn workflow_task_failure(&self) -> Told {
        let mut failures = self.task_failures.subscribe();
        loop {
            if failures.wait_for(|failures| !failures.is_empty()).await.is_err() {
                return std::future::pending().await;
            }
            let mut told = Vec::new();
            self.task_failures.send_modify(|failures| told = std::mem::take(failures));
            // Another waiter may have received it first.
            let mut told = told.into_iter();
            if let Some(mut text) = told.next() {
                for more in told {
                    text.push("\n");
                    text.append(more);
                }
                return text;
            }
        }
    }

    /// Counts a test that wants to be told if it would wait forever, until the returned value is dropped. Also clears
    /// findings of earlier tests.
    pub fn begin_test(self: &Arc<Self>) -> Test {
        // An earlier run's worker may have failed its task again while it ended, which is not this run's failure.
        self.task_failures.send_modify(Vec::clear);
        self.verdict.send_replace(None);
        self.unexplained.send_replace(None);
        let mut inner = self.lock();
        inner.callers.present();
        inner.tests += 1;
        inner.begun += 1;
        inner.clock.halt(false);
        (inner.skips, inner.verdict, inner.told) = (0, None, false);
        let (seen, wall) = (inner.seen(), inner.clock.now().wall);
        inner.silence.begin(seen, wall);
        drop(inner);
        self.changed.notify_one();
        Test(Arc::clone(self))
    }

    /// Returns the real time after which a test without progress is ended.
    pub fn patience(&self) -> Duration {
        self.lock().silence.patience()
    }

    /// Sets the real time after which a test without progress is ended.
    pub fn set_patience(&self, patience: Duration) {
        self.lock().silence.set_patience(patience);
    }

    /// Sets the reason to end the test; the first one counts.
    pub fn end_test(&self, why: String) {
        self.lock().verdict.get_or_insert(Verdict { why: why.into(), wants_lines: false });
        self.changed.notify_one();
    }

    /// Like [`end_test`](Self::end_test), if it helps to know the line at which the workflow's code waits.
    pub fn end_test_of_waiting_code(&self, why: String) {
        self.lock().verdict.get_or_insert(Verdict { why: why.into(), wants_lines: true });
        self.changed.notify_one();
    }

    /// Enables explanations: a caller now awaits [`unexplained`](Self::unexplained) and adds to verdicts before they
    /// are told.
    pub fn explain(&self) {
        self.lock().is_explained = true;
    }

    /// Waits for a reason to end the test that is not told yet, because the workflows' code can explain it.
    pub async fn unexplained(&self) -> Unexplained {
        let mut unexplained = self.unexplained.subscribe();
        match unexplained.wait_for(Option::is_some).await.map(|unexplained| unexplained.clone()) {
            Ok(Some(unexplained)) => unexplained,
            _ => std::future::pending().await,
        }
    }

    /// Returns the runs whose code can be queried for its position.
    pub fn waiting_runs(&self, namespace: &str) -> Vec<WaitingRun> {
        self.lock().engine.waiting_runs(namespace)
    }

    /// Tells the reason to end the test, and where the workflows' code waits.
    pub fn tell_explained(&self, unexplained: &Unexplained, text: String) {
        self.unexplained.send_replace(None);
        if self.lock().begun == unexplained.begun {
            self.tell(text);
        }
    }

    /// Waits for a reason to end the test, and returns it.
    pub async fn verdict(&self) -> String {
        let mut verdict = self.verdict.subscribe();
        match verdict.wait_for(Option::is_some).await.map(|verdict| verdict.clone()) {
            Ok(Some(why)) => why,
            _ => std::future::pending().await,
        }
    }

    /// Returns the reason to end the test, if there is one by now.
    pub fn present_verdict(&self) -> Option<Told> {
        let untold = self.lock().verdict.take().map(|verdict| verdict.why);
        let unexplained = || self.unexplained.borrow().as_ref().map(|unexplained| unexplained.why.clone());
        untold.or_else(unexplained).or_else(|| self.verdict.borrow().clone().map(Told::from))
    }

    /// Tells the reason to end the test, if there is one, now or after the workflows' code was queried.
    fn tell_verdict(&self) {
        let mut inner = self.lock();
        if inner.told {
            return;
        }
        let Some(Verdict { why, wants_lines }) = inner.verdict.take() else { return };
        if !(wants_lines && inner.is_explained) {
            drop(inner);
            return self.tell(why.to_string());
        }
        inner.told = true;
        let begun = inner.begun;
        drop(inner);
        self.unexplained.send_replace(Some(Unexplained { why, begun }));
    }

    /// Tells all waiting callers that there will be no outcome.
    fn tell(&self, why: String) {
        let mut inner = self.lock();
        if inner.tests > 0 {
            inner.told = true;
            drop(inner);
            self.verdict.send_replace(Some(why));
            return;
        }
        inner.told = false;
        inner.skips = 0;
        let (seen, wall) = (inner.seen(), inner.clock.now().wall);
        inner.silence.begin(seen, wall);
        let parked = std::mem::take(&mut inner.parked).into_iter();
        let (awaiting, others) = parked.partition(|(_, parked)| parked.awaits.is_some());
        let awaiting: BTreeMap<WaiterId, Parked> = awaiting;
        inner.parked = others;
        let (waiting, sleepers) =
            std::mem::take(&mut inner.sleepers).into_iter().partition(|(_, sleeper)| sleeper.kind.awaits().is_none());
        let sleepers: BTreeMap<(Time, u64), Sleeper> = sleepers;
        inner.sleepers = waiting;
        drop(inner);
        let wakes = awaiting.into_values().map(|parked| parked.wake).chain(sleepers.into_values().map(|one| one.wake));
        for wake in wakes {
            let _ = wake.send(Wake::Never(why.clone()));
        }
    }

    /// Keeps a paused clock from going on while a test's worker ends, until the returned value is dropped. The test
    /// then still reads the time at which it had its outcome.
    pub fn halt(self: &Arc<Self>) -> Halt {
        self.set_halted(true);
        Halt(Arc::clone(self))
    }

    fn set_halted(&self, halted: bool) {
        let mut inner = self.lock();
        inner.catch_up();
        // The clock continues for another test on the same server.
        let halted = halted && inner.tests <= 1;
        inner.clock.halt(halted);
        drop(inner);
        self.changed.notify_one();
    }

    /// Registers a worker that is about to poll a queue, until the returned value is dropped.
    pub fn promise(
        host: &Arc<Self>,
        namespace: &str,
        queue: &str,
        [workflows, activities, nexus]: [bool; 3],
    ) -> Promise {
        let kinds = [(workflows, QueueKind::Workflow), (activities, QueueKind::Activity), (nexus, QueueKind::Nexus)];
        let kinds = kinds.into_iter().filter(|(wanted, _)| *wanted).map(|(_, kind)| kind).collect();
        let promise = Promise { host: Arc::clone(host), namespace: namespace.into(), queue: queue.into(), kinds };
        promise.set(true);
        promise
    }

    pub(crate) fn begin_attempt(&self, info: &ActivityInfo) -> AttemptId {
        let mut inner = self.lock();
        let began = inner.callers.moment();
        let now = inner.clock.now().time;
        let id = inner.attempts.begin(info, began, now);
        inner.watch_lanes();
        id
    }

    /// Returns what currently stops the clock, one sentence each.
    pub(crate) fn busy(&self) -> Vec<String> {
        let mut busy = self.call(|engine| engine.busy());
        busy.extend(self.lock().orphans_of_closed_workflows());
        busy
    }

    /// Records that the code of an attempt runs (`None`), or has run and waits.
    pub(crate) fn attempt_polled(&self, id: AttemptId, over: Option<Polled>) {
        let mut inner = self.lock();
        let wall = inner.clock.now().wall;
        let is_over = over.is_some();
        inner.attempts.polled(id, over, wall);
        drop(inner);
        // The time at which it will have been quiet for long enough has changed.
        if is_over {
            self.changed.notify_one();
        }
    }

    /// Records a heartbeat of an attempt's code at once, because code that never yields keeps it from being delivered.
    pub(crate) fn hear_heartbeat(&self, id: AttemptId) {
        let mut inner = self.lock();
        inner.catch_up();
        if let Some((run_id, activity_id, attempt)) = inner.attempts.name_of(id) {
            inner.engine.attempt_lives(&run_id, &activity_id, attempt);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Records that an attempt's code has ended with its result to be reported later.
    pub fn attempt_left_open(&self, info: &ActivityInfo) {
        let attempt = i32::try_from(info.attempt).unwrap_or(i32::MAX);
        self.call(|engine| {
            engine.attempt_left_open(info.run_id.as_deref().unwrap_or_default(), &info.activity_id, attempt)
        });
    }

    /// Returns the activities whose code is running at this moment.
    pub fn running_now(&self) -> Vec<String> {
        self.lock().attempts.running_now()
    }

    pub(crate) fn end_attempt(&self, id: AttemptId) {
        let mut inner = self.lock();
        let wall = inner.clock.now().wall;
        inner.attempts.end(id, wall);
        inner.watch_lanes();
        drop(inner);
        self.changed.notify_one();
    }

    fn step<T>(
        &self,
        awaits: bool,
        request: impl FnOnce(&mut Engine) -> Result<Step<T>, Error>,
    ) -> Result<Result<T, (WaiterId, oneshot::Receiver<Wake>)>, Error> {
        let mut nothing_seen = Seen { host: self, pending: false };
        self.step_seen(awaits, &mut nothing_seen, request)
    }

    fn step_seen<T>(
        &self,
        awaits: bool,
        seen: &mut Seen<'_>,
        request: impl FnOnce(&mut Engine) -> Result<Step<T>, Error>,
    ) -> Result<Result<T, (WaiterId, oneshot::Receiver<Wake>)>, Error> {
        let mut inner = self.lock();
        let awaits = awaits.then(|| inner.callers.present());
        inner.catch_up();
        let step = request(&mut inner.engine);
        inner.seen += u32::from(std::mem::take(&mut seen.pending));
        let step = step.map(|step| match step {
            Step::Done(done) => Ok(done),
            Step::Wait(id) => {
                let (wake, woken) = oneshot::channel();
                if awaits.and_then(Caller::other).is_some() {
                    inner.listen_anew();
                }
                inner.parked.insert(id, Parked { wake, awaits });
                Err((id, woken))
            }
        });
        inner.settle();
        drop(inner);
        self.changed.notify_one();
        step
    }

    fn withdraw(&self, id: WaiterId, awaits: bool) {
        let mut inner = self.lock();
        let was_woken = !inner.remove_parked(id);
        if was_woken && awaits {
            // It was woken and never read its outcome.
            inner.unseen = inner.unseen.saturating_sub(1);
        }
        inner.catch_up();
        inner.engine.withdraw(id);
        inner.settle();
        drop(inner);
        self.changed.notify_one();
    }

    fn see(&self) {
        self.lock().seen += 1;
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Flow> {
        // A panic in the engine leaves only one request's state half done, so the others may continue.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller's place among the waiters; given up when the caller goes away.
struct Place<'a> {
    host: &'a Host,
    id: Option<WaiterId>,
    awaits: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.host.withdraw(id, self.awaits);
        }
    }
}

/// A wakeup that must be acknowledged, even if its caller goes away.
struct Seen<'a> {
    host: &'a Host,
    pending: bool,
}

impl Drop for Seen<'_> {
    fn drop(&mut self) {
        if self.pending {
            self.host.see();
        }
    }
}

/// A sleeper's place; given up when the sleeper goes away.
struct Bed<'a> {
    host: &'a Host,
    key: Option<(Time, u64)>,
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let removed = self.host.lock().sleepers.remove(&key);
        if removed.is_none() {
            self.host.see();
        }
    }
}

/// A test that is told if it would wait forever.
#[derive(Debug)]
pub struct Test(Arc<Host>);

impl Drop for Test {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.tests -= 1;
        inner.told = false;
    }
}

/// Keeps the clock from going on by itself.
#[derive(Debug)]
pub struct Halt(Arc<Host>);

impl Drop for Halt {
    fn drop(&mut self) {
        self.0.set_halted(false);
    }
}

/// A worker that is about to poll.
#[derive(Debug)]
pub struct Promise {
    host: Arc<Host>,
    namespace: String,
    queue: String,
    kinds: Vec<QueueKind>,
}

impl Promise {
    fn set(&self, promised: bool) {
        self.host.call(|engine| {
            for kind in &self.kinds {
                engine.promise_worker(&self.namespace, &self.queue, *kind, promised);
            }
        });
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// An action at a virtual time, for which the clock stands still.
struct Acting<'a> {
    host: &'a Host,
    number: u64,
}

impl Acting<'_> {
    /// Records the task of the action.
    fn begin(&self) {
        let mut inner = self.host.lock();
        let caller = inner.callers.present();
        if let Some(moment) = inner.acting.get_mut(&self.number) {
            moment.caller = Some(caller);
        }
    }
}

impl Drop for Acting<'_> {
    fn drop(&mut self) {
        self.host.lock().acting.remove(&self.number);
        self.host.changed.notify_one();
    }
}

/// Lets other tasks of the runtime run.
async fn give_turns() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "long polls and real deadlines are measured on the machine's clock")]
async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}
