//! Lets the test environment look into a connection's workers: it wraps their activities, so that the embedded server can
//! see which activity's code makes a request, and it hears the statements of refused commands.

use std::fmt;

use crate::activity::ActivityRegistry;
use crate::client::Connection;

/// Hooks of the test environment into workers.
pub struct WorkerWatch {
    /// Wraps the activities of a worker.
    pub activities: Box<dyn Fn(ActivityRegistry) -> ActivityRegistry + Send + Sync>,
    /// Is told the statement of a command that the server has refused, as the end of a sentence.
    pub refused: Box<dyn Fn(&str) + Send + Sync>,
}

impl fmt::Debug for WorkerWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerWatch").finish_non_exhaustive()
    }
}

/// Watches every worker that this connection starts from now on. The first watch of a connection stays.
pub fn watch_workers(connection: &Connection, watch: WorkerWatch) {
    connection.attach(watch);
}

/// Returns the activities, wrapped if this connection has a watch.
pub(super) fn watched(connection: &Connection, activities: ActivityRegistry) -> ActivityRegistry {
    match connection.attached::<WorkerWatch>() {
        Some(watch) => (watch.activities)(activities),
        None => activities,
    }
}

/// Tells the watch of this connection, if it has one.
pub(super) fn tell_refused(connection: &Connection, statement: &str) {
    if let Some(watch) = connection.attached::<WorkerWatch>() {
        (watch.refused)(statement);
    }
}
