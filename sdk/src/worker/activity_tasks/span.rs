//! The span in which the code of an attempt runs, so that what it logs says whose it is.

use tracing::Span;

use crate::activity::ActivityInfo;

pub(crate) fn span_of(info: &ActivityInfo) -> Span {
    tracing::info_span!(
        target: "abide::activity",
        "activity",
        namespace = info.namespace,
        task_queue = info.task_queue,
        activity_type = info.activity_type,
        activity_id = info.activity_id,
        activity_run_id = info.activity_run_id,
        attempt = info.attempt,
        workflow_type = info.workflow_type,
        workflow_id = info.workflow_id,
        run_id = info.run_id,
    )
}
