//! Checks of task queue names in requests. A name that begins with `/_sys/` is a partition of a queue, which only
//! DescribeTaskQueue accepts.

use crate::engine::api::{enums, taskqueue};
use crate::engine::errors::Error;
use crate::engine::limits::ID_LIMIT;

const PARTITION_PREFIX: &str = "/_sys/";

/// Queues of a real server's own workers.
const INTERNAL_PREFIX: &str = "temporal-sys-per-ns-tq";
const INTERNAL: &str = "temporal-sys-worker-controller-per-ns-tq";

/// Refuses an invalid name of a task queue.
pub(crate) fn check_queue(queue: Option<&taskqueue::TaskQueue>) -> Result<&taskqueue::TaskQueue, Error> {
    let queue = check_partition(queue)?;
    if queue.name.starts_with(PARTITION_PREFIX) {
        let text = format!("task queue name cannot start with reserved prefix {PARTITION_PREFIX}");
        return Err(Error::invalid_argument(text));
    }
    Ok(queue)
}

/// Like [`check_queue`]. Also refuses the server's internal queues.
pub(crate) fn check_queue_of_user(queue: Option<&taskqueue::TaskQueue>) -> Result<(), Error> {
    let name = &check_queue(queue)?.name;
    if name.starts_with(INTERNAL_PREFIX) || name == INTERNAL {
        return Err(Error::invalid_argument(format!("cannot use internal per-namespace task queue:{name}")));
    }
    Ok(())
}

/// Like [`check_queue`], but accepts the name of a partition.
pub(crate) fn check_partition(queue: Option<&taskqueue::TaskQueue>) -> Result<&taskqueue::TaskQueue, Error> {
    let Some(queue) = queue else { return Err(Error::invalid_argument("taskQueue is not set")) };
    if queue.name.is_empty() {
        return Err(Error::invalid_argument("missing task queue name"));
    }
    let sticky = queue.kind() == enums::TaskQueueKind::Sticky;
    if queue.name.len() > ID_LIMIT || (sticky && queue.normal_name.len() > ID_LIMIT) {
        return Err(Error::invalid_argument("taskQueue length exceeds limit"));
    }
    Ok(queue)
}

/// Returns the queue of a partition. Any other name is returned as it is.
pub(crate) fn queue_of_partition(name: &str) -> Result<&str, Error> {
    let Some(rest) = name.strip_prefix(PARTITION_PREFIX) else { return Ok(name) };
    let parts = rest
        .rsplit_once('/')
        .filter(|(queue, number)| !queue.is_empty() && number.parse::<u32>().is_ok_and(|number| number > 0));
    match parts {
        None => Err(Error::invalid_argument(format!("invalid task queue partition name {name}"))),
        Some((queue, _)) if queue.starts_with(PARTITION_PREFIX) => {
            let text = format!("task queue family name cannot have prefix {PARTITION_PREFIX} {queue}");
            Err(Error::invalid_argument(text))
        }
        Some((queue, _)) => Ok(queue),
    }
}
