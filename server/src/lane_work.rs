//! Keeps tokio's paused clock from jumping while a worker's lanes, which are not tokio tasks, run workflow code. Tokio
//! treats a runtime as idle if all its tasks wait, unless a blocking task runs on it.

use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::clock::Pace;

/// Maximum time on the machine's clock, so that a worker that is gone does not stop time forever.
const LIMIT: Duration = Duration::from_secs(10);

/// Holds tokio's clock while lanes work.
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
