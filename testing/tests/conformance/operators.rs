//! Calls of operators that both servers serve.

use abide::client::operator::{
    HealthStatus, NamespaceState, NexusEndpointTarget, ResetError, ResetPoint, ResetReapplyExcludeType,
    SearchAttributeType, TaskQueueType,
};
use abide::client::{WorkflowExecutionStatus, WorkflowHandle};
use abide::prelude::*;
use abide::{SearchAttributeKey, WorkflowDefinition};

use crate::arm::{Arm, Outcome, compare, until, until_event};

type Failed = Box<dyn std::error::Error>;

/// Returns the words that it has heard when it hears "end".
#[workflow]
#[derive(Default)]
struct Listener {
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl Listener {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.heard.with(|heard| heard.iter().any(|word| word == "end"))).await?;
        Ok(self.heard.get())
    }

    #[signal]
    fn hear(&self, word: String) {
        self.heard.update(|heard| heard.push(word));
    }
}

/// Starts a listener that completes a workflow task before its first word, and one after each word.
async fn listening(
    arm: &Arm,
    words: &[&str],
) -> Result<WorkflowHandle<impl WorkflowDefinition<Output = Vec<String>, Workflow = Listener> + use<>>, Failed> {
    let handle = arm.client.start(Listener::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
    until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
    for (index, word) in words.iter().enumerate() {
        handle.signal(Listener::hear, (*word).to_string()).await?;
        until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", index + 2).await?;
    }
    Ok(handle)
}

#[tokio::test]
async fn a_reset_takes_the_messages_after_its_point_along_unless_they_are_excluded() -> Outcome {
    compare("operators-reset", |arm| async move {
        let worker = arm.worker().workflow(Listener::run).build()?;
        let told = Box::pin(async {
            let first = listening(&arm, &["a", "b"]).await?;
            let second = first.reset(ResetPoint::LastWorkflowTask).reason("the last one is wrong").await?;
            assert_ne!(second.run_id(), first.run_id());
            assert_eq!(second.first_execution_run_id(), first.first_execution_run_id());
            let run_id = first.run_id().unwrap_or_default().to_string();
            let old = first.clone().with_run_id(run_id).describe().await?;
            assert_eq!(old.status(), WorkflowExecutionStatus::Terminated, "the old run was open");

            // It goes back before both words, which come again.
            let third = second.reset(ResetPoint::FirstWorkflowTask).await?;
            third.signal(Listener::hear, "end".into()).await?;
            assert_eq!(third.result().await?, ["a", "b", "end"]);

            // A closed run can be reset, too. The words that are excluded do not come again.
            let reset = first.reset(ResetPoint::FirstWorkflowTask);
            let fourth = reset.reapply_exclude(ResetReapplyExcludeType::Signal).await?;
            fourth.signal(Listener::hear, "end".into()).await?;
            assert_eq!(fourth.result().await?, ["end"]);
            Ok::<_, Failed>(vec![])
        });
        worker.run_until(told).await?
    })
    .await
}

#[tokio::test]
async fn a_reset_to_a_build_or_an_event_needs_a_workflow_task_there() -> Outcome {
    compare("operators-reset-point", |arm| async move {
        let worker = arm.worker().workflow(Listener::run).build_id("build-7").build()?;
        let told = Box::pin(async {
            let first = listening(&arm, &["a"]).await?;
            let second = first.reset(ResetPoint::BuildId("build-7".into())).await?;
            until_event(&second, "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED", 1).await?;

            let missing = second.reset(ResetPoint::BuildId("build-8".into())).await.err();
            let told = missing.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(matches!(missing, Some(ResetError::NoSuchPoint { .. })), "{missing:?}");
            assert!(told.contains("cannot be reset to the first workflow task of build `build-8`"), "{told}");

            let third = second.reset(ResetPoint::Event(4)).await?;
            match third.reset(ResetPoint::Event(1)).await {
                Err(ResetError::Rpc(error)) => assert!(error.is_invalid_argument(), "{error}"),
                other => panic!("{other:?}"),
            }
            third.signal(Listener::hear, "end".into()).await?;
            assert_eq!(third.result().await?, ["a", "end"]);

            match arm.client.handle(Listener::run, "nobody").reset(ResetPoint::LastWorkflowTask).await {
                Err(ResetError::Rpc(error)) => assert!(error.is_not_found(), "{error}"),
                other => panic!("{other:?}"),
            }
            Ok::<_, Failed>(vec![])
        });
        worker.run_until(told).await?
    })
    .await
}

#[tokio::test]
async fn a_task_queue_shows_who_polls_it() -> Outcome {
    compare("operators-queue", |arm| async move {
        let worker = arm.worker().workflow(Listener::run).build()?;
        let told = Box::pin(async {
            let queue = arm.client.task_queue(arm.queue(), TaskQueueType::Workflow);
            until("the worker polls", || async { Ok(!queue.describe().await?.pollers().is_empty()) }).await?;
            let description = queue.describe().await?;
            let poller = &description.pollers()[0];
            assert_eq!(poller.identity, arm.client.connection().identity());
            assert!(poller.last_access_time.is_some() && poller.deployment_version.is_none());
            assert_eq!((description.current_version(), description.ramping_version()), (None, None));
            let activities = arm.client.task_queue(arm.queue(), TaskQueueType::Activity);
            assert!(activities.describe().await?.pollers().is_empty());
            Ok::<_, Failed>(vec![])
        });
        worker.run_until(told).await?
    })
    .await
}

#[tokio::test]
async fn a_search_attribute_is_added_listed_and_removed() -> Outcome {
    compare("operators-attributes", |arm| async move {
        let operator = arm.client.operator();
        let name = format!("Bool{}", arm.id().replace('-', ""));
        let key = SearchAttributeKey::bool("any").with_name(&name);
        operator.add_search_attribute(&key).await?;
        operator.add_search_attribute(&key).await?;
        until("it is listed", || async { Ok(operator.list_search_attributes().await?.custom.contains_key(&name)) })
            .await?;
        let listed = operator.list_search_attributes().await?;
        assert_eq!(listed.custom.get(&name), Some(&SearchAttributeType::Bool));
        assert_eq!(listed.custom.get("TestKeywordList"), Some(&SearchAttributeType::KeywordList));
        assert_eq!(listed.system.get("StartTime"), Some(&SearchAttributeType::Datetime));
        operator.remove_search_attribute(&name).await?;
        until("it is gone", || async { Ok(!operator.list_search_attributes().await?.custom.contains_key(&name)) })
            .await?;
        let systems = operator.remove_search_attribute("StartTime").await.err();
        assert!(systems.as_ref().is_some_and(|error| error.is_invalid_argument()), "{systems:?}");
        Ok(vec![])
    })
    .await
}

#[tokio::test]
async fn a_nexus_endpoint_is_created_found_changed_and_deleted() -> Outcome {
    compare("operators-endpoint", |arm| async move {
        let (operator, name) = (arm.client.operator(), arm.id());
        let target = NexusEndpointTarget::worker("default", arm.queue());
        let created = operator.create_nexus_endpoint(&name, target.clone()).description("for *tests*").await?;
        assert_eq!((created.name(), created.target(), created.version()), (name.as_str(), &target, 1));
        assert_eq!(created.description()?.as_deref(), Some("for *tests*"));
        assert!(created.created_time().is_some());
        let again = operator.create_nexus_endpoint(&name, target).await.err();
        assert!(again.is_some_and(|error| error.is_already_exists()));

        assert_eq!(operator.get_nexus_endpoint(created.id()).await?, created);
        assert_eq!(operator.find_nexus_endpoint(&name).await?.as_ref(), Some(&created));
        assert_eq!(operator.find_nexus_endpoint(format!("{name}-not")).await?, None);
        let other = NexusEndpointTarget::worker("default", "elsewhere");
        let changed = operator.update_nexus_endpoint(&created).target(other.clone()).await?;
        assert_eq!((changed.target(), changed.version()), (&other, 2));
        assert_eq!(changed.description()?.as_deref(), Some("for *tests*"), "it was not mentioned");
        let late = operator.update_nexus_endpoint(&created).description("late").await.err();
        assert!(late.as_ref().is_some_and(|error| error.is_failed_precondition()), "{late:?}");

        let mut endpoints = operator.nexus_endpoints().page_size(1);
        let mut names = Vec::new();
        while let Some(endpoint) = endpoints.next().await? {
            names.push(endpoint.name().to_string());
        }
        assert_eq!(names.iter().filter(|listed| **listed == name).count(), 1, "{names:?}");
        operator.delete_nexus_endpoint(&changed).await?;
        let gone = operator.get_nexus_endpoint(changed.id()).await.err();
        assert!(gone.is_some_and(|error| error.is_not_found()));
        Ok(vec![])
    })
    .await
}

#[tokio::test]
async fn a_namespace_is_registered_described_and_listed() -> Outcome {
    compare("operators-namespace", |arm| async move {
        let (operator, name) = (arm.client.operator(), format!("{}-another", arm.id()));
        let unknown = operator.describe_namespace(&name).await.err();
        assert!(unknown.is_some_and(|error| error.is_namespace_not_found()));
        operator.register_namespace(&name, days(2)).description("for a test").owner_email("ada@example.org").await?;
        until("the server knows it", || async { Ok(operator.describe_namespace(&name).await.is_ok()) }).await?;
        let described = operator.describe_namespace(&name).await?;
        assert_eq!((described.name.as_str(), described.state), (name.as_str(), NamespaceState::Registered));
        assert_eq!((described.description.as_str(), described.owner_email.as_str()), ("for a test", "ada@example.org"));
        assert_eq!((described.retention, described.is_global), (Some(days(2)), false));
        let twice = operator.register_namespace(&name, days(2)).await.err();
        assert!(twice.is_some_and(|error| error.is_already_exists()));
        let mut namespaces = operator.namespaces();
        let mut names = Vec::new();
        while let Some(namespace) = namespaces.next().await? {
            names.push(namespace.name);
        }
        assert!(names.contains(&name) && names.iter().any(|name| name == "default"), "{names:?}");
        Ok(vec![])
    })
    .await
}

#[tokio::test]
async fn a_server_is_healthy_and_tells_its_version() -> Outcome {
    compare("operators-cluster", |arm| async move {
        let operator = arm.client.operator();
        assert_eq!(operator.check_health().await?, HealthStatus::Serving);
        let (cluster, system) = (operator.cluster_info().await?, operator.system_info().await?);
        assert!(!cluster.server_version.is_empty() && cluster.server_version == system.server_version);
        assert!(system.eager_workflow_start && system.upsert_memo);
        Ok(vec![])
    })
    .await
}
