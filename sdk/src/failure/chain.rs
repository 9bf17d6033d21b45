//! Limits the length of chains of causes that are written.
//!
//! Every cause is one more level of nesting on the wire, and protobuf libraries read 100 levels, including the
//! enclosing messages. The server accepts a failure that is nested deeper, but then nobody can read its history. So the
//! middle of a long chain is omitted. No code here recurses, because a chain may have any length.

use std::error::Error;

use abide_protos::deep_failures::{LEFT_OUT, left_out};
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;

use super::application::error_type;
use crate::bounded_text::{MESSAGE, cut_message};

/// Maximum failures in a written chain. The enclosing messages take about 15 levels (an eager workflow task with its
/// history in the answer to several operations, payloads with their metadata), and every parent workflow adds two.
pub(super) const MAX: usize = 50;
/// Maximum sources of an error that are visited. An error that is its own source has no end.
const MAX_SOURCES: usize = 200_000;

/// Returns the failure with texts and chain of causes cut to their limits.
pub(crate) fn bounded(failure: FailureProto) -> FailureProto {
    if is_bounded(&failure) {
        return failure;
    }
    linked(unlinked(failure))
}

/// Returns a replacement for a failure that cannot be sent: `message`, with everything that determines its handling
/// (type, retryability, category, next delay, kind of timeout), without payloads and causes.
#[cfg(feature = "worker")]
pub(crate) fn shell(failure: &FailureProto, message: &str) -> FailureProto {
    let mut info = failure.failure_info.clone();
    match &mut info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => info.details = None,
        Some(FailureInfo::CanceledFailureInfo(info)) => info.details = None,
        Some(FailureInfo::TimeoutFailureInfo(info)) => info.last_heartbeat_details = None,
        Some(FailureInfo::ResetWorkflowFailureInfo(info)) => info.last_heartbeat_details = None,
        // These have no payloads.
        Some(
            FailureInfo::TerminatedFailureInfo(_)
            | FailureInfo::ServerFailureInfo(_)
            | FailureInfo::ActivityFailureInfo(_)
            | FailureInfo::ChildWorkflowExecutionFailureInfo(_)
            | FailureInfo::NexusOperationExecutionFailureInfo(_)
            | FailureInfo::NexusHandlerFailureInfo(_),
        )
        | None => {}
    }
    let mut shell = FailureProto { source: failure.source.clone(), failure_info: info, ..Default::default() };
    message.clone_into(&mut shell.message);
    cut_texts(&mut shell);
    shell
}

/// Returns an error and its sources, from the outside in.
pub(super) fn sources<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut all = vec![error];
    let mut next = error.source();
    while let Some(source) = next.filter(|_| all.len() < MAX_SOURCES) {
        all.push(source);
        next = source.source();
    }
    all
}

/// Splits a chain into its failures.
pub(super) fn unlinked(failure: FailureProto) -> Vec<FailureProto> {
    let mut links = Vec::new();
    let mut next = Some(Box::new(failure));
    while let Some(mut failure) = next {
        next = failure.cause.take();
        links.push(*failure);
    }
    links
}

/// Links failures as a chain of causes. A long chain keeps only its beginning and its root.
pub(super) fn linked(mut links: Vec<FailureProto>) -> FailureProto {
    if links.len() > MAX {
        let root = links.pop();
        let count = links.drain(MAX - 2..).map(|link| stands_for(&link)).sum();
        links.push(left_out(count));
        links.extend(root);
    }
    links.iter_mut().for_each(cut_texts);
    let mut links = links.into_iter().rev();
    let mut chain = links.next().unwrap_or_default();
    for link in links {
        chain = FailureProto { cause: Some(Box::new(chain)), ..link };
    }
    chain
}

fn is_bounded(failure: &FailureProto) -> bool {
    let chain = std::iter::successors(Some(failure), |failure| failure.cause.as_deref());
    let is_short = |link: &FailureProto| {
        link.message.len() <= MESSAGE
            && link.stack_trace.len() <= MESSAGE
            && error_type(link).is_none_or(|text| text.len() <= MESSAGE)
    };
    let (mut length, mut are_short) = (0, true);
    for link in chain.take(MAX + 1) {
        length += 1;
        are_short &= is_short(link);
    }
    length <= MAX && are_short
}

fn cut_texts(failure: &mut FailureProto) {
    cut_message(&mut failure.message);
    cut_message(&mut failure.stack_trace);
    if let Some(FailureInfo::ApplicationFailureInfo(info)) = &mut failure.failure_info {
        cut_message(&mut info.r#type);
    }
}

/// Returns the number of causes that a failure represents: more than one if it replaces causes omitted before.
fn stands_for(failure: &FailureProto) -> usize {
    let count = || failure.message.split(' ').next()?.parse().ok();
    if error_type(failure) == Some(LEFT_OUT) { count().unwrap_or(1) } else { 1 }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use abide_protos::prost::Message as _;
    use abide_protos::temporal::api::enums::v1::EventType;

    use super::super::{ApplicationFailure, Failure, application_failure};
    use super::*;

    /// One of `length` errors, each the source of the previous one.
    #[derive(Debug)]
    struct Link {
        number: usize,
        source: Option<&'static Link>,
    }

    impl fmt::Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "error {}", self.number)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.source.map(|source| source as _)
        }
    }

    fn chain(length: usize) -> &'static Link {
        let mut source = None;
        for number in (1..=length).rev() {
            source = Some(&*Box::leak(Box::new(Link { number, source })));
        }
        source.expect("it has a length")
    }

    fn messages(failure: &FailureProto) -> Vec<&str> {
        std::iter::successors(Some(failure), |failure| failure.cause.as_deref())
            .map(|failure| failure.message.as_str())
            .collect()
    }

    #[test]
    fn a_short_chain_is_written_whole() {
        let failure = application_failure(chain(MAX), None);
        let all: Vec<String> = (1..=MAX).map(|number| format!("error {number}")).collect();
        assert_eq!(messages(&failure), all);
        assert_eq!(bounded(failure.clone()), failure);
    }

    #[test]
    fn a_long_chain_keeps_its_beginning_and_its_root() {
        for length in [120, 1_000, 100_000] {
            let failure = application_failure(chain(length), None);
            let found = messages(&failure);
            assert_eq!(found.len(), MAX);
            assert_eq!(found[MAX - 3], "error 48");
            assert_eq!(found[MAX - 2], format!("{} causes are left out here", length - MAX + 1));
            assert_eq!(found[MAX - 1], format!("error {length}"));
        }
    }

    #[test]
    fn a_chain_that_grows_on_its_way_up_is_cut_again_and_counts_what_was_left_out_before() {
        let mut failure = Failure::from_proto(application_failure(chain(120), None));
        for _ in 0..10 {
            failure = ApplicationFailure::new("a parent").cause(failure).into();
        }
        let found = messages(failure.as_proto());
        assert_eq!((found.len(), found[0], found[MAX - 1]), (MAX, "a parent", "error 120"));
        assert_eq!(
            found[MAX - 2],
            "81 causes are left out here",
            "120 errors, 38 at the beginning and the root are there"
        );
    }

    #[test]
    fn an_error_without_an_end_has_one_when_it_is_written() {
        #[derive(Debug)]
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("again")
            }
        }
        impl Error for Endless {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&Endless)
            }
        }
        assert_eq!(messages(&application_failure(&Endless, None)).len(), MAX);
    }

    #[test]
    fn the_deepest_message_with_the_longest_chain_is_readable() {
        use abide_protos::temporal::api::history::v1 as history;
        use abide_protos::temporal::api::workflowservice::v1::execute_multi_operation_response as multi;
        use abide_protos::temporal::api::workflowservice::v1::{
            ExecuteMultiOperationResponse, PollWorkflowTaskQueueResponse, StartWorkflowExecutionResponse,
        };
        let root = ApplicationFailure::new("root").detail(&"with details".to_string()).unwrap();
        let mut failure = Failure::from(root);
        for _ in 1..MAX + 2 * 10 {
            failure = ApplicationFailure::new("and on").cause(failure).into();
        }
        // Other SDKs do not cut what they wrap around it on the way through ten workflows.
        let mut failure = failure.into_proto();
        for _ in 0..20 {
            failure = FailureProto { message: "a parent".into(), cause: Some(Box::new(failure)), ..Default::default() };
        }
        let attributes =
            history::WorkflowExecutionStartedEventAttributes { continued_failure: Some(failure), ..Default::default() };
        let event = history::HistoryEvent {
            event_type: EventType::WorkflowExecutionStarted as i32,
            attributes: Some(history::history_event::Attributes::WorkflowExecutionStartedEventAttributes(attributes)),
            ..Default::default()
        };
        let task = PollWorkflowTaskQueueResponse {
            history: Some(history::History { events: vec![event] }),
            ..Default::default()
        };
        let started = StartWorkflowExecutionResponse { eager_workflow_task: Some(task), ..Default::default() };
        let response = multi::Response { response: Some(multi::response::Response::StartWorkflow(started)) };
        let bytes = ExecuteMultiOperationResponse { responses: vec![response] }.encode_to_vec();
        ExecuteMultiOperationResponse::decode(bytes.as_slice()).expect("prost reads 100 levels");
    }

    #[test]
    fn every_text_of_a_failure_has_an_end() {
        let long = "x".repeat(2_000_000);
        let error = ApplicationFailure::new(&long).error_type(&long).cause(ApplicationFailure::new(&long));
        let failure = Failure::from(error).with_stack_trace(&long).into_proto();
        let written = bounded(failure);
        assert!(written.encoded_len() < 5 * MESSAGE, "{} bytes", written.encoded_len());
        assert!(written.message.ends_with("(1991858 more bytes are left out)"), "{}", written.message);
    }
}
