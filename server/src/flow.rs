//! The flow of time: an engine with its clock, the callers that wait for it in this process, and the consequences of a
//! silence. The host keeps it behind a lock; nothing here blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::oneshot;

use super::attempts::{AttemptId, Attempts};
use super::callers::{Caller, Callers};
use super::clock::{Clock, Pace};
use super::engine::time::{Now, Time};
use super::engine::{Engine, Hold, LeftOpenWait, Options, WaiterId, Waiting};
use super::lane_work::LaneWork;
use super::silence::{PATIENCE, Seen, Silence, SilenceStage};
use super::verdict::Verdict;

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
    /// Actions of tests at a virtual time, by the number of their sleep. The clock stands still for them.
    pub(super) acting: BTreeMap<u64, Moment>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sleep {
    /// The sleep of a caller that lets time pass, or of an activity's code.
    Awaits(Caller),
    /// The sleep of a caller that acts when that time has come, but does not let time pass. It has a name.
    Waits(String),
}

/// An action of the test whose time has come and which has not ended.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) name: String,
    /// Its task, once that runs.
    pub(super) caller: Option<Caller>,
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
    pub(super) fn awaits(&self) -> Option<Caller> {
        match self {
            Self::Awaits(caller) => Some(*caller),
            Self::Waits(_) => None,
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
            acting: BTreeMap::new(),
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
            && (self.acting.is_empty() || self.engine.is_query_early())
            && self.hold() <= limit
    }

    /// Returns true if a caller lets time pass that is neither an activity nor spawned by one.
    pub(super) fn is_awaited(&self) -> bool {
        let mut others = self.awaiting().filter_map(Caller::other);
        self.pace.skips() && others.any(|other| !self.attempts.may_have_spawned(&other))
    }

    /// Returns all callers that await an outcome or sleep.
    pub(super) fn awaiting(&self) -> impl Iterator<Item = Caller> {
        let parked = self.parked.values().filter_map(|parked| parked.awaits);
        parked.chain(self.sleepers.values().filter_map(|sleeper| sleeper.kind.awaits()))
    }

    /// Returns whether anything that is running stops the clock.
    pub(super) fn hold(&self) -> Hold {
        let left_open = if self.has_moments() { LeftOpenWait::Time } else { LeftOpenWait::Somebody };
        self.hold_with(left_open)
    }

    /// Returns whether anything is running, apart from activities that are left open.
    pub(super) fn hold_of_code(&self) -> Hold {
        self.hold_with(LeftOpenWait::Nothing)
    }

    fn hold_with(&self, left_open: LeftOpenWait) -> Hold {
        let waiters = self.waiters();
        let waiting = Waiting { left_open, ..self.attempts.waiting(&waiters, self.clock.now().wall) };
        match self.engine.hold(&waiting) {
            Hold::Free | Hold::Untaken if !self.orphans(&waiters).is_empty() => Hold::UnderWay,
            hold => hold,
        }
    }

    /// Returns the work that waits for this server.
    pub(super) fn waiting(&self) -> Waiting {
        self.attempts.waiting(&self.waiters(), self.clock.now().wall)
    }

    /// Returns the attempts that wait for this server.
    fn waiters(&self) -> BTreeSet<AttemptId> {
        let wall = self.clock.now().wall;
        let mut waiters: BTreeSet<AttemptId> = self.awaiting().filter_map(Caller::attempt).collect();
        self.attempts.add_waiting_for_spawned(&mut waiters, self.awaiting().filter_map(Caller::other).collect(), wall);
        waiters
    }

    /// Returns the attempts that go on, although their workflows have closed. What they do may be what a test looks for,
    /// so they stop the clock too.
    fn orphans(&self, waiters: &BTreeSet<AttemptId>) -> BTreeSet<AttemptId> {
        self.attempts.orphans(waiters, self.clock.now().time, |run_id| self.engine.has_closed(run_id))
    }

    /// Returns the names of those attempts.
    pub(super) fn orphans_of_closed_workflows(&self) -> Vec<String> {
        let titles = self.attempts.titles(&self.orphans(&self.waiters()));
        titles.into_iter().map(|title| format!("{title}, which has closed")).collect()
    }

    /// Returns true if the test acts at a later time: by `env.at(..)`, or after a sleep.
    pub(super) fn has_moments(&self) -> bool {
        self.moments().next().is_some()
    }

    /// Returns the sleepers that act for the test, in the order of their times.
    pub(super) fn moments(&self) -> impl Iterator<Item = &Sleeper> {
        self.sleepers.values().filter(|sleeper| match &sleeper.kind {
            Sleep::Waits(_) => true,
            Sleep::Awaits(caller) => caller.other().is_some_and(|other| !self.attempts.may_have_spawned(&other)),
        })
    }

    /// Returns the next time at which the server has something to do.
    pub(super) fn next_due(&self) -> Option<Time> {
        let sleeper = self.sleepers.first_key_value().map(|(key, _)| key.0);
        self.engine.next_deadline().into_iter().chain(sleeper).min()
    }

    /// Returns the stage of the current silence, if one is reached.
    pub(super) fn silence_reached(&mut self) -> Option<SilenceStage> {
        self.next_stage().filter(|(at, _)| *at <= self.clock.now().wall).map(|(_, stage)| stage)
    }

    /// Returns the next stage of the current silence, and when it is reached on the machine's clock.
    fn next_stage(&self) -> Option<(Time, SilenceStage)> {
        let has_ended = self.told || self.verdict.is_some();
        if has_ended || !self.pace.skips() || (self.tests == 0 && !self.is_awaited()) {
            return None;
        }
        // A paused clock runs fast, so running work may appear to take long on it.
        let of_work = self.pace == Pace::Standing;
        let of_work =
            of_work.then(|| self.silence.next_of_work(self.has_moments() || self.engine.next_step().is_some()));
        self.silence.next().into_iter().chain(of_work).min()
    }

    /// Applies a stage of a silence, if that still lasts.
    pub(super) fn pass_silence(&mut self, reached: SilenceStage) {
        self.catch_up();
        if self.silence_reached() != Some(reached) {
            return;
        }
        self.silence.pass(reached);
        match reached {
            SilenceStage::Unpolled => {
                self.engine.desert_unpolled_queues();
                self.engine.leave_activities_to_time();
            }
            SilenceStage::Untaken => {
                // A caller that has not read its outcome by now will not do so, and does not stop the clock.
                self.unseen = 0;
                self.through_untaken = true;
            }
            SilenceStage::Stuck => {
                // On a paused clock time passes by itself, until they are over or have timed out.
                let orphans = if self.pace == Pace::Standing { self.orphans(&self.waiters()) } else { BTreeSet::new() };
                self.attempts.leave_alone(&orphans);
                if orphans.is_empty() {
                    self.end_if_stuck();
                }
            }
            SilenceStage::Endless | SilenceStage::Held | SilenceStage::Aimless => self.end_endless(reached),
        }
        self.settle();
        self.through_untaken = false;
    }

    /// Returns what the current silence is measured by.
    pub(super) fn seen(&self) -> Seen {
        Seen { happened: self.engine.happened(), skips: self.all_skips, time: self.clock.now().time }
    }

    /// Restarts the measurement of silence when a first caller lets time pass: silence counts only from then on.
    pub(super) fn listen_anew(&mut self) {
        let wall = self.clock.now().wall;
        if self.is_awaited() || self.silence.is_awaited_again(wall) {
            return;
        }
        match self.tests {
            0 => self.silence.begin(self.seen(), wall),
            _ => self.silence.restart(wall),
        }
    }

    /// Removes a caller that has gone or whose time was up. Returns false if it was woken before.
    pub(super) fn remove_parked(&mut self, id: WaiterId) -> bool {
        if self.is_awaited() {
            let wall = self.clock.now().wall;
            self.silence.was_awaited(wall);
        }
        self.parked.remove(&id).is_some()
    }

    /// Keeps tokio's paused clock from jumping while threads outside tokio work.
    pub(super) fn watch_lanes(&mut self) {
        let seen = self.seen();
        self.silence.listen(seen, self.clock.now().wall);
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
            let number = entry.key().1;
            let Sleeper { wake, kind } = entry.remove();
            let received = wake.send(Wake::Look).is_ok();
            match kind {
                Sleep::Waits(name) if received => {
                    self.acting.insert(number, Moment { name, caller: None });
                }
                Sleep::Waits(_) => {}
                Sleep::Awaits(caller) => {
                    self.unseen += u32::from(received);
                    if caller.other().is_some() {
                        self.skips = 0;
                    }
                }
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
        let silence = self.next_stage().map(|(at, _)| at);
        let wall = self.clock.now().wall;
        let goes_on = self.attempts.next_wall(wall);
        let spawned = self.awaiting().any(|caller| caller.other().is_some());
        let quiet = if spawned { self.attempts.next_quiet(wall) } else { None };
        let wall = [self.engine.next_wall_deadline(), silence, goes_on, quiet].into_iter().flatten();
        own.into_iter().chain(wall.map(|at| self.clock.until_wall(at))).min()
    }
}
