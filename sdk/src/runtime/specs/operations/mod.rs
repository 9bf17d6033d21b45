//! Operations: what code begins, and how each ends or is cancelled.

mod activities;
mod activity_cancellation;
mod cancellation;
mod child_cancellation;
pub(super) mod child_workflows;
mod conditions;
mod context_values;
mod every_handle;
mod external_workflows;
mod fan_out;
mod futures;
mod handles;
mod headers;
mod local_activities;
mod local_activity_cancellation;
mod nexus_operations;
mod patches;
mod retries;
mod sagas;
mod side_data;
mod task_groups;
mod timeouts;
mod timers;
mod tokio_primitives;
mod updatable_timers;
mod upserts;
mod versioning_intent;
