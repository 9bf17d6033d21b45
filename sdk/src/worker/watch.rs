//! Wraps the activities of a connection's workers, so that the embedded server can see which activity's code makes a
//! request.

use crate::activity::ActivityRegistry;
use crate::client::Connection;

/// Wraps the activities of a worker.
pub type ActivityWatch = Box<dyn Fn(ActivityRegistry) -> ActivityRegistry + Send + Sync>;

/// Wraps the activities of every worker that this connection starts from now on. The first watch of a connection stays.
pub fn watch_activities(connection: &Connection, watch: ActivityWatch) {
    connection.attach(watch);
}

/// Returns the activities, wrapped if this connection has a watch.
pub(super) fn watched(connection: &Connection, activities: ActivityRegistry) -> ActivityRegistry {
    match connection.attached::<ActivityWatch>() {
        Some(watch) => watch(activities),
        None => activities,
    }
}
