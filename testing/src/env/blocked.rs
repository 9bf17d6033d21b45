//! Detects that a test's runtime is blocked. Code that blocks the only thread stops the test, its clock and everything
//! that would otherwise end it. Only another thread can report this, and even it cannot end the test.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use abide_protos::fields::std_duration_text;
use abide_server::embedding::Host;
use tokio::runtime::Handle;

/// Minimum time without progress: a machine under load may be that slow.
const AT_LEAST: Duration = Duration::from_secs(1);

/// Watches until dropped.
pub(super) struct Watch {
    _ended: Sender<()>,
}

/// Watches the current runtime. Reports on standard error, once.
pub(super) fn watch(host: &Arc<Host>) -> Watch {
    watch_and_tell(host, host.patience().max(AT_LEAST), |text| {
        // Not `eprintln!`: the test harness keeps its output until the test ends, which this one does not.
        let _ = writeln!(std::io::stderr(), "abide-testing: {text}");
    })
}

fn watch_and_tell(host: &Arc<Host>, limit: Duration, tell: impl FnOnce(String) + Send + 'static) -> Watch {
    let (ended, end) = mpsc::channel();
    let (runtime, host) = (Handle::current(), Arc::clone(host));
    let thread = std::thread::Builder::new().name("abide-testing-watch".to_owned());
    // Without a thread there is no watch, which is no reason to fail a test.
    let _ = thread.spawn(move || {
        loop {
            let (answer, answered) = mpsc::channel();
            runtime.spawn(async move { answer.send(()) });
            let answered = answered.recv_timeout(limit);
            match end.recv_timeout(if answered.is_ok() { limit } else { Duration::ZERO }) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            match answered {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => return tell(told(&host, limit)),
            }
        }
    });
    Watch { _ended: ended }
}

fn told(host: &Host, limit: Duration) -> String {
    let running = host.running_now();
    let by = if running.is_empty() { "the code of the test".to_owned() } else { running.join(", ") };
    format!(
        "the runtime of the test has stood still for {}: its thread is blocked by {by}. Until the thread is free, no \
         timer, timeout or other activity can run, and nothing can end the test. Let the code `.await` instead of \
         blocking, or run the blocking code in `tokio::task::spawn_blocking` and await it",
        std_duration_text(limit)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use abide::prelude::*;

    use super::*;
    use crate::TestWorkflowEnvironment;

    #[activity]
    async fn blocks(_ctx: &ActivityContext) -> Result<(), ActivityError> {
        Ok(())
    }

    #[workflow]
    async fn is_blocked(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.activity(blocks, ()).start_to_close_timeout(hours(1)).await?)
    }

    #[tokio::test]
    async fn an_activity_that_blocks_the_only_thread_is_named() {
        let env = TestWorkflowEnvironment::start().await.unwrap();
        let (tell, told) = mpsc::channel();
        let _watch = watch_and_tell(env.server().host(), AT_LEAST, move |text| tell.send(text).unwrap());
        let (told, text) = (Mutex::new(told), Arc::new(Mutex::new(String::new())));
        let heard = Arc::clone(&text);
        let worker = env.worker("pay").workflow(is_blocked).mock(blocks, move |()| {
            *heard.lock().unwrap() = told.lock().unwrap().recv().unwrap();
            Ok(())
        });
        env.run(worker, env.client().execute(is_blocked, ()).id("order-7").task_queue("pay")).await.unwrap();
        let text = text.lock().unwrap();
        assert!(text.contains("blocked by activity `blocks` (id 1) of workflow `order-7`"), "{text}");
        assert!(text.contains("`tokio::task::spawn_blocking`"), "{text}");
    }
}
