//! Information about a run.

use std::fmt;
use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::common::v1::{Header, Memo, Payload, Payloads, SearchAttributes};
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::history::v1::WorkflowExecutionStartedEventAttributes;
use abide_protos::temporal::api::sdk::v1::UserMetadata;

use crate::converter::{PayloadError, from_payload, read_first};
use crate::definition::PayloadValue;
use crate::duration::time_from_proto;
use crate::failure::Failure;
use crate::header::Headers;
use crate::presence;
use crate::priority::Priority;
use crate::retry_policy::RetryPolicy;
use crate::search_attributes::{SearchAttributeKey, SearchAttributeValue};

/// Information about a run that does not change while it runs (Temporal's workflow info).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkflowInfo {
    /// The workflow id.
    pub workflow_id: String,
    /// This run's id.
    pub run_id: String,
    /// Id of the first run in the chain of continue-as-new, retry and cron runs.
    pub first_execution_run_id: String,
    /// Id of the run that this one continues; empty if it is the first.
    pub continued_run_id: String,
    /// The workflow type's name.
    pub workflow_type: String,
    /// The namespace.
    pub namespace: String,
    /// The task queue.
    pub task_queue: String,
    /// Attempt under the workflow's retry policy, from 1.
    pub attempt: u32,
    /// Start time of the run. Its first workflow task may have come [later](Self::start_delay).
    pub start_time: SystemTime,
    /// Limit of all runs of the chain together; `None` if there is none.
    pub execution_timeout: Option<Duration>,
    /// Limit of this run; `None` if there is none.
    pub run_timeout: Option<Duration>,
    /// Limit of each workflow task.
    pub task_timeout: Option<Duration>,
    /// The cron schedule; empty if there is none.
    pub cron_schedule: String,
    /// Policy by which the server retries a failed run; `None` if it does not.
    pub retry_policy: Option<RetryPolicy>,
    /// The workflow that this one is a child of; `None` if it has none.
    pub parent: Option<ParentInfo>,
    rare: Option<Box<Rare>>,
}

/// The parent of a child workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParentInfo {
    /// The parent's namespace.
    pub namespace: String,
    /// The parent's workflow id.
    pub workflow_id: String,
    /// The parent's run id.
    pub run_id: String,
}

/// The topmost workflow of a tree of parents and children.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootInfo {
    /// Workflow id of the root.
    pub workflow_id: String,
    /// Run id of the root.
    pub run_id: String,
}

/// Fields that most runs do not have.
#[derive(Clone, Default, PartialEq)]
struct Rare {
    memo: Option<Memo>,
    search_attributes: Option<SearchAttributes>,
    last_completion_result: Option<Payloads>,
    continued_failure: Option<FailureProto>,
    user_metadata: Option<UserMetadata>,
    header: Option<Header>,
    priority: Priority,
    root: Option<RootInfo>,
    start_delay: Option<Duration>,
    expiration_time: Option<SystemTime>,
}

/// Shows no payloads, because information about a run may end up in a log.
impl fmt::Debug for Rare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rare")
            .field("priority", &self.priority)
            .field("root", &self.root)
            .field("start_delay", &self.start_delay)
            .field("expiration_time", &self.expiration_time)
            .finish_non_exhaustive()
    }
}

impl WorkflowInfo {
    pub(crate) fn new(
        started: &mut WorkflowExecutionStartedEventAttributes,
        user_metadata: Option<UserMetadata>,
        namespace: &str,
        workflow_id: &str,
        run_id: &str,
        start_time: SystemTime,
    ) -> Self {
        let timeout = |timeout: &Option<abide_protos::Duration>| presence::duration(timeout.as_ref());
        let parent = presence::execution(started.parent_workflow_execution.as_ref());
        let root = presence::execution(started.root_workflow_execution.as_ref());
        let (parent, root) = (parent.cloned(), root.cloned());
        let recorded_id = std::mem::take(&mut started.workflow_id);
        let rare = Rare {
            memo: started.memo.take().filter(|memo| !memo.fields.is_empty()),
            search_attributes: started.search_attributes.take().filter(|all| !all.indexed_fields.is_empty()),
            last_completion_result: started.last_completion_result.take(),
            continued_failure: presence::message(started.continued_failure.take()),
            user_metadata,
            header: started.header.take().filter(|header| !header.fields.is_empty()),
            priority: started.priority.as_ref().map(Priority::from_proto).unwrap_or_default(),
            root: root.map(|root| RootInfo { workflow_id: root.workflow_id, run_id: root.run_id }),
            start_delay: timeout(&started.first_workflow_task_backoff),
            expiration_time: presence::time(started.workflow_execution_expiration_time.as_ref()),
        };
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
            retry_policy: RetryPolicy::from_proto(started.retry_policy.as_ref()),
            parent: parent.map(|parent| ParentInfo {
                namespace: std::mem::take(&mut started.parent_workflow_namespace),
                workflow_id: parent.workflow_id,
                run_id: parent.run_id,
            }),
            rare: (rare != Rare::default()).then(|| Box::new(rare)),
        }
    }

    /// A field of the memo that the run was started with; `None` if there is none of that key.
    ///
    /// # Errors
    /// Returns an error if the field is not a `T`.
    pub fn memo<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        self.raw_memo().and_then(|memo| memo.fields.get(key)).map(from_payload).transpose()
    }

    /// A search attribute that the run was started with; `None` if there is none of that name, or not of that type.
    pub fn search_attribute<T: SearchAttributeValue>(&self, key: &SearchAttributeKey<T>) -> Option<T> {
        key.read(self.raw_search_attributes()?)
    }

    /// Result of the last successful run of a cron workflow; `None` if there was none.
    ///
    /// # Errors
    /// Returns an error if the result is not a `T`.
    pub fn last_completion_result<T: PayloadValue>(&self) -> Result<Option<T>, PayloadError> {
        let payloads = self.rare.as_ref().and_then(|rare| rare.last_completion_result.as_ref());
        if payloads.is_none_or(|payloads| payloads.payloads.is_empty()) {
            return Ok(None);
        }
        read_first(payloads).map(Some).map_err(|error| error.of("the last completion result"))
    }

    /// Failure of the run before this one, if this one is a retry or a cron run after a failure.
    pub fn last_failure(&self) -> Option<Failure> {
        self.rare.as_ref().and_then(|rare| rare.continued_failure.clone()).map(Failure::from_proto)
    }

    /// Summary that was given when the workflow was started; `None` without one.
    pub fn static_summary(&self) -> Option<String> {
        self.user_text(|metadata| metadata.summary.as_ref())
    }

    /// Details that were given when the workflow was started; `None` without them.
    pub fn static_details(&self) -> Option<String> {
        self.user_text(|metadata| metadata.details.as_ref())
    }

    /// Priority of the workflow's tasks, as set when it was started.
    pub fn priority(&self) -> Priority {
        self.rare.as_ref().map(|rare| rare.priority.clone()).unwrap_or_default()
    }

    /// A header that came with the start; `None` if there is none of that name.
    ///
    /// # Errors
    /// Returns an error if the header is not a `T`.
    pub fn header<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        let header = self.rare.as_ref().and_then(|rare| rare.header.as_ref());
        header.and_then(|header| header.fields.get(key)).map(from_payload).transpose()
    }

    /// All headers that came with the start.
    pub(crate) fn headers(&self) -> Headers {
        Headers::from_proto(self.rare.as_ref().and_then(|rare| rare.header.clone()))
    }

    /// Returns a copy with other headers.
    pub(crate) fn with_headers(&self, headers: Headers) -> Self {
        let mut copy = self.clone();
        copy.rare.get_or_insert_default().header = headers.to_proto();
        copy
    }

    /// The topmost workflow above this one; `None` if this one has no parent.
    pub fn root(&self) -> Option<&RootInfo> {
        let root = self.rare.as_ref().and_then(|rare| rare.root.as_ref())?;
        self.parent.is_some().then_some(root)
    }

    /// Time for which the first workflow task waited: a start delay, the time to the next cron run, or the pause before
    /// a retry. `None` if it did not wait.
    pub fn start_delay(&self) -> Option<Duration> {
        self.rare.as_ref().and_then(|rare| rare.start_delay)
    }

    /// Time at which the whole chain of runs times out; `None` without an [execution timeout](Self::execution_timeout).
    pub fn expiration_time(&self) -> Option<SystemTime> {
        self.rare.as_ref().and_then(|rare| rare.expiration_time)
    }

    fn user_text(&self, text: impl FnOnce(&UserMetadata) -> Option<&Payload>) -> Option<String> {
        let metadata = self.rare.as_ref().and_then(|rare| rare.user_metadata.as_ref());
        // A text for people is not worth an error.
        metadata.and_then(text).and_then(|payload| from_payload(payload).ok())
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
