//! Worker deployments: versions come, ramp up, become current, and go.

use abide::client::operator::{
    DeploymentError, TaskQueueType, VersionDrainageStatus, WorkerDeploymentHandle, WorkerDeploymentVersionStatus,
    WorkflowOptionsChange,
};
use abide::client::{Client, ClientOptions};
use abide::prelude::*;
use abide::worker::{DeploymentOptions, Worker};
use abide::{DeploymentVersion, VersioningOverride};

use crate::{client, unique, until};

#[workflow(versioning_behavior = pinned)]
async fn nothing(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

async fn status(deployment: &WorkerDeploymentHandle, build_id: &str) -> Option<WorkerDeploymentVersionStatus> {
    let description = deployment.describe().await.ok()?;
    description.version(build_id).map(|version| version.status)
}

#[tokio::test]
async fn a_version_ramps_up_becomes_current_and_is_deleted() {
    let Some(client) = client("a_version_ramps_up_becomes_current_and_is_deleted").await else { return };
    let name = unique("deployment");
    let deployment = client.deployment(&name);
    assert!(deployment.describe().await.unwrap_err().is_not_found());
    let missing = deployment.set_current_version("a").await.unwrap_err();
    assert!(matches!(missing, DeploymentError::NotFound { .. }), "{missing:?}");

    deployment.set_current_version("a").allow_no_pollers().await.unwrap();
    let token = deployment.set_ramping_version("b", 25.0).allow_no_pollers().await.unwrap();
    let description = deployment.describe().await.unwrap();
    assert_eq!((description.name(), description.manager_identity()), (name.as_str(), None));
    assert_eq!(description.last_modifier_identity(), client.connection().identity());
    assert_eq!(description.conflict_token(), token);
    let routing = description.routing_config();
    assert_eq!(routing.current_version, Some(DeploymentVersion::new(&name, "a")));
    assert_eq!(routing.ramping_version, Some(DeploymentVersion::new(&name, "b")));
    assert!((routing.ramping_version_percentage - 25.0).abs() < 0.01);
    assert!(routing.current_version_changed_time.is_some() && description.create_time().is_some());

    // Someone else is faster.
    deployment.unset_ramping_version().await.unwrap();
    let late = deployment.set_current_version("b").allow_no_pollers().conflict_token(token).await.unwrap_err();
    assert!(matches!(late, DeploymentError::Conflict { .. }), "{late:?}");
    deployment.set_current_version("b").allow_no_pollers().await.unwrap();
    until("the versions have changed", || async {
        status(&deployment, "a").await == Some(WorkerDeploymentVersionStatus::Draining)
            && status(&deployment, "b").await == Some(WorkerDeploymentVersionStatus::Current)
    })
    .await;
    let old = deployment.describe_version("a").await.unwrap();
    assert_eq!(old.drainage_status(), Some(VersionDrainageStatus::Draining));
    assert_eq!(deployment.describe_version("b").await.unwrap().drainage_status(), None);

    let draining = deployment.delete_version("a").await.unwrap_err();
    assert!(matches!(draining, DeploymentError::Draining { .. }), "{draining:?}");
    deployment.delete_version("a").skip_drainage().await.unwrap();
    let full = deployment.delete().await.unwrap_err();
    assert!(matches!(full, DeploymentError::Rpc(_)), "{full:?}");
    deployment.unset_current_version().await.unwrap();
    deployment.delete_version("b").skip_drainage().await.unwrap();
    deployment.delete().await.unwrap();
    until("the deployment is gone", || async { deployment.describe().await.is_err_and(|e| e.is_not_found()) }).await;
}

#[tokio::test]
async fn a_manager_keeps_others_away() {
    let Some(client) = client("a_manager_keeps_others_away").await else { return };
    let deployment = client.deployment(unique("managed"));
    deployment.set_current_version("a").allow_no_pollers().await.unwrap();
    let token = deployment.set_manager_to_self().await.unwrap();
    assert_eq!(deployment.describe().await.unwrap().manager_identity(), Some(client.connection().identity()));

    let address = std::env::var("ABIDE_TEST_SERVER").unwrap();
    let other = Client::connect(ClientOptions::new(address).identity("somebody else")).await.unwrap();
    let refused = other.deployment(deployment.name()).set_ramping_version("b", 1.0).allow_no_pollers().await;
    assert!(matches!(refused, Err(DeploymentError::ManagedByOther { .. })), "{refused:?}");

    deployment.set_manager("a robot").conflict_token(token.clone()).await.unwrap();
    let late = deployment.unset_manager().conflict_token(token).await.unwrap_err();
    assert!(matches!(late, DeploymentError::Conflict { .. }), "{late:?}");
    deployment.unset_manager().await.unwrap();
    assert_eq!(deployment.describe().await.unwrap().manager_identity(), None);
}

#[tokio::test]
async fn a_version_with_workers_shows_its_task_queues_and_metadata() {
    let Some(client) = client("a_version_with_workers_shows_its_task_queues_and_metadata").await else { return };
    let name = unique("versioned");
    let deployment = client.deployment(&name);
    let options = DeploymentOptions::new(&name, "a").use_worker_versioning();
    let worker = Worker::builder(&client, &name).workflow(nothing).deployment(options).build().unwrap();
    let test = async {
        until("the version is there", || async { status(&deployment, "a").await.is_some() }).await;
        until("it can be set", || async { deployment.set_current_version("a").await.is_ok() }).await;
        client.execute(nothing, ()).task_queue(&name).await.unwrap();

        deployment.update_version_metadata("a").set("commit", &"4711".to_string()).set("old", &1_u32).await.unwrap();
        deployment.update_version_metadata("a").remove("old").await.unwrap();
        let version = deployment.describe_version("a").with_task_queue_stats().await.unwrap();
        assert_eq!(
            (version.version().build_id.as_str(), version.status()),
            ("a", WorkerDeploymentVersionStatus::Current)
        );
        assert_eq!(version.metadata::<String>("commit").unwrap().as_deref(), Some("4711"));
        assert_eq!(version.metadata::<u32>("old").unwrap(), None);
        assert!(version.current_since_time().is_some() && version.create_time().is_some());
        let queues = version.task_queues();
        let queue = queues.iter().find(|queue| queue.task_queue_type == TaskQueueType::Workflow).unwrap();
        assert_eq!(queue.name, name);
        assert!(queue.stats.is_some(), "{queues:?}");

        // A workflow that waits for its start can be pinned to the version, for ever or for one task.
        let start = client.start(nothing, ()).id(&name).task_queue(&name).start_delay(hours(1));
        let waiting = start.await.unwrap();
        let version = DeploymentVersion::new(&name, "a");
        for chosen in [VersioningOverride::Pinned(version.clone()), VersioningOverride::OneTime(version)] {
            let change = WorkflowOptionsChange::new().versioning_override(chosen.clone());
            assert_eq!(waiting.update_options(change).await.unwrap().versioning_override, Some(chosen));
        }
        waiting.terminate().await.unwrap();

        // The next version lacks this task queue.
        let lacking = deployment.set_current_version("b").allow_no_pollers().await.unwrap_err();
        assert!(matches!(lacking, DeploymentError::MissingTaskQueues { .. }), "{lacking:?}");
        deployment.set_current_version("b").allow_no_pollers().ignore_missing_task_queues().await.unwrap();
    };
    Box::pin(worker.run_until(test)).await.unwrap();

    let mut deployments = client.deployments().page_size(1);
    let mut found = None;
    while let Some(entry) = deployments.next().await.unwrap() {
        if entry.name() == name {
            found = Some(entry);
        }
    }
    let found = found.expect("it is listed");
    assert_eq!(found.routing_config().current_version, Some(DeploymentVersion::new(&name, "b")));
    assert!(found.create_time().is_some() && found.latest_version().is_some());
}
