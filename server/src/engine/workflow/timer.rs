//! User timers: started and cancelled by commands, fired by their deadlines.
//!
//! Extends `Transaction`.

use std::time::Duration;

use crate::engine::api::{Attributes, history};
use crate::engine::deadlines::{Deadline, Key};
use crate::engine::history::Extras;
use crate::engine::time::{self, Time};
use crate::engine::transaction::Transaction;

/// A pending timer.
#[derive(Clone, Debug)]
pub(crate) struct Timer {
    pub(crate) started_event_id: i64,
    pub(crate) expires: Time,
    deadline: Key,
}

impl Transaction<'_> {
    pub(crate) fn start_timer(
        &mut self,
        timer_id: String,
        duration: Duration,
        completed_event_id: i64,
        extras: Extras,
    ) {
        let attributes = history::TimerStartedEventAttributes {
            timer_id: timer_id.clone(),
            start_to_fire_timeout: Some(time::proto(duration)),
            workflow_task_completed_event_id: completed_event_id,
        };
        let started_event_id = self.record_with(attributes, extras);
        let expires = self.time().plus(duration);
        self.arm_timer(timer_id, started_event_id, expires);
    }

    /// Makes a started timer fire at `expires`.
    pub(crate) fn arm_timer(&mut self, timer_id: String, started_event_id: i64, expires: Time) {
        let deadline = self.set_deadline(expires, Deadline::Timer(self.execution.id));
        self.state().timers.insert(timer_id, Timer { started_event_id, expires, deadline });
    }

    /// Removes a timer, even one that has fired and whose event is still buffered. Returns its started event id.
    pub(crate) fn take_timer(&mut self, timer_id: &str) -> Option<i64> {
        if let Some(timer) = self.state().timers.remove(timer_id) {
            self.remove_deadline(Some(timer.deadline));
            return Some(timer.started_event_id);
        }
        let buffer = &mut self.state().buffer;
        let fired =
            buffer.iter().position(|event| fired_timer(event).is_some_and(|fired| fired.timer_id == timer_id))?;
        fired_timer(&buffer.remove(fired)).map(|fired| fired.started_event_id)
    }

    /// Fires every timer that is due, the earliest first, then wakes the workflow once.
    pub(crate) fn fire_timers(&mut self) {
        let now = self.time();
        let timers = &self.execution.state.timers;
        let mut due: Vec<(Time, i64, String)> = timers
            .iter()
            .filter(|(_, timer)| timer.expires <= now)
            .map(|(id, timer)| (timer.expires, timer.started_event_id, id.clone()))
            .collect();
        due.sort();
        for (_, started_event_id, timer_id) in due {
            let timer = self.state().timers.remove(&timer_id);
            self.remove_deadline(timer.map(|timer| timer.deadline));
            self.record(history::TimerFiredEventAttributes { timer_id, started_event_id });
        }
        self.ensure_workflow_task();
    }

    /// Drops the timers of a closed run.
    pub(crate) fn drop_timers(&mut self) {
        for (_, timer) in std::mem::take(&mut self.state().timers) {
            self.remove_deadline(Some(timer.deadline));
        }
    }
}

fn fired_timer(event: &crate::engine::api::HistoryEvent) -> Option<&history::TimerFiredEventAttributes> {
    match &event.attributes {
        Some(Attributes::TimerFiredEventAttributes(fired)) => Some(fired),
        _ => None,
    }
}
