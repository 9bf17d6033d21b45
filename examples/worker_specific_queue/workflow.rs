//! A file is downloaded, processed and uploaded on one host, because it lies on that host's disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use abide::prelude::*;

/// Runs all steps on one host. If the host does not answer in time, another one starts from the beginning.
#[workflow]
pub async fn process_file(
    ctx: &WorkflowContext,
    url: String,
    patience: Duration,
    pause: Duration,
) -> Result<String, WorkflowError> {
    let on_some_host = ActivityOptions::with_start_to_close_timeout(secs(10));
    let five_times = RetryPolicy::new().initial_interval(pause).maximum_attempts(5);
    let processing = ctx.retry(five_times, async |_attempt| {
        // The host that takes this from the common queue returns the name of its own.
        let queue = ctx.activity(Host::queue, ()).options(&on_some_host).await?;
        // Only this host has the file, so a step that it cannot do is not worth waiting for.
        let on_this_host = on_some_host.clone().task_queue(&queue).schedule_to_start_timeout(patience);
        let on_this_host = on_this_host.retry_policy(RetryPolicy::new().maximum_attempts(3));
        let file = ctx.activity(Host::download, url.clone()).options(&on_this_host).await?;
        let processed = ctx.activity(Host::process, file).options(&on_this_host).await?;
        Ok(ctx.activity(Host::upload, processed).options(&on_this_host).await?)
    });
    processing.await
}

/// A machine with a disk, where files lie by their names.
#[derive(Clone)]
pub struct Host {
    queue: String,
    disk: Arc<Mutex<BTreeMap<String, String>>>,
}

#[activities]
impl Host {
    #[activity]
    pub async fn queue(&self) -> Result<String, ActivityError> {
        Ok(self.queue.clone())
    }

    /// Returns the name of the file.
    #[activity]
    pub async fn download(&self, url: String) -> Result<String, ActivityError> {
        self.disk().insert(url.clone(), format!("contents of {url}"));
        Ok(url)
    }

    /// Returns the name of the processed file.
    #[activity]
    pub async fn process(&self, name: String) -> Result<String, ActivityError> {
        let contents = self.contents(&name)?.to_uppercase();
        let processed = format!("{name}.processed");
        self.disk().insert(processed.clone(), contents);
        Ok(processed)
    }

    #[activity]
    pub async fn upload(&self, name: String) -> Result<String, ActivityError> {
        Ok(format!("{}, from {}", self.contents(&name)?, self.queue))
    }
}

impl Host {
    pub fn new(name: &str) -> Self {
        Self { queue: name.into(), disk: Arc::default() }
    }

    /// Fails on every other host, and so must no other run the step.
    fn contents(&self, name: &str) -> Result<String, String> {
        self.disk().get(name).cloned().ok_or_else(|| format!("there is no file `{name}` on {}", self.queue))
    }

    fn disk(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
