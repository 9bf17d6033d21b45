//! Tests of the forms in which the end of a handler is sent.

use super::*;
use crate::ApplicationFailure;
use crate::converter::RawPayload;

fn answer(error: NexusError) -> Answer {
    Answer::of(Ended::Error(error), &DataConverter::default())
}

fn refused(error: NexusError) -> Box<FailureProto> {
    match answer(error) {
        Answer::Refused(failure) => failure,
        _ => panic!("expected an error of the handler"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn an_error_of_the_handler_is_sent_with_its_type_its_retries_and_its_cause() {
    let error =
        NexusError::not_found("no account").retryable().cause(ApplicationFailure::new("gone").error_type("Gone"));
    let failure = refused(error);
    let info = handler_info(&failure);
    assert_eq!((&*failure.message, &*info.r#type), ("no account", "NOT_FOUND"));
    assert_eq!(info.retry_behavior(), RetryBehavior::Retryable);
    assert_eq!(failure.cause.unwrap().message, "gone");
}

#[test]
fn a_server_that_takes_no_failures_of_temporal_gets_the_older_form() {
    let with_cause = handler_error(&refused(ApplicationFailure::new("no").error_type("No").non_retryable().into()));
    assert_eq!(with_cause.error_type, "INTERNAL");
    assert_eq!(with_cause.retry_behavior(), RetryBehavior::NonRetryable);
    let told = with_cause.failure.unwrap();
    assert_eq!((&*told.message, &*told.metadata["type"]), ("no", TEMPORAL_FAILURE));
    let details = r#"{"source":"AbideSDK","applicationFailureInfo":{"type":"No","nonRetryable":true}}"#;
    assert_eq!(text(&told.details), details);

    let alone = handler_error(&refused(NexusError::bad_request("what?"))).failure.unwrap();
    assert_eq!((&*alone.message, alone.metadata.len()), ("what?", 0));
}

#[test]
#[expect(deprecated, reason = "this is about the older variant")]
fn an_operation_that_has_ended_is_sent_with_its_state_in_the_older_form() {
    for (error, state) in [(NexusError::failed("no"), "failed"), (NexusError::cancelled("enough"), "canceled")] {
        let Answer::OperationEnded(failure) = answer(error) else { panic!("expected the end of the operation") };
        let Variant::OperationError(error) = operation_error(&failure) else { panic!("expected the older variant") };
        assert_eq!(error.operation_state, state);
    }
}

#[test]
fn reasons_of_failures_have_cores_names() {
    let reason = |error| answer(error).failure_reason();
    assert_eq!(reason(NexusError::failed("no")).as_deref(), Some("operation_failed"));
    assert_eq!(reason(NexusError::cancelled("")).as_deref(), Some("operation_canceled"));
    assert_eq!(reason("no".into()).as_deref(), Some("handler_error_INTERNAL"));
    let timed_out = Answer::of(Ended::TimedOut, &DataConverter::default());
    assert_eq!(timed_out.failure_reason().as_deref(), Some("timeout"));
    assert_eq!(Answer::CancelAccepted.failure_reason(), None);
}

#[test]
fn a_failure_of_another_kind_is_wrapped_because_the_server_takes_only_two() {
    let timeout = crate::Failure::from_proto(FailureProto {
        message: "too late".into(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(Default::default())),
        ..Default::default()
    });
    let Answer::OperationEnded(failure) = answer(NexusError::failed(timeout)) else { panic!("expected its end") };
    assert!(matches!(failure.failure_info, Some(FailureInfo::ApplicationFailureInfo(_))));
    assert_eq!(failure.cause.unwrap().message, "too late");
}

#[test]
fn an_empty_token_names_nothing() {
    let started: NexusStart<RawPayload> = NexusStart::later("");
    let answer = Answer::of(Ended::Started(started, Vec::new()), &DataConverter::default());
    assert_eq!(answer.failure_reason().as_deref(), Some("handler_error_INTERNAL"));
}
