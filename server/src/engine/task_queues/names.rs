//! Names of task queues: which a request may name. A name that begins with `/_sys/` is a partition of a queue, which only
//! DescribeTaskQueue takes.

use crate::engine::api::{enums, taskqueue};
use crate::engine::errors::Error;
use crate::engine::limits::ID_LIMIT;

const PARTITION_PREFIX: &str = "/_sys/";

/// Queues of a real server's own workers.
const INTERNAL_PREFIX: &str = "temporal-sys-per-ns-tq";
const INTERNAL: &str = "temporal-sys-worker-controller-per-ns-tq";

/// Refuses a queue that no worker can poll.
pub(crate) fn check_queue(queue: Option<&taskqueue::TaskQueue>) -> Result<&taskqueue::TaskQueue, Error> {
    let queue = check_partition(queue)?;
    if queue.name.starts_with(PARTITION_PREFIX) {
        let text = format!("task queue name cannot start with reserved prefix {PARTITION_PREFIX}");
        return Err(Error::invalid_argument(text));
    }
    Ok(queue)
}

/// As [`check_queue`], for a queue that workflows are to run on.
pub(crate) fn check_queue_of_user(queue: Option<&taskqueue::TaskQueue>) -> Result<(), Error> {
    let name = &check_queue(queue)?.name;
    if name.starts_with(INTERNAL_PREFIX) || name == INTERNAL {
        return Err(Error::invalid_argument(format!("cannot use internal per-namespace task queue:{name}")));
    }
    Ok(())
}

/// Refuses what is neither a queue nor, by its look, a partition of one.
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

/// The queue that a name stands for: a partition's name, too, stands for the whole queue.
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
