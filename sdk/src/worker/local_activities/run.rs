//! A cached run with its local activities: starts those that the run requests, and cancels them when the run is
//! dropped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Lease, LocalActivityWorker};
use crate::replay::{Input, Output};
use crate::runtime::{RunOptions, WorkflowRegistry, WorkflowRun};
use crate::worker::lanes::Run;
use crate::worker::lanes::Ticket;

/// Shared input from which all runs of a worker are made.
pub(crate) struct RunFactory {
    pub(crate) registry: Arc<WorkflowRegistry>,
    pub(crate) options: Arc<RunOptions>,
    pub(crate) local_activities: Arc<LocalActivityWorker>,
}

/// A run, with its claim on local activities while some are in progress.
///
/// Dropping it cancels them, because their results could not be delivered.
pub(crate) struct LocalRun {
    run: WorkflowRun,
    local_activities: Arc<LocalActivityWorker>,
    lease: Option<Box<Lease>>,
    /// Microseconds that the current replay has taken so far, while it waits for more history.
    replay_time: u32,
}

impl Run for LocalRun {
    type Factory = RunFactory;

    fn new(factory: &RunFactory, ticket: &Ticket) -> Self {
        let (registry, options) = (Arc::clone(&factory.registry), Arc::clone(&factory.options));
        let run = WorkflowRun::new(registry, options, ticket.workflow_id.clone(), ticket.run_id.clone());
        Self { run, local_activities: Arc::clone(&factory.local_activities), lease: None, replay_time: 0 }
    }

    fn handle(&mut self, input: Input) -> Output {
        let mut output = self.handle_timed(input);
        match &mut output {
            Output::RunLocalActivities { .. } => {
                if self.lease.is_none() {
                    let lease = LocalActivityWorker::lease(&self.local_activities, self.run.run_id());
                    self.lease = Some(Box::new(lease));
                }
            }
            Output::Complete(completion) => {
                if let Some(lease) = self.lease.take() {
                    lease.cancel(&completion.cancel_local_activities);
                    completion.nonfirst_local_activity_attempts = lease.take_nonfirst_attempts();
                    if completion.force_create_new_workflow_task {
                        self.lease = Some(lease);
                    } else if !completion.closes_workflow {
                        lease.end();
                    }
                }
            }
            Output::Fail(_) => self.lease = None,
            // The run starts over and requests its local activities again, with the same sequence numbers.
            Output::NeedHistory { next_page_token } if next_page_token.is_empty() => self.lease = None,
            Output::AnswerQuery(_) | Output::NeedHistory { .. } | Output::Idle => {}
        }
        output
    }

    fn last_processed_started_event_id(&self) -> i64 {
        self.run.last_processed_started_event_id()
    }

    fn take_back_task(&mut self, dropped: i64, last_started_event_id: i64) -> bool {
        self.run.take_back_task(dropped, last_started_event_id)
    }
}

impl LocalRun {
    /// Lets the run handle an input, and records how long a replay took, without the time for fetching history.
    fn handle_timed(&mut self, input: Input) -> Output {
        let (began, mut ended) = (now(), None);
        let output = self.run.handle_watched(input, &mut || ended = Some(now()));
        let starts_over = |token: &Vec<u8>| token.is_empty();
        let passed = |until: Instant| u32::try_from((until - began).as_micros()).unwrap_or(u32::MAX);
        if let (Some(ended), Some(workflow_type)) = (ended, self.run.workflow_type()) {
            let micros = self.replay_time.saturating_add(passed(ended));
            let taken = Duration::from_micros(micros.into());
            self.local_activities.shared.metrics.workflow_tasks().replayed(workflow_type, taken);
        }
        self.replay_time = match &output {
            Output::NeedHistory { next_page_token } if !starts_over(next_page_token) => {
                self.replay_time.saturating_add(passed(now()))
            }
            _ => 0,
        };
        output
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a replay took is a time of this machine")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::sync::Mutex;
    use std::task::{Context, Poll};
    use std::time::{Duration, SystemTime};

    use abide_protos::temporal::api::workflowservice::v1::DescribeNamespaceResponse;
    use tonic::body::Body;
    use tonic::codegen::http::{Request, Response};
    use tower_service::Service;

    use super::*;
    use crate::activity::{ActivityCancelReason, ActivityRegistry};
    use crate::client::{Client, ClientOptions, Connection};
    use crate::duration::secs;
    use crate::replay::text::parse_history;
    use crate::replay::{HistoryPage, LocalActivityResult, LocalActivityTask, Until, WorkflowTask};
    use crate::worker::Worker;
    use crate::worker::context::WorkerContext;
    use crate::worker::lanes::LaneMessage;
    use crate::worker::local_activities::attempt_loop::TaskClock;
    use crate::worker::polling::Slot;
    use crate::worker::running::shared;
    use crate::worker::shutdown::{Phase, Phases};
    use crate::{ActivityContext, ActivityError, WorkflowContext, WorkflowError, activity, workflow};

    /// A server that implements no method.
    #[derive(Clone)]
    struct Mute;

    impl Service<Request<Body>> for Mute {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            ready(Ok(tonic::Status::unimplemented("").into_http()))
        }
    }

    /// Returns what the parts of a worker share, and the phases of its shutdown.
    async fn shared_context() -> (Arc<WorkerContext>, Arc<Phases>) {
        let connection = Connection::in_process(Mute, &ClientOptions::default()).await.unwrap();
        let worker = Worker::builder(&Client::from_connection(connection), "queue").workflow(waits).build().unwrap();
        let shared = Arc::new(shared(&worker, DescribeNamespaceResponse::default()));
        let phases = Arc::clone(&shared.phases);
        (shared, phases)
    }

    /// Cancellations that the local activity has seen.
    static SEEN: Mutex<Vec<Option<ActivityCancelReason>>> = Mutex::new(Vec::new());

    #[activity]
    async fn until_told(ctx: &ActivityContext) -> Result<(), ActivityError> {
        SEEN.lock().unwrap().push(None);
        let reason = ctx.cancelled().await;
        SEEN.lock().unwrap().push(Some(reason));
        Err(ActivityError::cancelled())
    }

    #[workflow(name = "wf")]
    async fn waits(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.local_activity(until_told, ()).start_to_close_timeout(secs(60)).await?)
    }

    fn ticket() -> Box<Ticket> {
        let later = tokio::time::Instant::now() + Duration::from_secs(60);
        Box::new(Ticket {
            task_token: Vec::new(),
            workflow_id: "w".into(),
            run_id: "r".into(),
            workflow_type: "wf".into(),
            attempt: 1,
            received: later,
            deadline: later,
            heartbeat_at: later,
            clock: TaskClock::new(SystemTime::UNIX_EPOCH, later),
            is_query: false,
            started_event_id: 3,
            polled_events: Vec::new(),
            fetched_up_to: 0,
            slot: Slot::for_test(),
        })
    }

    /// Returns a task with this history.
    fn task(history: &str, started_event_id: i64) -> Input {
        let history = page(history);
        Input::WorkflowTask(Box::new(WorkflowTask {
            until: Until::Started(started_event_id),
            history,
            ..WorkflowTask::default()
        }))
    }

    fn page(history: &str) -> HistoryPage {
        HistoryPage { events: parse_history(history).unwrap(), next_page_token: Vec::new() }
    }

    /// Runs local activities until they have recorded `count` entries.
    async fn seen(count: usize) -> Vec<Option<ActivityCancelReason>> {
        for _ in 0..10_000 {
            if SEEN.lock().unwrap().len() >= count {
                break;
            }
            tokio::task::yield_now().await;
        }
        SEEN.lock().unwrap().clone()
    }

    #[activity]
    async fn until_noticed(ctx: &ActivityContext) -> Result<bool, ActivityError> {
        ctx.worker_shutting_down().await;
        Ok(ctx.is_worker_shutting_down() && ctx.cancel_reason().is_none())
    }

    #[tokio::test(start_paused = true)]
    async fn a_local_activity_has_notice_of_the_shutdown() {
        for begins_first in [true, false] {
            let (shared, phases) = shared_context().await;
            let mut activities = ActivityRegistry::default();
            activities.add(UntilNoticedActivity {}, Arc::new(()));
            let host = LocalActivityWorker::new(shared, activities);
            let (told, mut ended) = tokio::sync::mpsc::unbounded_channel();
            host.connect(move |_, message| {
                if let LaneMessage::LocalActivityResolved(_, resolution) = message {
                    told.send(resolution).unwrap();
                }
            });
            let _lease = LocalActivityWorker::lease(&host, "r");
            if !begins_first {
                phases.advance(Phase::Draining);
            }
            let task = LocalActivityTask {
                seq: 1,
                activity_id: "1".into(),
                activity_type: "until_noticed".into(),
                input: Vec::new(),
                header: None,
                attempt: 1,
                original_schedule_time: None,
                schedule_to_close_timeout: None,
                schedule_to_start_timeout: None,
                start_to_close_timeout: None,
                retry_policy: crate::RetryPolicy::default(),
                local_retry_threshold: secs(60),
            };
            host.wait(ticket(), vec![task], &[]);
            tokio::task::yield_now().await;
            phases.advance(Phase::Draining);
            let result = ended.recv().await.expect("it ends").result;
            let LocalActivityResult::Completed(noticed) = result else { panic!("{result:?}") };
            assert_eq!(noticed.data, b"true");
        }
    }

    #[tokio::test]
    async fn a_run_that_reads_its_history_again_begins_its_local_activities_again() {
        let (shared, _) = shared_context().await;
        let mut activities = ActivityRegistry::default();
        activities.add(UntilToldActivity {}, Arc::new(()));
        let mut workflows = WorkflowRegistry::default();
        workflows.add(waits);
        let options = RunOptions::new("default", "queue");
        let local_activities = LocalActivityWorker::new(shared, activities);
        let factory = RunFactory { registry: Arc::new(workflows), options: Arc::new(options), local_activities };
        let mut run = LocalRun::new(&factory, &ticket());

        const FIRST: &str = "1 WorkflowExecutionStarted type=wf\n2 WorkflowTaskScheduled\n3 WorkflowTaskStarted\n";
        let Output::RunLocalActivities { start, cancel } = run.handle(task(FIRST, 3)) else { panic!("it waits") };
        factory.local_activities.wait(ticket(), start, &cancel);
        assert_eq!(seen(1).await, [None]);
        let renewed = run.handle(Input::HeartbeatDue);
        assert!(matches!(renewed, Output::Complete(completion) if completion.force_create_new_workflow_task));

        // The next task does not continue from the run's state: the run requests the whole history and starts over.
        const REST: &str = "4 WorkflowTaskCompleted\n5 WorkflowTaskScheduled\n6 WorkflowTaskStarted";
        let hole = run.handle(task("8 WorkflowTaskScheduled\n9 WorkflowTaskStarted", 9));
        assert!(matches!(hole, Output::NeedHistory { next_page_token } if next_page_token.is_empty()));
        assert_eq!(seen(2).await, [None, Some(ActivityCancelReason::NotFound)]);
        let again = run.handle(Input::HistoryPage(page(&format!(
            "{FIRST}{REST}\n7 WorkflowTaskTimedOut\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted"
        ))));
        let Output::RunLocalActivities { start, .. } = again else { panic!("it waits again") };
        assert_eq!(start.len(), 1);
        assert!(run.lease.is_some());
    }
}
