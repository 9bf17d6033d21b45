//! Holds an engine, tells it the time, and keeps callers waiting until it wakes them.
//!
//! Time skipping is decided here, under the same lock as every change of the state: the clock moves to the next deadline
//! when somebody awaits an outcome, nothing is under way ([`Engine::is_busy`]), and everybody whose outcome has come has
//! had a chance to look at it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};

use super::clock::{Clock, Pace};
use super::engine::errors::Error;
use super::engine::time::{Now, Time};
use super::engine::{Engine, Options, Step, WaiterId};

/// More skips in a row without any request from outside mean that the workflow under test never ends.
const SKIP_LIMIT: u32 = 100_000;

/// So many turns the other tasks get before time moves on after somebody looked at an outcome: what follows an awaited
/// outcome or a sleep (a signal, say) happens at its time, not after the next timer.
const TURNS: u32 = 8;

/// So many failed workflow tasks are kept for [`Host::workflow_task_failure`].
const KEPT_FAILURES: usize = 10;

/// An engine with its clock and the callers it keeps waiting.
#[derive(Debug)]
pub(crate) struct Host {
    inner: Mutex<Inner>,
    /// The next deadline may have changed.
    changed: Notify,
    /// What the workers' failed workflow tasks said, first ones first.
    task_failures: watch::Sender<Vec<String>>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    clock: Clock,
    pace: Pace,
    parked: BTreeMap<WaiterId, Parked>,
    /// Those who wait for a point in time, by that time and arrival.
    sleepers: BTreeMap<(Time, u64), oneshot::Sender<()>>,
    next_sleeper: u64,
    /// Awaited outcomes that have come but were not looked at yet: time stands still for them.
    unseen: u32,
    /// How many of the unseen were looked at by now. They count until whoever looked has had time to act on it.
    seen: u32,
    skips: u32,
}

#[derive(Debug)]
struct Parked {
    wake: oneshot::Sender<()>,
    awaits: bool,
}

/// What a long wait came to.
#[derive(Debug)]
pub(crate) enum Waited<T> {
    Done(T),
    TimedOut,
}

/// How long a caller waits, and whether time may skip meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) limit: Duration,
    pub(crate) awaits: bool,
}

impl Host {
    pub(crate) fn new(options: Options, clock: Clock, pace: Pace) -> Arc<Self> {
        let inner = Inner {
            engine: Engine::new(options),
            clock,
            pace,
            parked: BTreeMap::new(),
            sleepers: BTreeMap::new(),
            next_sleeper: 0,
            unseen: 0,
            seen: 0,
            skips: 0,
        };
        Arc::new(Self {
            inner: Mutex::new(inner),
            changed: Notify::new(),
            task_failures: watch::Sender::new(Vec::new()),
        })
    }

    /// Carries out a request that is answered at once.
    pub(crate) fn call<T>(&self, request: impl FnOnce(&mut Engine) -> T) -> T {
        let mut inner = self.lock();
        inner.skips = 0;
        inner.catch_up();
        let response = request(&mut inner.engine);
        inner.settle();
        drop(inner);
        self.changed.notify_one();
        response
    }

    /// Carries out a request whose answer may have to be waited for; `resume` fetches it after a wakeup.
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
            tokio::select! {
                _ = &mut woken => {}
                () = &mut timeout => return Ok(Waited::TimedOut),
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

    /// Moves the clock on by `duration`, whatever is under way; everything that falls due on the way happens.
    pub(crate) fn advance(&self, duration: Duration) {
        let mut inner = self.lock();
        inner.catch_up();
        let target = inner.clock.now().time.plus(duration);
        inner.run_until(target);
        inner.settle();
        drop(inner);
        self.changed.notify_one();
    }

    /// Waits until the server's clock has moved on by `duration`; if it can skip, it does.
    pub(crate) async fn sleep(&self, duration: Duration) {
        // Dropped after the bed: a wakeup that nobody can receive any more would not count as one to be looked at.
        let (wake, mut woken) = oneshot::channel();
        let key = {
            let mut inner = self.lock();
            inner.catch_up();
            inner.next_sleeper += 1;
            let key = (inner.clock.now().time.plus(duration), inner.next_sleeper);
            inner.sleepers.insert(key, wake);
            inner.settle();
            key
        };
        self.changed.notify_one();
        let mut bed = Bed { host: self, key: Some(key) };
        // The sender is dropped only after it has sent.
        let _ = (&mut woken).await;
        bed.key = None;
        self.see();
    }

    pub(crate) fn now(&self) -> Now {
        let mut inner = self.lock();
        inner.catch_up();
        inner.clock.now()
    }

    /// Fires deadlines when they are due; runs as long as the server.
    pub(crate) async fn drive(self: Arc<Self>) {
        loop {
            self.give_turns().await;
            let next = {
                let mut inner = self.lock();
                inner.catch_up();
                inner.settle();
                inner.next_wakeup()
            };
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

    /// Lets those who looked at an outcome act on it, then stops holding the clock for them.
    async fn give_turns(&self) {
        let seen = std::mem::take(&mut self.lock().seen);
        if seen > 0 {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            let mut inner = self.lock();
            inner.unseen = inner.unseen.saturating_sub(seen);
        }
    }

    /// Keeps what a worker said of a workflow task that it failed.
    pub(crate) fn workflow_task_failed(&self, text: String) {
        self.task_failures.send_modify(|failures| {
            if failures.len() < KEPT_FAILURES {
                failures.push(text);
            }
        });
    }

    /// Forgets the failures so far, those of a worker that has ended.
    pub(crate) fn forget_workflow_task_failures(&self) {
        self.task_failures.send_modify(Vec::clear);
    }

    /// Waits until a worker fails a workflow task (or has done so), and says what it said. Each failure is told once.
    pub(crate) async fn workflow_task_failure(&self) -> String {
        let mut failures = self.task_failures.subscribe();
        loop {
            if failures.wait_for(|failures| !failures.is_empty()).await.is_err() {
                return std::future::pending().await;
            }
            let mut told = Vec::new();
            self.task_failures.send_modify(|failures| told = std::mem::take(failures));
            // Somebody else who waited may have been told first.
            if !told.is_empty() {
                return told.join("\n");
            }
        }
    }

    fn step<T>(
        &self,
        awaits: bool,
        request: impl FnOnce(&mut Engine) -> Result<Step<T>, Error>,
    ) -> Result<Result<T, (WaiterId, oneshot::Receiver<()>)>, Error> {
        let mut nothing_seen = Seen { host: self, pending: false };
        self.step_seen(awaits, &mut nothing_seen, request)
    }

    fn step_seen<T>(
        &self,
        awaits: bool,
        seen: &mut Seen<'_>,
        request: impl FnOnce(&mut Engine) -> Result<Step<T>, Error>,
    ) -> Result<Result<T, (WaiterId, oneshot::Receiver<()>)>, Error> {
        let mut inner = self.lock();
        inner.skips = 0;
        inner.catch_up();
        let step = request(&mut inner.engine);
        inner.seen += u32::from(std::mem::take(&mut seen.pending));
        let step = step.map(|step| match step {
            Step::Done(done) => Ok(done),
            Step::Wait(id) => {
                let (wake, woken) = oneshot::channel();
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
        let parked = inner.parked.remove(&id);
        if parked.is_none() && awaits {
            // It was woken and never looked.
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

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in the engine leaves the state of one request half done; the others had better go on.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Does what has fallen due since the last look.
    fn catch_up(&mut self) {
        let now = self.clock.now();
        self.run_until(now.time);
        while let Some(time) = self.engine.overtaken() {
            self.run_until(time);
        }
        self.wake();
    }

    /// Skips as long as that is allowed, then wakes whoever has something to look at.
    fn settle(&mut self) {
        self.wake();
        while self.may_skip() {
            let sleeper = self.sleepers.first_key_value().map(|(key, _)| key.0);
            let Some(next) = self.engine.next_deadline().into_iter().chain(sleeper).min() else { break };
            self.skips += 1;
            if self.skips == SKIP_LIMIT {
                tracing::error!("time was skipped {SKIP_LIMIT} times in a row and nobody did anything: skipping stops");
            }
            self.run_until(next);
            self.wake();
        }
    }

    fn may_skip(&self) -> bool {
        let awaited = !self.sleepers.is_empty() || self.parked.values().any(|parked| parked.awaits);
        let standing = self.pace == Pace::Standing;
        standing && awaited && self.unseen == 0 && self.skips < SKIP_LIMIT && !self.engine.is_busy()
    }

    /// Moves the clock to `time`; deadlines on the way happen at their own times.
    fn run_until(&mut self, time: Time) {
        self.clock.move_to(time);
        let now = self.clock.now();
        self.engine.run_until(Now { time: time.max(self.engine.now().time), wall: now.wall });
        while let Some(entry) = self.sleepers.first_entry().filter(|entry| entry.key().0 <= now.time) {
            if entry.remove().send(()).is_ok() {
                self.unseen += 1;
            }
        }
    }

    fn wake(&mut self) {
        for id in self.engine.take_wakeups() {
            let Some(parked) = self.parked.remove(&id) else { continue };
            let awaits = parked.awaits;
            if parked.wake.send(()).is_ok() && awaits {
                self.unseen += 1;
            }
        }
    }

    fn next_wakeup(&self) -> Option<Duration> {
        let sleeper = self.sleepers.first_key_value().map(|(key, _)| key.0);
        let own = self.engine.next_deadline().into_iter().chain(sleeper).min();
        let own = own.and_then(|at| self.clock.until(at));
        let wall = self.engine.next_wall_deadline().map(|at| self.clock.until_wall(at));
        own.into_iter().chain(wall).min()
    }
}

/// A caller's place among those who wait; given up when the caller goes away.
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

/// A wakeup that has to be acknowledged, even if its caller goes away.
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

#[expect(clippy::disallowed_methods, reason = "long polls and real deadlines are measured on the machine's clock")]
async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}
