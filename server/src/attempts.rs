//! The activity code that runs in this server's own process. The thread of a request tells which attempt makes it,
//! because a thread polls one attempt at a time.
//!
//! Tasks that an attempt spawns make requests, too, but tokio does not tell which attempt spawned a task. A task is
//! attributed to an attempt if its first request came after the attempt started, and the attempt must have spawned
//! something.
//!
//! An attempt that waits only for its cancellation is recognized by its waker: nothing else has kept a clone of it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;
use std::time::Duration;

use abide::ActivityContext;
use abide::activity::ActivityInfo;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::callers::{Moment, Other};
use super::engine::Waiting;
use super::engine::time::Time;
use super::host::Host;

/// Time without a poll after which an attempt counts as waiting for the tasks that it has spawned.
const QUIET: Duration = Duration::from_millis(250);

/// Time that a workflow's code gets to continue after a local activity has ended.
const WORKFLOW_GOES_ON: Duration = Duration::from_millis(50);

thread_local! {
    static CURRENT: Cell<Option<AttemptId>> = const { Cell::new(None) };
    /// Set if the code polled last waits only for its cancellation, until the flag says that it was woken.
    static IDLE: RefCell<Option<Woken>> = const { RefCell::new(None) };
}

/// Attempt ids are unique within the process, across all servers.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// True once the waker was used.
type Woken = Arc<AtomicBool>;

/// The id of an attempt that runs in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttemptId(u64);

impl AttemptId {
    /// Returns the attempt whose code makes the current call.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.get()
    }
}

/// The running attempts.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    running: BTreeMap<AttemptId, Attempt>,
    /// Runs that continue after a local activity, each until a time on the machine's clock.
    going_on: BTreeMap<String, Time>,
}

#[derive(Debug)]
struct Attempt {
    run_id: String,
    activity_id: String,
    attempt: i32,
    is_local: bool,
    activity_type: String,
    workflow_id: String,
    began: Moment,
    /// Time at which the server would give the attempt up; `None` without a limit for one attempt.
    until: Option<Time>,
    /// True if its workflow has closed and it has shown no sign of life for so long that it no longer stops the clock.
    left_alone: bool,
    /// Time since which its code has been waiting.
    waits_since: Option<Time>,
    /// Set if it waits only for its cancellation, until the flag says that it was woken.
    idle: Option<Woken>,
    /// True if its code has spawned a task.
    has_spawned: bool,
    /// The only thread of its runtime, if that has no others.
    only_thread: Option<ThreadId>,
}

impl Attempt {
    fn name(&self) -> (String, String, i32) {
        (self.run_id.clone(), self.activity_id.clone(), self.attempt)
    }

    /// Returns the name of its activity for people.
    fn title(&self) -> String {
        let Self { activity_type, activity_id, workflow_id, .. } = self;
        format!("activity `{activity_type}` (id {activity_id}) of workflow `{workflow_id}`")
    }

    fn is_idle(&self) -> bool {
        !self.is_local && self.idle.as_ref().is_some_and(|woken| !woken.load(Ordering::Acquire))
    }

    /// Returns true if this attempt may have spawned that task or thread.
    fn may_have_spawned(&self, other: &Other) -> bool {
        let elsewhere = self.only_thread.is_some_and(|thread| thread != other.thread);
        other.first_seen > self.began && (self.has_spawned || elsewhere)
    }

    fn is_quiet(&self, wall: Time) -> bool {
        self.quiet_at().is_some_and(|at| at <= wall)
    }

    fn quiet_at(&self) -> Option<Time> {
        self.waits_since.map(|since| since.plus(QUIET))
    }
}

/// The result of one poll of an attempt's code.
#[derive(Clone, Debug)]
pub(crate) struct Polled {
    has_spawned: bool,
    only_thread: Option<ThreadId>,
    idle: Option<Woken>,
}

impl Attempts {
    /// Adds an attempt that begins at the time `now` on the server's clock.
    pub(crate) fn begin(&mut self, info: &ActivityInfo, began: Moment, now: Time) -> AttemptId {
        let id = AttemptId(LAST_ID.fetch_add(1, Ordering::Relaxed));
        let attempt = Attempt {
            run_id: info.run_id.clone().unwrap_or_default(),
            activity_id: info.activity_id.clone(),
            attempt: i32::try_from(info.attempt).unwrap_or(i32::MAX),
            is_local: info.is_local,
            activity_type: info.activity_type.clone(),
            workflow_id: info.workflow_id.clone().unwrap_or_default(),
            began,
            until: info.start_to_close_timeout.map(|timeout| now.plus(timeout)),
            left_alone: false,
            waits_since: None,
            idle: None,
            has_spawned: false,
            only_thread: None,
        };
        self.running.insert(id, attempt);
        id
    }

    /// Records that the code of an attempt runs (`None`), or has run and waits.
    pub(crate) fn polled(&mut self, id: AttemptId, over: Option<Polled>, wall: Time) {
        let Some(attempt) = self.running.get_mut(&id) else { return };
        attempt.waits_since = over.as_ref().map(|_| wall);
        attempt.idle = None;
        if let Some(polled) = over {
            attempt.has_spawned |= polled.has_spawned;
            attempt.only_thread = polled.only_thread;
            attempt.idle = polled.idle;
        }
    }

    /// Returns true if one of the attempts may have spawned that task or thread.
    pub(crate) fn may_have_spawned(&self, other: &Other) -> bool {
        self.running.values().any(|attempt| attempt.may_have_spawned(other))
    }

    /// Adds the attempts that wait for a spawned task, each matched with a different caller that waits for the server.
    pub(crate) fn add_waiting_for_spawned(
        &self,
        waiters: &mut BTreeSet<AttemptId>,
        mut others: Vec<Other>,
        wall: Time,
    ) {
        let quiet = self.running.iter().filter(|(_, attempt)| attempt.is_quiet(wall));
        let mut quiet: Vec<_> = quiet.filter(|(id, _)| !waiters.contains(id)).collect();
        // The attempt that started last has the fewest candidates.
        quiet.sort_by_key(|(_, attempt)| std::cmp::Reverse(attempt.began));
        for (id, attempt) in quiet {
            if let Some(index) = others.iter().position(|other| attempt.may_have_spawned(other)) {
                others.swap_remove(index);
                waiters.insert(*id);
            }
        }
    }

    /// Returns the time at which the next attempt will have been quiet for long enough.
    pub(crate) fn next_quiet(&self, wall: Time) -> Option<Time> {
        self.running.values().filter_map(Attempt::quiet_at).filter(|at| *at > wall).min()
    }

    pub(crate) fn end(&mut self, id: AttemptId, wall: Time) {
        let Some(attempt) = self.running.remove(&id) else { return };
        self.going_on.retain(|_, until| *until > wall);
        if attempt.is_local {
            self.going_on.insert(attempt.run_id, wall.plus(WORKFLOW_GOES_ON));
        }
    }

    /// Returns the end of the time that a continuing run gets.
    pub(crate) fn next_wall(&self, wall: Time) -> Option<Time> {
        let waits = |run_id: &String| self.local_of(run_id).next().is_some();
        let mut going_on = self.going_on.iter().filter(|(run_id, until)| **until > wall && waits(run_id));
        going_on.next().map(|(_, until)| *until)
    }

    /// Returns true if a run's workflow task currently only runs local activities.
    pub(crate) fn has_local(&self, run_id: &str, wall: Time) -> bool {
        self.local_of(run_id).next().is_some() && self.going_on.get(run_id).is_none_or(|until| *until <= wall)
    }

    /// Returns what waits if these attempts do.
    pub(crate) fn waiting(&self, waiters: &BTreeSet<AttemptId>, wall: Time) -> Waiting {
        let mut waiting = Waiting::default();
        for (id, attempt) in &self.running {
            if attempt.is_idle() {
                waiting.for_cancellation.insert(attempt.name());
            }
            if !waiters.contains(id) {
                continue;
            }
            if !attempt.is_local {
                waiting.activities.insert(attempt.name());
            } else if self.has_local(&attempt.run_id, wall)
                && self.local_of(&attempt.run_id).all(|id| waiters.contains(&id))
            {
                waiting.workflow_tasks.insert(attempt.run_id.clone());
            }
        }
        waiting
    }

    /// Returns the attempts that stop the clock although their workflows have closed, which the server no longer knows.
    pub(crate) fn orphans(
        &self,
        waiters: &BTreeSet<AttemptId>,
        now: Time,
        has_closed: impl Fn(&str) -> bool,
    ) -> BTreeSet<AttemptId> {
        let stops = |id: &AttemptId, one: &Attempt| {
            let is_given_up = one.left_alone || one.until.is_some_and(|until| until <= now);
            !is_given_up && !one.is_local && !one.is_idle() && !waiters.contains(id) && has_closed(&one.run_id)
        };
        self.running.iter().filter(|(id, one)| stops(id, one)).map(|(id, _)| *id).collect()
    }

    /// Lets attempts run on without stopping the clock.
    pub(crate) fn leave_alone(&mut self, orphans: &BTreeSet<AttemptId>) {
        let of_these = self.running.iter_mut().filter(|(id, _)| orphans.contains(id));
        of_these.for_each(|(_, attempt)| attempt.left_alone = true);
    }

    /// Returns the names of attempts for people.
    pub(crate) fn titles(&self, ids: &BTreeSet<AttemptId>) -> Vec<String> {
        ids.iter().filter_map(|id| self.running.get(id)).map(Attempt::title).collect()
    }

    /// Returns the run id, activity id and attempt number of an attempt, unless it is a local activity.
    pub(crate) fn name_of(&self, id: AttemptId) -> Option<(String, String, i32)> {
        self.running.get(&id).filter(|attempt| !attempt.is_local).map(Attempt::name)
    }

    /// Returns the attempts whose code is running at this moment, on any thread.
    pub(crate) fn running_now(&self) -> Vec<String> {
        self.running.values().filter(|attempt| attempt.waits_since.is_none()).map(Attempt::title).collect()
    }

    /// Returns the attempts of local activities that have not ended.
    pub(crate) fn local(&self) -> Vec<String> {
        let local = self.running.values().filter(|attempt| attempt.is_local);
        local.map(|attempt| format!("local {}", attempt.title())).collect()
    }

    fn local_of(&self, run_id: &str) -> impl Iterator<Item = AttemptId> {
        let local = self.running.iter().filter(move |(_, one)| one.is_local && one.run_id == run_id);
        local.map(|(id, _)| *id)
    }
}

/// The code of an attempt, whose requests are attributed to it.
pub struct Attributed<F> {
    host: Arc<Host>,
    id: AttemptId,
    code: F,
}

impl<F> fmt::Debug for Attributed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attributed").finish_non_exhaustive()
    }
}

impl<F> Attributed<F> {
    /// Wraps the code that `code` makes from the context that it should use.
    pub fn new(host: Arc<Host>, context: ActivityContext, code: impl FnOnce(ActivityContext) -> F) -> Self {
        let id = host.begin_attempt(context.info());
        let hears = Arc::clone(&host);
        let code = code(context.heard_by(move || hears.hear_heartbeat(id)));
        Self { host, id, code }
    }
}

impl<F: Future + Unpin> Future for Attributed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = Entered(CURRENT.replace(Some(self.id)));
        self.host.attempt_polled(self.id, None);
        IDLE.take();
        let before = Tasks::alive();
        let polled = Pin::new(&mut self.code).poll(context);
        self.host.attempt_polled(self.id, Some(before.polled()));
        polled
    }
}

/// The code of an attempt, observed to see if it waits for anything but its cancellation.
pub struct Counting<F> {
    context: ActivityContext,
    code: F,
    waker: Option<Arc<Counted>>,
}

impl<F> fmt::Debug for Counting<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counting").finish_non_exhaustive()
    }
}

impl<F> Counting<F> {
    /// Wraps the code of an attempt with this context.
    pub fn new(context: ActivityContext, code: F) -> Self {
        Self { context, code, waker: None }
    }

    fn waker(&mut self, context: &Context<'_>) -> Arc<Counted> {
        if let Some(waker) = self.waker.as_ref().filter(|waker| waker.to.will_wake(context.waker())) {
            return Arc::clone(waker);
        }
        let waker = Arc::new(Counted { to: context.waker().clone(), woken: Woken::default() });
        self.waker = Some(Arc::clone(&waker));
        waker
    }
}

impl<F: Future + Unpin> Future for Counting<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let counted = self.waker(context);
        counted.woken.store(false, Ordering::Release);
        let waker = Waker::from(Arc::clone(&counted));
        let polled = Pin::new(&mut self.code).poll(&mut Context::from_waker(&waker));
        // This function has two and the future has one, so the fourth clone is the only one that can wake the code.
        let kept_once = Arc::strong_count(&counted) == 4;
        if polled.is_pending() && kept_once && self.context.cancellation_wakes(&waker) {
            IDLE.replace(Some(Arc::clone(&counted.woken)));
        }
        polled
    }
}

/// A waker whose clones are counted.
struct Counted {
    to: Waker,
    woken: Woken,
}

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.to.wake_by_ref();
    }
}

/// The tasks of the current runtime.
struct Tasks {
    alive: Option<usize>,
    only_thread: Option<ThreadId>,
}

impl Tasks {
    fn alive() -> Self {
        let runtime = Handle::try_current().ok();
        let is_alone = runtime.as_ref().is_some_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
        let only_thread = is_alone.then(|| std::thread::current().id());
        Self { alive: runtime.map(|runtime| runtime.metrics().num_alive_tasks()), only_thread }
    }

    /// Ends the measurement. Returns the changes while the code was polled.
    fn polled(self) -> Polled {
        let now = Self::alive();
        Polled { has_spawned: now.alive > self.alive, only_thread: self.only_thread, idle: IDLE.take() }
    }
}

impl<F> Drop for Attributed<F> {
    fn drop(&mut self) {
        self.host.end_attempt(self.id);
    }
}

/// Restores the previous value, even if the code panics.
struct Entered(Option<AttemptId>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::callers::Callers;
    use super::*;

    struct Case {
        attempts: Attempts,
        callers: Callers,
    }

    impl Case {
        fn new() -> Self {
            Self { attempts: Attempts::default(), callers: Callers::default() }
        }

        fn attempt(&mut self) -> AttemptId {
            self.attempts.begin(&ActivityInfo::for_test("a"), self.callers.moment(), at(0))
        }

        /// Records that an attempt's code yields at that time.
        fn waits(&mut self, id: AttemptId, has_spawned: bool, at: Time) {
            let only_thread = Some(std::thread::current().id());
            self.attempts.polled(id, Some(Polled { has_spawned, only_thread, idle: None }), at);
        }

        /// Returns a task that makes its first request.
        fn other(&mut self) -> Other {
            Other { first_seen: self.callers.moment(), thread: std::thread::current().id() }
        }

        /// Returns the attempts that wait for spawned tasks which wait for the server.
        fn waiting(&self, others: &[Other], at: Time) -> Vec<AttemptId> {
            let mut waiters = BTreeSet::new();
            self.attempts.add_waiting_for_spawned(&mut waiters, others.to_vec(), at);
            waiters.into_iter().collect()
        }
    }

    fn at(millis: u64) -> Time {
        Time::from_nanos(1).plus(Duration::from_millis(millis))
    }

    #[test]
    fn an_attempt_waits_for_a_task_that_came_after_it_once_it_has_been_quiet() {
        let mut case = Case::new();
        let attempt = case.attempt();
        case.waits(attempt, true, at(0));
        let task = case.other();
        assert!(case.attempts.may_have_spawned(&task));
        assert_eq!(case.attempts.next_quiet(at(0)), Some(at(250)));
        assert_eq!(case.waiting(&[task], at(249)), []);
        assert_eq!(case.waiting(&[task], at(250)), [attempt]);
        assert_eq!(case.waiting(&[], at(250)), [], "nothing of it waits for the server");
        // It runs again, and then waits anew.
        case.attempts.polled(attempt, None, at(300));
        assert_eq!(case.waiting(&[task], at(900)), []);
        case.waits(attempt, false, at(1000));
        assert_eq!(case.waiting(&[task], at(1249)), []);
        assert_eq!(case.waiting(&[task], at(1250)), [attempt]);
    }

    #[test]
    fn a_task_that_was_there_before_is_not_an_attempts() {
        let mut case = Case::new();
        let before = case.other();
        let attempt = case.attempt();
        case.waits(attempt, true, at(0));
        assert!(!case.attempts.may_have_spawned(&before));
        assert_eq!(case.waiting(&[before], at(9000)), []);
    }

    #[test]
    fn an_attempt_that_has_spawned_nothing_works() {
        let mut case = Case::new();
        let attempt = case.attempt();
        case.waits(attempt, false, at(0));
        let helper_of_the_test = case.other();
        assert!(!case.attempts.may_have_spawned(&helper_of_the_test));
        assert_eq!(case.waiting(&[helper_of_the_test], at(9000)), []);
        // A thread of another kind shows that something was spawned.
        let on_a_thread = std::thread::scope(|scope| scope.spawn(|| case.other()).join().unwrap());
        assert_eq!(case.waiting(&[on_a_thread], at(9000)), [attempt]);
    }

    #[test]
    fn each_attempt_needs_a_task_of_its_own() {
        let mut case = Case::new();
        let first = case.attempt();
        case.waits(first, true, at(0));
        let of_first = case.other();
        let second = case.attempt();
        case.waits(second, true, at(0));
        let of_second = case.other();
        assert_eq!(case.waiting(&[of_first], at(9000)), [first]);
        assert_eq!(case.waiting(&[of_first, of_second], at(9000)), [first, second]);
        assert_eq!(case.waiting(&[of_second], at(9000)), [second]);
        case.attempts.end(second, at(9000));
        assert_eq!(case.waiting(&[of_second], at(9000)), [first], "nobody else can have spawned it");
    }

    #[test]
    fn callers_are_known_again() {
        let mut callers = Callers::default();
        let here = callers.present();
        let elsewhere = std::thread::scope(|scope| scope.spawn(|| callers.present()).join().unwrap());
        assert_ne!(here, elsewhere);
        assert_eq!(callers.present(), here);
    }
}
