//! A lock that workflows share. The lock is a workflow, too: its state is the queue of those who wait.

use std::collections::VecDeque;
use std::time::Duration;

use abide::prelude::*;

#[workflow]
pub struct Lock {
    line: State<VecDeque<String>>,
    /// The number of the current or last grant. It tells a release by an earlier holder from one by this holder.
    grant: State<u64>,
    is_held: State<bool>,
}

#[workflow_methods]
impl Lock {
    #[init]
    fn new(_lease: Duration, line: VecDeque<String>, grant: u64) -> Self {
        Self { line: State::new(line), grant: State::new(grant), is_held: State::new(false) }
    }

    #[run]
    pub async fn run(
        &self,
        ctx: &WorkflowContext,
        lease: Duration,
        _line: VecDeque<String>,
        _grant: u64,
    ) -> Result<(), WorkflowError> {
        while !ctx.continue_as_new_suggested() {
            ctx.wait_until(|| !self.line.read().is_empty()).await?;
            let Some(holder) = self.line.update(VecDeque::pop_front) else { continue };
            *self.grant.write() += 1;
            self.is_held.set(true);
            let told = ctx.external_workflow(holder).signal(Job::granted, self.grant.get()).await;
            // A holder that has ended by now is passed over; one that dies later loses the lock with its lease.
            if told.is_ok() {
                ctx.wait_until(|| !self.is_held.get()).timeout(lease).await?;
            }
            self.is_held.set(false);
        }
        ctx.continue_as_new(Lock::run, (lease, self.line.get(), self.grant.get())).into()
    }

    #[signal]
    pub fn acquire(&self, workflow_id: String) {
        self.line.write().push_back(workflow_id);
    }

    #[signal]
    pub fn release(&self, grant: u64) {
        if grant == self.grant.get() {
            self.is_held.set(false);
        }
    }

    /// Returns how many have asked so far.
    #[query]
    pub fn requests(&self) -> u64 {
        self.grant.get() + self.line.read().len() as u64
    }
}

/// A workflow that works while it holds the lock.
#[workflow]
#[derive(Default)]
pub struct Job {
    grant: State<Option<u64>>,
}

#[workflow_methods]
impl Job {
    #[run]
    pub async fn run(
        &self,
        ctx: &WorkflowContext,
        lock: String,
        name: String,
        work: Duration,
    ) -> Result<(), WorkflowError> {
        let lock = ctx.external_workflow(lock);
        lock.signal(Lock::acquire, ctx.info().workflow_id.clone()).await?;
        ctx.wait_until(|| self.grant.read().is_some()).await?;
        let worked = self.work(ctx, &name, work).await;
        // Released also if the work fails or is cancelled.
        let grant = self.grant.get().unwrap_or_default();
        ctx.shielded(lock.signal(Lock::release, grant)).await?;
        worked
    }

    async fn work(&self, ctx: &WorkflowContext, name: &str, work: Duration) -> Result<(), WorkflowError> {
        ctx.activity(say, format!("{name} has the lock")).await?;
        ctx.timer(work).await?;
        ctx.activity(say, format!("{name} is done")).await?;
        Ok(())
    }

    #[signal]
    pub fn granted(&self, grant: u64) {
        self.grant.set(Some(grant));
    }
}

#[activity(start_to_close_timeout = secs(10))]
pub async fn say(text: String) -> Result<(), ActivityError> {
    println!("{text}");
    Ok(())
}
