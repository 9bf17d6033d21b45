//! Worker processes that can be killed, and the story that is told about them.

use std::env;
use std::error::Error;
use std::io;
use std::time::Instant;

use abide::WorkflowDefinition;
use abide::client::WorkflowHandle;
use abide::prelude::*;
use tokio::process::{Child, Command};

use crate::{Server, pause};

/// Tells a process that it is the worker of this name.
const WORKER: &str = "ABIDE_EXAMPLE_WORKER";

/// A worker in a process of its own: the example starts itself again.
pub struct WorkerProcess {
    child: Child,
}

impl WorkerProcess {
    /// Starts a process, in which `ClientOptions::from_env` leads to the server. It is killed when this is dropped.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started or the server has no address.
    pub fn start(name: &str, server: &Server) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(env::current_exe()?);
        command.env(WORKER, name).env("TEMPORAL_ADDRESS", server.address()?);
        Ok(Self { child: command.kill_on_drop(true).spawn()? })
    }

    /// Returns the name of the worker that this process is; `None` if it is the example itself.
    pub fn this() -> Option<String> {
        env::var(WORKER).ok()
    }

    /// Kills the process, so that it can tell nobody.
    ///
    /// # Errors
    /// Returns an error if the process has already ended.
    pub async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await
    }
}

/// Waits until a workflow's history, as it is printed, contains a text.
///
/// # Errors
/// Returns an error if the history cannot be fetched.
pub async fn until_recorded<W: WorkflowDefinition>(
    handle: &WorkflowHandle<W>,
    text: &str,
) -> Result<(), Box<dyn Error>> {
    while !handle.fetch_history().await?.to_string().contains(text) {
        pause(millis(50)).await;
    }
    Ok(())
}

/// Prints each line with the time since the beginning.
pub struct Story {
    began: Instant,
}

impl Story {
    /// Begins now.
    #[expect(clippy::disallowed_methods, reason = "the story is told in wall-clock time")]
    pub fn begin() -> Self {
        Self { began: Instant::now() }
    }

    /// Prints a line.
    pub fn say(&self, what: &str) {
        println!("{:5.1} s {what}", self.began.elapsed().as_secs_f64());
    }
}
