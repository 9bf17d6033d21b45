//! Keeps tokio's paused clock from jumping while a worker's lanes, which are no tasks of tokio's, run workflow code: tokio
//! takes a runtime whose tasks all wait for idle, unless a blocking task runs on it.

use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::clock::Pace;

/// On the machine's clock no lane gets more: a worker that is gone must not stop time for ever.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether lanes work; holds tokio's clock while they do.
#[derive(Debug)]
pub(crate) struct LaneWork {
    runtime: Option<Handle>,
    /// Dropped when the work is done, which ends the blocking task.
    working: Option<mpsc::Sender<()>>,
}

impl LaneWork {
    pub(crate) fn new(pace: Pace) -> Self {
        let runtime = if pace == Pace::Paused { Handle::try_current().ok() } else { None };
        Self { runtime, working: None }
    }

    pub(crate) fn set(&mut self, works: bool) {
        match &self.runtime {
            Some(runtime) if works && self.working.is_none() => self.working = Some(hold(runtime)),
            Some(_) | None if works => {}
            Some(_) | None => self.working = None,
        }
    }
}

fn hold(runtime: &Handle) -> mpsc::Sender<()> {
    let (working, done) = mpsc::channel();
    runtime.spawn_blocking(move || {
        let _ = done.recv_timeout(LIMIT);
    });
    working
}
