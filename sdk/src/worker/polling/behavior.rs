//! The number of open polls of one kind: fixed, or adjusted to the server's suggestions.

use crate::worker::error::WorkerError;

/// Number of open polls of one kind that a worker keeps.
///
/// ```no_run
/// use abide::worker::{PollerBehavior, Worker, WorkerError};
/// # async fn start(client: &abide::client::Client, workflow: impl abide::workflow::WorkflowImplementation)
/// # -> Result<(), WorkerError> {
/// Worker::builder(client, "orders")
///     .workflow(workflow)
///     .workflow_task_poller_behavior(PollerBehavior::Autoscaling { minimum: 2, maximum: 50, initial: 5 })
///     .build()?
///     .run()
///     .await
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PollerBehavior {
    /// A fixed number, as long as slots are free. For workflow tasks the polls are split between the two queues by
    /// `nonsticky_to_sticky_poll_ratio`.
    SimpleMaximum(usize),
    /// Follows the server's suggestions: more polls while tasks wait, fewer while polls come back empty, half as many
    /// after the server reports that it is overloaded. For workflow tasks, the normal and the sticky queue are scaled
    /// separately, each within these bounds.
    Autoscaling {
        /// Minimum, as long as slots are free; at least 1.
        minimum: usize,
        /// Maximum; at least `minimum`.
        maximum: usize,
        /// Number of polls at the start.
        initial: usize,
    },
}

impl PollerBehavior {
    /// [`Autoscaling`](Self::Autoscaling) with Temporal's defaults: 1 to 100 polls, 5 at the start.
    pub const fn autoscaling() -> Self {
        Self::Autoscaling { minimum: 1, maximum: 100, initial: 5 }
    }

    /// Returns true if the number of polls follows the server's suggestions.
    pub const fn is_autoscaling(self) -> bool {
        matches!(self, Self::Autoscaling { .. })
    }

    /// Checks the values; `option` is the name for the error message.
    pub(crate) fn check(self, option: &str) -> Result<(), WorkerError> {
        match self {
            Self::SimpleMaximum(0) => Err(WorkerError::new(format!("`{option}` is 0: expected 1 or more"))),
            Self::Autoscaling { minimum: 0, .. } => {
                Err(WorkerError::new(format!("`minimum` of `{option}` is 0: expected 1 or more")))
            }
            Self::Autoscaling { minimum, maximum, initial } if !(minimum <= initial && initial <= maximum) => {
                Err(WorkerError::new(format!(
                    "`{option}` has minimum {minimum}, initial {initial} and maximum {maximum}: expected minimum <= \
                     initial <= maximum"
                )))
            }
            Self::SimpleMaximum(_) | Self::Autoscaling { .. } => Ok(()),
        }
    }

    /// Returns the same behaviour with at most `polls` polls.
    pub(crate) fn at_most(self, polls: usize) -> Self {
        match self {
            Self::SimpleMaximum(maximum) => Self::SimpleMaximum(maximum.min(polls)),
            Self::Autoscaling { minimum, maximum, initial } => Self::Autoscaling {
                minimum: minimum.min(polls),
                maximum: maximum.min(polls),
                initial: initial.min(polls),
            },
        }
    }

    /// Returns the number of polls at the start.
    pub(crate) const fn initial(self) -> usize {
        match self {
            Self::SimpleMaximum(maximum) => maximum,
            Self::Autoscaling { initial, .. } => initial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_contradict_each_other_are_named() {
        let check = |minimum, maximum, initial| {
            let checked = PollerBehavior::Autoscaling { minimum, maximum, initial }.check("polls");
            checked.map_err(|error| error.to_string())
        };
        assert_eq!(check(1, 100, 5), Ok(()));
        assert_eq!(check(3, 3, 3), Ok(()));
        assert!(check(0, 3, 2).unwrap_err().contains("`minimum` of `polls` is 0"));
        for (minimum, maximum, initial) in [(3, 2, 2), (2, 5, 1), (2, 5, 6)] {
            assert!(check(minimum, maximum, initial).unwrap_err().contains("minimum <= initial <= maximum"));
        }
        assert!(PollerBehavior::SimpleMaximum(0).check("polls").is_err());
    }

    #[test]
    fn numbers_above_the_limit_are_cut() {
        let scaled = PollerBehavior::Autoscaling { minimum: 4, maximum: 100, initial: 5 };
        assert_eq!(scaled.at_most(3), PollerBehavior::Autoscaling { minimum: 3, maximum: 3, initial: 3 });
        assert_eq!(scaled.at_most(50), PollerBehavior::Autoscaling { minimum: 4, maximum: 50, initial: 5 });
        assert_eq!(PollerBehavior::SimpleMaximum(5).at_most(3), PollerBehavior::SimpleMaximum(3));
    }
}
