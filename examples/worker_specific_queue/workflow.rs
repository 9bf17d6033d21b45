//! A file is downloaded, processed and uploaded on one host, because it lies on that host's disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use abide::prelude::*;
use tokio::sync::Notify;

/// Runs all steps on one host. If the host does not answer in time, another one starts from the beginning.
#[workflow]
pub async fn process_file(
    ctx: &WorkflowContext,
    url: String,
    patience: Duration,
    pause: Duration,
) -> Result<String, WorkflowError> {
    // Only one host has the file, so a step that it cannot do is not worth waiting for.
    let steps = ActivityOptions::with_start_to_close_timeout(secs(10)).schedule_to_start_timeout(patience);
    let steps = steps.retry_policy(RetryPolicy::new().maximum_attempts(3));
    let five_hosts = RetryPolicy::new().initial_interval(pause).maximum_attempts(5);
    let processing = ctx.on_one_worker(five_hosts, &steps, async |here| {
        let file = ctx.activity(Host::download, url.clone()).options(&here).await?;
        let processed = ctx.activity(Host::process, file).options(&here).await?;
        Ok(ctx.activity(Host::upload, processed).options(&here).await?)
    });
    processing.await
}

/// A machine with a disk, where files lie by their names.
#[derive(Clone)]
pub struct Host {
    name: String,
    disk: Arc<Mutex<BTreeMap<String, String>>>,
    /// Notified when the power fails, on a host where it does.
    power_cut: Option<Arc<Notify>>,
}

#[activities]
impl Host {
    /// Returns the name of the file.
    #[activity]
    pub async fn download(&self, url: String) -> Result<String, ActivityError> {
        self.disk().insert(url.clone(), format!("contents of {url}"));
        Ok(url)
    }

    /// Returns the name of the processed file.
    #[activity]
    pub async fn process(&self, name: String) -> Result<String, ActivityError> {
        if let Some(power_cut) = &self.power_cut {
            power_cut.notify_one();
            return std::future::pending().await;
        }
        let contents = self.contents(&name)?.to_uppercase();
        let processed = format!("{name}.processed");
        self.disk().insert(processed.clone(), contents);
        Ok(processed)
    }

    #[activity]
    pub async fn upload(&self, name: String) -> Result<String, ActivityError> {
        Ok(format!("{}, from {}", self.contents(&name)?, self.name))
    }
}

impl Host {
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), disk: Arc::default(), power_cut: None }
    }

    /// Creates a host whose power fails while it processes a file, and what is notified then.
    pub fn with_power_cut(name: &str) -> (Self, Arc<Notify>) {
        let power_cut = Arc::new(Notify::new());
        (Self { power_cut: Some(Arc::clone(&power_cut)), ..Self::new(name) }, power_cut)
    }

    /// Fails on every other host, and so must no other run the step.
    fn contents(&self, name: &str) -> Result<String, String> {
        self.disk().get(name).cloned().ok_or_else(|| format!("there is no file `{name}` on {}", self.name))
    }

    fn disk(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
