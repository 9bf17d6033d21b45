//! Wrappers around activities. They tell the server which activity's code awaits an outcome, end a test worker's
//! activities with the test, and end the test if an activity type is not registered.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use abide::activity::{Activities, ActivityFuture, ActivityRegistry, RegisteredActivity};
use abide::{ActivityContext, ActivityError, ApplicationFailure};
use abide_protos::temporal::api::common::v1::Payload;
use abide_server::embedding::{Attributed, Counting, Host};
use tokio::sync::watch;

/// The names of a worker's activities.
type Names = Arc<Mutex<BTreeSet<String>>>;

/// Time that an activity gets to end after the test is over and it was cancelled.
const ENDS_WITHIN: Duration = Duration::from_millis(100);

/// The activities of a test's worker.
pub(crate) struct OfTest {
    activities: ActivityRegistry,
    host: Arc<Host>,
    names: Names,
    /// True once the test is over and nothing waits for activities any more.
    over: watch::Receiver<bool>,
}

impl OfTest {
    pub(crate) fn new(activities: ActivityRegistry, host: &Arc<Host>, over: &watch::Sender<bool>) -> Self {
        Self { activities, host: Arc::clone(host), names: Names::default(), over: over.subscribe() }
    }
}

impl Activities for OfTest {
    fn register(self, registry: &mut ActivityRegistry) {
        let own = self.activities;
        let dynamic = own.dynamic().map(|(name, _)| format!("{name} (dynamic)"));
        let names = own.names().map(str::to_owned).chain(dynamic);
        self.names.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
        registry.append(own.wrapped(|activity| Arc::new(EndingActivity { activity, over: self.over.clone() })));
        registry.set_fallback(Arc::new(Unregistered { host: self.host, names: self.names }));
    }
}

/// Lets the server see which activity's code awaits an outcome.
pub(crate) fn watched(activities: &ActivityRegistry, host: &Arc<Host>) -> ActivityRegistry {
    activities.wrapped(|activity| Arc::new(WatchedActivity { activity, host: Arc::clone(host) }))
}

struct WatchedActivity {
    activity: Arc<dyn RegisteredActivity>,
    host: Arc<Host>,
}

impl RegisteredActivity for WatchedActivity {
    fn run(&self, ctx: ActivityContext, input: Vec<Payload>) -> ActivityFuture<Payload> {
        let code = |ctx: ActivityContext| Counting::new(ctx.clone(), self.activity.run(ctx, input));
        let attempt = Attributed::new(Arc::clone(&self.host), ctx.clone(), code);
        let host = Arc::clone(&self.host);
        Box::pin(async move {
            let ended = attempt.await;
            if !ctx.info().is_local && ended.as_ref().is_err_and(ActivityError::completes_async) {
                host.attempt_left_open(ctx.info());
            }
            ended
        })
    }
}

/// An activity that ends soon after the test.
struct EndingActivity {
    activity: Arc<dyn RegisteredActivity>,
    over: watch::Receiver<bool>,
}

impl RegisteredActivity for EndingActivity {
    fn run(&self, ctx: ActivityContext, input: Vec<Payload>) -> ActivityFuture<Payload> {
        // Only the code is counted, not the wrapper's own wait for the end of the test.
        let mut code = Counting::new(ctx.clone(), self.activity.run(ctx.clone(), input));
        let over = self.over.clone();
        Box::pin(async move {
            tokio::select! {
                biased;
                ended = &mut code => ended,
                () = left_alone(over, &ctx) => Err(ActivityError::cancelled()),
            }
        })
    }
}

/// Waits until the test is over and the activity has had time to stop. An activity that sleeps on the environment's
/// clock, for example, would otherwise delay the worker for no reason.
#[expect(clippy::disallowed_methods, reason = "how long code takes to end is measured on the machine's clock")]
async fn left_alone(mut over: watch::Receiver<bool>, ctx: &ActivityContext) {
    let ends = over.wait_for(|over| *over).await.is_ok();
    ctx.cancelled().await;
    if ends {
        tokio::time::sleep(ENDS_WITHIN).await;
    }
}

/// Runs in place of every activity that the worker does not have.
struct Unregistered {
    host: Arc<Host>,
    names: Names,
}

impl RegisteredActivity for Unregistered {
    fn run(&self, ctx: ActivityContext, _: Vec<Payload>) -> ActivityFuture<Payload> {
        let (info, names) = (ctx.info(), self.names.lock().unwrap_or_else(PoisonError::into_inner));
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let known = if known.is_empty() {
            "no activity is registered".into()
        } else {
            format!("registered: {}", known.join(", "))
        };
        let text = format!(
            "activity `{name}`, which workflow `{workflow}` ({workflow_type}) scheduled on the task queue `{queue}`, \
             is neither registered nor mocked, and would be retried forever. Add `.mock({name}, |..| Ok(..))` or \
             `.activities(..)` to `env.worker(\"{queue}\")`; {known}",
            name = info.activity_type,
            workflow = info.workflow_id.as_deref().unwrap_or_default(),
            workflow_type = info.workflow_type.as_deref().unwrap_or_default(),
            queue = info.task_queue
        );
        self.host.end_test_of_waiting_code(text.clone());
        Box::pin(async move { Err(ApplicationFailure::new(text).error_type("NotFoundError").into()) })
    }
}
