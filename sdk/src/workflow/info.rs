//! What a run is told about itself.

use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::common::v1::{Memo, Payloads, SearchAttributes};
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::history::v1::WorkflowExecutionStartedEventAttributes;

use crate::converter::{PayloadError, PayloadReader, from_payload};
use crate::definition::PayloadValue;
use crate::duration::{from_proto, time_from_proto};
use crate::failure::Failure;
use crate::retry_policy::RetryPolicy;

/// What a run is told about itself (Temporal's workflow info): what does not change while it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkflowInfo {
    /// The workflow id.
    pub workflow_id: String,
    /// This run's id.
    pub run_id: String,
    /// The first run of the chain of continue-as-new, retry and cron runs.
    pub first_execution_run_id: String,
    /// The run that this one continues; empty if it is the first.
    pub continued_run_id: String,
    /// The workflow type's name.
    pub workflow_type: String,
    /// The namespace.
    pub namespace: String,
    /// The task queue.
    pub task_queue: String,
    /// Attempt under the workflow's retry policy, from 1.
    pub attempt: u32,
    /// When the run was started.
    pub start_time: SystemTime,
    /// Limit of the whole chain of runs; `None` if there is none.
    pub execution_timeout: Option<Duration>,
    /// Limit of this run; `None` if there is none.
    pub run_timeout: Option<Duration>,
    /// Limit of each workflow task.
    pub task_timeout: Option<Duration>,
    /// The cron schedule; empty if there is none.
    pub cron_schedule: String,
    /// When the server tries a failed run again; `None` if it does not.
    pub retry_policy: Option<RetryPolicy>,
    /// Workflow id and run id of the parent; `None` if it has none.
    pub parent: Option<(String, String)>,
    rare: Option<Box<Rare>>,
}

/// What most runs do not have.
#[derive(Clone, Debug, Default)]
struct Rare {
    memo: Option<Memo>,
    search_attributes: Option<SearchAttributes>,
    last_completion_result: Option<Payloads>,
    continued_failure: Option<FailureProto>,
}

impl WorkflowInfo {
    pub(crate) fn new(
        started: &mut WorkflowExecutionStartedEventAttributes,
        namespace: &str,
        workflow_id: &str,
        run_id: &str,
        start_time: SystemTime,
    ) -> Self {
        let timeout = |timeout: &Option<abide_protos::Duration>| {
            timeout.as_ref().map(from_proto).filter(|timeout| !timeout.is_zero())
        };
        let recorded_id = std::mem::take(&mut started.workflow_id);
        let rare = Rare {
            memo: started.memo.take().filter(|memo| !memo.fields.is_empty()),
            search_attributes: started.search_attributes.take().filter(|all| !all.indexed_fields.is_empty()),
            last_completion_result: started.last_completion_result.take(),
            continued_failure: started.continued_failure.take(),
        };
        let has_rare = rare.memo.is_some()
            || rare.search_attributes.is_some()
            || rare.last_completion_result.is_some()
            || rare.continued_failure.is_some();
        Self {
            workflow_id: if workflow_id.is_empty() { recorded_id } else { workflow_id.to_string() },
            run_id: if run_id.is_empty() { started.original_execution_run_id.clone() } else { run_id.to_string() },
            first_execution_run_id: std::mem::take(&mut started.first_execution_run_id),
            continued_run_id: std::mem::take(&mut started.continued_execution_run_id),
            workflow_type: started.workflow_type.take().map(|workflow_type| workflow_type.name).unwrap_or_default(),
            namespace: namespace.to_string(),
            task_queue: started.task_queue.take().map(|queue| queue.name).unwrap_or_default(),
            attempt: u32::try_from(started.attempt).unwrap_or(1),
            start_time,
            execution_timeout: timeout(&started.workflow_execution_timeout),
            run_timeout: timeout(&started.workflow_run_timeout),
            task_timeout: timeout(&started.workflow_task_timeout),
            cron_schedule: std::mem::take(&mut started.cron_schedule),
            retry_policy: started.retry_policy.as_ref().map(RetryPolicy::from_proto),
            parent: started.parent_workflow_execution.take().map(|parent| (parent.workflow_id, parent.run_id)),
            rare: has_rare.then(|| Box::new(rare)),
        }
    }

    /// A field of the memo that the run was started with; `None` if there is none of that key.
    ///
    /// # Errors
    /// When the field is not a `T`.
    pub fn memo<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        self.raw_memo().and_then(|memo| memo.fields.get(key)).map(from_payload).transpose()
    }

    /// A search attribute that the run was started with; `None` if there is none of that name.
    ///
    /// # Errors
    /// When the attribute is not a `T`.
    pub fn search_attribute<T: PayloadValue>(&self, name: &str) -> Result<Option<T>, PayloadError> {
        self.raw_search_attributes().and_then(|all| all.indexed_fields.get(name)).map(from_payload).transpose()
    }

    /// What the last successful run of a cron workflow returned; `None` if there was none.
    ///
    /// # Errors
    /// When the result is not a `T`.
    pub fn last_completion_result<T: PayloadValue>(&self) -> Result<Option<T>, PayloadError> {
        let payloads = self.rare.as_ref().and_then(|rare| rare.last_completion_result.as_ref());
        if payloads.is_none_or(|payloads| payloads.payloads.is_empty()) {
            return Ok(None);
        }
        PayloadReader::of(payloads).next().map(Some)
    }

    /// Why the run before this one failed, if it is a retry or a cron run after a failure.
    pub fn last_failure(&self) -> Option<Failure> {
        self.rare.as_ref().and_then(|rare| rare.continued_failure.clone()).map(Failure::from_proto)
    }

    pub(crate) fn raw_memo(&self) -> Option<&Memo> {
        self.rare.as_ref().and_then(|rare| rare.memo.as_ref())
    }

    pub(crate) fn raw_search_attributes(&self) -> Option<&SearchAttributes> {
        self.rare.as_ref().and_then(|rare| rare.search_attributes.as_ref())
    }
}

/// The time of an event, or the epoch if it has none.
pub(crate) fn event_time(time: Option<&abide_protos::Timestamp>) -> SystemTime {
    time.map_or(SystemTime::UNIX_EPOCH, time_from_proto)
}
