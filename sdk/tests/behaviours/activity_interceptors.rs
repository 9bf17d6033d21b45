//! Interceptors of activities: what they see and change of an attempt, and how they fail it.

use std::sync::{Arc, Mutex};

use abide::ActivityInfo;
use abide::converter::{RawArguments, RawPayload};
use abide::interceptor::{ActivityInterceptor, ActivityNext, ExecuteActivityInput, async_trait};
use abide::prelude::*;
use abide::worker::{Registered, WorkerBuilder};
use abide_protos::temporal::api::common::v1::Header;
use abide_protos::temporal::api::workflowservice::v1::*;

use crate::activity_tasks::{Completed, Failed, Heartbeat, failure, payloads, text, wait, with_worker};
use crate::server::{Server, activity, seconds};

/// Returns its argument with the header `user`, and makes two heartbeats.
#[activity]
async fn greet(ctx: &ActivityContext, name: String) -> Result<String, ActivityError> {
    if name == "panic" {
        panic!("the activity panics");
    }
    if let Some(step) = ctx.last_heartbeat::<String>()? {
        return Ok(format!("continued at {step}"));
    }
    ctx.heartbeat(&"first".to_string())?;
    ctx.heartbeat(&"second".to_string())?;
    Ok(format!("{:?} greets {name}", ctx.info().header::<String>("user")?))
}

/// Notes what it sees, and does what the argument says.
#[derive(Clone)]
struct Notes {
    name: &'static str,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Notes {
    fn new(name: &'static str) -> Self {
        Self { name, seen: Arc::default() }
    }

    fn named(&self, name: &'static str) -> Self {
        Self { name, seen: Arc::clone(&self.seen) }
    }

    fn note(&self, text: String) {
        self.seen.lock().unwrap().push(format!("{}: {text}", self.name));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

#[async_trait]
impl ActivityInterceptor for Notes {
    async fn execute_activity(
        &self,
        ctx: &ActivityContext,
        mut input: ExecuteActivityInput,
        next: ActivityNext<'_>,
    ) -> Result<RawPayload, ActivityError> {
        let (info, name) = (ctx.info(), input.arguments.get::<String>(0)?);
        let user = info.header::<String>("user")?;
        self.note(format!("{} attempt {} {name} {user:?}", info.activity_type, info.attempt));
        match name.as_str() {
            "refuse" => return Err(ApplicationFailure::new("not you").error_type("Refused").non_retryable().into()),
            "break" => panic!("the interceptor panics"),
            "replace" => return Ok(RawPayload::from_value(&"nobody greets".to_string())?),
            _ => {}
        }
        input.arguments.set(0, &format!("{name}{}", if name == "panic" { "" } else { "!" }))?;
        input.headers.set("user", &format!("{}{}", user.unwrap_or_default(), self.name))?;
        let greeting: String = next.run(ctx, input).await?.to_value()?;
        self.note(greeting.clone());
        Ok(RawPayload::from_value(&format!("{greeting}?"))?)
    }

    fn heartbeat(&self, info: &ActivityInfo, details: &mut RawArguments) {
        let progress: String = details.get(0).unwrap();
        assert_ne!(progress, "panic", "the hook panics");
        self.note(format!("{} {progress}", info.activity_id));
        details.set(0, &format!("{progress} ({})", self.name)).unwrap();
    }
}

fn attempt(name: &str) -> PollActivityTaskQueueResponse {
    PollActivityTaskQueueResponse { input: payloads([&format!("{name:?}")]), ..activity("greet") }
}

/// Runs an attempt on a worker with two interceptors.
async fn completed(server: &Server, notes: &Notes, task: PollActivityTaskQueueResponse) -> Option<String> {
    let register = registering(notes);
    let completed = with_worker(server, register, async {
        server.activity_task(task);
        server.request::<Completed>(1).await
    });
    text(completed.await.result.as_ref())
}

fn registering(notes: &Notes) -> impl FnOnce(WorkerBuilder) -> WorkerBuilder<Registered> {
    let inner = notes.named("inner");
    let outer = notes.clone();
    |worker| worker.activity_interceptor(outer).activities(greet).activity_interceptor(inner)
}

#[tokio::test(start_paused = true)]
async fn b134_interceptors_change_arguments_headers_and_the_result_from_the_outside_in_and_back() {
    let (server, notes) = (Server::new(), Notes::new("outer"));
    let result = completed(&server, &notes, attempt("Ada")).await;
    assert_eq!(result.as_deref(), Some(r#""Some(\"outerinner\") greets Ada!!??""#));
    let seen = notes.take();
    let expected = [
        "outer: greet attempt 1 Ada None",
        r#"inner: greet attempt 1 Ada! Some("outer")"#,
        "outer: 1 first",
        "inner: 1 first (outer)",
        "outer: 1 second",
        "inner: 1 second (outer)",
        r#"inner: Some("outerinner") greets Ada!!"#,
        r#"outer: Some("outerinner") greets Ada!!?"#,
    ];
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn b134_a_header_of_the_workflow_is_there_for_interceptors_to_change() {
    let (server, notes) = (Server::new(), Notes::new("outer"));
    let user = payloads([r#""Bob""#]).unwrap().payloads.remove(0);
    let header = Header { fields: [("user".to_string(), user)].into() };
    let result = completed(&server, &notes, PollActivityTaskQueueResponse { header: Some(header), ..attempt("Ada") });
    assert_eq!(result.await.as_deref(), Some(r#""Some(\"Bobouterinner\") greets Ada!!??""#));
}

#[tokio::test(start_paused = true)]
async fn b134_a_retry_passes_through_the_interceptors_again() {
    let (server, notes) = (Server::new(), Notes::new("outer"));
    with_worker(&server, registering(&notes), async {
        server.activity_task(attempt("panic"));
        assert_eq!(
            failure(&server.request::<Failed>(1).await),
            "Panic (retried): the activity panicked: the activity panics"
        );
        let heartbeat_details = payloads([r#""step 2""#]);
        server.activity_task(PollActivityTaskQueueResponse { attempt: 2, heartbeat_details, ..attempt("Ada") });
        let completed: Completed = server.request(1).await;
        assert_eq!(text(completed.result.as_ref()).as_deref(), Some(r#""continued at step 2??""#));
    })
    .await;
    let seen = notes.take();
    assert!(seen.contains(&"outer: greet attempt 1 panic None".to_string()), "{seen:?}");
    assert!(seen.contains(&"outer: greet attempt 2 Ada None".to_string()), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn b134_an_interceptor_refuses_replaces_or_panics_and_only_the_attempt_fails() {
    let (server, notes) = (Server::new(), Notes::new("outer"));
    with_worker(&server, registering(&notes), async {
        server.activity_task(attempt("refuse"));
        assert_eq!(failure(&server.request::<Failed>(1).await), "Refused (final): not you");
        server.activity_task(attempt("break"));
        let failed = failure(&server.request::<Failed>(2).await);
        assert_eq!(failed, "Panic (retried): the activity panicked: the interceptor panics");
        server.activity_task(attempt("replace"));
        assert_eq!(text(server.request::<Completed>(1).await.result.as_ref()).as_deref(), Some(r#""nobody greets""#));
        server.activity_task(attempt("Ada"));
        server.request::<Completed>(2).await;
    })
    .await;
}

#[activity]
async fn beats(ctx: &ActivityContext, progress: String) -> Result<(), ActivityError> {
    ctx.heartbeat(&progress)?;
    wait(secs(1)).await;
    Ok(())
}

/// Only hears heartbeats.
struct Hears(Notes);

impl ActivityInterceptor for Hears {
    fn heartbeat(&self, info: &ActivityInfo, details: &mut RawArguments) {
        self.0.heartbeat(info, details);
    }
}

fn beat(progress: &str) -> PollActivityTaskQueueResponse {
    let heartbeat_timeout = Some(seconds(10));
    PollActivityTaskQueueResponse { input: payloads([progress]), heartbeat_timeout, ..activity("beats") }
}

#[tokio::test(start_paused = true)]
async fn b134_the_server_gets_the_heartbeat_as_interceptors_leave_it() {
    let (server, notes) = (Server::new(), Notes::new("outer"));
    let [outer, inner] = ["outer", "inner"].map(|name| Hears(notes.named(name)));
    let register =
        |worker: WorkerBuilder| worker.activities(beats).activity_interceptor(outer).activity_interceptor(inner);
    with_worker(&server, register, async {
        server.activity_task(beat(r#""half""#));
        let heartbeat: Heartbeat = server.request(1).await;
        assert_eq!(text(heartbeat.details.as_ref()).as_deref(), Some(r#""half (outer) (inner)""#));
        server.request::<Completed>(1).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b134_a_panic_of_a_heartbeat_hook_fails_only_the_attempt() {
    let (server, notes) = (Server::new(), Notes::new("outer"));
    let hears = Hears(notes.clone());
    with_worker(&server, |worker| worker.activities(beats).activity_interceptor(hears), async {
        server.activity_task(beat(r#""panic""#));
        let failed = failure(&server.request::<Failed>(1).await);
        assert!(failed.starts_with("Panic (retried)") && failed.contains("the hook panics"), "{failed}");
        server.activity_task(beat(r#""fine""#));
        server.request::<Completed>(1).await;
    })
    .await;
    assert_eq!(notes.take(), ["outer: 1 fine"]);
}
