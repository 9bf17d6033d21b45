//! Tells if an optional message is present.
//!
//! Servers, old ones in particular, send optional messages even if they have no content: executions without an id,
//! durations of zero, times before the epoch. Code that converts such a message to an `Option` uses these functions, so
//! that `Some` means that there is content.

use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::{Duration as DurationProto, Timestamp};

use crate::duration::{from_proto, time_from_proto};

/// Returns an execution that names a workflow.
pub(crate) fn execution(execution: Option<&WorkflowExecution>) -> Option<&WorkflowExecution> {
    execution.filter(|execution| !execution.workflow_id.is_empty())
}

/// Returns a message that differs from the empty one.
pub(crate) fn message<M: Default + PartialEq>(message: Option<M>) -> Option<M> {
    message.filter(|message| *message != M::default())
}

/// Returns a duration above zero. Zero means unset for all durations read with this.
pub(crate) fn duration(duration: Option<&DurationProto>) -> Option<Duration> {
    duration.map(from_proto).filter(|duration| !duration.is_zero())
}

/// Returns a time after the epoch: Go's zero time is in the year 1, and an unset number is the epoch itself.
pub(crate) fn time(time: Option<&Timestamp>) -> Option<SystemTime> {
    time.filter(|time| (time.seconds, time.nanos) > (0, 0)).map(time_from_proto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_say_nothing_are_absent() {
        assert_eq!(message(Some(WorkflowExecution::default())), None);
        assert_eq!(execution(Some(&WorkflowExecution { run_id: "r".into(), ..Default::default() })), None);
        assert_eq!(duration(Some(&DurationProto::default())), None);
        assert_eq!(time(Some(&Timestamp::default())), None);
        let year_one = Timestamp { seconds: -62_135_596_800, nanos: 0 };
        assert_eq!(time(Some(&year_one)), None);
    }

    #[test]
    fn messages_that_say_something_are_kept() {
        let id = WorkflowExecution { workflow_id: "w".into(), ..Default::default() };
        assert_eq!(execution(Some(&id)), Some(&id));
        assert_eq!(message(Some(id.clone())), Some(id));
        assert_eq!(duration(Some(&DurationProto { seconds: 0, nanos: 1 })), Some(Duration::from_nanos(1)));
        let nano = SystemTime::UNIX_EPOCH + Duration::from_nanos(1);
        assert_eq!(time(Some(&Timestamp { seconds: 0, nanos: 1 })), Some(nano));
    }
}
