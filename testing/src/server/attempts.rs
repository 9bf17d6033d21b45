//! The activity code that runs for this server in its own process, as far as it says so: who awaits an outcome is known
//! by the attempt that makes the request, because a thread polls one attempt at a time.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use abide::activity::ActivityInfo;

use super::engine::Waiting;
use super::engine::time::Time;
use super::host::Host;

/// When a local activity has ended, its workflow's code may go on: so long it gets to show that.
const WORKFLOW_GOES_ON: Duration = Duration::from_millis(50);

thread_local! {
    static CURRENT: Cell<Option<AttemptId>> = const { Cell::new(None) };
}

/// No two attempts of a process share an id, of whatever server they are.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// The name of an attempt that runs in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttemptId(u64);

impl AttemptId {
    /// The attempt whose code makes the present call.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.get()
    }
}

/// The attempts that run.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    running: BTreeMap<AttemptId, Attempt>,
    /// The runs that go on after a local activity, until then on the machine's clock.
    going_on: BTreeMap<String, Time>,
}

#[derive(Debug)]
struct Attempt {
    run_id: String,
    activity_id: String,
    attempt: i32,
    is_local: bool,
}

impl Attempts {
    pub(crate) fn begin(&mut self, info: &ActivityInfo) -> AttemptId {
        let id = AttemptId(LAST_ID.fetch_add(1, Ordering::Relaxed));
        let attempt = Attempt {
            run_id: info.run_id.clone(),
            activity_id: info.activity_id.clone(),
            attempt: i32::try_from(info.attempt).unwrap_or(i32::MAX),
            is_local: info.is_local,
        };
        self.running.insert(id, attempt);
        id
    }

    pub(crate) fn end(&mut self, id: AttemptId, wall: Time) {
        let Some(attempt) = self.running.remove(&id) else { return };
        self.going_on.retain(|_, until| *until > wall);
        if attempt.is_local {
            self.going_on.insert(attempt.run_id, wall.plus(WORKFLOW_GOES_ON));
        }
    }

    /// When a run that goes on has had its time.
    pub(crate) fn next_wall(&self, wall: Time) -> Option<Time> {
        let waits = |run_id: &String| self.local_of(run_id).next().is_some();
        let mut going_on = self.going_on.iter().filter(|(run_id, until)| **until > wall && waits(run_id));
        going_on.next().map(|(_, until)| *until)
    }

    /// Whether a run's local activities are all that its workflow task does now.
    pub(crate) fn has_local(&self, run_id: &str, wall: Time) -> bool {
        self.local_of(run_id).next().is_some() && self.going_on.get(run_id).is_none_or(|until| *until <= wall)
    }

    /// What waits, if these attempts do.
    pub(crate) fn waiting(&self, waiters: &BTreeSet<AttemptId>, wall: Time) -> Waiting {
        let mut waiting = Waiting::default();
        for (id, attempt) in &self.running {
            if !waiters.contains(id) {
                continue;
            }
            if !attempt.is_local {
                let name = (attempt.run_id.clone(), attempt.activity_id.clone(), attempt.attempt);
                waiting.activities.insert(name);
            } else if self.has_local(&attempt.run_id, wall)
                && self.local_of(&attempt.run_id).all(|id| waiters.contains(&id))
            {
                waiting.workflow_tasks.insert(attempt.run_id.clone());
            }
        }
        waiting
    }

    fn local_of(&self, run_id: &str) -> impl Iterator<Item = AttemptId> {
        let local = self.running.iter().filter(move |(_, one)| one.is_local && one.run_id == run_id);
        local.map(|(id, _)| *id)
    }
}

/// An attempt's code; what it asks of the server is known as its own.
pub(crate) struct Attributed<F> {
    host: Arc<Host>,
    id: AttemptId,
    code: F,
}

impl<F> Attributed<F> {
    pub(crate) fn new(host: Arc<Host>, info: &ActivityInfo, code: F) -> Self {
        let id = host.begin_attempt(info);
        Self { host, id, code }
    }
}

impl<F: Future + Unpin> Future for Attributed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = Entered(CURRENT.replace(Some(self.id)));
        Pin::new(&mut self.code).poll(context)
    }
}

impl<F> Drop for Attributed<F> {
    fn drop(&mut self) {
        self.host.end_attempt(self.id);
    }
}

/// Restores what was current before, also if the code panics.
struct Entered(Option<AttemptId>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
