//! Nexus operations that an Abide worker serves: every way in which a handler can end, on both servers.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use abide::converter::RawPayload;
use abide::interceptor::{NexusInterceptor, NexusNext, NexusStartOperationInput, async_trait};
use abide::nexus::{NexusCancelReason, NexusLink};
use abide::plugin::Plugin;
use abide::prelude::*;
use abide::worker::{Registered, WorkerBuilder};
use abide::{NexusContext, NexusError, NexusHandlerErrorType, NexusOperation, NexusStart};

use crate::arm::{Arm, Histories, Outcome, compare, until};
use crate::nexus_endpoint::create_endpoint;

#[abide::nexus_service(name = "desk.v1")]
trait Desk {
    #[nexus_operation(name = "say-hello")]
    fn greet(name: String) -> String;
    fn refuse(name: String) -> String;
    fn give_up(name: String) -> String;
    fn misunderstand(name: String) -> String;
    fn declined(name: String) -> String;
    fn conflict(name: String) -> String;
    fn flaky(name: String) -> String;
    fn look(name: String) -> Vec<String>;
    fn nothing();
    fn forever(name: String) -> String;
}

#[derive(Default)]
struct Clerk {
    attempts: AtomicU32,
    /// The contexts of the requests that nobody answers.
    requests: Arc<Mutex<Vec<NexusContext>>>,
}

#[abide::nexus_handlers(implements = Desk)]
impl Clerk {
    #[nexus_operation]
    async fn greet(&self, ctx: &NexusContext, name: String) -> Result<String, NexusError> {
        ctx.add_link(NexusLink::new("https://example.com/desk", "example.Desk"));
        Ok(format!("hello {name}"))
    }

    #[nexus_operation]
    fn refuse(name: String) -> Result<String, NexusError> {
        let failure = ApplicationFailure::new(format!("no greeting for {name}")).error_type("Refused");
        Err(NexusError::failed(failure.detail(&7)?.cause("it is late")))
    }

    #[nexus_operation]
    async fn give_up(&self, _name: String) -> Result<String, NexusError> {
        Err(NexusError::cancelled_with("given up", &"at noon".to_string())?)
    }

    #[nexus_operation]
    async fn misunderstand(&self, _name: String) -> Result<String, NexusError> {
        Err(NexusError::bad_request("what is it?"))
    }

    #[nexus_operation]
    async fn declined(&self, _name: String) -> Result<String, ApplicationFailure> {
        Err(ApplicationFailure::new("declined").error_type("Declined").non_retryable())
    }

    #[nexus_operation]
    async fn conflict(&self, _name: String) -> Result<String, NexusError> {
        Err(NexusError::unavailable("never again").non_retryable().cause("the desk is closed"))
    }

    /// Fails, panics, and then answers.
    #[nexus_operation]
    async fn flaky(&self, _name: String) -> Result<String, NexusError> {
        match self.attempts.fetch_add(1, Ordering::Relaxed) {
            0 => Err("again".into()),
            1 => panic!("once more"),
            _ => Ok("at last".into()),
        }
    }

    #[nexus_operation]
    async fn look(&self, ctx: &NexusContext, name: String) -> Result<Vec<String>, NexusError> {
        let info = ctx.info();
        assert!(!ctx.is_cancelled() && !ctx.is_worker_shutting_down() && info.deadline.is_some());
        assert_eq!((&*info.namespace, &*info.task_queue), ("default", &*info.endpoint));
        assert!(!info.request_id.is_empty() && !info.callback_url.is_empty());
        assert!(!format!("{ctx:?} {info:#?}").contains("SECRET"), "`Debug` shows no header's value");
        assert_eq!(ctx.client().connection().namespace(), "default");
        ctx.metrics().counter("looks", "Looks at requests", "").add(1);
        let link = info.links.first().map(|link| link.link_type.clone()).unwrap_or_default();
        let header = ctx.header("TRACE").unwrap_or_default().to_string();
        Ok(vec![name, info.service.clone(), info.operation.clone(), header, link])
    }

    #[nexus_operation]
    async fn nothing(&self) -> Result<(), NexusError> {
        Ok(())
    }

    #[nexus_operation]
    async fn forever(&self, ctx: &NexusContext, _name: String) -> Result<String, NexusError> {
        self.requests.lock().expect("no test panics with it").push(ctx.clone());
        ctx.cancelled().await;
        assert!(ctx.is_cancelled() && ctx.is_worker_shutting_down(), "a request that is too late is dropped");
        ctx.worker_shutting_down().await;
        std::future::pending().await
    }
}

type Named = NexusOperation<String, String>;

#[workflow]
async fn calls(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let endpoint = || ctx.info().task_queue.clone();
    let unknown: Named = NexusOperation::new("desk.v1", "greet");
    let elsewhere: Named = NexusOperation::new("desk.v2", "say-hello");
    let unfit: NexusOperation<u32, String> = NexusOperation::new("desk.v1", "say-hello");
    let mut told = Vec::new();
    let operations = [
        Desk::greet,
        Desk::refuse,
        Desk::give_up,
        Desk::misunderstand,
        Desk::declined,
        Desk::conflict,
        Desk::flaky,
        unknown,
    ];
    for operation in operations.into_iter().chain([elsewhere]) {
        let call = ctx.nexus_operation(endpoint(), operation, "you".into()).schedule_to_close_timeout(secs(20));
        told.push(call.await.unwrap_or_else(|error| describe(&error)));
    }
    let call = ctx.nexus_operation(endpoint(), unfit, 7).schedule_to_close_timeout(secs(20));
    told.push(call.await.unwrap_or_else(|error| describe(&error)));
    let call = ctx.nexus_operation(endpoint(), Desk::look, "me".into()).schedule_to_close_timeout(secs(20));
    told.push(call.nexus_header("Trace", "SECRET").await?.join(" "));
    ctx.nexus_operation(endpoint(), Desk::nothing, ()).schedule_to_close_timeout(secs(20)).await?;
    Ok(told)
}

/// Describes a failed call: the chain of causes with what distinguishes them.
fn describe(error: &abide::NexusOperationFailure) -> String {
    let mut parts = Vec::new();
    let mut next = error.cause();
    while let Some(failure) = next {
        let kind = match failure.nexus_handler_error_type() {
            Some(kind) => format!("{kind:?}"),
            None => failure.error_type().map_or_else(|| format!("{:?}", failure.kind()), str::to_string),
        };
        parts.push(format!("{kind}: {}", failure.message()));
        next = failure.cause();
    }
    parts.join(" <- ")
}

const TOLD: [&str; 11] = [
    "hello you",
    "Refused: no greeting for you <- Application: it is late",
    "Cancelled: given up",
    "BadRequest: what is it?",
    "Internal: the handler of the operation failed <- Declined: declined",
    "Unavailable: never again <- Application: the desk is closed",
    "at last",
    "NotFound: the Nexus service `desk.v1` has no operation `greet`; its operations: conflict, declined, flaky, forever, \
     give_up, look, misunderstand, nothing, refuse, say-hello",
    "NotFound: the worker has no Nexus service `desk.v2`; registered: desk.v1",
    "BadRequest: the input of the operation `say-hello` does not fit: expected `String`, found JSON: an integer",
    "me desk.v1 look SECRET temporal.api.common.v1.Link.WorkflowEvent",
];

#[tokio::test]
async fn a_handler_ends_in_every_way() -> Outcome {
    compare("nexus-handlers", |arm| async move {
        create_endpoint(&arm).await?;
        let worker = arm.worker().workflow(calls).nexus_handlers(Clerk::default()).build()?;
        let body = async {
            let handle = arm.client.start(calls, ()).id(arm.id()).task_queue(arm.queue()).await?;
            assert_eq!(handle.result().await?, TOLD);
            counted(&arm);
            Ok::<_, Box<dyn std::error::Error>>(vec![handle.fetch_history().await?])
        };
        let histories: Histories = Box::pin(worker.run_until(Box::pin(body))).await?;
        histories
    })
    .await
}

/// Checks what the worker has counted, under Core's names.
fn counted(arm: &Arm) {
    let total = |name: &str, labels: &[(&str, &str)]| arm.client.metrics().total(&format!("temporal_{name}"), labels);
    for (reason, count) in [
        ("operation_failed", 1.0),
        ("operation_canceled", 1.0),
        ("handler_error_BAD_REQUEST", 2.0),
        ("handler_error_NOT_FOUND", 2.0),
        ("handler_error_UNAVAILABLE", 1.0),
        ("handler_error_INTERNAL", 3.0),
    ] {
        assert_eq!(total("nexus_task_execution_failed", &[("failure_reason", reason)]), count, "{reason}");
    }
    let greeted = [("nexus_service", "desk.v1"), ("nexus_operation", "say-hello")];
    assert_eq!(total("nexus_task_execution_latency", &greeted), 2.0);
    assert!(total("nexus_task_endtoend_latency", &greeted) >= 1.0);
    assert!(total("nexus_task_schedule_to_start_latency", &[]) >= 13.0);
    assert!(total("num_pollers", &[("poller_type", "nexus_task")]) > 0.0);
    assert_eq!(total("worker_task_slots_available", &[("worker_type", "NexusWorker")]), 100.0);
    assert_eq!(arm.client.metrics().total("looks", &[("nexus_operation", "look")]), 1.0);
}

/// Adds its name to a header, and to the result.
struct Stamp(&'static str);

#[async_trait]
impl NexusInterceptor for Stamp {
    async fn start_operation(
        &self,
        ctx: &NexusContext,
        mut input: NexusStartOperationInput,
        next: NexusNext<'_>,
    ) -> Result<NexusStart<RawPayload>, NexusError> {
        if input.argument.to_value::<String>()? == "nobody" {
            return Err(NexusError::unauthorized(format!("{} knows nobody", self.0)));
        }
        assert_eq!(ctx.info().headers, input.headers);
        let stamped = input.headers.entry("stamp".into()).or_default();
        stamped.push_str(self.0);
        let started = next.run(ctx, input).await?;
        match started.result() {
            Some(result) => {
                let text = format!("{} {}", result.to_value::<Vec<String>>()?.join(" "), self.0);
                Ok(NexusStart::completed(RawPayload::from_value(&vec![text])?))
            }
            None => Ok(started),
        }
    }
}

struct Stamps;

impl Plugin for Stamps {
    fn name(&self) -> &str {
        "stamps"
    }

    fn configure_worker(&self, worker: WorkerBuilder<Registered>) -> WorkerBuilder<Registered> {
        worker.nexus_interceptor(Stamp("inner"))
    }
}

#[abide::nexus_service]
trait Stamped {
    fn read(name: String) -> Vec<String>;
}

struct Reader;

#[abide::nexus_handlers(implements = Stamped)]
impl Reader {
    #[nexus_operation]
    fn read(ctx: &NexusContext, name: String) -> Result<Vec<String>, NexusError> {
        Ok(vec![name, ctx.header("Stamp").unwrap_or_default().to_string()])
    }
}

#[workflow]
async fn reads(ctx: &WorkflowContext, name: String) -> Result<Vec<String>, WorkflowError> {
    let call =
        ctx.nexus_operation(ctx.info().task_queue.clone(), Stamped::read, name).schedule_to_close_timeout(secs(20));
    call.await.or_else(|error| Ok(vec![describe(&error)]))
}

#[tokio::test]
async fn interceptors_see_and_change_what_passes_through() -> Outcome {
    compare("nexus-interceptors", |arm| async move {
        create_endpoint(&arm).await?;
        let worker = arm.worker().workflow(reads).nexus_handlers(Reader);
        let worker = worker.nexus_interceptor(Stamp("outer")).plugin(Stamps).build()?;
        let body = async {
            let read = |name: &str| arm.client.execute(reads, name.to_string()).task_queue(arm.queue());
            assert_eq!(read("ada").await?, ["ada outerinner inner outer"]);
            assert_eq!(read("nobody").await?, ["Unauthorized: outer knows nobody"]);
            Ok::<_, Box<dyn std::error::Error>>(Vec::new())
        };
        let histories: Histories = Box::pin(worker.run_until(Box::pin(body))).await?;
        histories
    })
    .await
}

#[workflow]
async fn waits(ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
    let call = ctx.nexus_operation(ctx.info().task_queue.clone(), Desk::forever, String::new());
    let error = call.schedule_to_close_timeout(secs(3)).await.expect_err("the handler never answers");
    Ok(error.timeout_type().is_some())
}

#[tokio::test]
async fn a_handler_is_dropped_when_its_caller_does_not_wait_any_more() -> Outcome {
    compare("nexus-too-late", |arm| async move {
        create_endpoint(&arm).await?;
        let clerk = Clerk::default();
        let requests = Arc::clone(&clerk.requests);
        let worker = arm.worker().workflow(waits).nexus_handlers(clerk).build()?;
        let body = async {
            let handle = arm.client.start(waits, ()).id(arm.id()).task_queue(arm.queue()).await?;
            assert!(handle.result().await?);
            assert_eq!(reason(&requests), Some(NexusCancelReason::RequestTimeout));
            let late =
                arm.client.metrics().total("temporal_nexus_task_execution_failed", &[("failure_reason", "timeout")]);
            assert!(late >= 1.0);
            Ok::<_, Box<dyn std::error::Error>>(vec![handle.fetch_history().await?])
        };
        let histories: Histories = Box::pin(worker.run_until(Box::pin(body))).await?;
        histories
    })
    .await
}

/// Returns the reason for which the first request was cancelled.
fn reason(requests: &Mutex<Vec<NexusContext>>) -> Option<NexusCancelReason> {
    requests.lock().expect("no test panics with it").first().and_then(NexusContext::cancel_reason)
}

#[workflow]
async fn is_answered_by_the_next_worker(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let call = ctx.nexus_operation(ctx.info().task_queue.clone(), Desk::forever, String::new());
    match call.schedule_to_close_timeout(secs(30)).await {
        Ok(answer) => Ok(answer),
        Err(error) => Ok(format!("{:?}", error.handler_error_type() == Some(NexusHandlerErrorType::Unavailable))),
    }
}

/// Serves the same service, and answers.
struct Substitute;

#[abide::nexus_service(name = "desk.v1")]
trait Relief {
    fn forever(name: String) -> String;
}

#[abide::nexus_handlers(implements = Relief)]
impl Substitute {
    #[nexus_operation]
    fn forever(_name: String) -> Result<String, NexusError> {
        Ok("the next worker".into())
    }
}

#[tokio::test]
async fn a_worker_that_shuts_down_leaves_its_requests_to_the_next_one() -> Outcome {
    compare("nexus-shutdown", |arm| async move {
        create_endpoint(&arm).await?;
        let clerk = Clerk::default();
        let requests = Arc::clone(&clerk.requests);
        let workflows = arm.worker().workflow(is_answered_by_the_next_worker).build()?;
        let first = arm.worker().nexus_handlers(clerk).build()?;
        let body = async {
            let start = arm.client.start(is_answered_by_the_next_worker, ());
            let handle = start.id(arm.id()).task_queue(arm.queue()).await?;
            // Ends while the handler waits: after no grace, the handler is told, and dropped 10 s later, or when its caller
            // has given up.
            let used =
                || arm.client.metrics().total("temporal_worker_task_slots_used", &[("worker_type", "NexusWorker")]);
            first.run_until(until("a request is in hand", || async { Ok(used() > 0.0) })).await??;
            assert_eq!(reason(&requests), Some(NexusCancelReason::WorkerShutdown));
            let second = arm.worker().nexus_handlers(Substitute).build()?;
            assert_eq!(second.run_until(handle.result()).await??, "the next worker");
            Ok::<_, Box<dyn std::error::Error>>(vec![handle.fetch_history().await?])
        };
        let histories: Histories = Box::pin(workflows.run_until(Box::pin(body))).await?;
        histories
    })
    .await
}
