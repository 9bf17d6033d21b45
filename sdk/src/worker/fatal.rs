//! The hook that is told the error that ends a worker.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::builder::WorkerBuilder;
use super::error::WorkerError;

type Hook = dyn Fn(&WorkerError) + Send + Sync;

/// The hook of a worker, if it has one. Clones belong to the same worker, which tells it one error.
#[derive(Clone, Default)]
pub(super) struct FatalHook {
    hook: Option<Arc<Hook>>,
    told: Arc<AtomicBool>,
}

impl FatalHook {
    /// Tells the error of an end, if it is one.
    pub(super) fn told<T>(&self, ended: Result<T, WorkerError>) -> Result<T, WorkerError> {
        ended.inspect_err(|error| self.tell(error))
    }

    /// Tells the error, unless one was told before.
    pub(super) fn tell(&self, error: &WorkerError) {
        let Some(hook) = &self.hook else { return };
        if !self.told.swap(true, Ordering::Relaxed) && catch_unwind(AssertUnwindSafe(|| hook(error))).is_err() {
            tracing::error!("the hook set with `on_fatal_error` panicked; the worker ends as it would without it");
        }
    }
}

impl fmt::Debug for FatalHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FatalHook").field("is_set", &self.hook.is_some()).finish_non_exhaustive()
    }
}

impl<State> WorkerBuilder<State> {
    /// Sets a function that is told the error that ends this worker, before the worker shuts down and
    /// [`Worker::run`](super::Worker::run) returns the error: to report it, or to mark the program as not ready while
    /// activities still finish. It is called once at most, on a thread of the runtime, so it must not block. It cannot
    /// keep the worker from ending. Default: none.
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # use abide::worker::WorkerError;
    /// # #[workflow] async fn order(ctx: &WorkflowContext) -> Result<(), WorkflowError> { Ok(()) }
    /// # async fn start(client: &Client) -> Result<(), WorkerError> {
    /// let worker = Worker::builder(client, "orders").workflow(order);
    /// worker.on_fatal_error(|error| eprintln!("the worker ends: {error}")).build()?.run().await
    /// # }
    /// # fn main() {}
    /// ```
    pub fn on_fatal_error(mut self, hook: impl Fn(&WorkerError) + Send + Sync + 'static) -> Self {
        self.options.fatal_hook = FatalHook { hook: Some(Arc::new(hook)), told: Arc::default() };
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn only_the_first_error_is_told() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&told);
        let hook: Arc<Hook> = Arc::new(move |error| hears.lock().unwrap().push(error.to_string()));
        let hook = FatalHook { hook: Some(hook), told: Arc::default() };
        let of_another_queue = hook.clone();
        hook.tell(&WorkerError::new("first"));
        of_another_queue.tell(&WorkerError::new("second"));
        assert_eq!(*told.lock().unwrap(), ["first"]);
        FatalHook::default().tell(&WorkerError::new("no hook"));
    }
}
