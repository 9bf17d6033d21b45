//! The threads of activities that block: `#[activity(blocking)]`.
//!
//! They are not tokio's: a runtime that ends waits for its blocking threads, so that code that never returns would keep
//! a program from ending. An attempt's slot is taken until its code has returned, so there are at most as many threads
//! as slots of activities and of local activities.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tracing::{Span, dispatcher};

use crate::activity::{ActivityContext, ActivityFuture, BlockingCode};
use crate::failure::ApplicationFailure;
use crate::worker::polling::Slot;
use abide_protos::temporal::api::common::v1::Payload;

/// Time after which a thread without work ends.
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// The threads of one worker. They are started on demand. When this is dropped, those without work end.
#[derive(Debug)]
pub(crate) struct BlockingThreads {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    state: Mutex<State>,
    changed: Condvar,
    idle_time: Duration,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Number of threads that wait for a job.
    idle: usize,
    is_closed: bool,
}

impl BlockingThreads {
    pub(crate) fn new() -> Self {
        Self::ending_after(IDLE)
    }

    fn ending_after(idle_time: Duration) -> Self {
        Self { pool: Arc::new(Pool { state: Mutex::default(), changed: Condvar::new(), idle_time }) }
    }

    /// Runs the code of an attempt on one of the threads. The slot is taken until the code has returned, even if nobody
    /// waits for it any more. The thread is in the current span and in the current tokio runtime.
    pub(crate) fn run(&self, slot: Option<Arc<Slot>>, code: BlockingCode) -> ActivityFuture<Payload> {
        let (tell, told) = oneshot::channel();
        let (runtime, span) = (Handle::current(), Span::current());
        let subscriber = dispatcher::get_default(Clone::clone);
        #[cfg(feature = "otel")]
        let trace = opentelemetry::Context::current();
        let started = self.pool.start(Box::new(move || {
            let _runtime = runtime.enter();
            #[cfg(feature = "otel")]
            let _trace = trace.attach();
            let in_span = || span.in_scope(|| catch_unwind(AssertUnwindSafe(code)));
            let ended = dispatcher::with_default(&subscriber, in_span);
            drop(slot);
            if tell.send(ended).is_err() {
                dispatcher::with_default(&subscriber, || {
                    span.in_scope(|| tracing::debug!("a blocking activity has returned after its attempt had ended"));
                });
            }
        }));
        Box::pin(async move {
            if let Err(error) = started {
                let text = format!("no thread could be started for the activity's code: {error}");
                return Err(ApplicationFailure::new(text).error_type("NoThread").into());
            }
            match told.await {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => resume_unwind(panic),
                Err(_) => Err(ApplicationFailure::new("the thread of the activity's code has ended").into()),
            }
        })
    }
}

impl Drop for BlockingThreads {
    fn drop(&mut self) {
        self.pool.lock().is_closed = true;
        self.pool.changed.notify_all();
    }
}

impl Pool {
    /// Gives a job to a thread without work, or to a new thread.
    fn start(self: &Arc<Self>, job: Job) -> io::Result<()> {
        let mut state = self.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            self.changed.notify_one();
            return Ok(());
        }
        let pool = Arc::clone(self);
        // Detached: joining a thread that is stuck in the code of an activity would block.
        let started = std::thread::Builder::new().name("abide-activity".into()).spawn(move || pool.work());
        match started {
            Ok(_) => state.threads += 1,
            Err(_) => drop(state.jobs.pop_back()),
        }
        started.map(drop)
    }

    /// Runs jobs until there has been none for a while.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // The code's panics are caught where it runs; what the job owns may panic when it is dropped.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
                continue;
            }
            if state.is_closed {
                break;
            }
            state.idle += 1;
            let (woken, waited) =
                self.changed.wait_timeout(state, self.idle_time).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("threads", &self.threads).field("idle", &self.idle).finish_non_exhaustive()
    }
}

impl ActivityContext {
    /// Runs a future to its end, and blocks this thread meanwhile. For the code of a `#[activity(blocking)]` that has to
    /// wait for something: for its cancellation, for a call of its [client](Self::client).
    ///
    /// ```
    /// use abide::prelude::*;
    /// # fn copy_next_file() -> bool { true }
    ///
    /// #[activity(blocking)]
    /// fn watch_folder(ctx: &ActivityContext) -> Result<(), ActivityError> {
    ///     while copy_next_file() {
    ///         ctx.heartbeat(&())?;
    ///         // Waits for a second, or until the attempt should stop.
    ///         let stops = async { tokio::time::timeout(secs(1), ctx.cancelled()).await };
    ///         if ctx.block_on(stops).is_ok() {
    ///             return Err(ActivityError::cancelled());
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Panics
    /// Panics in an `async fn`, where `.await` does the same, and on a thread outside tokio. In a test of an activity that
    /// calls it, use an `ActivityEnvironment` instead of a direct call.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        Handle::current().block_on(future)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt as _;

    use super::*;

    fn alive(threads: &BlockingThreads) -> usize {
        threads.pool.lock().threads
    }

    /// Waits until this many threads are left.
    fn ended(pool: &Arc<Pool>, left: usize) {
        let state = pool.lock();
        drop(pool.changed.wait_while(state, |state| state.threads > left).unwrap());
    }

    /// Waits until this many threads have no work.
    fn idle(threads: &BlockingThreads, expected: usize) {
        while threads.pool.lock().idle < expected {
            std::thread::yield_now();
        }
    }

    fn named() -> BlockingCode {
        Box::new(|| {
            let name = std::thread::current().name().unwrap_or_default().as_bytes().to_vec();
            Ok(Payload { data: name, ..Payload::default() })
        })
    }

    #[tokio::test]
    async fn threads_begin_on_demand_and_are_used_again() {
        let threads = BlockingThreads::new();
        assert_eq!(alive(&threads), 0);
        assert_eq!(threads.run(None, named()).await.unwrap().data, b"abide-activity");
        idle(&threads, 1);
        threads.run(None, named()).await.unwrap();
        assert_eq!(alive(&threads), 1, "the idle thread took the second job");
        let (release, released) = mpsc::channel::<()>();
        let waits = threads.run(None, Box::new(move || Ok(released.recv().map(|()| Payload::default()).unwrap())));
        let passes = threads.run(None, named());
        passes.await.unwrap();
        release.send(()).unwrap();
        waits.await.unwrap();
        assert_eq!(alive(&threads), 2, "code that blocks stops no other code");
    }

    #[tokio::test]
    async fn threads_without_work_end() {
        let threads = BlockingThreads::ending_after(Duration::ZERO);
        threads.run(None, named()).await.unwrap();
        ended(&threads.pool, 0);
        let threads = BlockingThreads::new();
        threads.run(None, named()).await.unwrap();
        let pool = Arc::clone(&threads.pool);
        drop(threads);
        ended(&pool, 0);
    }

    #[tokio::test]
    async fn a_slot_is_taken_until_the_code_returns_even_if_nobody_waits() {
        let threads = BlockingThreads::new();
        let slot = Arc::new(Slot::for_test());
        let taken = Arc::downgrade(&slot);
        let (release, released) = mpsc::channel::<()>();
        let code: BlockingCode = Box::new(move || Ok(released.recv().map(|()| Payload::default()).unwrap()));
        let running = threads.run(Some(slot), code);
        assert!(running.now_or_never().is_none());
        assert!(taken.upgrade().is_some());
        release.send(()).unwrap();
        idle(&threads, 1);
        assert!(taken.upgrade().is_none());
    }

    #[tokio::test]
    async fn a_panic_is_one_of_the_attempt_and_the_thread_goes_on() {
        let threads = BlockingThreads::new();
        let panicked = AssertUnwindSafe(threads.run(None, Box::new(|| panic!("no paper")))).catch_unwind().await;
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"no paper"));
        idle(&threads, 1);
        threads.run(None, named()).await.unwrap();
        assert_eq!(alive(&threads), 1);
    }
}
