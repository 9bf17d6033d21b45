//! The worker's own heartbeat: every minute it reports its pollers, slots and status to the server.
//!
//! Tools show it, and nothing depends on it. So an error is logged once and otherwise ignored.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::deployment::v1::WorkerDeploymentVersion;
use abide_protos::temporal::api::enums::v1::WorkerStatus;
use abide_protos::temporal::api::worker::v1::{
    PluginInfo, StorageDriverInfo, WorkerHeartbeat, WorkerHostInfo, WorkerSlotsInfo,
};
use abide_protos::temporal::api::workflowservice::v1::RecordWorkerHeartbeatRequest;

use super::activity_tasks::ActivityWorker;
use super::context::WorkerContext;
use super::host_load::{CpuTime, memory_usage};
use super::nexus_tasks::NexusWorker;
use super::polling::{PollKind, Polls, Slots, sleep};
use super::shutdown::Phase;
use super::workflow_tasks::WorkflowWorker;
use crate::client::host_name;
use crate::duration::{time_to_proto, to_proto};

/// The state behind the heartbeats of one worker.
pub(super) struct WorkerHeartbeats {
    pub(super) shared: Arc<WorkerContext>,
    pub(super) workflows: Option<Arc<WorkflowWorker>>,
    pub(super) activities: Option<Arc<ActivityWorker>>,
    pub(super) nexus: Option<Arc<NexusWorker>>,
    pub(super) polls: Arc<Polls>,
    pub(super) started: SystemTime,
    pub(super) before: Mutex<Before>,
}

/// Values of the previous heartbeat; the next one also reports the difference.
#[derive(Default)]
pub(super) struct Before {
    at: Option<SystemTime>,
    cpu: Option<CpuTime>,
    workflow: Ended,
    activity: Ended,
    local_activity: Ended,
    nexus: Ended,
}

/// Number of tasks that have ended, and of those that failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended {
    pub(super) all: i32,
    pub(super) failed: i32,
}

impl Before {
    /// Returns the values to compare the first heartbeat with.
    pub(super) fn begin() -> Self {
        Self { cpu: CpuTime::now(), ..Self::default() }
    }
}

impl WorkerHeartbeats {
    /// Sends a heartbeat once polling has begun, then one per interval until the worker shuts down.
    pub(super) async fn run(self: Arc<Self>, interval: Duration) {
        let draining = self.shared.phases.reached(Phase::Draining);
        let sending = async {
            self.polls.begun().await;
            let mut reported = false;
            loop {
                let request = RecordWorkerHeartbeatRequest {
                    namespace: self.shared.namespace(),
                    identity: self.shared.identity.clone(),
                    worker_heartbeat: vec![self.now(WorkerStatus::Running)],
                    ..Default::default()
                };
                if let Err(error) = self.shared.client.call_once(request).await
                    && !std::mem::replace(&mut reported, true)
                {
                    tracing::warn!(
                        task_queue = self.shared.task_queue,
                        "the server did not accept a worker heartbeat; the worker continues, and later failures are \
                         not logged: {error}"
                    );
                }
                sleep(interval).await;
            }
        };
        tokio::select! {
            biased;
            () = draining => {}
            () = sending => {}
        }
    }

    /// Returns the current heartbeat.
    #[expect(clippy::disallowed_methods, reason = "the server is told the time of this machine")]
    pub(super) fn now(&self, status: WorkerStatus) -> WorkerHeartbeat {
        let shared = &self.shared;
        let now = SystemTime::now();
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let since = before.at.replace(now).and_then(|before| now.duration_since(before).ok());
        let version = shared.deployment_version();
        let cpu = CpuTime::now();
        let cpu_before = std::mem::replace(&mut before.cpu, cpu);
        let host_info = WorkerHostInfo {
            host_name: host_name(),
            worker_grouping_key: shared.commands.grouping_key().to_string(),
            process_id: std::process::id().to_string(),
            current_host_cpu_usage: cpu.zip(cpu_before).map_or(0.0, |(now, before)| now.usage_since(before)),
            current_host_mem_usage: memory_usage().unwrap_or_default(),
        };
        let mut heartbeat = WorkerHeartbeat {
            worker_instance_key: shared.instance_key.clone(),
            worker_identity: shared.identity.clone(),
            host_info: Some(host_info),
            task_queue: shared.task_queue.clone(),
            deployment_version: version.map(|version| WorkerDeploymentVersion {
                deployment_name: version.deployment_name,
                build_id: version.build_id,
            }),
            sdk_name: "abide".to_string(),
            sdk_version: env!("CARGO_PKG_VERSION").to_string(),
            status: status as i32,
            start_time: Some(time_to_proto(self.started)),
            heartbeat_time: Some(time_to_proto(now)),
            elapsed_since_last_heartbeat: since.map(to_proto),
            plugins: shared.options.plugins.iter().map(|name| plugin_info(name)).collect(),
            drivers: shared.data_converter().storage_kinds().map(driver_info).collect(),
            ..Default::default()
        };
        if let Some(workflows) = &self.workflows {
            let local = &workflows.local_activities.slots;
            let scaled = shared.options.workflow_pollers().normal.is_autoscaling();
            let (hits, misses) = workflows.lanes().cache_hits_and_misses();
            heartbeat.workflow_task_slots_info = Some(slots_info(&workflows.slots, &mut before.workflow));
            heartbeat.local_activity_slots_info = Some(slots_info(local, &mut before.local_activity));
            heartbeat.workflow_poller_info = Some(self.polls.info(PollKind::Workflow, scaled));
            heartbeat.workflow_sticky_poller_info = Some(self.polls.info(PollKind::StickyWorkflow, scaled));
            heartbeat.total_sticky_cache_hit = clamped(hits);
            heartbeat.total_sticky_cache_miss = clamped(misses);
            heartbeat.current_sticky_cache_size = clamped(workflows.lanes().cached());
        }
        if let Some(activities) = &self.activities {
            let scaled = shared.options.activity_pollers().is_autoscaling();
            heartbeat.activity_task_slots_info = Some(slots_info(activities.slots(), &mut before.activity));
            heartbeat.activity_poller_info = Some(self.polls.info(PollKind::Activity, scaled));
        }
        if let Some(nexus) = &self.nexus {
            let scaled = shared.options.nexus_pollers().is_autoscaling();
            heartbeat.nexus_task_slots_info = Some(slots_info(nexus.slots(), &mut before.nexus));
            heartbeat.nexus_poller_info = Some(self.polls.info(PollKind::Nexus, scaled));
        }
        heartbeat
    }
}

fn driver_info(kind: &str) -> StorageDriverInfo {
    StorageDriverInfo { r#type: kind.to_string() }
}

fn plugin_info(name: &str) -> PluginInfo {
    PluginInfo { name: name.to_string(), ..Default::default() }
}

fn slots_info(slots: &Slots, before: &mut Ended) -> WorkerSlotsInfo {
    let ended = slots.ended();
    let last = std::mem::replace(before, ended);
    WorkerSlotsInfo {
        // -1 is Temporal's word for a number that is not known.
        current_available_slots: slots.available().map_or(-1, clamped),
        current_used_slots: clamped(slots.used()),
        slot_supplier_kind: slots.supplier_kind(),
        total_processed_tasks: ended.all,
        total_failed_tasks: ended.failed,
        last_interval_processed_tasks: ended.all.wrapping_sub(last.all),
        last_interval_failure_tasks: ended.failed.wrapping_sub(last.failed),
    }
}

fn clamped(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
