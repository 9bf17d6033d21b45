//! The priority of tasks that wait in a task queue.

use abide_protos::temporal::api::common::v1::Priority as PriorityProto;

/// Priority of a task in its task queue, with fairness (Temporal's `Priority`).
///
/// If tasks are waiting, a task queue dispatches those with a smaller [`priority_key`](Self::priority_key) first. Among
/// tasks of the same priority it shares its throughput between the fairness keys, by their weights. Unset values are
/// inherited: an activity or a child workflow inherits from its workflow, a workflow from the server's default.
///
/// ```
/// use abide::Priority;
/// // The highest priority; tasks of one customer do not crowd out those of another.
/// let priority = Priority::new().priority_key(1).fairness_key("customer-17").fairness_weight(2.0);
/// assert_eq!(priority.priority_key, Some(1));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
#[must_use = "a priority does nothing until a call takes it with `.priority(..)`"]
pub struct Priority {
    /// Priority from 1, the most urgent, to the server's lowest (5 unless configured). Unset: inherited, or 3.
    pub priority_key: Option<u32>,
    /// Fairness key, at most 64 bytes; tasks with different keys take turns. Unset: inherited, or one key for all.
    pub fairness_key: Option<String>,
    /// Weight of the fairness key relative to others, from 0.001 to 1000. Unset: inherited, or 1.0.
    pub fairness_weight: Option<f32>,
}

impl Priority {
    /// Creates a priority in which everything is inherited.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the priority, from 1 (the most urgent) to the server's lowest (5 unless configured). Default: inherited.
    pub fn priority_key(mut self, key: u32) -> Self {
        self.priority_key = Some(key);
        self
    }

    /// Sets the fairness key, at most 64 bytes. Default: inherited.
    pub fn fairness_key(mut self, key: impl Into<String>) -> Self {
        self.fairness_key = Some(key.into());
        self
    }

    /// Sets the weight of the fairness key, from 0.001 to 1000. Default: inherited.
    pub fn fairness_weight(mut self, weight: f32) -> Self {
        self.fairness_weight = Some(weight);
        self
    }

    pub(crate) fn to_proto(&self) -> PriorityProto {
        PriorityProto {
            priority_key: self.priority_key.map_or(0, |key| i32::try_from(key).unwrap_or(i32::MAX)),
            fairness_key: self.fairness_key.clone().unwrap_or_default(),
            fairness_weight: self.fairness_weight.unwrap_or_default(),
        }
    }

    /// Converts from protobuf, where zero and the empty text mean unset.
    pub(crate) fn from_proto(proto: &PriorityProto) -> Self {
        Self {
            priority_key: u32::try_from(proto.priority_key).ok().filter(|key| *key != 0),
            fairness_key: Some(proto.fairness_key.clone()).filter(|key| !key.is_empty()),
            fairness_weight: Some(proto.fairness_weight).filter(|weight| *weight != 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_fields_are_zero_on_the_wire_and_unset_when_read() {
        assert_eq!(Priority::new().to_proto(), PriorityProto::default());
        assert_eq!(Priority::from_proto(&PriorityProto::default()), Priority::new());
    }

    #[test]
    fn set_fields_survive_the_wire() {
        let priority = Priority::new().priority_key(1).fairness_key("tenant").fairness_weight(2.5);
        assert_eq!(Priority::from_proto(&priority.to_proto()), priority);
    }
}
