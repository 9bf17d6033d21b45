//! PollWorkflowTaskQueue and PollActivityTaskQueue: returns a task at once if there is one, otherwise the worker waits.
//!
//! Extends `Engine`.

use super::names::check_queue;
use super::task_queue::{About, Poll, QueueKey, QueueKind, Task};
use crate::engine::Engine;
use crate::engine::api::{enums, service, taskqueue};
use crate::engine::errors::Error;
use crate::engine::limits;
use crate::engine::waiters::{Step, Waiter, WaiterId, WaitingPoll};
use crate::engine::workflow_tasks::versions;

impl Engine {
    pub(crate) fn poll_workflow_task_queue(
        &mut self,
        request: service::PollWorkflowTaskQueueRequest,
    ) -> Result<Step<service::PollWorkflowTaskQueueResponse>, Error> {
        limits::check_length("Identity", &request.identity)?;
        check_sticky(request.task_queue.as_ref(), request.deployment_options.is_some())?;
        let key = self.queue_key(&request.namespace, request.task_queue.as_ref(), QueueKind::Workflow)?;
        let sticky = request.task_queue.is_some_and(|queue| queue.kind() == enums::TaskQueueKind::Sticky);
        #[expect(deprecated, reason = "workers still send it and the real server still records it")]
        let capabilities = request.worker_version_capabilities;
        let version = versions::stamp(capabilities.clone(), request.deployment_options.as_ref());
        let about = About { capabilities, deployment_options: request.deployment_options, rate: None };
        let poll = Poll {
            identity: request.identity,
            worker_instance_key: request.worker_instance_key,
            sticky,
            version,
            control_task_queue: String::new(),
            about,
        };
        if self.shut_down.include(&poll, self.now.wall) {
            return Ok(Step::Done(Default::default()));
        }
        self.queues.note_poll(&key, &poll, self.now.wall);
        while let Some(task) = self.next_task(&key) {
            if let Some(response) = self.hand_out_workflow_task(&task, &poll) {
                return Ok(Step::Done(response));
            }
        }
        Ok(Step::Wait(self.wait_for_task(key, poll)))
    }

    pub(crate) fn poll_activity_task_queue(
        &mut self,
        request: service::PollActivityTaskQueueRequest,
    ) -> Result<Step<service::PollActivityTaskQueueResponse>, Error> {
        let key = self.queue_key(&request.namespace, request.task_queue.as_ref(), QueueKind::Activity)?;
        limits::check_length("Identity", &request.identity)?;
        #[expect(deprecated, reason = "workers still send it and the real server still tells it")]
        let about = About {
            capabilities: request.worker_version_capabilities,
            deployment_options: request.deployment_options,
            rate: request.task_queue_metadata.and_then(|metadata| metadata.max_tasks_per_second),
        };
        let poll = Poll {
            identity: request.identity,
            worker_instance_key: request.worker_instance_key,
            sticky: false,
            version: None,
            control_task_queue: request.worker_control_task_queue,
            about,
        };
        if self.shut_down.include(&poll, self.now.wall) {
            return Ok(Step::Done(Default::default()));
        }
        self.queues.note_poll(&key, &poll, self.now.wall);
        while let Some(task) = self.next_task(&key) {
            if let Some(response) = self.hand_out_activity(&task, &poll) {
                return Ok(Step::Done(response));
            }
        }
        Ok(Step::Wait(self.wait_for_task(key, poll)))
    }

    /// Resumes a worker's poll for workflow tasks.
    pub(crate) fn resume_workflow_poll(&mut self, id: WaiterId) -> Step<service::PollWorkflowTaskQueueResponse> {
        self.resume_poll(id, Self::hand_out_workflow_task)
    }

    /// Resumes a worker's poll for activities.
    pub(crate) fn resume_activity_poll(&mut self, id: WaiterId) -> Step<service::PollActivityTaskQueueResponse> {
        self.resume_poll(id, Self::hand_out_activity)
    }

    pub(crate) fn resume_poll<T: Default>(
        &mut self,
        id: WaiterId,
        hand_out: impl Fn(&mut Self, &Task, &Poll) -> Option<T>,
    ) -> Step<T> {
        let Some(Waiter::Poll(mut waiting)) = self.waiters.remove(id) else { return Step::Done(T::default()) };
        let mut task = waiting.offer.take();
        if task.is_none() && waiting.ended {
            return Step::Done(T::default());
        }
        self.queues.note_poll(&waiting.queue, &waiting.poll, self.now.wall);
        while let Some(offered) = task.or_else(|| self.next_task(&waiting.queue)) {
            let response = if self.is_wanted(&offered) { hand_out(self, &offered, &waiting.poll) } else { None };
            if let Some(response) = response {
                return Step::Done(response);
            }
            task = None;
        }
        self.queues.wait(&waiting.queue, id);
        self.waiters.park_again(id, Waiter::Poll(waiting));
        Step::Wait(id)
    }

    pub(crate) fn wait_for_task(&mut self, queue: QueueKey, poll: Poll) -> WaiterId {
        let waiting = WaitingPoll { queue: queue.clone(), poll, offer: None, ended: false };
        let id = self.waiters.park(Waiter::Poll(Box::new(waiting)));
        self.queues.wait(&queue, id);
        id
    }

    fn hand_out_activity(&mut self, task: &Task, poll: &Poll) -> Option<service::PollActivityTaskQueueResponse> {
        let Task::Activity { execution, scheduled_event_id, .. } = *task else { return None };
        let request_id = self.ids.v4();
        let (identity, control_task_queue) = (poll.identity.clone(), poll.control_task_queue.clone());
        self.transact(execution, |transaction| {
            transaction.start_activity(scheduled_event_id, request_id, identity, control_task_queue);
        });
        self.execution(execution).activity_task(scheduled_event_id)
    }

    pub(crate) fn queue_key(
        &self,
        namespace: &str,
        queue: Option<&taskqueue::TaskQueue>,
        kind: QueueKind,
    ) -> Result<QueueKey, Error> {
        let name = check_queue(queue)?.name.clone();
        let namespace_id = self.namespaces.get(namespace)?.id.clone();
        Ok(QueueKey { namespace_id, name, kind })
    }
}

/// Refuses a sticky poll with deployment options and without the normal name of the queue.
fn check_sticky(queue: Option<&taskqueue::TaskQueue>, tells_deployment: bool) -> Result<(), Error> {
    let nameless =
        queue.is_some_and(|queue| queue.kind() == enums::TaskQueueKind::Sticky && queue.normal_name.is_empty());
    if nameless && tells_deployment {
        let text = "NormalName must be set on sticky queue when UseVersioning is true or DeploymentOptions are set.";
        return Err(Error::invalid_argument(text));
    }
    Ok(())
}
