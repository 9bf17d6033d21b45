//! Size limits for requests, and the errors for data that exceeds them.
//!
//! A server does not only refuse a command with too much data: it terminates the workflow. So the worker checks first
//! and fails the task instead, which a deployment can fix. This module only decides; it sends nothing.

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::command::v1::{Command, command::Attributes};
use abide_protos::temporal::api::enums::v1::{QueryResultType, WorkflowTaskFailedCause};
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::namespace::v1::namespace_info;
use abide_protos::temporal::api::protocol::v1::Message as ProtocolMessage;
use abide_protos::temporal::api::query::v1::WorkflowQueryResult;
use abide_protos::temporal::api::update::v1::{Rejection, Response, outcome};
use abide_protos::temporal::api::workflowservice::v1::RespondWorkflowTaskCompletedRequest;

use crate::bounded_text::cut_message;
use crate::failure::{ApplicationFailure, application_failure, shell};

const KIB: usize = 1024;
/// The type name of the body of an update's response message.
const RESPONSE: &str = "temporal.api.update.v1.Response";
const REJECTION: &str = "temporal.api.update.v1.Rejection";

/// The server's limits, and the sizes that are worth a warning. All sizes are bytes on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// One payload field: an argument list, a result, the details of a heartbeat.
    pub(super) blob: Limit,
    /// All memo fields of one command together.
    pub(super) memo: Limit,
    /// The completion of a workflow task, all pages together.
    completion: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    warning: usize,
    error: usize,
}

/// A size above its limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// The server accepts it, but it makes histories large and replays slow.
    Warning(String),
    /// The server does not accept it.
    Error(String),
}

/// The oversized parts of a completion.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) warnings: Vec<String>,
    /// The first part that the server does not accept.
    pub(super) error: Option<TooLarge>,
}

/// The reason for failing a workflow task whose completion the server would not accept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge {
    pub(super) cause: WorkflowTaskFailedCause,
    pub(super) text: String,
}

impl Limits {
    /// Returns the limits of a namespace, or Temporal's defaults where it reports none.
    pub(super) fn of(namespace: Option<&namespace_info::Limits>) -> Self {
        let said = |limit: fn(&namespace_info::Limits) -> i64| {
            namespace.map(limit).and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0)
        };
        let (blob, memo) = (said(|limits| limits.blob_size_limit_error), said(|limits| limits.memo_size_limit_error));
        let completion = said(|limits| limits.workflow_task_completion_size_limit_error);
        let default = 2 * KIB * KIB;
        Self {
            blob: Limit { warning: 512 * KIB, error: blob.unwrap_or(default) },
            memo: Limit { warning: 2 * KIB, error: memo.unwrap_or(default) },
            completion: completion.unwrap_or(usize::MAX),
        }
    }

    /// Removes the error limits: the server decides.
    pub(super) fn without_errors(mut self) -> Self {
        self.blob.error = usize::MAX;
        self.memo.error = usize::MAX;
        self.completion = usize::MAX;
        self
    }

    /// Checks every command and message of a completion whose size is `size` bytes.
    pub(super) fn check_completion(&self, request: &RespondWorkflowTaskCompletedRequest, size: usize) -> Findings {
        let mut findings = Findings::default();
        // The common case: if the whole is small, so is each part.
        if size <= self.blob.warning.min(self.memo.warning) {
            return findings;
        }
        for (index, command) in request.commands.iter().enumerate() {
            let kind = command.command_type().as_str_name().trim_start_matches("COMMAND_TYPE_");
            each_field(command, |name, size, is_memo| {
                let what = || format!("command {} of the workflow task ({kind}) has in its {name}", index + 1);
                let limit = if is_memo { self.memo } else { self.blob };
                findings.add(limit.check(size, what));
            });
        }
        for message in &request.messages {
            let what = || format!("update `{}` has in its result", message.protocol_instance_id);
            findings.add(self.blob.check(result_size(message), what));
        }
        if findings.error.is_none() && size > self.completion {
            let limit = self.completion;
            let text = format!(
                "the workflow task's commands have {size} bytes together, but the namespace accepts at most {limit} \
                 for one task; pass references to large data, or do less in one task"
            );
            findings.error = Some(TooLarge { cause: WorkflowTaskFailedCause::RequestTooLarge, text });
        }
        findings
    }

    /// Replaces outcomes of updates that the server would not accept by failures that their callers can read, and
    /// describes these. The workflow continues: failing its task would block it, including its queries, until other
    /// code is deployed.
    pub(super) fn check_update_outcomes(&self, messages: &mut [ProtocolMessage]) -> Vec<String> {
        let mut told = Vec::new();
        for message in messages {
            let id = &message.protocol_instance_id;
            let Some(body) = message.body.as_mut().filter(|body| body.value.len() > self.blob.error) else { continue };
            let excess = |size, part| match self.blob.check(size, || format!("update `{id}` has in its {part}")) {
                Some(Excess::Error(text)) => Some(text),
                Some(Excess::Warning(_)) | None => None,
            };
            if body.type_url.ends_with(RESPONSE) {
                let Ok(mut response) = Response::decode(body.value.as_slice()) else { continue };
                let Some(value) = response.outcome.as_mut().and_then(|outcome| outcome.value.as_mut()) else {
                    continue;
                };
                let (text, reported) = match &*value {
                    outcome::Value::Success(payloads) => (excess(payloads.encoded_len(), "result"), None),
                    outcome::Value::Failure(failure) => (excess(failure.encoded_len(), "failure"), Some(failure)),
                };
                let Some(text) = text else { continue };
                *value = outcome::Value::Failure(refusal(reported, &text));
                body.value = response.encode_to_vec();
                told.push(text);
            } else if body.type_url.ends_with(REJECTION) {
                let Ok(mut rejection) = Rejection::decode(body.value.as_slice()) else { continue };
                let Some(failure) = &mut rejection.failure else { continue };
                let Some(text) = excess(failure.encoded_len(), "rejection") else { continue };
                *failure = refusal(Some(failure), &text);
                body.value = rejection.encode_to_vec();
                told.push(text);
            }
        }
        told
    }

    /// Replaces a query answer that the server would not accept by a failure that the caller can read.
    pub(super) fn check_query_result(&self, result: &mut WorkflowQueryResult) {
        let size = result.answer.as_ref().map_or(0, |answer| answer.encoded_len());
        if let Some(Excess::Error(text)) = self.blob.check(size, || "the query's answer has".to_string()) {
            *result = failed_query(text);
        }
    }
}

/// Returns the failure that replaces an oversized outcome of an update.
fn refusal(reported: Option<&FailureProto>, text: &str) -> FailureProto {
    match reported {
        Some(reported) => shell(reported, text),
        None => {
            let failure = ApplicationFailure::new(text).error_type("PayloadsTooLarge").non_retryable();
            application_failure(&failure, None)
        }
    }
}

/// Returns the result of a failed query.
pub(super) fn failed_query(mut error_message: String) -> WorkflowQueryResult {
    cut_message(&mut error_message);
    WorkflowQueryResult { result_type: QueryResultType::Failed as i32, error_message, ..Default::default() }
}

impl Limit {
    #[cfg(test)]
    pub(super) fn for_test(error: usize) -> Self {
        Self { warning: error, error }
    }

    /// Checks a size; `what` begins the sentence that reports it.
    pub(super) fn check(self, size: usize, what: impl FnOnce() -> String) -> Option<Excess> {
        if size > self.error {
            return Some(Excess::Error(format!(
                "[TMPRL1103] {} {size} bytes, but the namespace accepts at most {}; pass a reference to large data, \
                 not the data itself",
                what(),
                self.error
            )));
        }
        (size > self.warning).then(|| {
            Excess::Warning(format!(
                "[TMPRL1103] {} {size} bytes, more than the recommended maximum of {}; the server accepts it, but \
                 histories with much data are slow",
                what(),
                self.warning
            ))
        })
    }
}

impl Findings {
    fn add(&mut self, excess: Option<Excess>) {
        match excess {
            Some(Excess::Warning(text)) => self.warnings.push(text),
            Some(Excess::Error(text)) => {
                let cause = WorkflowTaskFailedCause::PayloadsTooLarge;
                self.error.get_or_insert(TooLarge { cause, text });
            }
            None => {}
        }
    }
}

/// Calls `see` for every part of a command that the server measures separately: name, size, and whether it is a memo.
fn each_field(command: &Command, mut see: impl FnMut(&'static str, usize, bool)) {
    match &command.attributes {
        Some(Attributes::ScheduleActivityTaskCommandAttributes(it)) => see("input", size(&it.input), false),
        Some(Attributes::CompleteWorkflowExecutionCommandAttributes(it)) => see("result", size(&it.result), false),
        Some(Attributes::FailWorkflowExecutionCommandAttributes(it)) => see("failure", size(&it.failure), false),
        Some(Attributes::CancelWorkflowExecutionCommandAttributes(it)) => see("details", size(&it.details), false),
        Some(Attributes::SignalExternalWorkflowExecutionCommandAttributes(it)) => see("input", size(&it.input), false),
        Some(Attributes::ScheduleNexusOperationCommandAttributes(it)) => see("input", size(&it.input), false),
        Some(Attributes::StartChildWorkflowExecutionCommandAttributes(it)) => {
            see("input", size(&it.input), false);
            see("memo", size(&it.memo), true);
        }
        Some(Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(it)) => {
            see("input", size(&it.input), false);
            see("memo", size(&it.memo), true);
        }
        Some(Attributes::ModifyWorkflowPropertiesCommandAttributes(it)) => see("memo", size(&it.upserted_memo), true),
        Some(Attributes::UpsertWorkflowSearchAttributesCommandAttributes(it)) => {
            see("search attributes", size(&it.search_attributes), false);
        }
        // The server measures the details of a marker together.
        Some(Attributes::RecordMarkerCommandAttributes(it)) => {
            see("details", it.details.values().map(|payloads| payloads.encoded_len()).sum(), false);
        }
        // The results of updates are in protocol messages, which are checked apart from the commands.
        Some(
            Attributes::StartTimerCommandAttributes(_)
            | Attributes::CancelTimerCommandAttributes(_)
            | Attributes::RequestCancelActivityTaskCommandAttributes(_)
            | Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(_)
            | Attributes::RequestCancelNexusOperationCommandAttributes(_)
            | Attributes::ProtocolMessageCommandAttributes(_),
        )
        | None => {}
    }
}

fn size(message: &Option<impl abide_protos::prost::Message>) -> usize {
    message.as_ref().map_or(0, |message| message.encoded_len())
}

/// Returns the size of an update's result in bytes; 0 if the message has none.
fn result_size(message: &ProtocolMessage) -> usize {
    let Some(body) = message.body.as_ref().filter(|body| body.type_url.ends_with(RESPONSE)) else {
        return 0;
    };
    let outcome = Response::decode(body.value.as_slice()).ok().and_then(|response| response.outcome);
    match outcome.and_then(|outcome| outcome.value) {
        Some(outcome::Value::Success(payloads)) => payloads.encoded_len(),
        Some(outcome::Value::Failure(failure)) => failure.encoded_len(),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use abide_protos::temporal::api::command::v1 as command;
    use abide_protos::temporal::api::common::v1::{Memo, Payload, Payloads};
    use abide_protos::temporal::api::enums::v1::CommandType;

    use super::*;

    fn limits(blob: i64, memo: i64) -> Limits {
        let namespace =
            namespace_info::Limits { blob_size_limit_error: blob, memo_size_limit_error: memo, ..Default::default() };
        Limits::of(Some(&namespace))
    }

    /// Returns payloads of about this many bytes on the wire.
    fn payloads(size: usize) -> Payloads {
        Payloads { payloads: vec![Payload { data: vec![0; size], ..Default::default() }] }
    }

    fn activity(size: usize) -> Command {
        let attributes =
            command::ScheduleActivityTaskCommandAttributes { input: Some(payloads(size)), ..Default::default() };
        Command {
            command_type: CommandType::ScheduleActivityTask as i32,
            attributes: Some(Attributes::ScheduleActivityTaskCommandAttributes(attributes)),
            ..Default::default()
        }
    }

    fn memo(size: usize) -> Command {
        let memo = Memo { fields: [("key".to_string(), Payload { data: vec![0; size], ..Default::default() })].into() };
        let attributes = command::ModifyWorkflowPropertiesCommandAttributes { upserted_memo: Some(memo) };
        Command {
            command_type: CommandType::ModifyWorkflowProperties as i32,
            attributes: Some(Attributes::ModifyWorkflowPropertiesCommandAttributes(attributes)),
            ..Default::default()
        }
    }

    fn check(limits: Limits, commands: Vec<Command>) -> Findings {
        let request = RespondWorkflowTaskCompletedRequest { commands, ..Default::default() };
        limits.check_completion(&request, request.encoded_len())
    }

    #[test]
    fn b041_a_payload_over_the_limit_is_an_error_and_in_the_warning_band_a_warning() {
        let limits = limits(1_000_000, 0);
        assert_eq!(check(limits, vec![activity(500 * KIB)]), Findings::default());
        let findings = check(limits, vec![activity(10), activity(600 * KIB)]);
        assert_eq!((findings.warnings.len(), &findings.error), (1, &None));
        assert!(
            findings.warnings[0].contains("command 2 of the workflow task (SCHEDULE_ACTIVITY_TASK) has in its input")
        );
        let findings = check(limits, vec![activity(600 * KIB), activity(1_000_000), activity(1_000_001)]);
        let TooLarge { cause, text: error } = findings.error.unwrap();
        assert_eq!(cause, WorkflowTaskFailedCause::PayloadsTooLarge);
        assert!(
            error.starts_with("[TMPRL1103] command 2 ") && error.contains("accepts at most 1000000"),
            "the first: {error}"
        );
        assert_eq!(findings.warnings.len(), 1);
    }

    #[test]
    fn many_small_payloads_are_no_excess() {
        let commands = (0..100).map(|_| activity(100 * KIB)).collect();
        assert_eq!(check(limits(1_000_000, 0), commands), Findings::default());
    }

    #[test]
    fn commands_that_are_too_much_together_have_another_cause() {
        let namespace =
            namespace_info::Limits { workflow_task_completion_size_limit_error: 5_000_000, ..Default::default() };
        let limits = Limits::of(Some(&namespace));
        let commands = |count| (0..count).map(|_| activity(100 * KIB)).collect();
        assert_eq!(check(limits, commands(48)).error, None);
        let TooLarge { cause, text } = check(limits, commands(49)).error.unwrap();
        assert_eq!(cause, WorkflowTaskFailedCause::RequestTooLarge);
        assert!(text.contains("accepts at most 5000000 for one task"), "{text}");
    }

    #[test]
    fn a_memo_has_its_own_limits() {
        let limits = limits(10_000_000, 100_000);
        assert_eq!(check(limits, vec![memo(1000)]), Findings::default());
        assert_eq!(check(limits, vec![memo(3000)]).warnings.len(), 1);
        let error = check(limits, vec![memo(100_001)]).error.unwrap().text;
        assert!(error.contains("in its memo") && error.contains("accepts at most 100000"), "{error}");
    }

    #[test]
    fn an_updates_result_is_measured() {
        use abide_protos::temporal::api::update::v1::Outcome;
        let response = Response {
            outcome: Some(Outcome { value: Some(outcome::Value::Success(payloads(3000))) }),
            ..Default::default()
        };
        let body = abide_protos::Any {
            type_url: "type.googleapis.com/temporal.api.update.v1.Response".into(),
            value: response.encode_to_vec(),
        };
        let messages =
            vec![ProtocolMessage { protocol_instance_id: "u-1".into(), body: Some(body), ..Default::default() }];
        let request = RespondWorkflowTaskCompletedRequest { messages, ..Default::default() };
        let error = limits(2000, 0).check_completion(&request, request.encoded_len()).error.unwrap().text;
        assert!(error.contains("update `u-1` has in its result"), "{error}");
    }

    /// Returns the body of an update's message with this outcome.
    fn update(value: outcome::Value) -> ProtocolMessage {
        use abide_protos::temporal::api::update::v1::Outcome;
        let response = Response { outcome: Some(Outcome { value: Some(value) }), ..Default::default() };
        let type_url = format!("type.googleapis.com/{RESPONSE}");
        let body = abide_protos::Any { type_url, value: response.encode_to_vec() };
        ProtocolMessage { protocol_instance_id: "u-1".into(), body: Some(body), ..Default::default() }
    }

    fn outcome_of(message: &ProtocolMessage) -> outcome::Value {
        let response = Response::decode(message.body.as_ref().unwrap().value.as_slice()).unwrap();
        response.outcome.unwrap().value.unwrap()
    }

    #[test]
    fn an_updates_outcome_that_is_too_large_becomes_a_failure_of_that_update() {
        use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
        let limits = limits(2000, 0);
        let details = vec!['x'; 3000].into_iter().collect::<String>();
        let failed = ApplicationFailure::new("no").error_type("Declined").non_retryable().detail(&details).unwrap();
        let mut messages = vec![
            update(outcome::Value::Success(payloads(10))),
            update(outcome::Value::Success(payloads(3000))),
            update(outcome::Value::Failure(application_failure(&failed, None))),
        ];
        let told = limits.check_update_outcomes(&mut messages);
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("update `u-1` has in its result") && told[1].contains("in its failure"), "{told:?}");
        assert_eq!(outcome_of(&messages[0]), outcome::Value::Success(payloads(10)));
        for (message, error_type) in messages[1..].iter().zip(["PayloadsTooLarge", "Declined"]) {
            let outcome::Value::Failure(failure) = outcome_of(message) else { panic!("it is a failure") };
            let Some(FailureInfo::ApplicationFailureInfo(info)) = failure.failure_info else { panic!("of its kind") };
            assert_eq!((info.r#type.as_str(), info.non_retryable, info.details), (error_type, true, None));
        }
        let request = RespondWorkflowTaskCompletedRequest { messages: messages.clone(), ..Default::default() };
        assert_eq!(limits.check_completion(&request, usize::MAX / 2).error, None, "the task goes on");
        assert_eq!(
            limits.without_errors().check_update_outcomes(&mut [update(outcome::Value::Success(payloads(3000)))]),
            [""; 0]
        );
    }

    #[test]
    fn b108_an_answer_that_is_too_large_becomes_a_failure() {
        let answered = |size| {
            let mut result = WorkflowQueryResult {
                result_type: QueryResultType::Answered as i32,
                answer: Some(payloads(size)),
                ..Default::default()
            };
            limits(1000, 0).check_query_result(&mut result);
            result
        };
        assert_eq!(answered(900).result_type(), QueryResultType::Answered);
        let failed = answered(1001);
        assert_eq!((failed.result_type(), failed.answer), (QueryResultType::Failed, None));
        assert!(failed.error_message.contains("the query's answer has"), "{}", failed.error_message);
    }

    #[test]
    fn with_the_limit_disabled_everything_is_at_most_a_warning() {
        let findings = check(limits(1000, 1000).without_errors(), vec![activity(3_000_000), memo(3_000_000)]);
        assert_eq!((findings.warnings.len(), findings.error), (2, None));
    }

    #[test]
    fn a_server_that_does_not_say_has_temporals_defaults() {
        for limits in [Limits::of(None), limits(0, 0)] {
            assert_eq!((limits.blob.error, limits.memo.error), (2 * 1024 * 1024, 2 * 1024 * 1024));
        }
    }
}
