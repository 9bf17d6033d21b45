//! Workflow tasks that fail, time out, have no cache, or must be run again.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use abide::client::{Client, ClientOptions};
use abide::prelude::*;
use abide_protos::temporal::api::enums::v1::WorkflowTaskFailedCause;
use abide_protos::temporal::api::history::v1::history_event::Attributes;

use crate::arm::{Outcome, compare};

#[activity]
async fn step(n: u32) -> Result<u32, ActivityError> {
    Ok(n)
}

#[workflow]
async fn steps(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    let mut sum = 0;
    for n in 0..3 {
        sum += ctx.activity(step, n).start_to_close_timeout(secs(5)).await?;
        ctx.timer(millis(20)).await?;
    }
    Ok(sum)
}

#[tokio::test]
async fn a_worker_without_a_cache_replays_every_task() -> Outcome {
    compare("no-cache", |arm| async move {
        let worker = arm.worker().workflow(steps).activities(step).max_cached_workflows(0).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(steps, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, 3);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[tokio::test]
async fn b127_an_eager_start_brings_the_first_task() -> Outcome {
    compare("eager-start", |arm| async move {
        let worker = arm.worker().workflow(steps).activities(step).build()?;
        let history = worker
            .run_until(async {
                // The server knows the worker once `run_until` polls this.
                let start = arm.client.start(steps, ()).id(arm.id()).task_queue(arm.queue());
                let handle = start.request_eager_start().await?;
                assert_eq!(handle.result().await?, 3);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        let accepted = history.events().iter().any(|event| match &event.attributes {
            Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) => started.eager_execution_accepted,
            _ => false,
        });
        assert!(accepted, "the server sent the first task along");
        Ok(vec![history])
    })
    .await
}

static PANICS: AtomicU32 = AtomicU32::new(0);

#[workflow]
async fn panics_once(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    ctx.timer(millis(20)).await?;
    // Simulates a worker whose bug is fixed from the second try on. Never decide by such state in a real workflow.
    assert!(PANICS.fetch_add(1, Ordering::SeqCst) % 2 == 1, "a bug in the workflow");
    Ok(ctx.activity(step, 7).start_to_close_timeout(secs(5)).await?)
}

#[tokio::test]
async fn a_panic_fails_the_task_and_the_next_one_goes_on() -> Outcome {
    compare("panic", |arm| async move {
        PANICS.store(0, Ordering::SeqCst);
        let worker = arm.worker().workflow(panics_once).activities(step).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(panics_once, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, 7);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[workflow]
#[derive(Default)]
struct Interrupted {
    notes: State<u32>,
}

#[workflow_methods]
impl Interrupted {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
        ctx.timer(millis(20)).await?;
        if !ctx.is_replaying() && !INTERRUPTED.swap(true, Ordering::SeqCst) {
            signal_from_elsewhere();
        }
        Ok(self.notes.get())
    }

    #[signal]
    fn note(&self) {
        self.notes.update(|notes| *notes += 1);
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static ELSEWHERE: std::sync::Mutex<Option<(String, String)>> = std::sync::Mutex::new(None);

/// Sends a signal while the workflow task runs, as another program could at any time.
fn signal_from_elsewhere() {
    let (address, id) = ELSEWHERE.lock().expect("no thread panicked").clone().expect("the body has set it");
    let sent = std::thread::Builder::new().spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(async {
            let client = Client::connect(ClientOptions::new(address)).await.expect("the server is there");
            client.handle(Interrupted::run, id).signal(Interrupted::note, ()).await.expect("the run is open");
        });
    });
    sent.expect("a thread starts").join().expect("the signal was sent");
}

#[tokio::test]
async fn a_signal_during_the_closing_task_is_not_lost() -> Outcome {
    compare("unhandled-command", |arm| async move {
        INTERRUPTED.store(false, Ordering::SeqCst);
        *ELSEWHERE.lock().expect("no thread panicked") = Some((arm.address().to_string(), arm.id()));
        let worker = arm.worker().workflow(Interrupted::run).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(Interrupted::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, 1);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

static DIVERGES: AtomicU32 = AtomicU32::new(0);

#[workflow]
async fn diverges_once(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    // Simulates a worker that is changed and then changed back: the first task starts a timer, the second one an
    // activity instead, and so on.
    if DIVERGES.fetch_add(1, Ordering::SeqCst) == 1 {
        return Ok(ctx.activity(step, 1).start_to_close_timeout(secs(5)).await?);
    }
    ctx.timer(millis(20)).await?;
    Ok(2)
}

#[tokio::test]
async fn b013_what_does_not_fit_the_history_fails_the_task_with_its_cause() -> Outcome {
    compare("nondeterminism", |arm| async move {
        DIVERGES.store(0, Ordering::SeqCst);
        let worker = arm.worker().workflow(diverges_once).activities(step).max_cached_workflows(0).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(diverges_once, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, 2);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        let failed = history.events().iter().find_map(|event| match &event.attributes {
            Some(Attributes::WorkflowTaskFailedEventAttributes(failed)) => Some(failed),
            _ => None,
        });
        let failed = failed.expect("a workflow task failed");
        assert_eq!(failed.cause(), WorkflowTaskFailedCause::NonDeterministicError);
        let message = failed.failure.as_ref().map_or("", |failure| &failure.message);
        assert!(message.starts_with("[TMPRL1100]"), "{message}");
        Ok(vec![history])
    })
    .await
}
