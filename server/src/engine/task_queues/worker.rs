//! Calls about workers: ShutdownWorker, RecordWorkerHeartbeat, ResetStickyTaskQueue, DescribeTaskQueue.
//!
//! Extends `Engine`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::names::{check_partition, check_queue, queue_of_partition};
use super::task_queue::{Poll, QueueKey, QueueKind};
use crate::engine::Engine;
use crate::engine::api::{enums, service, taskqueue};
use crate::engine::errors::Error;
use crate::engine::time::Time;
use crate::engine::waiters::WaiterId;

/// Time that a worker is remembered after its shutdown, so that a poll still on its way is not held.
const REMEMBERED: Duration = Duration::from_secs(30);

/// The task rate that a real server reports for workers without a limit.
const UNLIMITED_RATE: f64 = 100_000.0;

/// Instance keys of workers that have shut down, with the wall time until which they are remembered.
#[derive(Debug, Default)]
pub(crate) struct ShutDownWorkers {
    until: BTreeMap<String, Time>,
}

impl ShutDownWorkers {
    fn remember(&mut self, key: &str, wall: Time) {
        self.until.retain(|_, until| *until > wall);
        self.until.insert(key.to_owned(), wall.plus(REMEMBERED));
    }

    /// Returns true if this poll's worker has shut down, so that the poll returns empty at once.
    pub(crate) fn include(&self, poll: &Poll, wall: Time) -> bool {
        self.until.get(&poll.worker_instance_key).is_some_and(|until| *until > wall)
    }
}

impl Engine {
    /// Ends the polls of a worker that shuts down with empty responses, and sends its cached runs to other workers.
    pub(crate) fn shutdown_worker(
        &mut self,
        request: &service::ShutdownWorkerRequest,
    ) -> Result<service::ShutdownWorkerResponse, Error> {
        let namespace_id = self.namespaces.get(&request.namespace)?.id.clone();
        let sticky = &request.sticky_task_queue;
        if !sticky.is_empty() {
            let key = QueueKey { namespace_id, name: sticky.clone(), kind: QueueKind::Workflow };
            self.queues.forget_worker(&key);
        }
        let key = &request.worker_instance_key;
        if !key.is_empty() {
            self.shut_down.remember(key, self.now.wall);
        }
        let mut ended: Vec<(WaiterId, QueueKey)> = Vec::new();
        for (id, waiting) in self.waiters.polls_mut() {
            let of_worker = !key.is_empty() && waiting.poll.worker_instance_key == *key;
            let of_sticky_queue = !sticky.is_empty() && waiting.queue.name == *sticky;
            if (of_worker || of_sticky_queue) && waiting.offer.is_none() {
                waiting.ended = true;
                ended.push((id, waiting.queue.clone()));
            }
        }
        for (id, queue) in ended {
            self.queues.forget_poller(&queue, id);
            if !self.queues.has_poller(&queue) {
                self.queues.forget_worker(&queue);
            }
            self.waiters.wake(id);
        }
        Ok(service::ShutdownWorkerResponse::default())
    }

    pub(crate) fn record_worker_heartbeat(
        &self,
        request: &service::RecordWorkerHeartbeatRequest,
    ) -> Result<service::RecordWorkerHeartbeatResponse, Error> {
        self.namespaces.get(&request.namespace)?;
        Ok(service::RecordWorkerHeartbeatResponse::default())
    }

    pub(crate) fn reset_sticky_task_queue(
        &mut self,
        request: &service::ResetStickyTaskQueueRequest,
    ) -> Result<service::ResetStickyTaskQueueResponse, Error> {
        let id = self.find_running(&request.namespace, request.execution.as_ref())?;
        self.transact(id, |transaction| transaction.state().sticky = None);
        Ok(service::ResetStickyTaskQueueResponse::default())
    }

    pub(crate) fn describe_task_queue(
        &self,
        request: &service::DescribeTaskQueueRequest,
    ) -> Result<service::DescribeTaskQueueResponse, Error> {
        let namespace_id = self.namespaces.get(&request.namespace)?.id.clone();
        let enhanced = request.api_mode() == enums::DescribeTaskQueueMode::Enhanced;
        let queue = if enhanced { check_queue } else { check_partition };
        let queue = queue(request.task_queue.as_ref())?;
        if enhanced && queue.kind() == enums::TaskQueueKind::Sticky {
            return Err(Error::invalid_argument(
                "Enhanced DescribeTaskQueue is not valid for a sticky queue, use api_mode=UNSPECIFIED or a normal queue.",
            ));
        }
        let name = queue_of_partition(&queue.name)?;
        let kind = match request.task_queue_type() {
            enums::TaskQueueType::Activity => QueueKind::Activity,
            enums::TaskQueueType::Nexus => QueueKind::Nexus,
            enums::TaskQueueType::Workflow | enums::TaskQueueType::Unspecified => QueueKind::Workflow,
        };
        let (pollers, backlog) =
            self.queues.describe(&QueueKey { namespace_id, name: name.to_owned(), kind }, self.now.wall);
        #[expect(deprecated, reason = "the real server still tells the capabilities")]
        let pollers = pollers.into_iter().map(|(identity, seen)| taskqueue::PollerInfo {
            last_access_time: Some(seen.at.proto()),
            identity,
            rate_per_second: seen.about.rate.unwrap_or(UNLIMITED_RATE),
            worker_version_capabilities: seen.about.capabilities,
            deployment_options: seen.about.deployment_options,
        });
        let stats = taskqueue::TaskQueueStats {
            approximate_backlog_count: i64::try_from(backlog).unwrap_or(i64::MAX),
            ..Default::default()
        };
        Ok(service::DescribeTaskQueueResponse {
            pollers: pollers.collect(),
            stats: request.report_stats.then_some(stats),
            ..Default::default()
        })
    }
}
