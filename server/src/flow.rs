//! The flow of time: an engine with its clock, the callers that wait for it in this process, and the consequences of a
//! silence. The host keeps it behind a lock; nothing here blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use abide_protos::fields::std_duration_text;
use tokio::sync::oneshot;

use super::attempts::{AttemptId, Attempts};
use super::callers::{Caller, Callers};
use super::clock::{Clock, Pace};
use super::engine::time::{Now, Time};
use super::engine::told::Told;
use super::engine::{Engine, Hold, Options, WaiterId};
use super::lane_work::LaneWork;
use super::silence::{PATIENCE, Silence, SilenceStage};

/// Number of skips for one awaited outcome after which it counts as never coming: a first time when they have taken
/// this many times the patience, and finally in any case.
const MANY_SKIPS: u32 = 2_000;
const MANY_SKIPS_TAKE: u32 = 12;
const SKIP_LIMIT: u32 = 1_000_000;

/// Number of skips between two checks for progress.
const SKIPS_BETWEEN_QUESTIONS: u32 = 256;

/// An engine, its clock, and the waiting callers.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) engine: Engine,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    pub(super) parked: BTreeMap<WaiterId, Parked>,
    /// Callers that wait for a point in time, by that time and by arrival.
    pub(super) sleepers: BTreeMap<(Time, u64), Sleeper>,
    pub(super) next_sleeper: u64,
    /// The activity code that runs in this process, and the callers of requests.
    pub(super) attempts: Attempts,
    pub(super) callers: Callers,
    /// Number of awaited outcomes that have arrived but were not read yet: time stands still for them.
    pub(super) unseen: u32,
    /// Number of the unseen that were read by now. They count until the reader has had time to act.
    pub(super) seen: u32,
    /// Number of skips for the awaited outcome, the time of the first on the machine's clock, and the total.
    pub(super) skips: u32,
    pub(super) skips_since: Time,
    pub(super) all_skips: u64,
    /// True while tasks without a worker do not stop the clock.
    pub(super) through_untaken: bool,
    /// Number of messages that tests are sending at a virtual time: the clock stands still for them.
    pub(super) sending: u32,
    /// Number of tests that run workers and want to be told if they would wait forever.
    pub(super) tests: u32,
    pub(super) silence: Silence,
    pub(super) lane_work: LaneWork,
    /// The reason to end the test, until it is told.
    pub(super) verdict: Option<Verdict>,
    /// True if the workflows' code is queried before a verdict is told.
    pub(super) is_explained: bool,
    /// Number of tests that have begun, so that a finding for one is not told to the next.
    pub(super) begun: u64,
    /// True once a verdict was told: time no longer passes.
    pub(super) told: bool,
}

#[derive(Debug)]
pub(super) struct Parked {
    pub(super) wake: oneshot::Sender<Wake>,
    /// The caller that awaits an outcome; `None` if time does not pass for it.
    pub(super) awaits: Option<Caller>,
}

#[derive(Debug)]
pub(super) struct Sleeper {
    pub(super) wake: oneshot::Sender<Wake>,
    pub(super) kind: Sleep,
}

/// The kind of a sleep on the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sleep {
    /// The sleep of a caller that lets time pass, or of an activity's code.
    Awaits(Caller),
    /// The sleep of a caller that acts when that time has come, but does not let time pass.
    Waits,
}

/// The reason to end a test.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) why: Told,
    /// True if the lines at which the workflows' code waits help to understand it.
    pub(super) wants_lines: bool,
}

/// The reason to wake a waiting caller.
#[derive(Debug)]
pub(super) enum Wake {
    /// Its outcome may have arrived.
    Look,
    /// There will be no outcome, for this reason.
    Never(String),
}

impl Sleep {
    fn awaits(self) -> Option<Caller> {
        match self {
            Self::Awaits(caller) => Some(caller),
            Self::Waits => None,
        }
    }
}

impl Flow {
    pub(super) fn new(options: Options, clock: Clock, pace: Pace) -> Self {
        Self {
            engine: Engine::new(options),
            clock,
            pace,
            parked: BTreeMap::new(),
            sleepers: BTreeMap::new(),
            next_sleeper: 0,
            unseen: 0,
            seen: 0,
            attempts: Attempts::default(),
            callers: Callers::default(),
            skips: 0,
            skips_since: Time::default(),
            all_skips: 0,
            through_untaken: false,
            sending: 0,
            tests: 0,
            silence: Silence::new(PATIENCE),
            lane_work: LaneWork::new(pace),
            verdict: None,
            is_explained: false,
            begun: 0,
            told: false,
        }
    }

    /// Executes what has become due since the last call.
    pub(super) fn catch_up(&mut self) {
        let now = self.clock.now();
        self.run_until(now.time);
        while let Some(time) = self.engine.overtaken() {
            self.run_until(time);
        }
        self.wake();
    }

    /// Skips time as long as possible, then wakes the callers whose outcomes have arrived.
    pub(super) fn settle(&mut self) {
        self.wake();
        while self.may_skip() {
            let Some(next) = self.next_due() else { break };
            if self.skips == 0 {
                self.skips_since = self.clock.now().wall;
            }
            self.skips += 1;
            self.all_skips += 1;
            self.run_until(next);
            self.wake();
            if self.skips.is_multiple_of(SKIPS_BETWEEN_QUESTIONS) {
                self.ask_where_skips_lead();
            }
        }
        self.watch_lanes();
    }

    pub(super) fn may_skip(&self) -> bool {
        let limit = if self.through_untaken { Hold::Untaken } else { Hold::Free };
        let ended = self.told || self.verdict.is_some();
        !ended
            && self.is_awaited()
            && self.unseen == 0
            && (self.sending == 0 || self.engine.is_query_early())
            && self.hold() <= limit
    }

    /// Returns true if a caller lets time pass that is neither an activity nor spawned by one.
    pub(super) fn is_awaited(&self) -> bool {
        let mut others = self.awaiting().filter_map(Caller::other);
        self.pace.skips() && others.any(|other| !self.attempts.may_have_spawned(&other))
    }

    /// Returns all callers that await an outcome or sleep.
    fn awaiting(&self) -> impl Iterator<Item = Caller> {
        let parked = self.parked.values().filter_map(|parked| parked.awaits);
        parked.chain(self.sleepers.values().filter_map(|sleeper| sleeper.kind.awaits()))
    }

    pub(super) fn hold(&self) -> Hold {
        let wall = self.clock.now().wall;
        let mut waiters: BTreeSet<AttemptId> = self.awaiting().filter_map(Caller::attempt).collect();
        self.attempts.add_waiting_for_spawned(&mut waiters, self.awaiting().filter_map(Caller::other).collect(), wall);
        self.engine.hold(&self.attempts.waiting(&waiters, wall))
    }

    /// Returns the next time at which the server has something to do.
    pub(super) fn next_due(&self) -> Option<Time> {
        let sleeper = self.sleepers.first_key_value().map(|(key, _)| key.0);
        self.engine.next_deadline().into_iter().chain(sleeper).min()
    }

    /// Checks if skipping time leads to the awaited outcome.
    pub(super) fn ask_where_skips_lead(&mut self) {
        let is_activity = |kind: Sleep| kind.awaits().and_then(Caller::attempt).is_some();
        let others = self.sleepers.values().any(|sleeper| !is_activity(sleeper.kind));
        let hopeless = if others { None } else { self.engine.hopeless_activity() };
        let taken = self.clock.now().wall.since(self.skips_since);
        let many = self.skips >= MANY_SKIPS && taken >= self.silence.patience().saturating_mul(MANY_SKIPS_TAKE);
        let why = match hopeless {
            Some(why) => why,
            None if many || self.skips >= SKIP_LIMIT => {
                let (skips, taken) = (self.skips, std_duration_text(Duration::from_secs(taken.as_secs())));
                format!(
                    "time was skipped {skips} times in {taken}, and what the test awaits has still not happened. Look \
                     for an endless loop: a workflow that starts one timer after another or continues as new, or an \
                     activity that is retried without a limit. If the loop does end, allow more time with \
                     `env.set_patience(..)`"
                )
                .into()
            }
            None => return,
        };
        self.end_with(why);
    }

    /// Sets a reason to end a test, with what is awaited and what the open runs wait for.
    fn end_with(&mut self, why: impl Into<Told>) {
        self.verdict = Some(Verdict { why: self.told(why.into()), wants_lines: true });
    }

    fn told(&self, mut why: Told) -> Told {
        let parked = self.parked.iter().filter(|(_, parked)| parked.awaits.is_some());
        let mut awaited: Vec<String> = parked.filter_map(|(id, _)| self.engine.awaited_by(*id)).collect();
        if self.sleepers.values().any(|sleeper| sleeper.kind.awaits().and_then(Caller::other).is_some()) {
            awaited.push("the end of a sleep on the environment's clock".to_owned());
        }
        let awaited = if awaited.is_empty() { "nothing from this server".to_owned() } else { awaited.join(", ") };
        why.push(format!(".\nAwaited: {awaited}.\nOpen:"));
        why.append(self.engine.open_runs());
        why
    }

    /// Returns the stage of the current silence, if one is reached.
    pub(super) fn silence_reached(&mut self) -> Option<SilenceStage> {
        if self.told || !self.pace.skips() || (self.tests == 0 && !self.is_awaited()) {
            return None;
        }
        let (at, stage) = self.silence.next()?;
        (self.counts(stage) && at <= self.clock.now().wall).then_some(stage)
    }

    /// Returns true if a stage applies. A paused clock runs fast, so running work may appear to take long on it.
    pub(super) fn counts(&self, stage: SilenceStage) -> bool {
        stage != SilenceStage::Endless || self.pace == Pace::Standing
    }

    /// Applies a stage of a silence, if that still lasts.
    pub(super) fn pass_silence(&mut self, reached: SilenceStage) {
        self.catch_up();
        if self.silence_reached() != Some(reached) {
            return;
        }
        self.silence.pass();
        match reached {
            SilenceStage::Unpolled => self.engine.desert_unpolled_queues(),
            SilenceStage::Untaken => {
                // A caller that has not read its outcome by now will not do so, and does not stop the clock.
                self.unseen = 0;
                self.through_untaken = true;
            }
            SilenceStage::Stuck => {
                if self.is_awaited() && self.sending == 0 && self.hold() <= Hold::Untaken && self.next_due().is_none() {
                    self.end_with("nothing more can happen, so what the test awaits will never happen");
                }
            }
            SilenceStage::Endless => {
                let why = "nothing has happened for a long time, and the test would wait forever";
                let at = if self.sending == 0 {
                    ""
                } else {
                    ". An action of `env.at(..)` has not ended, and the clock stands still until it ends: the action \
                     must not await anything that takes virtual time"
                };
                let awaited =
                    if self.is_awaited() { "" } else { ": time passes only while the test awaits an outcome" };
                self.end_with(format!("{why}{awaited}{at}"));
            }
        }
        self.settle();
        self.through_untaken = false;
    }

    /// Returns a number that differs from the previous one if anything has happened since.
    pub(super) fn change_count(&self) -> u64 {
        self.engine.changes().wrapping_add(self.all_skips)
    }

    /// Restarts the measurement of silence when a first caller lets time pass: silence counts only from then on.
    pub(super) fn listen_anew(&mut self) {
        if !self.is_awaited() {
            let wall = self.clock.now().wall;
            self.silence.restart(wall);
        }
    }

    /// Keeps tokio's paused clock from jumping while threads outside tokio work.
    pub(super) fn watch_lanes(&mut self) {
        let changes = self.change_count();
        self.silence.listen(changes, self.clock.now().wall);
        if self.pace == Pace::Paused {
            let wall = self.clock.now().wall;
            let attempts = &self.attempts;
            let works = self.engine.lanes_work(|run_id| attempts.has_local(run_id, wall));
            self.lane_work.set(works);
        }
    }

    /// Moves the clock to `time`; deadlines on the way fire at their own times.
    pub(super) fn run_until(&mut self, time: Time) {
        self.clock.move_to(time);
        let now = self.clock.now();
        self.engine.run_until(Now { time: time.max(self.engine.now().time), wall: now.wall });
        while let Some(entry) = self.sleepers.first_entry().filter(|entry| entry.key().0 <= now.time) {
            let Sleeper { wake, kind } = entry.remove();
            let received = wake.send(Wake::Look).is_ok();
            match kind {
                Sleep::Waits => self.sending += u32::from(received),
                Sleep::Awaits(_) => self.unseen += u32::from(received),
            }
            if kind.awaits().and_then(Caller::other).is_some() {
                self.skips = 0;
            }
        }
    }

    pub(super) fn wake(&mut self) {
        for id in self.engine.take_wakeups() {
            let Some(parked) = self.parked.remove(&id) else { continue };
            // The end of a run that another one follows is not an outcome yet.
            let awaits = parked.awaits;
            let outcome = awaits.and_then(Caller::other).is_some() && !self.engine.awaits_followed_run(id);
            if parked.wake.send(Wake::Look).is_ok() && awaits.is_some() {
                self.unseen += 1;
                if outcome {
                    self.skips = 0;
                }
            }
        }
    }

    pub(super) fn next_wakeup(&self) -> Option<Duration> {
        let own = self.next_due().and_then(|at| self.clock.until(at));
        let listens = !self.told && self.pace.skips() && (self.tests > 0 || self.is_awaited());
        let silence = self.silence.next().filter(|(_, stage)| listens && self.counts(*stage)).map(|(at, _)| at);
        let wall = self.clock.now().wall;
        let goes_on = self.attempts.next_wall(wall);
        let spawned = self.awaiting().any(|caller| caller.other().is_some());
        let quiet = if spawned { self.attempts.next_quiet(wall) } else { None };
        let wall = [self.engine.next_wall_deadline(), silence, goes_on, quiet].into_iter().flatten();
        own.into_iter().chain(wall.map(|at| self.clock.until_wall(at))).min()
    }
}
