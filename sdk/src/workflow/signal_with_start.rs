//! Signal-with-start from a workflow: an operation of the server's own Nexus endpoint.
//!
//! Its input is the request that a client would send, as a protobuf message. Codecs encode the payloads within it, not
//! the message, which the server has to read.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::{Payload, Payloads, WorkflowType};
use abide_protos::temporal::api::enums::v1::{TaskQueueKind, WorkflowIdConflictPolicy};
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::{
    SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse,
};
use serde::Serialize;

use super::context::WorkflowContext;
use super::metadata::summary_and_details;
use super::nexus_operation::NexusOperationCall;
use super::run_state::RunState;
use crate::converter::{PayloadError, PayloadWriter, RawPayload, to_payload};
use crate::definition::{Arguments, SignalOf, Workflow, WorkflowDefinition as _};
use crate::duration::to_proto;
use crate::failure::NexusOperationFailure;
use crate::header::Headers;
use crate::nexus_operation::NexusOperation;
use crate::priority::Priority;
use crate::retry_policy::RetryPolicy;
use crate::search_attributes::{SearchAttributeUpdate, apply};
use crate::versioning::VersioningOverride;
use crate::workflow_id_reuse_policy::WorkflowIdReusePolicy;

const OPERATION: NexusOperation<RawPayload, RawPayload> =
    NexusOperation::new("temporal.api.workflowservice.v1.WorkflowService", "SignalWithStartWorkflowExecution");
const REQUEST: &str = "temporal.api.workflowservice.v1.SignalWithStartWorkflowExecutionRequest";

/// A signal-with-start about to be sent: awaiting it sends it and waits until the server has carried it out.
///
/// It cannot be cancelled once it is sent; dropping it then only drops its outcome.
#[must_use = "nothing is sent unless this is awaited"]
pub struct SignalWithStart {
    shared: Rc<RunState>,
    request: Box<SignalWithStartWorkflowExecutionRequest>,
    headers: Headers,
    static_texts: [Option<String>; 2],
    summary: Option<String>,
    unwritable: Option<PayloadError>,
    location: &'static Location<'static>,
    call: Option<NexusOperationCall<RawPayload, RawPayload>>,
}

/// The workflow that a signal-with-start has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalledWorkflow {
    workflow_id: String,
    run_id: String,
    was_started: bool,
}

impl fmt::Debug for SignalWithStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalWithStart")
            .field("workflow_id", &self.request.workflow_id)
            .field("signal", &self.request.signal_name)
            .finish_non_exhaustive()
    }
}

impl SignalledWorkflow {
    /// Returns the workflow id.
    pub fn workflow_id(&self) -> &str {
        &self.workflow_id
    }

    /// Returns the id of the run that got the signal.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Returns true if the workflow was started, false if it was running already.
    pub fn was_started(&self) -> bool {
        self.was_started
    }
}

impl WorkflowContext {
    /// Sends a signal to a workflow in this namespace, and starts it first if it is not running. The workflow is no child:
    /// it goes on when this one closes.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # #[workflow] #[derive(Default)] struct Stock { items: State<u32> }
    /// # #[workflow_methods] impl Stock {
    /// # #[run] async fn run(&self, shop: String) -> Result<(), WorkflowError> { Ok(()) }
    /// # #[signal] fn restock(&self, items: u32) { self.items.set(items); } }
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// let stock = ctx.signal_with_start("stock-7", Stock::run, "shop".into(), Stock::restock, 12).await?;
    /// println!("run {} has the signal", stock.run_id());
    /// # Ok(()) }
    /// ```
    ///
    /// The server must offer it. Temporal server 1.32 does so where `history.enableSignalWithStartFromWorkflow` is set (off
    /// by default). Otherwise it refuses the completion of the workflow task, which the worker logs, and the task is tried
    /// again. If it refuses an option, the workflow task fails and is tried again.
    ///
    /// # Errors
    /// [`NexusOperationFailure`]: the server has tried and could not, for example because the id may not be reused.
    #[track_caller]
    pub fn signal_with_start<Kind, W, S>(
        &self,
        workflow_id: impl Into<String>,
        workflow: W,
        args: <W::Definition as Arguments>::Args,
        signal: S,
        signal_args: S::Args,
    ) -> SignalWithStart
    where
        W: Workflow<Kind>,
        S: SignalOf<<W::Definition as crate::definition::WorkflowDefinition>::Workflow>,
    {
        let (workflow, signal_name) = (workflow.definition(), signal.name().into_owned());
        let mut unwritable = None;
        let mut written = |write: &dyn Fn(&mut PayloadWriter) -> Result<(), PayloadError>| -> Option<Payloads> {
            let mut writer = PayloadWriter::new();
            match write(&mut writer) {
                Ok(()) => writer.finish(),
                Err(error) => {
                    unwritable = Some(error);
                    None
                }
            }
        };
        let input = written(&|to| <W::Definition as Arguments>::write_args(&args, to));
        let signal_input = written(&|to| S::write_args(&signal_args, to));
        let request = SignalWithStartWorkflowExecutionRequest {
            namespace: self.shared.namespace(),
            workflow_id: workflow_id.into(),
            workflow_type: Some(WorkflowType { name: workflow.name().into_owned() }),
            task_queue: Some(queue(self.shared.task_queue.to_string())),
            input,
            workflow_id_reuse_policy: WorkflowIdReusePolicy::default().to_proto(),
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting as i32,
            signal_name,
            signal_input,
            ..Default::default()
        };
        SignalWithStart {
            shared: self.shared.clone(),
            request: Box::new(request),
            headers: Headers::default(),
            static_texts: [None, None],
            summary: None,
            unwritable,
            location: Location::caller(),
            call: None,
        }
    }
}

fn queue(name: String) -> TaskQueue {
    TaskQueue { name, kind: TaskQueueKind::Normal as i32, normal_name: String::new() }
}

impl SignalWithStart {
    /// Sets the task queue whose workers run a workflow that is started. Default: this workflow's own.
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.request.task_queue = Some(queue(task_queue.into()));
        self
    }

    /// Limits the time of all runs of a workflow that is started. Default: no limit.
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.request.workflow_execution_timeout = Some(to_proto(timeout));
        self
    }

    /// Limits the time of one run of a workflow that is started. Default: the execution timeout.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.request.workflow_run_timeout = Some(to_proto(timeout));
        self
    }

    /// Limits the time of one workflow task of a workflow that is started. Default: the server's, 10 s.
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.request.workflow_task_timeout = Some(to_proto(timeout));
        self
    }

    /// Decides whether the id may be used again after its workflow has closed. Default: yes.
    pub fn id_reuse_policy(mut self, policy: WorkflowIdReusePolicy) -> Self {
        self.request.workflow_id_reuse_policy = policy.to_proto();
        self
    }

    /// Sets the policy by which a workflow that is started runs again after it has failed. Default: it does not.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.request.retry_policy = Some(policy.to_proto());
        self
    }

    /// Runs a workflow that is started repeatedly, by a cron expression. Default: once.
    pub fn cron_schedule(mut self, schedule: impl Into<String>) -> Self {
        self.request.cron_schedule = schedule.into();
        self
    }

    /// Delays the first workflow task of a workflow that is started. Default: none.
    pub fn start_delay(mut self, delay: Duration) -> Self {
        self.request.workflow_start_delay = Some(to_proto(delay));
        self
    }

    /// Sets the priority of a workflow that is started. Default: the server's.
    pub fn priority(mut self, priority: &Priority) -> Self {
        self.request.priority = Some(priority.to_proto());
        self
    }

    /// Selects the worker deployment version of a workflow that is started. Default: the choice of worker versioning.
    pub fn versioning_override(mut self, versioning: VersioningOverride) -> Self {
        self.request.versioning_override = Some(versioning.to_proto());
        self
    }

    /// Adds a memo field to a workflow that is started.
    pub fn memo<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        match to_payload(value) {
            Ok(payload) => drop(self.request.memo.get_or_insert_default().fields.insert(key.into(), payload)),
            Err(error) => self.unwritable = Some(error),
        }
        self
    }

    /// Sets search attributes of a workflow that is started.
    pub fn search_attributes(mut self, values: impl IntoIterator<Item = SearchAttributeUpdate>) -> Self {
        let values: Vec<SearchAttributeUpdate> = values.into_iter().collect();
        apply(&values, self.request.search_attributes.get_or_insert_default());
        self
    }

    /// Gives the workflow that is started, and the signal, a header.
    pub fn header<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        if let Err(error) = self.headers.set(key, value) {
            self.unwritable = Some(error);
        }
        self
    }

    /// Sets one line about the purpose of a workflow that is started. Default: none.
    pub fn static_summary(mut self, summary: impl Into<String>) -> Self {
        self.static_texts[0] = Some(summary.into());
        self
    }

    /// Sets a longer text about the purpose of a workflow that is started. Default: none.
    pub fn static_details(mut self, details: impl Into<String>) -> Self {
        self.static_texts[1] = Some(details.into());
        self
    }

    /// Sets a short text about this call for people who look at this workflow. Default: none.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    /// Returns the call of the operation. Fails the workflow task if an argument cannot be written.
    fn call(&mut self) -> Option<NexusOperationCall<RawPayload, RawPayload>> {
        if let Some(error) = self.unwritable.take() {
            let (id, signal) = (&self.request.workflow_id, &self.request.signal_name);
            let text = format!("signal `{signal}` with the start of workflow `{id}` cannot be written: {error}");
            self.shared.fail_task(text, self.location);
            return None;
        }
        self.request.header = std::mem::take(&mut self.headers).to_proto();
        let [summary, details] = std::mem::take(&mut self.static_texts);
        self.request.user_metadata = summary_and_details(summary, details);
        let metadata = [("encoding", "binary/protobuf"), ("messageType", REQUEST)];
        let metadata: HashMap<String, Vec<u8>> = metadata.map(|(key, value)| (key.into(), value.into())).into();
        let data = self.request.encode_to_vec();
        let input =
            RawPayload::from_proto(Payload { metadata: metadata.into_iter().collect(), data, ..Default::default() });
        let call = NexusOperationCall::of_server(self.shared.clone(), OPERATION, input, self.location);
        Some(match self.summary.take() {
            Some(summary) => call.summary(summary),
            None => call,
        })
    }
}

impl Future for SignalWithStart {
    type Output = Result<SignalledWorkflow, NexusOperationFailure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.call.is_none() {
            this.call = this.call();
        }
        // Without a call, the workflow task has failed.
        let Some(call) = &mut this.call else { return Poll::Pending };
        let answer = match ready!(Pin::new(call).poll(cx)) {
            Ok(answer) => answer,
            Err(failure) => return Poll::Ready(Err(failure)),
        };
        match SignalWithStartWorkflowExecutionResponse::decode(answer.data.as_slice()) {
            Ok(response) if answer.encoding() == Some("binary/protobuf") => Poll::Ready(Ok(SignalledWorkflow {
                workflow_id: std::mem::take(&mut this.request.workflow_id),
                run_id: response.run_id,
                was_started: response.started,
            })),
            _ => {
                let text = format!(
                    "the server's answer to a signal-with-start cannot be read: expected a \
                     SignalWithStartWorkflowExecutionResponse with the encoding `binary/protobuf`, found the encoding `{}`",
                    answer.encoding().unwrap_or("none")
                );
                this.shared.fail_task(text, this.location);
                Poll::Pending
            }
        }
    }
}
