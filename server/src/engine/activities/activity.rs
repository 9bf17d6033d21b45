//! A pending activity: scheduled, started by a worker, retried after a failure, until one attempt ends it.
//!
//! Attempts leave no events. The started event is written together with the closing event, with the start time of the
//! last attempt.
//!
//! Extends `Transaction`.

use std::time::Duration;

use crate::engine::api::enums::TimeoutType;
use crate::engine::api::{Attributes, common, failure, history, service};
use crate::engine::deadlines::{Deadline, Key};
use crate::engine::history::Extras;
use crate::engine::time::{self, Time};
use crate::engine::token::TaskToken;
use crate::engine::transaction::{Effect, Transaction};
use crate::engine::workflow::Execution;

/// The state of a pending activity; input and header stay in its scheduled event.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub(crate) scheduled_event_id: i64,
    pub(crate) activity_id: String,
    pub(crate) task_queue: String,
    pub(crate) priority: i32,
    pub(crate) retry_policy: common::RetryPolicy,
    pub(crate) timeouts: ActivityTimeouts,
    pub(crate) first_scheduled_time: Time,
    /// Time at which the current attempt was, or will be, added to the queue.
    pub(crate) scheduled_time: Time,
    pub(crate) attempt: i32,
    pub(crate) started: Option<Started>,
    /// Id of the cancel requested event, if there is one.
    pub(crate) cancel_requested: Option<i64>,
    pub(crate) heartbeat_details: Option<common::Payloads>,
    pub(crate) last_heartbeat_time: Option<Time>,
    pub(crate) last_failure: Option<Box<failure::Failure>>,
    pub(crate) last_attempt_complete_time: Option<Time>,
    pub(crate) last_worker_identity: String,
    pub(crate) deadlines: ActivityDeadlines,
}

/// The four timeouts; `None` means unlimited.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ActivityTimeouts {
    pub(crate) schedule_to_close: Option<Duration>,
    pub(crate) schedule_to_start: Option<Duration>,
    pub(crate) start_to_close: Option<Duration>,
    pub(crate) heartbeat: Option<Duration>,
}

/// The attempt that a worker is running.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    pub(crate) time: Time,
    pub(crate) request_id: String,
    pub(crate) identity: String,
    /// The task queue for commands to its worker; empty if the worker accepts none.
    pub(crate) control_task_queue: String,
    pub(crate) left_open: LeftOpen,
}

/// State of an attempt whose code may have ended with a result that is reported later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftOpen {
    /// Its code is running, or is in another process.
    No,
    /// Its code has just ended, or somebody has just sent a heartbeat for it.
    Just,
    /// Nobody has reported anything since, for long enough to say that nobody is about to.
    Quiet,
}

/// The deadlines of an activity.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ActivityDeadlines {
    pub(crate) schedule_to_close: Option<Key>,
    pub(crate) schedule_to_start: Option<Key>,
    pub(crate) start_to_close: Option<Key>,
    pub(crate) heartbeat: Option<Key>,
    pub(crate) retry: Option<Key>,
}

impl Activity {
    /// Creates an activity that is scheduled now.
    pub(crate) fn new(
        attributes: &history::ActivityTaskScheduledEventAttributes,
        timeouts: ActivityTimeouts,
        now: Time,
    ) -> Self {
        Self {
            scheduled_event_id: 0,
            activity_id: attributes.activity_id.clone(),
            task_queue: attributes.task_queue.as_ref().map(|queue| queue.name.clone()).unwrap_or_default(),
            priority: attributes.priority.as_ref().map_or(0, |priority| priority.priority_key),
            retry_policy: attributes.retry_policy.clone().unwrap_or_default(),
            timeouts,
            first_scheduled_time: now,
            scheduled_time: now,
            attempt: 1,
            started: None,
            cancel_requested: None,
            heartbeat_details: None,
            last_heartbeat_time: None,
            last_failure: None,
            last_attempt_complete_time: None,
            last_worker_identity: String::new(),
            deadlines: ActivityDeadlines::default(),
        }
    }

    /// Returns the time after which no attempt may run.
    pub(crate) fn expires(&self) -> Option<Time> {
        self.timeouts.schedule_to_close.map(|timeout| self.first_scheduled_time.plus(timeout))
    }

    /// Returns true if it waits for its next attempt.
    pub(crate) fn is_backing_off(&self) -> bool {
        self.deadlines.retry.is_some()
    }

    /// Returns the timeouts that are set, with their deadlines.
    pub(crate) fn timeouts_set(&self) -> impl Iterator<Item = (Time, TimeoutType)> {
        let ActivityDeadlines { schedule_to_close, schedule_to_start, start_to_close, heartbeat, .. } = self.deadlines;
        [
            (start_to_close, TimeoutType::StartToClose),
            (schedule_to_start, TimeoutType::ScheduleToStart),
            (schedule_to_close, TimeoutType::ScheduleToClose),
            (heartbeat, TimeoutType::Heartbeat),
        ]
        .into_iter()
        .filter_map(|(key, kind)| Some((key?.at, kind)))
    }
}

impl ActivityDeadlines {
    /// Removes and returns the deadlines of the current attempt.
    fn take_attempt(&mut self) -> [Option<Key>; 4] {
        [self.schedule_to_start.take(), self.start_to_close.take(), self.heartbeat.take(), self.retry.take()]
    }
}

impl Execution {
    pub(crate) fn activity_by_id(&self, activity_id: &str) -> Option<&Activity> {
        self.state.activities.values().find(|activity| activity.activity_id == activity_id)
    }

    /// Returns the attributes with which an activity was scheduled.
    pub(crate) fn activity_attributes(
        &self,
        scheduled_event_id: i64,
    ) -> Option<&history::ActivityTaskScheduledEventAttributes> {
        match self.history.get(scheduled_event_id)?.attributes.as_ref()? {
            Attributes::ActivityTaskScheduledEventAttributes(attributes) => Some(attributes),
            _ => None,
        }
    }

    /// Returns the task token of the started attempt.
    pub(crate) fn activity_token(&self, scheduled_event_id: i64) -> Option<Vec<u8>> {
        let activity = self.state.activities.get(&scheduled_event_id)?;
        let token = TaskToken {
            namespace_id: self.namespace.id.clone(),
            workflow_id: self.workflow_id.clone(),
            run_id: self.run_id.clone(),
            scheduled_event_id,
            attempt: activity.attempt,
            started_time: activity.started.as_ref()?.time.nanos(),
            activity_id: activity.activity_id.clone(),
            ..TaskToken::default()
        };
        Some(token.encode_token())
    }

    /// Returns the activity task of the started attempt for its worker.
    pub(crate) fn activity_task(&self, scheduled_event_id: i64) -> Option<service::PollActivityTaskQueueResponse> {
        let activity = self.state.activities.get(&scheduled_event_id)?;
        let attributes = self.activity_attributes(scheduled_event_id)?.clone();
        let started = activity.started.as_ref()?;
        Some(service::PollActivityTaskQueueResponse {
            task_token: self.activity_token(scheduled_event_id)?,
            workflow_namespace: self.namespace.name.clone(),
            workflow_type: Some(self.state.workflow_type()),
            workflow_execution: Some(self.execution()),
            activity_type: attributes.activity_type,
            activity_id: attributes.activity_id,
            header: attributes.header,
            input: attributes.input,
            heartbeat_details: activity.heartbeat_details.clone(),
            scheduled_time: Some(activity.first_scheduled_time.proto()),
            current_attempt_scheduled_time: Some(activity.scheduled_time.proto()),
            started_time: Some(started.time.proto()),
            attempt: activity.attempt,
            schedule_to_close_timeout: attributes.schedule_to_close_timeout,
            start_to_close_timeout: attributes.start_to_close_timeout,
            heartbeat_timeout: attributes.heartbeat_timeout,
            retry_policy: attributes.retry_policy,
            priority: Some(self.state.priority_of(attributes.priority.as_ref())),
            ..Default::default()
        })
    }
}

impl Transaction<'_> {
    /// Schedules an activity with complete and valid attributes. Returns its scheduled event id.
    pub(crate) fn schedule_activity(
        &mut self,
        attributes: history::ActivityTaskScheduledEventAttributes,
        timeouts: ActivityTimeouts,
        extras: Extras,
    ) -> i64 {
        let mut activity = Activity::new(&attributes, timeouts, self.time());
        activity.priority = self.execution.state.priority_of(attributes.priority.as_ref()).priority_key;
        let event_id = self.record_with(attributes, extras);
        self.insert_activity(event_id, activity);
        event_id
    }

    /// Makes a scheduled activity pending, without adding it to a queue yet.
    pub(crate) fn insert_activity(&mut self, event_id: i64, mut activity: Activity) {
        activity.scheduled_event_id = event_id;
        if let Some(at) = activity.expires() {
            let deadline = Deadline::ActivityTimeout(self.execution.id, event_id, TimeoutType::ScheduleToClose);
            activity.deadlines.schedule_to_close = Some(self.set_deadline(at, deadline));
        }
        self.state().activities.insert(event_id, activity);
    }

    /// Adds the current attempt to the queue.
    pub(crate) fn dispatch_activity(&mut self, scheduled_event_id: i64) {
        let id = self.execution.id;
        let Some(activity) = self.state().activities.get_mut(&scheduled_event_id) else { return };
        let backoff = activity.deadlines.retry.take();
        let timeout = activity.timeouts.schedule_to_start;
        let scheduled_time = activity.scheduled_time;
        self.remove_deadline(backoff);
        if let Some(timeout) = timeout {
            let deadline = Deadline::ActivityTimeout(id, scheduled_event_id, TimeoutType::ScheduleToStart);
            let key = self.set_deadline(scheduled_time.plus(timeout), deadline);
            if let Some(activity) = self.state().activities.get_mut(&scheduled_event_id) {
                activity.deadlines.schedule_to_start = Some(key);
            }
        }
        self.effects.push(Effect::DispatchActivity(scheduled_event_id));
    }

    /// Starts the current attempt on a worker.
    pub(crate) fn start_activity(
        &mut self,
        scheduled_event_id: i64,
        request_id: String,
        identity: String,
        control_task_queue: String,
    ) {
        let (now, id) = (self.time(), self.execution.id);
        let Some(mut activity) = self.state().activities.remove(&scheduled_event_id) else { return };
        for key in activity.deadlines.take_attempt() {
            self.remove_deadline(key);
        }
        activity.last_worker_identity.clone_from(&identity);
        activity.started =
            Some(Started { time: now, request_id, identity, control_task_queue, left_open: LeftOpen::No });
        let mut set = |timeout: Option<Duration>, kind| {
            let deadline = Deadline::ActivityTimeout(id, scheduled_event_id, kind);
            timeout.map(|timeout| self.set_deadline_of_running_work(now.plus(timeout), deadline))
        };
        activity.deadlines.start_to_close = set(activity.timeouts.start_to_close, TimeoutType::StartToClose);
        activity.deadlines.heartbeat = set(activity.timeouts.heartbeat, TimeoutType::Heartbeat);
        self.state().activities.insert(scheduled_event_id, activity);
    }

    /// Records a heartbeat of the started attempt.
    pub(crate) fn heartbeat_activity(&mut self, scheduled_event_id: i64, details: Option<common::Payloads>) {
        let now = self.time();
        let Some(activity) = self.state().activities.get_mut(&scheduled_event_id) else { return };
        activity.last_heartbeat_time = Some(now);
        if let Some(started) = activity.started.as_mut().filter(|started| started.left_open == LeftOpen::Quiet) {
            started.left_open = LeftOpen::Just;
        }
        activity.heartbeat_details = details;
        self.renew_heartbeat_deadline(scheduled_event_id);
    }

    /// Restarts the heartbeat timeout of the started attempt.
    pub(crate) fn renew_heartbeat_deadline(&mut self, scheduled_event_id: i64) {
        let (now, id) = (self.time(), self.execution.id);
        let Some(mut activity) = self.state().activities.remove(&scheduled_event_id) else { return };
        let previous = activity.deadlines.heartbeat.take();
        self.remove_deadline(previous);
        activity.deadlines.heartbeat = activity.timeouts.heartbeat.map(|timeout| {
            let deadline = Deadline::ActivityTimeout(id, scheduled_event_id, TimeoutType::Heartbeat);
            self.set_deadline_of_running_work(now.plus(timeout), deadline)
        });
        self.state().activities.insert(scheduled_event_id, activity);
    }

    /// Ends the attempt; the next one is due after `interval`.
    pub(crate) fn back_off_activity(&mut self, scheduled_event_id: i64, failure: failure::Failure, interval: Duration) {
        let (now, id) = (self.time(), self.execution.id);
        let Some(mut activity) = self.state().activities.remove(&scheduled_event_id) else { return };
        for key in activity.deadlines.take_attempt() {
            self.remove_deadline(key);
        }
        activity.started = None;
        activity.attempt += 1;
        activity.scheduled_time = now.plus(interval);
        activity.last_failure = Some(Box::new(failure));
        activity.last_attempt_complete_time = Some(now);
        let deadline = Deadline::ActivityRetry(id, scheduled_event_id);
        activity.deadlines.retry = Some(self.set_deadline(activity.scheduled_time, deadline));
        self.state().activities.insert(scheduled_event_id, activity);
    }

    /// Removes the activity and its deadlines from the state.
    pub(crate) fn remove_activity(&mut self, scheduled_event_id: i64) -> Option<Activity> {
        let mut activity = self.state().activities.remove(&scheduled_event_id)?;
        for key in activity.deadlines.take_attempt() {
            self.remove_deadline(key);
        }
        self.remove_deadline(activity.deadlines.schedule_to_close.take());
        Some(activity)
    }

    /// Drops the pending activities of a closed run, and cancels running ones.
    pub(crate) fn drop_activities(&mut self) {
        let pending: Vec<i64> = self.execution.state.activities.keys().copied().collect();
        for scheduled_event_id in pending {
            self.tell_worker_to_stop(scheduled_event_id);
            self.remove_activity(scheduled_event_id);
        }
    }
}

/// Returns a timeout as the API encodes it: unlimited is zero.
pub(crate) fn timeout_proto(timeout: Option<Duration>) -> Option<abide_protos::Duration> {
    Some(time::proto(timeout.unwrap_or_default()))
}
