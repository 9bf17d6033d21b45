//! Eager activities: the server returns them in the answer to the completion that schedules them, and this worker
//! starts them at once.
//!
//! This saves the round trip through the task queue. A slot is reserved for each one before the completion is sent,
//! because the server starts as many as requested. Slots for activities that the server did not start are freed after
//! its answer.

use abide_protos::temporal::api::command::v1::{
    Command, ScheduleActivityTaskCommandAttributes as ScheduleActivity, command::Attributes,
};

/// Keeps the request for eager execution on the first activities that get a slot, and removes it from all others.
///
/// The core sets it wherever it is possible: on activities of the workflow's own task queue. `slot` returns a slot for
/// an activity that this worker could start now.
pub(crate) fn reserve<S>(
    commands: &mut [Command],
    limit: usize,
    mut slot: impl FnMut(&ScheduleActivity) -> Option<S>,
) -> Vec<S> {
    let mut reserved = Vec::new();
    for command in commands {
        let Some(Attributes::ScheduleActivityTaskCommandAttributes(activity)) = &mut command.attributes else {
            continue;
        };
        if !activity.request_eager_execution {
            continue;
        }
        match if reserved.len() < limit { slot(activity) } else { None } {
            Some(slot) => reserved.push(slot),
            None => activity.request_eager_execution = false,
        }
    }
    reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(id: &str, request_eager_execution: bool) -> Command {
        let attributes =
            ScheduleActivity { activity_id: id.to_string(), request_eager_execution, ..Default::default() };
        let attributes = Attributes::ScheduleActivityTaskCommandAttributes(attributes);
        Command { attributes: Some(attributes), ..Default::default() }
    }

    /// Returns which of the activities `a` to `e` are requested eagerly, with this many free slots; `c` is on another
    /// queue.
    fn asked_for(limit: usize, mut free: usize) -> String {
        let mut commands = ["a", "b", "c", "d", "e"].map(|id| activity(id, id != "c")).to_vec();
        commands.insert(1, Command::default());
        let slots = reserve(&mut commands, limit, |_| {
            free = free.checked_sub(1)?;
            Some(())
        });
        let asked = commands.iter().filter_map(|command| match &command.attributes {
            Some(Attributes::ScheduleActivityTaskCommandAttributes(it)) if it.request_eager_execution => {
                Some(it.activity_id.as_str())
            }
            _ => None,
        });
        let asked: String = asked.collect();
        assert_eq!(asked.len(), slots.len(), "one slot for each");
        asked
    }

    #[test]
    fn b062_as_many_are_asked_for_as_there_are_slots_within_the_limit() {
        assert_eq!(asked_for(3, 10), "abd");
        assert_eq!(asked_for(3, 2), "ab");
        assert_eq!(asked_for(10, 10), "abde");
        assert_eq!(asked_for(3, 0), "");
        assert_eq!(asked_for(0, 10), "");
    }
}
