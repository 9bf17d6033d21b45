//! Lanes with runs that do as they are told: what is cached, evicted, repeated and abandoned.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Condvar, MutexGuard};

use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::query::v1::WorkflowQuery;

use super::*;
use crate::replay::{HistoryPage, Input, Output, Until, WorkflowTaskCompletion};
use crate::worker::local_activities::TaskClock;
use crate::worker::metrics::WorkerMetrics;
use crate::worker::polling::Slot;

const PATIENCE: Duration = Duration::from_secs(20);

/// State shared by the runs of one test: the number of live runs, and a gate that stops those of type `block`.
#[derive(Default)]
struct World {
    alive: AtomicUsize,
    gate_open: Mutex<bool>,
    gate: Condvar,
}

impl World {
    fn gate(&self) -> MutexGuard<'_, bool> {
        self.gate_open.lock().unwrap()
    }

    fn open_gate(&self) {
        *self.gate() = true;
        self.gate.notify_all();
    }

    fn wait_at_gate(&self) {
        let open = self.gate();
        drop(self.gate.wait_timeout_while(open, PATIENCE, |open| !*open).unwrap());
    }
}

/// A run that behaves as its workflow type says.
struct Actor {
    world: Arc<World>,
    workflow_type: String,
    last_started: i64,
}

impl Run for Actor {
    type Factory = Arc<World>;

    fn new(world: &Arc<World>, ticket: &Ticket) -> Self {
        world.alive.fetch_add(1, Ordering::SeqCst);
        Self { world: Arc::clone(world), workflow_type: ticket.workflow_type.clone(), last_started: 0 }
    }

    fn handle(&mut self, input: Input) -> Output {
        let heartbeat = matches!(input, Input::HeartbeatDue);
        let Input::WorkflowTask(task) = input else {
            let force_create_new_workflow_task = heartbeat;
            let completion = WorkflowTaskCompletion { force_create_new_workflow_task, ..Default::default() };
            return Output::Complete(Box::new(completion));
        };
        if let Until::Started(id) = task.until {
            self.last_started = id;
        }
        if task.query.is_some() {
            return Output::AnswerQuery(Box::default());
        }
        match self.workflow_type.as_str() {
            "close" => {
                Output::Complete(Box::new(WorkflowTaskCompletion { closes_workflow: true, ..Default::default() }))
            }
            "panic" => panic!("index out of range"),
            "block" => {
                self.world.wait_at_gate();
                Output::Complete(Box::default())
            }
            "long" => Output::NeedHistory { next_page_token: b"page 2".into() },
            "short" => Output::Idle,
            "local" => Output::RunLocalActivities { start: Vec::new(), cancel: Vec::new() },
            _ => Output::Complete(Box::default()),
        }
    }

    fn last_processed_started_event_id(&self) -> i64 {
        self.last_started
    }

    fn take_back_task(&mut self, dropped: i64, last_started_event_id: i64) -> bool {
        let is_last = self.last_started == dropped;
        if is_last {
            self.last_started = last_started_event_id;
        }
        is_last
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if self.workflow_type == "cling" {
            self.world.wait_at_gate();
        }
        self.world.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Case {
    world: Arc<World>,
    lanes: Lanes<Actor>,
    metrics: WorkerMetrics,
    verdicts: Receiver<(Box<Ticket>, Verdict)>,
}

impl Case {
    fn new(threads: usize, capacity: usize) -> Self {
        let (sender, verdicts) = channel();
        let world = Arc::new(World::default());
        let sink = Box::new(move |ticket, verdict| drop(sender.send((ticket, verdict))));
        let metrics = WorkerMetrics::for_test();
        let lanes = Lanes::start(threads, capacity, Arc::clone(&world), sink, metrics.cache()).unwrap();
        Self { world, lanes, metrics, verdicts }
    }

    /// Sends the first task of a run.
    fn first(&self, run_id: &str, workflow_type: &str) {
        self.send(
            run_id,
            workflow_type,
            WorkflowTask { until: Until::Started(3), history: history(1, 3), ..Default::default() },
        );
    }

    /// Sends a later task, with the events after the task that was started at event `previous`.
    fn later(&self, run_id: &str, previous: i64) {
        let history = history(previous + 1, previous + 4);
        let until = Until::Started(previous + 4);
        self.send(
            run_id,
            "plain",
            WorkflowTask { previous_started_event_id: previous, until, history, ..Default::default() },
        );
    }

    fn send(&self, run_id: &str, workflow_type: &str, task: WorkflowTask) {
        self.lanes.send_task(ticket(run_id, workflow_type), Box::new(task));
    }

    /// Returns the next verdict as text: `run id: what`.
    fn next(&self) -> String {
        let (ticket, verdict) = self.verdicts.recv_timeout(PATIENCE).expect("a lane says something about each task");
        let what = match verdict {
            Verdict::Complete(_) => "complete".to_string(),
            Verdict::Fail(failure) => failure.failure.message,
            Verdict::Answer(_) => "answer".to_string(),
            Verdict::NeedHistory { next_page_token } => String::from_utf8(next_page_token).unwrap(),
            Verdict::LocalActivities { start, cancel } => {
                format!("local activities: {} more, {} cancelled", start.len(), cancel.len())
            }
            Verdict::CacheMiss(task) => format!("cache miss with {} events", task.history.events.len()),
            Verdict::Lost => "lost".to_string(),
        };
        format!("{}: {what}", ticket.run_id)
    }

    #[track_caller]
    fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let began = now();
        while !condition(self) {
            assert!(now() - began < PATIENCE, "never: {what}");
            std::thread::yield_now();
        }
    }

    /// Returns the metrics of the cache: size, hits, misses, forced evictions.
    fn cache(&self) -> [u32; 4] {
        let names = ["size", "hit", "miss", "total_forced_eviction"];
        names.map(|name| self.metrics.metrics().total(&format!("temporal_sticky_cache_{name}"), &[]) as u32)
    }

    fn alive(&self) -> usize {
        self.world.alive.load(Ordering::SeqCst)
    }

    /// Lets the watchdog check as if more time than the limit had passed.
    fn time_passes(&self) {
        let limit = Duration::from_secs(2);
        self.lanes.replace_stuck(now() + limit, limit, limit).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "tests bound how long they wait")]
fn now() -> Instant {
    Instant::now()
}

fn ticket(run_id: &str, workflow_type: &str) -> Box<Ticket> {
    Box::new(Ticket {
        task_token: Vec::new(),
        workflow_id: format!("workflow-{run_id}"),
        run_id: run_id.to_string(),
        workflow_type: workflow_type.to_string(),
        attempt: 1,
        received: now().into(),
        deadline: now().into(),
        heartbeat_at: now().into(),
        clock: TaskClock::new(std::time::SystemTime::UNIX_EPOCH, tokio::time::Instant::now()),
        is_query: false,
        started_event_id: 3,
        polled_events: Vec::new(),
        fetched_up_to: 0,
        slot: Slot::for_test(),
    })
}

fn history(first: i64, last: i64) -> HistoryPage {
    let events = (first..=last).map(|event_id| HistoryEvent { event_id, ..Default::default() }).collect();
    HistoryPage { events, next_page_token: Vec::new() }
}

fn whole_history(previous: i64) -> WorkflowTask {
    let (until, history) = (Until::Started(previous + 4), history(1, previous + 4));
    WorkflowTask { previous_started_event_id: previous, until, history, ..Default::default() }
}

#[test]
fn the_cache_counts_its_runs_and_those_that_it_loses() {
    let case = Case::new(1, 2);
    for run in ["a", "b", "c"] {
        case.first(run, "plain");
        assert_eq!(case.next(), format!("{run}: complete"));
    }
    case.wait_until("`a` is evicted", |case| case.alive() == 2);
    assert_eq!(case.cache(), [2, 0, 0, 1]);
    case.later("b", 3);
    assert_eq!(case.next(), "b: complete");
    case.later("a", 3);
    assert_eq!(case.next(), "a: cache miss with 4 events");
    assert_eq!(case.cache(), [2, 1, 1, 1]);
    // A run that ends is no eviction; one that is refused is.
    case.first("d", "close");
    assert_eq!(case.next(), "d: complete");
    case.lanes.send("b", LaneMessage::Evict { run_id: "b".into() });
    case.wait_until("`b` is evicted", |case| case.alive() == 1);
    assert_eq!(case.cache(), [1, 1, 1, 2]);
    let Case { lanes, metrics, world, .. } = case;
    drop(lanes);
    let began = now();
    while metrics.metrics().total("temporal_sticky_cache_size", &[]) > 0.0 {
        assert!(now() - began < PATIENCE, "the gauge ends with the worker");
        std::thread::yield_now();
    }
    assert_eq!(world.alive.load(Ordering::SeqCst), 0);
}

#[test]
fn without_a_cache_each_task_of_an_open_run_is_an_eviction() {
    let case = Case::new(1, 0);
    for _ in 0..2 {
        case.first("a", "plain");
        assert_eq!(case.next(), "a: complete");
    }
    case.wait_until("the run is dropped", |case| case.alive() == 0);
    assert_eq!(case.cache(), [0, 0, 0, 2]);
}

#[test]
fn a_query_waits_while_a_task_waits_for_local_activities() {
    let case = Case::new(1, 10);
    case.first("a", "local");
    assert_eq!(case.next(), "a: local activities: 0 more, 0 cancelled");
    let mut asked = ticket("a", "local");
    asked.is_query = true;
    let query = WorkflowTask { query: Some(WorkflowQuery::default()), ..Default::default() };
    case.lanes.send_task(asked, Box::new(query));
    case.lanes.send("a", LaneMessage::HeartbeatDue(ticket("a", "local")));
    assert_eq!(case.next(), "a: complete");
    assert_eq!(case.next(), "a: answer");
}

#[test]
fn an_open_task_is_given_up_when_another_one_comes() {
    let case = Case::new(1, 10);
    case.first("a", "local");
    assert_eq!(case.next(), "a: local activities: 0 more, 0 cancelled");
    case.later("a", 3);
    assert_eq!(case.next(), "a: cache miss with 4 events");
    assert_eq!(case.alive(), 0);
    case.lanes.send("a", LaneMessage::HeartbeatDue(ticket("a", "local")));
    assert_eq!(case.next(), "a: lost", "nobody is there to be told");
}

#[test]
fn a_heartbeating_run_is_kept_without_a_cache_until_it_is_known_that_no_task_came_along() {
    let case = Case::new(1, 0);
    case.first("a", "local");
    assert_eq!(case.next(), "a: local activities: 0 more, 0 cancelled");
    case.lanes.send("a", LaneMessage::HeartbeatDue(ticket("a", "local")));
    assert_eq!(case.next(), "a: complete");
    assert_eq!(case.alive(), 1);
    // The next task has the whole history, because the server knows of no cache.
    case.send("a", "local", whole_history(3));
    assert_eq!(case.next(), "a: local activities: 0 more, 0 cancelled");
    assert_eq!(case.alive(), 1, "the same run goes on");
    case.lanes.send("a", LaneMessage::HeartbeatDue(ticket("a", "local")));
    assert_eq!(case.next(), "a: complete");
    case.lanes.send("a", LaneMessage::NoTaskAlong { run_id: "a".into() });
    case.wait_until("the run is forgotten", |case| case.alive() == 0);
}

#[test]
fn a_query_between_two_tasks_does_not_end_a_heartbeating_run() {
    let case = Case::new(1, 0);
    case.first("a", "local");
    assert_eq!(case.next(), "a: local activities: 0 more, 0 cancelled");
    let mut asked = ticket("a", "local");
    asked.is_query = true;
    let query = WorkflowTask {
        previous_started_event_id: 3,
        history: history(1, 3),
        query: Some(WorkflowQuery::default()),
        ..Default::default()
    };
    case.lanes.send_task(asked, Box::new(query));
    case.lanes.send("a", LaneMessage::HeartbeatDue(ticket("a", "local")));
    assert_eq!(case.next(), "a: complete");
    assert_eq!(case.next(), "a: answer");
    assert_eq!(case.alive(), 1, "its local activities are under way");
}

#[test]
fn a_cached_run_goes_on_with_the_new_events_only() {
    let case = Case::new(2, 10);
    case.first("a", "plain");
    assert_eq!(case.next(), "a: complete");
    case.later("a", 3);
    assert_eq!(case.next(), "a: complete");
    assert_eq!(case.alive(), 1);
}

#[test]
fn a_run_that_is_not_cached_gets_its_task_back_whole() {
    let case = Case::new(2, 10);
    case.later("a", 3);
    assert_eq!(case.next(), "a: cache miss with 4 events");
}

#[test]
fn a_run_that_has_missed_a_task_is_rebuilt() {
    let case = Case::new(1, 10);
    case.first("a", "plain");
    assert_eq!(case.next(), "a: complete");
    case.later("a", 7);
    assert_eq!(case.next(), "a: cache miss with 4 events");
    assert_eq!(case.alive(), 0);
    case.first("a", "plain");
    assert_eq!(case.next(), "a: complete");
    case.first("a", "plain");
    assert_eq!(case.next(), "a: complete");
    assert_eq!(case.alive(), 1, "a whole history replaces what was cached");
}

#[test]
fn a_query_without_events_asks_the_cached_run() {
    let case = Case::new(1, 10);
    let query = || WorkflowTask { query: Some(WorkflowQuery::default()), ..Default::default() };
    case.send("a", "plain", query());
    assert_eq!(case.next(), "a: cache miss with 0 events");
    case.first("a", "plain");
    assert_eq!(case.next(), "a: complete");
    case.send("a", "plain", query());
    assert_eq!(case.next(), "a: answer");
}

#[test]
fn all_lanes_together_keep_no_more_runs_than_they_may() {
    let case = Case::new(3, 5);
    for run in 0..100 {
        case.first(&format!("run-{run}"), "plain");
    }
    for _ in 0..100 {
        assert!(case.next().ends_with(": complete"));
    }
    case.wait_until("5 runs are left", |case| case.alive() == 5);
}

#[test]
fn without_a_cache_a_run_lives_as_long_as_its_task() {
    let case = Case::new(1, 0);
    case.first("a", "plain");
    assert_eq!(case.next(), "a: complete");
    case.wait_until("the run is dropped", |case| case.alive() == 0);
    case.first("b", "long");
    assert_eq!(case.next(), "b: page 2");
    assert_eq!(case.alive(), 1, "it is kept while its history is fetched");
    case.lanes.send("b", LaneMessage::Page(ticket("b", "long"), history(4, 9)));
    assert_eq!(case.next(), "b: complete");
    case.wait_until("the run is dropped", |case| case.alive() == 0);
}

#[test]
fn a_run_that_closes_or_was_refused_is_dropped() {
    let case = Case::new(1, 10);
    case.first("a", "close");
    assert_eq!(case.next(), "a: complete");
    case.first("b", "plain");
    assert_eq!(case.next(), "b: complete");
    assert_eq!(case.alive(), 1);
    case.lanes.send("b", LaneMessage::Evict { run_id: "b".into() });
    case.wait_until("the refused run is dropped", |case| case.alive() == 0);
}

#[test]
fn b115_a_task_that_the_server_forgot_is_taken_back_and_the_cached_run_goes_on() {
    let case = Case::new(1, 10);
    case.first("a", "plain");
    assert_eq!(case.next(), "a: complete");
    case.later("a", 3);
    assert_eq!(case.next(), "a: complete");
    let take_back = |dropped| LaneMessage::TakeBackTask { run_id: "a".into(), dropped, last_started_event_id: 3 };
    case.lanes.send("a", take_back(5));
    case.later("a", 7);
    assert_eq!(case.next(), "a: complete", "task 5 is not the last one: nothing happens");
    case.first("a", "plain");
    assert_eq!(case.next(), "a: complete");
    case.later("a", 3);
    assert_eq!(case.next(), "a: complete");
    case.lanes.send("a", take_back(7));
    case.later("a", 3);
    assert_eq!(case.next(), "a: complete");
    assert_eq!(case.alive(), 1);
}

#[test]
fn a_panic_fails_its_own_task_only() {
    let case = Case::new(1, 10);
    case.first("a", "panic");
    assert_eq!(case.next(), "a: the workflow task panicked: index out of range");
    case.first("b", "plain");
    assert_eq!(case.next(), "b: complete");
    assert_eq!(case.alive(), 1);
}

#[test]
fn a_history_that_ends_too_early_fails_its_task() {
    let case = Case::new(1, 10);
    case.first("a", "short");
    assert_eq!(
        case.next(),
        "a: the server's history of the run ends before the WorkflowTaskStarted event of this task: expected event 3"
    );
}

#[test]
fn a_task_for_a_run_that_waits_for_history_comes_later() {
    let case = Case::new(1, 10);
    case.first("a", "long");
    assert_eq!(case.next(), "a: page 2");
    case.send("a", "long", WorkflowTask { query: Some(WorkflowQuery::default()), ..Default::default() });
    case.first("b", "plain");
    assert_eq!(case.next(), "b: complete", "the lane does not wait");
    case.lanes.send("a", LaneMessage::Page(ticket("a", "long"), history(4, 9)));
    assert_eq!(case.next(), "a: complete");
    assert_eq!(case.next(), "a: answer");
}

#[test]
fn b024_b025_a_run_that_waits_for_history_outlives_its_eviction() {
    let case = Case::new(1, 10);
    case.first("a", "long");
    assert_eq!(case.next(), "a: page 2");
    case.lanes.send("a", LaneMessage::Evict { run_id: "a".into() });
    case.send("a", "long", WorkflowTask { query: Some(WorkflowQuery::default()), ..Default::default() });
    case.lanes.send("a", LaneMessage::Page(ticket("a", "long"), history(4, 9)));
    assert_eq!(case.next(), "a: complete");
    assert_eq!(case.next(), "a: answer", "what came while it was to be evicted is not lost");
    assert_eq!(case.alive(), 1);
}

#[test]
fn b024_b025_an_open_run_outlives_its_eviction() {
    let case = Case::new(1, 10);
    case.first("a", "local");
    assert_eq!(case.next(), "a: local activities: 0 more, 0 cancelled");
    case.lanes.send("a", LaneMessage::Evict { run_id: "a".into() });
    case.lanes.send("a", LaneMessage::HeartbeatDue(ticket("a", "local")));
    assert_eq!(case.next(), "a: complete");
    assert_eq!(case.alive(), 1, "it waits for its next task");
}

#[test]
fn b025_a_task_after_an_eviction_is_sent_back_for_the_whole_history() {
    let case = Case::new(1, 10);
    case.first("a", "plain");
    assert_eq!(case.next(), "a: complete");
    case.lanes.send("a", LaneMessage::Evict { run_id: "a".into() });
    case.later("a", 3);
    assert_eq!(case.next(), "a: cache miss with 4 events");
    case.send("a", "plain", whole_history(3));
    assert_eq!(case.next(), "a: complete");
    // Evicted twice, then once more when no run is there.
    for _ in 0..2 {
        case.lanes.send("a", LaneMessage::Evict { run_id: "a".into() });
    }
    case.wait_until("the run is dropped", |case| case.alive() == 0);
}

#[test]
fn a_run_whose_history_cannot_be_had_is_forgotten() {
    let case = Case::new(1, 10);
    case.first("a", "long");
    assert_eq!(case.next(), "a: page 2");
    case.lanes.send("a", LaneMessage::NoPage { run_id: "a".into() });
    case.wait_until("the run is dropped", |case| case.alive() == 0);
    case.lanes.send("a", LaneMessage::Page(ticket("a", "long"), history(4, 9)));
    assert_eq!(case.next(), "a: lost");
}

#[test]
fn code_that_does_not_return_fails_its_task_and_no_other() {
    let case = Case::new(1, 10);
    case.first("stuck", "block");
    case.first("other", "plain");
    while case.lanes.abandoned() == 0 {
        // The task may not have begun yet.
        case.time_passes();
    }
    let text = case.next();
    assert!(text.starts_with("stuck: [TMPRL1101]") && text.contains("`block`") && text.contains("2s"), "{text}");
    assert_eq!(case.next(), "other: complete", "a new thread takes over what was queued");
    case.first("stuck", "block");
    assert!(case.next().contains("Its thread is still blocked"), "the stuck run's tasks fail at once");
    assert_eq!(case.lanes.abandoned(), 1);
    case.world.open_gate();
    case.wait_until("the thread is gone", |case| case.lanes.abandoned() == 0);
    case.first("stuck", "block");
    assert_eq!(case.next(), "stuck: complete", "once its thread is gone the run may be tried again");
}

#[test]
fn runs_of_a_replaced_thread_are_rebuilt() {
    let case = Case::new(1, 10);
    case.first("a", "plain");
    assert_eq!(case.next(), "a: complete");
    case.first("b", "long");
    assert_eq!(case.next(), "b: page 2");
    case.first("stuck", "block");
    while case.lanes.abandoned() == 0 {
        case.time_passes();
    }
    assert!(case.next().starts_with("stuck: [TMPRL1101]"));
    case.later("a", 3);
    assert_eq!(case.next(), "a: cache miss with 4 events");
    case.lanes.send("b", LaneMessage::Page(ticket("b", "long"), history(4, 9)));
    assert_eq!(case.next(), "b: lost");
    case.world.open_gate();
    case.wait_until("all runs of the old thread are dropped", |case| case.alive() == 0);
}

#[test]
fn a_destructor_that_blocks_does_not_keep_its_lane() {
    let case = Case::new(1, 1);
    case.first("a", "cling");
    assert_eq!(case.next(), "a: complete");
    // There is room for one run only: `a` is dropped, after the answer.
    case.first("b", "plain");
    assert_eq!(case.next(), "b: complete");
    case.wait_until("the thread that drops `a` is replaced", |case| {
        case.time_passes();
        case.lanes.abandoned() == 1
    });
    case.first("c", "plain");
    assert_eq!(case.next(), "c: complete");
    case.first("a", "plain");
    let text = case.next();
    assert!(text.starts_with("a: [TMPRL1101]"), "the destructor still holds its thread: {text}");
    case.world.open_gate();
    case.wait_until("the thread has come back", |case| case.lanes.abandoned() == 0);
    case.first("a", "plain");
    assert_eq!(case.next(), "a: complete");
}

#[test]
fn a_task_whose_stale_run_cannot_be_dropped_fails() {
    let case = Case::new(1, 1);
    case.first("a", "cling");
    assert_eq!(case.next(), "a: complete");
    // The whole history comes again, so the cached run is useless.
    case.first("a", "plain");
    case.wait_until("the thread that drops the run is replaced", |case| {
        case.time_passes();
        case.lanes.abandoned() == 1
    });
    let text = case.next();
    assert!(text.starts_with("a: [TMPRL1101]"), "{text}");
    case.world.open_gate();
    case.wait_until("the thread has come back", |case| case.lanes.abandoned() == 0 && case.alive() == 0);
}

#[test]
fn dropping_the_lanes_ends_their_threads_and_frees_their_runs() {
    let case = Case::new(2, 10);
    for run in ["a", "b", "c"] {
        case.first(run, "plain");
        assert_eq!(case.next(), format!("{run}: complete"));
    }
    let Case { world, lanes, verdicts, .. } = case;
    drop(lanes);
    // The sink is dropped with the last thread.
    assert!(verdicts.recv_timeout(PATIENCE).is_err());
    assert_eq!(world.alive.load(Ordering::SeqCst), 0);
}
