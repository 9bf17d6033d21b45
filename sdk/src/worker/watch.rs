//! Lets the embedded server see whose activity code makes a request: it wraps the activities of every worker of a
//! connection.

use crate::activity::ActivityRegistry;
use crate::client::Connection;

/// Wraps the activities of a worker.
pub type ActivityWatch = Box<dyn Fn(ActivityRegistry) -> ActivityRegistry + Send + Sync>;

/// Wraps the activities of every worker that this connection starts from now on. The first watch of a connection stays.
pub fn watch_activities(connection: &Connection, watch: ActivityWatch) {
    connection.attach(watch);
}

/// The activities as a worker of this connection runs them.
pub(super) fn watched(connection: &Connection, activities: ActivityRegistry) -> ActivityRegistry {
    match connection.attached::<ActivityWatch>() {
        Some(watch) => watch(activities),
        None => activities,
    }
}
