//! The build id of a worker: where histories, descriptions, lists and task queues show it, and in which field.

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{Command, ScheduleActivityTaskCommandAttributes};
use abide_protos::temporal::api::common::v1::{
    ActivityType, RetryPolicy, WorkerVersionCapabilities, WorkerVersionStamp,
};
use abide_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;
use abide_protos::temporal::api::enums::v1::{CommandType, TaskQueueType, WorkerVersioningMode};
use abide_protos::temporal::api::workflow::v1::WorkflowExecutionInfo;
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeTaskQueueRequest, DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse,
    GetSystemInfoRequest, ListWorkflowExecutionsRequest, PollWorkflowTaskQueueRequest,
    RespondWorkflowTaskCompletedRequest,
};
use expect_test::expect;

use crate::arm::{Outcome, until};
use crate::raw::{Raw, command, compare_answers, with_deadline};

type Failed = Box<dyn std::error::Error>;

/// A worker's build id in the fields of different API generations.
#[derive(Clone, Copy)]
enum Told {
    Stamp(&'static str),
    Checksum(&'static str),
    Deployment(&'static str),
    Nothing,
}

impl Told {
    fn build(self) -> &'static str {
        match self {
            Self::Stamp(build) | Self::Checksum(build) | Self::Deployment(build) => build,
            Self::Nothing => "",
        }
    }

    fn stamp(self) -> Option<WorkerVersionStamp> {
        match self {
            Self::Stamp(build) => Some(WorkerVersionStamp { build_id: build.into(), use_versioning: false }),
            Self::Checksum(_) | Self::Deployment(_) | Self::Nothing => None,
        }
    }

    fn capabilities(self) -> Option<WorkerVersionCapabilities> {
        self.stamp().map(|stamp| WorkerVersionCapabilities { build_id: stamp.build_id, ..Default::default() })
    }

    /// Returns the options of a worker that names its deployment and is not versioned.
    fn deployment(self) -> Option<WorkerDeploymentOptions> {
        let Self::Deployment(build) = self else { return None };
        Some(WorkerDeploymentOptions {
            deployment_name: "shop".into(),
            build_id: build.into(),
            worker_versioning_mode: WorkerVersioningMode::Unversioned.into(),
        })
    }
}

/// Takes the next workflow task and answers it, as a worker with that build id.
#[expect(deprecated, reason = "workers tell their build in all of these fields")]
async fn answer(raw: &mut Raw, told: Told, commands: Vec<Command>) -> Outcome {
    let request = PollWorkflowTaskQueueRequest {
        namespace: "default".into(),
        task_queue: Some(raw.queue()),
        identity: "raw".into(),
        worker_version_capabilities: told.capabilities(),
        deployment_options: told.deployment(),
        ..Default::default()
    };
    let task = raw.service.poll_workflow_task_queue(with_deadline(request)).await?.into_inner();
    let request = RespondWorkflowTaskCompletedRequest {
        namespace: "default".into(),
        task_token: task.task_token,
        identity: "raw".into(),
        commands,
        worker_version_stamp: told.stamp(),
        binary_checksum: if matches!(told, Told::Checksum(_)) { told.build().into() } else { String::new() },
        deployment_options: told.deployment(),
        ..Default::default()
    };
    raw.service.respond_workflow_task_completed(with_deadline(request)).await?;
    Ok(())
}

async fn described(raw: &mut Raw) -> Result<DescribeWorkflowExecutionResponse, Failed> {
    let request =
        DescribeWorkflowExecutionRequest { namespace: "default".into(), execution: Some(raw.execution_of("")) };
    Ok(raw.service.describe_workflow_execution(with_deadline(request)).await?.into_inner())
}

/// Returns the build ids in a description or a list as text.
#[expect(deprecated, reason = "the older fields are what is compared")]
fn builds(info: &WorkflowExecutionInfo) -> String {
    let points = info.auto_reset_points.clone().unwrap_or_default().points;
    let points: Vec<String> =
        points.iter().map(|point| format!("{}/{}", point.binary_checksum, point.build_id)).collect();
    let mut attributes: Vec<String> = info
        .search_attributes
        .clone()
        .unwrap_or_default()
        .indexed_fields
        .iter()
        .map(|(name, value)| {
            let kind = value.metadata.get("type").map(|kind| String::from_utf8_lossy(kind).into_owned());
            format!("{name} {} {}", kind.unwrap_or_default(), String::from_utf8_lossy(&value.data))
        })
        .collect();
    attributes.sort();
    let stamp = info.most_recent_worker_version_stamp.clone().unwrap_or_default().build_id;
    format!(
        "points {points:?}, latest {stamp:?}, deployment {:?}, attributes [{}]",
        info.worker_deployment_name,
        attributes.join(", ")
    )
}

#[tokio::test]
async fn workers_are_to_tell_their_build_as_a_version() -> Outcome {
    let expected = expect![[r#"
        versions: true
    "#]];
    compare_answers("build-capability", expected, |mut raw| async move {
        let info = raw.service.get_system_info(GetSystemInfoRequest::default()).await?.into_inner();
        raw.note("versions", &Ok(info.capabilities.unwrap_or_default().build_id_based_versioning.to_string()));
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn a_description_tells_the_builds_that_have_answered() -> Outcome {
    let expected = expect![[r#"
        a build: points ["/one"], latest "one", deployment "", attributes [BuildIds KeywordList ["unversioned","unversioned:one"]]
          its event: checksum "", version "one", deployment "" "", behavior 0
        the same one: points ["/one"], latest "one", deployment "", attributes [BuildIds KeywordList ["unversioned","unversioned:one"]]
          its event: checksum "", version "one", deployment "" "", behavior 0
        another one: points ["/one", "/two"], latest "two", deployment "", attributes [BuildIds KeywordList ["unversioned","unversioned:one","unversioned:two"]]
          its event: checksum "", version "two", deployment "" "", behavior 0
        a checksum: points ["/one", "/two", "three/"], latest "", deployment "", attributes [BinaryChecksums KeywordList ["three"], BuildIds KeywordList ["unversioned","unversioned:one","unversioned:two"]]
          its event: checksum "three", version "", deployment "" "", behavior 0
        no build: points ["/one", "/two", "three/", "/"], latest "", deployment "", attributes [BinaryChecksums KeywordList ["three"], BuildIds KeywordList ["unversioned","unversioned:one","unversioned:two"]]
          its event: checksum "", version "", deployment "" "", behavior 0
        an unversioned deployment: points ["/one", "/two", "three/", "/"], latest "", deployment "shop", attributes [BinaryChecksums KeywordList ["three"], BuildIds KeywordList ["unversioned","unversioned:one","unversioned:two"], TemporalWorkerDeployment Keyword "shop"]
          its event: checksum "", version "", deployment "shop" "", behavior 0
    "#]];
    compare_answers("builds", expected, |mut raw| async move {
        raw.start("").await?;
        let all = [
            ("a build", Told::Stamp("one")),
            ("the same one", Told::Stamp("one")),
            ("another one", Told::Stamp("two")),
            ("a checksum", Told::Checksum("three")),
            ("no build", Told::Nothing),
            ("an unversioned deployment", Told::Deployment("four")),
        ];
        for (what, told) in all {
            answer(&mut raw, told, Vec::new()).await?;
            let info = described(&mut raw).await?.workflow_execution_info.unwrap_or_default();
            raw.note(what, &Ok(builds(&info)));
            let last = raw.events("").await?.pop().unwrap_or_default();
            raw.note("  its event", &Ok(told_by(&last)));
            raw.signal("", "more").await?;
        }
        let query = format!("WorkflowId = '{}' AND BuildIds = 'unversioned:two'", raw.id_of(""));
        let shared = std::sync::Arc::new(tokio::sync::Mutex::new(raw));
        until("the run is found by its build", || async {
            let request = ListWorkflowExecutionsRequest {
                namespace: "default".into(),
                query: query.clone(),
                ..Default::default()
            };
            let mut raw = shared.lock().await;
            let listed = raw.service.list_workflow_executions(request).await?.into_inner().executions;
            Ok(!listed.is_empty())
        })
        .await?;
        let raw = std::sync::Arc::into_inner(shared).ok_or("nobody else has it")?.into_inner();
        Ok(raw)
    })
    .await
}

/// Returns the build id and the deployment in the event of an answer.
#[expect(deprecated, reason = "the older fields are what is compared")]
fn told_by(event: &abide_protos::temporal::api::history::v1::HistoryEvent) -> String {
    use abide_protos::temporal::api::history::v1::history_event::Attributes as Event;
    let Some(Event::WorkflowTaskCompletedEventAttributes(answer)) = &event.attributes else {
        return "no answer".into();
    };
    format!(
        "checksum {:?}, version {:?}, deployment {:?} {:?}, behavior {}",
        answer.binary_checksum,
        answer.worker_version.clone().unwrap_or_default().build_id,
        answer.worker_deployment_name,
        answer.deployment_version.clone().unwrap_or_default().build_id,
        answer.versioning_behavior
    )
}

/// Returns the workers of a queue with their build ids and the tasks that they take per second.
#[expect(deprecated, reason = "the older field is what is compared")]
async fn pollers(raw: &mut Raw, kind: TaskQueueType) -> Result<String, Failed> {
    let request = DescribeTaskQueueRequest {
        namespace: "default".into(),
        task_queue: Some(raw.queue()),
        task_queue_type: kind.into(),
        ..Default::default()
    };
    let pollers = raw.service.describe_task_queue(request).await?.into_inner().pollers;
    let pollers = pollers.into_iter().map(|poller| {
        let build = poller.worker_version_capabilities.unwrap_or_default().build_id;
        format!("{} {build:?} {}/s", poller.identity, poller.rate_per_second)
    });
    Ok(pollers.collect::<Vec<_>>().join(", "))
}

#[tokio::test]
async fn a_task_queue_tells_the_builds_of_its_workers() -> Outcome {
    let expected = expect![[r#"
        Workflow: raw "one" 100000/s
        Nexus: no pollers
    "#]];
    compare_answers("pollers", expected, |mut raw| async move {
        raw.start("").await?;
        answer(&mut raw, Told::Stamp("one"), Vec::new()).await?;
        for kind in [TaskQueueType::Workflow, TaskQueueType::Nexus] {
            let pollers = pollers(&mut raw, kind).await?;
            let told = if pollers.is_empty() { "no pollers".to_owned() } else { pollers };
            raw.note(&format!("{kind:?}"), &Ok(told));
        }
        Ok(raw)
    })
    .await
}

#[tokio::test]
async fn a_description_tells_the_options_of_a_pending_activity() -> Outcome {
    let expected = expect![[r#"
        options: ActivityOptions { task_queue: Some(TaskQueue { name: "<id>", kind: Unspecified, normal_name: "<id>" }), schedule_to_close_timeout: Some(Duration { seconds: 100, nanos: 0 }), schedule_to_start_timeout: Some(Duration { seconds: 100, nanos: 0 }), start_to_close_timeout: Some(Duration { seconds: 60, nanos: 0 }), heartbeat_timeout: Some(Duration { seconds: 5, nanos: 0 }), retry_policy: Some(RetryPolicy { initial_interval: Some(Duration { seconds: 1, nanos: 0 }), backoff_coefficient: 2.0, maximum_interval: Some(Duration { seconds: 100, nanos: 0 }), maximum_attempts: 3, non_retryable_error_types: [] }), priority: None, start_delay: None }
    "#]];
    compare_answers("activity-options", expected, |mut raw| async move {
        let mut request = raw.start_request("");
        request.workflow_run_timeout = Some(abide_protos::Duration { seconds: 100, nanos: 0 });
        raw.service.start_workflow_execution(request).await?;
        let attributes = ScheduleActivityTaskCommandAttributes {
            activity_id: "a".into(),
            activity_type: Some(ActivityType { name: "a".into() }),
            task_queue: Some(raw.queue()),
            start_to_close_timeout: Some(abide_protos::Duration { seconds: 60, nanos: 0 }),
            heartbeat_timeout: Some(abide_protos::Duration { seconds: 5, nanos: 0 }),
            retry_policy: Some(RetryPolicy {
                maximum_attempts: 3,
                non_retryable_error_types: vec!["Fatal".into()],
                ..Default::default()
            }),
            ..Default::default()
        };
        let attributes = Attributes::ScheduleActivityTaskCommandAttributes(attributes);
        let commands = vec![command(CommandType::ScheduleActivityTask, attributes)];
        answer(&mut raw, Told::Nothing, commands).await?;
        let pending = described(&mut raw).await?.pending_activities.pop().unwrap_or_default();
        let options = pending.activity_options.map(|options| format!("{options:?}")).unwrap_or_default();
        raw.note("options", &Ok(options));
        Ok(raw)
    })
    .await
}
