//! An activity's timeouts in competition with each other and with those of its run: which one ends it, and how that is
//! reported, for an activity that no worker takes, that does not answer, and that is retried.

use std::time::Duration;

use abide_protos::temporal::api::command::v1::ScheduleActivityTaskCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::{ActivityType, RetryPolicy};
use abide_protos::temporal::api::enums::v1::{CommandType, RetryState, TaskQueueKind, TimeoutType};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};
use abide_protos::temporal::api::history::v1::{ActivityTaskScheduledEventAttributes, HistoryEvent, history_event};
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use abide_protos::temporal::api::workflowservice::v1::{
    GetWorkflowExecutionHistoryRequest, PollActivityTaskQueueRequest, PollActivityTaskQueueResponse,
    PollWorkflowTaskQueueRequest, RespondActivityTaskFailedRequest, RespondWorkflowTaskCompletedRequest,
    StartWorkflowExecutionRequest,
};
use expect_test::expect;
use futures_util::stream::{FuturesOrdered, StreamExt};
use tonic::transport::Channel;

use crate::arm::{Outcome, until};
use crate::raw::{command, compare_answers, with_deadline};

type Failed = Box<dyn std::error::Error>;

/// The timeouts of a case in seconds; zero means none.
#[derive(Clone, Copy, Default)]
struct Limits {
    to_start: u64,
    to_close: u64,
    start_to_close: u64,
    heartbeat: u64,
    run: u64,
    execution: u64,
}

/// The worker of a case.
#[derive(Clone, Copy, PartialEq)]
enum Worker {
    /// Does not take the activity.
    Absent,
    /// Takes each attempt and does not answer.
    Silent,
    /// Fails the first attempt and takes no further one.
    FailsThenAbsent,
    /// Fails the first attempt, takes the second one and does not answer.
    FailsThenSilent,
}

impl Worker {
    fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Silent => "silent",
            Self::FailsThenAbsent => "fails, then absent",
            Self::FailsThenSilent => "fails, then silent",
        }
    }

    /// Returns the number of attempts that it takes.
    fn takes(self) -> usize {
        match self {
            Self::Absent => 0,
            Self::FailsThenAbsent => 1,
            Self::Silent | Self::FailsThenSilent => 2,
        }
    }
}

/// One activity of one workflow.
struct Case {
    service: WorkflowServiceClient<Channel>,
    id: String,
    limits: Limits,
    worker: Worker,
}

impl Case {
    fn queue(&self, name: &str) -> Option<TaskQueue> {
        let name = format!("{}{name}", self.id);
        Some(TaskQueue { name, kind: TaskQueueKind::Normal.into(), ..Default::default() })
    }

    /// Runs it to its end. Returns its recorded end.
    async fn run(mut self) -> Result<String, Failed> {
        let start = StartWorkflowExecutionRequest {
            namespace: "default".into(),
            workflow_id: self.id.clone(),
            workflow_type: Some(abide_protos::temporal::api::common::v1::WorkflowType { name: "raw".into() }),
            task_queue: self.queue(""),
            request_id: self.id.clone(),
            workflow_run_timeout: seconds(self.limits.run),
            workflow_execution_timeout: seconds(self.limits.execution),
            ..Default::default()
        };
        self.service.start_workflow_execution(start).await?;
        self.schedule().await?;
        let mut service = self.service.clone();
        let (worker, queue) = (self.worker, self.queue("-activity"));
        let polls = async move {
            for attempt in 1..=worker.takes() {
                let fails = attempt == 1 && worker != Worker::Silent;
                take(&mut service, queue.clone(), fails).await?;
            }
            // This worker is finished; no more is expected of it.
            std::future::pending::<Outcome>().await
        };
        tokio::select! {
            polled = polls => polled.map(|()| String::new()),
            events = self.ended() => Ok(describe(&events?)),
        }
    }

    async fn schedule(&mut self) -> Outcome {
        let request = PollWorkflowTaskQueueRequest {
            namespace: "default".into(),
            task_queue: self.queue(""),
            ..Default::default()
        };
        let task = self.service.poll_workflow_task_queue(with_deadline(request)).await?.into_inner();
        let policy = RetryPolicy {
            initial_interval: Some(abide_protos::Duration { seconds: 0, nanos: 200_000_000 }),
            backoff_coefficient: 1.0,
            maximum_attempts: 2,
            ..Default::default()
        };
        let attributes = ScheduleActivityTaskCommandAttributes {
            activity_id: "a".into(),
            activity_type: Some(ActivityType { name: "a".into() }),
            task_queue: self.queue("-activity"),
            schedule_to_start_timeout: seconds(self.limits.to_start),
            schedule_to_close_timeout: seconds(self.limits.to_close),
            start_to_close_timeout: seconds(self.limits.start_to_close),
            heartbeat_timeout: seconds(self.limits.heartbeat),
            retry_policy: Some(policy),
            ..Default::default()
        };
        let attributes = Attributes::ScheduleActivityTaskCommandAttributes(attributes);
        let request = RespondWorkflowTaskCompletedRequest {
            namespace: "default".into(),
            task_token: task.task_token,
            commands: vec![command(CommandType::ScheduleActivityTask, attributes)],
            ..Default::default()
        };
        self.service.respond_workflow_task_completed(with_deadline(request)).await?;
        Ok(())
    }

    /// Waits until the activity or its run has ended.
    #[expect(clippy::disallowed_methods, reason = "asked less often, while its limit passes")]
    async fn ended(&self) -> Result<Vec<HistoryEvent>, Failed> {
        let events = std::cell::RefCell::new(Vec::new());
        until("the activity or its run has ended", || async {
            let request = GetWorkflowExecutionHistoryRequest {
                namespace: "default".into(),
                execution: Some(abide_protos::temporal::api::common::v1::WorkflowExecution {
                    workflow_id: self.id.clone(),
                    run_id: String::new(),
                }),
                ..Default::default()
            };
            let response = self.service.clone().get_workflow_execution_history(request).await?.into_inner();
            let all = response.history.unwrap_or_default().events;
            let ended = all.iter().any(|event| end(event).is_some());
            *events.borrow_mut() = all;
            if !ended {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(ended)
        })
        .await?;
        Ok(events.into_inner())
    }
}

/// Takes an attempt, if one is offered before the poll ends.
async fn take(service: &mut WorkflowServiceClient<Channel>, queue: Option<TaskQueue>, fails: bool) -> Outcome {
    let request = PollActivityTaskQueueRequest { namespace: "default".into(), task_queue: queue, ..Default::default() };
    let mut request = tonic::Request::new(request);
    request.set_timeout(Duration::from_secs(20));
    let task: PollActivityTaskQueueResponse = match service.poll_activity_task_queue(request).await {
        Ok(task) => task.into_inner(),
        Err(_) => return Ok(()),
    };
    if !fails || task.task_token.is_empty() {
        return Ok(());
    }
    let info = ApplicationFailureInfo { r#type: "NotYet".into(), ..Default::default() };
    let failure = Failure {
        message: "not yet".into(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    };
    let request = RespondActivityTaskFailedRequest {
        namespace: "default".into(),
        task_token: task.task_token,
        failure: Some(failure),
        ..Default::default()
    };
    match service.respond_activity_task_failed(with_deadline(request)).await {
        // On a busy machine the answer may come too late, which the record shows.
        Err(status) if status.code() != tonic::Code::NotFound => Err(status.into()),
        _ => Ok(()),
    }
}

fn seconds(seconds: u64) -> Option<abide_protos::Duration> {
    (seconds > 0).then(|| abide_protos::Duration { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: 0 })
}

/// Describes the event that ends the activity or the run.
fn end(event: &HistoryEvent) -> Option<String> {
    let named = |state: i32| RetryState::try_from(state).map_or("?", |state| state.as_str_name());
    match event.attributes.as_ref()? {
        history_event::Attributes::ActivityTaskTimedOutEventAttributes(end) => {
            Some(format!("activity timed out, {}: {}", named(end.retry_state), chain(end.failure.as_ref())))
        }
        history_event::Attributes::ActivityTaskFailedEventAttributes(end) => {
            Some(format!("activity failed, {}: {}", named(end.retry_state), chain(end.failure.as_ref())))
        }
        history_event::Attributes::WorkflowExecutionTimedOutEventAttributes(end) => {
            Some(format!("run timed out, {}", named(end.retry_state)))
        }
        _ => None,
    }
}

fn chain(failure: Option<&Failure>) -> String {
    let mut all = Vec::new();
    let mut next = failure;
    while let Some(failure) = next {
        let kind = match &failure.failure_info {
            Some(FailureInfo::TimeoutFailureInfo(info)) => {
                format!(" ({:?})", TimeoutType::try_from(info.timeout_type).unwrap_or_default())
            }
            _ => String::new(),
        };
        all.push(format!("{}{kind}", failure.message));
        next = failure.cause.as_deref();
    }
    all.join(" <- ")
}

fn describe(events: &[HistoryEvent]) -> String {
    let mut line = String::new();
    for event in events {
        match &event.attributes {
            Some(history_event::Attributes::ActivityTaskScheduledEventAttributes(scheduled)) => {
                line += &limits_of(scheduled);
            }
            Some(history_event::Attributes::ActivityTaskStartedEventAttributes(started)) => {
                let failure = started.last_failure.as_ref().map_or("none", |failure| failure.message.as_str());
                line += &format!("; attempt {} started, last failure {failure}", started.attempt);
            }
            _ => line += &end(event).map(|end| format!("; {end}")).unwrap_or_default(),
        }
    }
    line
}

fn limits_of(scheduled: &ActivityTaskScheduledEventAttributes) -> String {
    let shown = |duration: &Option<abide_protos::Duration>| match duration {
        Some(duration) => duration.seconds.to_string(),
        None => "none".to_owned(),
    };
    format!(
        "{} {} {} {}",
        shown(&scheduled.schedule_to_start_timeout),
        shown(&scheduled.schedule_to_close_timeout),
        shown(&scheduled.start_to_close_timeout),
        shown(&scheduled.heartbeat_timeout)
    )
}

/// Returns cases in which one timeout is far shorter than the others, so that load on the machine changes nothing.
fn all() -> Vec<(Limits, Worker)> {
    let none = Limits::default();
    let absent = [
        Limits { to_close: 2, start_to_close: 9, ..none },
        Limits { to_start: 2, start_to_close: 9, ..none },
        Limits { to_start: 2, to_close: 9, ..none },
        Limits { to_start: 9, to_close: 2, ..none },
        Limits { start_to_close: 9, run: 2, ..none },
        Limits { to_close: 9, execution: 2, ..none },
    ];
    let fails_then_absent =
        [Limits { to_close: 3, start_to_close: 9, ..none }, Limits { to_start: 3, start_to_close: 9, ..none }];
    let silent = [
        Limits { start_to_close: 2, ..none },
        Limits { to_close: 3, ..none },
        Limits { to_close: 3, start_to_close: 9, ..none },
        Limits { start_to_close: 9, heartbeat: 2, ..none },
        Limits { start_to_close: 9, execution: 3, ..none },
    ];
    let fails_then_silent = [Limits { start_to_close: 3, ..none }, Limits { to_close: 3, ..none }];
    let absent = absent.map(|limits| (limits, Worker::Absent));
    let fails_then_absent = fails_then_absent.map(|limits| (limits, Worker::FailsThenAbsent));
    let silent = silent.map(|limits| (limits, Worker::Silent));
    let fails_then_silent = fails_then_silent.map(|limits| (limits, Worker::FailsThenSilent));
    absent.into_iter().chain(fails_then_absent).chain(silent).chain(fails_then_silent).collect()
}

#[tokio::test]
async fn timeouts_of_activities() -> Outcome {
    let expected = expect![[r#"
        0 2 9 0, run 0 0, absent: 2 2 2 0; activity timed out, RETRY_STATE_TIMEOUT: activity ScheduleToStart timeout (ScheduleToStart)
        2 0 9 0, run 0 0, absent: 2 0 9 0; activity timed out, RETRY_STATE_TIMEOUT: activity ScheduleToStart timeout (ScheduleToStart)
        2 9 0 0, run 0 0, absent: 2 9 9 0; activity timed out, RETRY_STATE_TIMEOUT: activity ScheduleToStart timeout (ScheduleToStart)
        9 2 0 0, run 0 0, absent: 2 2 2 0; activity timed out, RETRY_STATE_TIMEOUT: activity ScheduleToStart timeout (ScheduleToStart)
        0 0 9 0, run 2 0, absent: 2 2 2 0; run timed out, RETRY_STATE_RETRY_POLICY_NOT_SET
        0 9 0 0, run 0 2, absent: 2 2 2 0; run timed out, RETRY_STATE_TIMEOUT
        0 3 9 0, run 0 0, fails, then absent: 3 3 3 0; activity timed out, RETRY_STATE_TIMEOUT: Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying (ScheduleToClose) <- not yet
        3 0 9 0, run 0 0, fails, then absent: 3 0 9 0; activity timed out, RETRY_STATE_TIMEOUT: activity ScheduleToStart timeout (ScheduleToStart) <- not yet
        0 0 2 0, run 0 0, silent: 0 0 2 0; attempt 2 started, last failure activity StartToClose timeout; activity timed out, RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED: activity StartToClose timeout (StartToClose) <- activity StartToClose timeout (StartToClose)
        0 3 0 0, run 0 0, silent: 3 3 3 0; attempt 1 started, last failure none; activity timed out, RETRY_STATE_TIMEOUT: Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying (ScheduleToClose)
        0 3 9 0, run 0 0, silent: 3 3 3 0; attempt 1 started, last failure none; activity timed out, RETRY_STATE_TIMEOUT: Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying (ScheduleToClose)
        0 0 9 2, run 0 0, silent: 0 0 9 2; attempt 2 started, last failure activity Heartbeat timeout; activity timed out, RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED: activity Heartbeat timeout (Heartbeat) <- activity Heartbeat timeout (Heartbeat)
        0 0 9 0, run 0 3, silent: 3 3 3 0; run timed out, RETRY_STATE_TIMEOUT
        0 0 3 0, run 0 0, fails, then silent: 0 0 3 0; attempt 2 started, last failure not yet; activity timed out, RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED: activity StartToClose timeout (StartToClose) <- not yet
        0 3 0 0, run 0 0, fails, then silent: 3 3 3 0; attempt 2 started, last failure not yet; activity timed out, RETRY_STATE_TIMEOUT: Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying (ScheduleToClose) <- not yet
    "#]];
    compare_answers("activity-timeouts", expected, |mut raw| async move {
        let cases = all();
        let running = cases.iter().enumerate().map(|(number, (limits, worker))| {
            let id = raw.id_of(&format!("{number}-{}", crate::raw::unique()));
            Case { service: raw.service.clone(), id, limits: *limits, worker: *worker }.run()
        });
        let mut outcomes = running.collect::<FuturesOrdered<_>>();
        for (Limits { to_start, to_close, start_to_close, heartbeat, run, execution }, worker) in &cases {
            let limits = format!("{to_start} {to_close} {start_to_close} {heartbeat}, run {run} {execution}");
            let Some(outcome) = outcomes.next().await else { break };
            raw.note(&format!("{limits}, {}", worker.name()), &Ok(outcome?));
        }
        Ok(raw)
    })
    .await
}
