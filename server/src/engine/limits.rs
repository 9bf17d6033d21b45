//! Limits of what users send: sizes, lengths of ids, links, priorities.

use abide_protos::prost::Message;

use super::api::common::link::{Variant, workflow_event::Reference};
use super::api::{common, enums::EventType, enums::WorkflowTaskFailedCause};
use super::commands::Refusal;
use super::errors::Error;

/// Maximum bytes of the payloads of one field.
pub(crate) const BLOB_LIMIT: usize = 2 * 1024 * 1024;

/// Maximum length of an id or a name, in bytes.
pub(crate) const ID_LIMIT: usize = 1000;

/// Maximum number of events in the history of an open run. A transaction that adds more terminates the run.
pub(crate) const HISTORY_EVENTS: i64 = 50 * 1024;

/// Maximum bytes of the history of an open run before a transaction, which otherwise terminates the run.
pub(crate) const HISTORY_BYTES: i64 = 50 * 1024 * 1024;

const LINK_COUNT: usize = 10;
const LINK_SIZE: usize = 4000;
const FAIRNESS_KEY: usize = 64;

/// Refuses an id or a name that is too long. The message does not contain the length.
pub(crate) fn check_length(what: &str, id: &str) -> Result<(), Error> {
    if id.len() <= ID_LIMIT {
        return Ok(());
    }
    Err(Error::invalid_argument(format!("{what} length exceeds limit.")))
}

/// Like [`check_length`], with the length in the message.
pub(crate) fn check_maximum_length(what: &str, id: &str) -> Result<(), Error> {
    let length = id.len();
    if length <= ID_LIMIT {
        return Ok(());
    }
    Err(Error::invalid_argument(format!("{what} exceeds maximum allowed length ({length}/{ID_LIMIT})")))
}

/// Refuses links that are too many, too large or incomplete.
pub(crate) fn check_links<'a>(links: impl Iterator<Item = &'a common::Link> + Clone) -> Result<(), Error> {
    let count = links.clone().count();
    if count > LINK_COUNT {
        let text = format!("cannot attach more than {LINK_COUNT} links per request, got {count}");
        return Err(Error::invalid_argument(text));
    }
    for link in links {
        let size = link.encoded_len();
        if size > LINK_SIZE {
            return Err(Error::invalid_argument(format!("link exceeds allowed size of {LINK_SIZE}, got {size}")));
        }
        check_link(link)?;
    }
    Ok(())
}

fn check_link(link: &common::Link) -> Result<(), Error> {
    let (kind, fields) = match &link.variant {
        Some(Variant::WorkflowEvent(event)) => (
            "workflow event",
            vec![
                ("namespace field", &event.namespace),
                ("workflow ID field", &event.workflow_id),
                ("run ID field", &event.run_id),
            ],
        ),
        Some(Variant::BatchJob(job)) => ("batch job", vec![("job ID", &job.job_id)]),
        Some(Variant::NexusOperation(operation)) => (
            "nexus operation",
            vec![
                ("namespace field", &operation.namespace),
                ("operation ID field", &operation.operation_id),
                ("run ID field", &operation.run_id),
            ],
        ),
        Some(Variant::Activity(activity)) => (
            "activity",
            vec![
                ("namespace field", &activity.namespace),
                ("activity ID field", &activity.activity_id),
                ("run ID field", &activity.run_id),
            ],
        ),
        // A server of 1.32 does not know the newer kinds.
        Some(Variant::Workflow(_) | Variant::Callback(_)) | None => {
            return Err(Error::invalid_argument("unsupported link variant"));
        }
    };
    if let Some((name, _)) = fields.into_iter().find(|(_, value)| value.is_empty()) {
        return Err(Error::invalid_argument(format!("{kind} link must not have an empty {name}")));
    }
    if let Some(Variant::WorkflowEvent(event)) = &link.variant
        && let Some(Reference::EventRef(event)) = &event.reference
        && event.event_id != 0
        && event.event_type() == EventType::Unspecified
    {
        let text = "workflow event link ref cannot have an unspecified event type and a non-zero event ID";
        return Err(Error::invalid_argument(text));
    }
    Ok(())
}

/// Refuses an invalid priority.
pub(crate) fn check_priority(priority: Option<&common::Priority>) -> Result<(), Error> {
    let Some(priority) = priority else { return Ok(()) };
    let problem = if priority.priority_key < 0 {
        "priority key can't be negative"
    } else if priority.fairness_key.len() > FAIRNESS_KEY {
        "fairness key length exceeds limit"
    } else if priority.fairness_weight < 0.0 {
        "must be greater than zero"
    } else {
        return Ok(());
    };
    Err(Error::invalid_argument(problem))
}

/// Refuses a request with oversized payloads.
pub(crate) fn check_blob(payloads: Option<&common::Payloads>) -> Result<(), Error> {
    if payloads.is_some_and(is_too_large) {
        return Err(Error::invalid_argument("Blob data size exceeds limit."));
    }
    Ok(())
}

/// Refuses a request with an oversized memo.
pub(crate) fn check_memo(memo: Option<&common::Memo>) -> Result<(), Error> {
    if memo.is_some_and(|memo| memo.encoded_len() > BLOB_LIMIT) {
        return Err(Error::invalid_argument("Memo size exceeds limit."));
    }
    Ok(())
}

/// Refuses a command with oversized payloads; `field` names them.
pub(crate) fn check_command(payloads: Option<&common::Payloads>, field: &str) -> Result<(), Refusal> {
    if payloads.is_some_and(is_too_large) {
        let cause = WorkflowTaskFailedCause::BadScheduleActivityAttributes;
        let refusal = Refusal::new(cause, format!("{field} exceeds size limit."));
        return Err(Refusal { ends_workflow: true, ..refusal });
    }
    Ok(())
}

pub(crate) fn is_too_large(message: &impl Message) -> bool {
    message.encoded_len() > BLOB_LIMIT
}
