//! The server's state: runs, task queues, and what it measures.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use abide_protos::temporal::api::command::v1::Command;
use tokio::sync::Notify;
use tonic::Status;

use crate::latencies::Latencies;
use crate::options::Options;
use crate::queue::Queue;
use crate::run::{Answered, News, Run};

/// A server that feeds one worker.
pub(crate) struct Server {
    pub(crate) options: Options,
    runs: Vec<Mutex<Option<Run>>>,
    started: AtomicUsize,
    /// First tasks of runs, by number of the run, and all later ones.
    pub(crate) first_tasks: Queue<usize>,
    pub(crate) sticky_tasks: Queue<usize>,
    /// Activity tasks, by number of the run and id of the ActivityTaskScheduled event.
    pub(crate) activity_tasks: Queue<(usize, i64)>,
    pub(crate) counts: Counts,
    measured_from: OnceLock<Instant>,
    pub(crate) latencies: Mutex<Latencies>,
    /// Notified when a workflow completes, when a task of a parked workflow is answered, and when there is a problem.
    pub(crate) changed: Notify,
    problem: OnceLock<String>,
}

/// Numbers of answers and polls so far.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) polls: AtomicU64,
    pub(crate) tasks: AtomicU64,
    pub(crate) activities: AtomicU64,
    pub(crate) workflows: AtomicU64,
}

impl Counts {
    /// Returns a number that grows with any progress.
    pub(crate) fn sum(&self) -> u64 {
        [&self.polls, &self.tasks, &self.activities, &self.workflows].iter().map(|count| count.load(Relaxed)).sum()
    }
}

impl Server {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            runs: (0..options.runs()).map(|_| Mutex::new(None)).collect(),
            options,
            started: AtomicUsize::new(0),
            first_tasks: Queue::default(),
            sticky_tasks: Queue::default(),
            activity_tasks: Queue::default(),
            counts: Counts::default(),
            measured_from: OnceLock::new(),
            latencies: Mutex::default(),
            changed: Notify::new(),
            problem: OnceLock::new(),
        }
    }

    /// Starts one more run, if there is one.
    pub(crate) fn start_run(&self) {
        let number = self.started.fetch_add(1, Relaxed);
        if let Some(run) = self.runs.get(number) {
            let Options { workflow_type, input, .. } = &self.options;
            *lock(run) = Some(Run::start(number, workflow_type, input, now()));
            self.first_tasks.add(number);
        }
    }

    /// Measures latencies from now on.
    pub(crate) fn measure(&self) {
        self.measured_from.get_or_init(now);
    }

    /// Records the first problem: it ends the measurement.
    pub(crate) fn report(&self, problem: String) -> Status {
        let status = Status::failed_precondition(&problem);
        self.problem.get_or_init(|| problem);
        self.changed.notify_one();
        status
    }

    pub(crate) fn problem(&self) -> Option<&String> {
        self.problem.get()
    }

    /// Calls `f` with the run of this number.
    ///
    /// # Errors
    /// Returns an error if the run has ended or there is none.
    pub(crate) fn with_run<T>(&self, number: usize, f: impl FnOnce(&mut Run) -> T) -> Result<T, Status> {
        let run = self.runs.get(number);
        let mut run = run.map(lock).ok_or_else(|| Status::not_found("no such run"))?;
        run.as_mut().map(f).ok_or_else(|| Status::not_found("the run has ended"))
    }

    /// Records how long a task waited for its start.
    pub(crate) fn task_started(&self, run: &Run) {
        if self.measured_from.get().is_some() {
            lock(&self.latencies).schedule_to_start.add(run.started - run.scheduled);
        }
    }

    /// Completes the started task of a run.
    pub(crate) fn complete_task(&self, number: usize, commands: Vec<Command>) -> Result<(), Status> {
        let now = now();
        let run = self.runs.get(number);
        let mut slot = run.map(lock).ok_or_else(|| Status::not_found("no such run"))?;
        let run = slot.as_mut().ok_or_else(|| Status::not_found("the run has ended"))?;
        self.counts.tasks.fetch_add(1, Relaxed);
        let (started, began) = (run.started, run.began);
        match run.complete_task(commands, now).map_err(|problem| self.report(problem))? {
            Answered::Ended => {
                *slot = None;
                self.counts.workflows.fetch_add(1, Relaxed);
                if !self.options.park {
                    self.start_run();
                }
                self.changed.notify_one();
            }
            Answered::Open { activities, task } => {
                activities.into_iter().for_each(|activity| self.activity_tasks.add((number, activity)));
                let signaled = self.options.park && (1..self.options.signals).contains(&run.signals);
                if task | (signaled && signal(run, now)) {
                    self.sticky_tasks.add(number);
                }
                if self.options.park {
                    self.changed.notify_one();
                }
            }
        }
        let Some(measured_from) = self.measured_from.get() else { return Ok(()) };
        let mut latencies = lock(&self.latencies);
        latencies.turnaround.add(now - started);
        if slot.is_none() && began >= *measured_from {
            latencies.workflow.add(now - began);
        }
        Ok(())
    }

    /// Adds news of a run.
    pub(crate) fn add_news(&self, number: usize, news: News) -> Result<(), Status> {
        if self.with_run(number, |run| run.add(news, now()))? {
            self.sticky_tasks.add(number);
        }
        Ok(())
    }

    /// Sends the first signal to every run.
    pub(crate) fn signal_all(&self) -> Result<(), Status> {
        for number in 0..self.runs.len() {
            if self.with_run(number, |run| signal(run, now()))? {
                self.sticky_tasks.add(number);
            }
        }
        Ok(())
    }
}

/// Sends a run its next signal. Returns true if it schedules a task.
fn signal(run: &mut Run, now: Instant) -> bool {
    run.signals += 1;
    run.add(News::Signal(run.signals), now)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "it measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
