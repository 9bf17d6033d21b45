//! Waiting for a workflow's result: long polls for the event that closes a run, and following the chain of runs.

use std::future::IntoFuture;
use std::marker::PhantomData;

use abide_protos::temporal::api::common::v1::{Payloads, WorkflowExecution};
use abide_protos::temporal::api::enums::v1::{HistoryEventFilterType, TimeoutType};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{Failure as FailureProto, TerminatedFailureInfo, TimeoutFailureInfo};
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::temporal::api::workflowservice::v1::GetWorkflowExecutionHistoryRequest;

use super::call::Call;
use super::connection::Connection;
use super::errors::StartError;
use super::long_wait::long_wait;
use super::rpc::Rpc as _;
use super::rpc_error::RpcError;
use super::start::ClientFuture;
use crate::converter::{PayloadError, RawArguments, RawPayload, read_first};
use crate::debug_only::debug_only;
use crate::definition::WorkflowDefinition;
use crate::failure::{Failure, RetryState, TemporalFailure, cancelled_failure};
use crate::interceptor::client::{WorkflowResultInput, payloads_of, value_of};

/// A workflow has no result: it closed without one, or the call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowFailedError {
    /// The workflow failed. [`Failure::cause`] leads to the cause, for example a failed activity.
    #[error("the workflow failed: {0}")]
    Failed(Failure),
    /// The workflow was cancelled. [`Failure::detail`] reads its details.
    #[error("the workflow was cancelled")]
    Cancelled(Failure),
    /// The workflow was terminated.
    #[error("the workflow was terminated{}", after_colon(.reason))]
    Terminated {
        /// The reason given with the termination; may be empty.
        reason: String,
        /// The details given with the termination; usually none.
        details: RawArguments,
    },
    /// The workflow exceeded its run timeout or its execution timeout.
    #[error(
        "the workflow timed out; see its history for what it waited for, or give it a longer run or execution timeout"
    )]
    TimedOut,
    /// The run was followed by another one, and only this run was requested
    /// ([`without_following_runs`](GetResult::without_following_runs)).
    #[error(
        "the run continued as new in run {new_run_id}; get the result from that run, or remove \
         `without_following_runs()`"
    )]
    ContinuedAsNew {
        /// The run id of the next run.
        new_run_id: String,
    },
    /// No such workflow or run exists; a closed one is deleted after its retention time.
    #[error("there is no workflow `{workflow_id}`: {message}; check the id and the namespace")]
    NotFound {
        /// Workflow id.
        workflow_id: String,
        /// The server's message.
        message: String,
    },
    /// The workflow closed with a result that has another type, or that a codec cannot decode.
    #[error("the workflow has ended, but its result cannot be read: {0}")]
    Payload(PayloadError),
    /// The workflow closed in a way that this version does not know.
    #[error(
        "the workflow ended with event {event_id} of type {event_type}, which this version does not know; update abide"
    )]
    UnknownEnd {
        /// Id of the event.
        event_id: i64,
        /// Number of the event type.
        event_type: i32,
    },
    /// The workflow could not be started (only from `client.execute(..)`).
    #[error("{0}")]
    NotStarted(StartError),
    /// The call failed, which does not affect the workflow.
    #[error("the workflow's result could not be fetched, which does not affect the workflow: {0}")]
    Rpc(RpcError),
}

/// The text contains that of the payload's error, so that error is no source: a chain of sources would repeat it.
impl From<PayloadError> for WorkflowFailedError {
    fn from(error: PayloadError) -> Self {
        Self::Payload(error)
    }
}

/// For interceptors that refuse to wait for the result.
impl From<RpcError> for WorkflowFailedError {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

impl WorkflowFailedError {
    /// Returns the failure of the workflow, or its cancellation.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) | Self::Cancelled(failure) => Some(failure),
            _ => None,
        }
    }

    /// Returns true if the workflow was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }

    /// Returns true if the workflow was terminated.
    pub fn is_terminated(&self) -> bool {
        matches!(self, Self::Terminated { .. })
    }

    /// Returns true if the workflow failed because an activity or a child workflow ran out of time for retries.
    pub fn is_retry_timeout(&self) -> bool {
        let mut next = self.failure().cloned();
        while let Some(failure) = next {
            if failure.retry_state() == Some(RetryState::Timeout) {
                return true;
            }
            next = failure.cause();
        }
        false
    }
}

/// The predicates cover the workflow itself, not a failure whose cause was cancelled, timed out or terminated.
impl TemporalFailure for WorkflowFailedError {
    fn to_failure(&self) -> Option<Failure> {
        let (message, info) = match self {
            Self::Failed(failure) | Self::Cancelled(failure) => return Some(failure.clone()),
            Self::Terminated { reason, .. } => {
                (reason.clone(), FailureInfo::TerminatedFailureInfo(TerminatedFailureInfo::default()))
            }
            Self::TimedOut => {
                let info = TimeoutFailureInfo { timeout_type: TimeoutType::StartToClose.into(), ..Default::default() };
                (self.to_string(), FailureInfo::TimeoutFailureInfo(info))
            }
            Self::ContinuedAsNew { .. }
            | Self::NotFound { .. }
            | Self::Payload(_)
            | Self::UnknownEnd { .. }
            | Self::NotStarted(_)
            | Self::Rpc(_) => return None,
        };
        Some(Failure::from_proto(FailureProto { message, failure_info: Some(info), ..Default::default() }))
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled()
    }

    fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut)
    }
}

/// A wait for a workflow's result, started when awaited.
#[must_use = "the result is fetched only when this is awaited"]
pub struct GetResult<W: WorkflowDefinition> {
    pub(super) connection: Connection,
    pub(super) execution: WorkflowExecution,
    pub(super) follow_runs: bool,
    pub(super) workflow: PhantomData<fn() -> W>,
}

debug_only!(impl[W: WorkflowDefinition] GetResult<W>, |this| {
    workflow_id: this.execution.workflow_id,
    run_id: this.execution.run_id,
    follow_runs: this.follow_runs,
});

impl<W: WorkflowDefinition> GetResult<W> {
    /// Waits for the result of this run only. Default: if a run continues as new, is retried, or repeats by cron, the
    /// wait continues with the next run.
    pub fn without_following_runs(mut self) -> Self {
        self.follow_runs = false;
        self
    }

    async fn wait(self) -> Result<W::Output, WorkflowFailedError> {
        let Self { connection, execution, follow_runs, .. } = self;
        let workflow_id = execution.workflow_id.clone();
        let result = connection.carry_out(ResultCall { execution, follow_runs }).await?;
        let read = read_first(result.as_ref());
        Ok(read.map_err(|error| error.of(format_args!("the result of workflow `{workflow_id}`")))?)
    }
}

/// A wait for the result of a workflow, with all its runs.
pub(crate) struct ResultCall {
    execution: WorkflowExecution,
    follow_runs: bool,
}

impl Call for ResultCall {
    type Input = WorkflowResultInput;
    type Answer = Option<Payloads>;

    async fn send(mut self, connection: &Connection) -> Result<Option<Payloads>, WorkflowFailedError> {
        loop {
            let event = match close_event(connection, &self.execution).await {
                Ok(event) => event,
                Err(error) if error.is_not_found() && !error.is_namespace_not_found() => {
                    let (workflow_id, message) = (self.execution.workflow_id, error.message().to_string());
                    return Err(WorkflowFailedError::NotFound { workflow_id, message });
                }
                Err(error) if error.is_codec_failure() => {
                    return Err(WorkflowFailedError::Payload(PayloadError::new(error.message())));
                }
                Err(error) => return Err(WorkflowFailedError::Rpc(error)),
            };
            match closed_by(event, self.follow_runs) {
                Closed::NextRun(run_id) => self.execution.run_id = run_id,
                Closed::Completed(result) => return Ok(result),
                Closed::Otherwise(error) => return Err(error),
            }
        }
    }

    fn into_input(self) -> WorkflowResultInput {
        WorkflowResultInput::new(self.execution, self.follow_runs)
    }

    fn from_input(input: WorkflowResultInput) -> Self {
        let follow_runs = input.follow_runs;
        Self { execution: input.into_execution(), follow_runs }
    }

    fn into_output(answer: Option<Payloads>) -> RawPayload {
        value_of(answer)
    }

    fn from_output(output: RawPayload) -> Option<Payloads> {
        payloads_of(output)
    }
}

impl<W: WorkflowDefinition> IntoFuture for GetResult<W> {
    type Output = Result<W::Output, WorkflowFailedError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait())
    }
}

/// Waits for the event that closes the run, without a time limit.
async fn close_event(connection: &Connection, execution: &WorkflowExecution) -> Result<HistoryEvent, RpcError> {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: connection.namespace().to_string(),
        execution: Some(execution.clone()),
        wait_new_event: true,
        history_event_filter_type: HistoryEventFilterType::CloseEvent as i32,
        skip_archival: true,
        ..Default::default()
    };
    let owner = connection.owner_of(&request);
    let event = long_wait(connection, request, |request, response| {
        request.next_page_token = response.next_page_token;
        response.history.and_then(|mut history| history.events.pop())
    });
    connection.decoded(GetWorkflowExecutionHistoryRequest::NAME, &owner, event.await).await
}

/// The end of a run, as a caller that waits for the result sees it.
#[derive(Debug)]
enum Closed {
    Completed(Option<Payloads>),
    NextRun(String),
    Otherwise(WorkflowFailedError),
}

fn closed_by(event: HistoryEvent, follow_runs: bool) -> Closed {
    let next_run = match &event.attributes {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)) => &completed.new_execution_run_id,
        Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) => &failed.new_execution_run_id,
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(timed_out)) => &timed_out.new_execution_run_id,
        Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(next)) => &next.new_execution_run_id,
        _ => "",
    };
    if follow_runs && !next_run.is_empty() {
        return Closed::NextRun(next_run.to_string());
    }
    Closed::Otherwise(match event.attributes {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)) => {
            return Closed::Completed(completed.result);
        }
        Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) => {
            WorkflowFailedError::Failed(Failure::from_proto(failed.failure.unwrap_or_default()))
        }
        Some(Attributes::WorkflowExecutionCanceledEventAttributes(cancelled)) => {
            let failure = cancelled_failure("Workflow cancelled", cancelled.details);
            WorkflowFailedError::Cancelled(Failure::from_proto(failure))
        }
        Some(Attributes::WorkflowExecutionTerminatedEventAttributes(terminated)) => {
            let details = RawArguments::from_proto(terminated.details);
            WorkflowFailedError::Terminated { reason: terminated.reason, details }
        }
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(_)) => WorkflowFailedError::TimedOut,
        Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(next)) => {
            WorkflowFailedError::ContinuedAsNew { new_run_id: next.new_execution_run_id }
        }
        _ => WorkflowFailedError::UnknownEnd { event_id: event.event_id, event_type: event.event_type },
    })
}

#[cfg(test)]
mod tests {
    use abide_protos::temporal::api::common::v1::ActivityType;
    use abide_protos::temporal::api::enums::v1::RetryState as RetryStateProto;
    use abide_protos::temporal::api::failure::v1::ActivityFailureInfo;
    use abide_protos::temporal::api::history::v1::*;

    use super::*;

    fn event(attributes: Attributes) -> HistoryEvent {
        HistoryEvent { attributes: Some(attributes), ..Default::default() }
    }

    fn next() -> String {
        "next-run".to_string()
    }

    #[track_caller]
    fn check_followed(attributes: Attributes) {
        let closed = closed_by(event(attributes.clone()), true);
        assert!(matches!(&closed, Closed::NextRun(run_id) if run_id == "next-run"), "{closed:?}");
        let closed = closed_by(event(attributes), false);
        assert!(!matches!(closed, Closed::NextRun(_)), "{closed:?}");
    }

    #[test]
    fn the_result_comes_from_the_last_run_of_the_chain() {
        check_followed(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(
            WorkflowExecutionContinuedAsNewEventAttributes { new_execution_run_id: next(), ..Default::default() },
        ));
        check_followed(Attributes::WorkflowExecutionFailedEventAttributes(WorkflowExecutionFailedEventAttributes {
            new_execution_run_id: next(),
            ..Default::default()
        }));
        check_followed(Attributes::WorkflowExecutionTimedOutEventAttributes(
            WorkflowExecutionTimedOutEventAttributes { new_execution_run_id: next(), ..Default::default() },
        ));
        check_followed(Attributes::WorkflowExecutionCompletedEventAttributes(
            WorkflowExecutionCompletedEventAttributes { new_execution_run_id: next(), ..Default::default() },
        ));
    }

    #[test]
    fn a_run_that_is_not_followed_tells_the_next_one() {
        let attributes =
            WorkflowExecutionContinuedAsNewEventAttributes { new_execution_run_id: next(), ..Default::default() };
        let closed = closed_by(event(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(attributes)), false);
        let Closed::Otherwise(WorkflowFailedError::ContinuedAsNew { new_run_id }) = closed else {
            panic!("{closed:?}");
        };
        assert_eq!(new_run_id, "next-run");
    }

    #[test]
    fn a_failure_is_searched_for_a_retry_timeout() {
        let fails_with = |state: RetryStateProto| {
            let info = ActivityFailureInfo { retry_state: state as i32, ..Default::default() };
            let activity =
                FailureProto { failure_info: Some(FailureInfo::ActivityFailureInfo(info)), ..Default::default() };
            let failure = FailureProto { cause: Some(Box::new(activity)), ..Default::default() };
            WorkflowFailedError::Failed(Failure::from_proto(failure))
        };
        assert!(fails_with(RetryStateProto::Timeout).is_retry_timeout());
        assert!(!fails_with(RetryStateProto::MaximumAttemptsReached).is_retry_timeout());
        assert!(!WorkflowFailedError::TimedOut.is_retry_timeout());
    }

    /// The text with its chain of sources, as programs print it.
    fn with_sources(error: &dyn std::error::Error) -> String {
        let sources = std::iter::successors(error.source(), |error| error.source());
        sources.fold(error.to_string(), |text, source| format!("{text} <- {source}"))
    }

    #[test]
    fn the_text_names_the_activity_that_failed_and_a_chain_of_sources_repeats_nothing() {
        let info = ActivityFailureInfo {
            activity_type: Some(ActivityType { name: "charge".to_string() }),
            activity_id: "3".to_string(),
            scheduled_event_id: 5,
            ..Default::default()
        };
        let failure = FailureProto {
            message: "Activity task failed".to_string(),
            failure_info: Some(FailureInfo::ActivityFailureInfo(info)),
            cause: Some(Box::new(FailureProto { message: "no money".to_string(), ..Default::default() })),
            ..Default::default()
        };
        let failed = WorkflowExecutionFailedEventAttributes { failure: Some(failure), ..Default::default() };
        let closed = closed_by(event(Attributes::WorkflowExecutionFailedEventAttributes(failed)), true);
        let Closed::Otherwise(error) = closed else { panic!("{closed:?}") };
        let text = "the workflow failed: activity charge (id 3): Activity task failed: no money";
        assert_eq!(with_sources(&error), text);
    }

    #[test]
    fn an_error_that_holds_another_has_its_text_once() {
        use crate::client::{AsyncActivityError, SignalError, UpdateError, UpdateWithStartError};
        let payload = || PayloadError::new("argument 1: expected text");
        let starts: Vec<Box<dyn std::error::Error>> = vec![
            Box::new(WorkflowFailedError::from(payload())),
            Box::new(AsyncActivityError::from(payload())),
            Box::new(StartError::from(payload())),
            Box::new(SignalError::from(payload())),
            Box::new(UpdateWithStartError::from(StartError::from(payload()))),
            Box::new(UpdateWithStartError::from(UpdateError::from(payload()))),
        ];
        for error in starts {
            assert_eq!(with_sources(&*error).matches("argument 1: expected text").count(), 1, "{error}");
        }
    }

    #[test]
    fn an_unknown_closing_event_is_named() {
        let closed = closed_by(HistoryEvent { event_id: 9, event_type: 999, ..Default::default() }, true);
        let Closed::Otherwise(error) = closed else { panic!("{closed:?}") };
        assert!(error.to_string().contains("event 9 of type 999"), "{error}");
    }
}
