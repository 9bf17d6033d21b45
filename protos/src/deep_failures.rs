//! Decodes messages with failures nested deeper than prost reads.
//!
//! Every cause of a failure is one more level of nesting. prost reads 100 levels; Temporal's server stores and delivers
//! 10,000. So a message that prost refuses is processed again on its bytes: of long chains of causes only the beginning
//! and the root stay, with a failure between them that tells how many causes were omitted. No code here recurses.

use prost::bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use prost::{DecodeError, Message, Name};

use crate::temporal::api::failure::v1::failure::FailureInfo;
use crate::temporal::api::failure::v1::{ApplicationFailureInfo, Failure};

/// The error type of the failure that replaces omitted causes.
pub const LEFT_OUT: &str = "CausesLeftOut";
/// Failures kept of a chain that prost cannot read in full, besides the root.
pub(crate) const KEPT: usize = 50;
const FAILURE: &str = "temporal.api.failure.v1.Failure";

mod generated {
    include!(concat!(env!("OUT_DIR"), "/failure_ways.rs"));
}

/// Decodes a message with chains of causes of any length.
///
/// # Errors
/// Returns an error if the bytes are not such a message.
pub fn decode<M: Message + Name + Default>(bytes: &[u8]) -> Result<M, DecodeError> {
    M::decode(bytes).or_else(|error| match shortened(&M::full_name(), bytes) {
        Some(shorter) => M::decode(shorter.as_slice()),
        None => Err(error),
    })
}

/// Returns the failure that replaces this many causes.
pub fn left_out(count: usize) -> Failure {
    let info = ApplicationFailureInfo { r#type: LEFT_OUT.into(), ..Default::default() };
    Failure {
        message: format!("{count} causes are left out here"),
        source: "AbideSDK".into(),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
        ..Default::default()
    }
}

/// An enclosing message of a failure, while it is copied.
struct Open<'a> {
    name: &'static str,
    /// Number of its field in the enclosing message.
    number: u32,
    /// Position in its chain of causes, for a failure.
    link: usize,
    rest: &'a [u8],
    copied: Vec<u8>,
}

/// Returns the message with shorter chains; `None` if none was too long, or if the bytes are invalid.
fn shortened(name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let (name, _) = generated::WAYS.iter().find(|(known, _)| *known == name)?;
    let mut open = vec![Open { name, number: 0, link: 0, rest: bytes, copied: Vec::new() }];
    let mut is_cut = false;
    loop {
        let at = open.last_mut()?;
        if at.rest.is_empty() {
            let done = open.pop()?;
            let Some(around) = open.last_mut() else { return is_cut.then_some(done.copied) };
            put(&mut around.copied, done.number, &done.copied);
            continue;
        }
        let field = next_field(&mut at.rest)?;
        match held(at.name, field.number).zip(field.content) {
            Some((FAILURE, cause)) if at.link >= KEPT => {
                put(&mut at.copied, field.number, &ends(cause, field.number)?);
                is_cut = true;
            }
            Some((name, rest)) => {
                let link = if name == FAILURE { at.link + 1 } else { 0 };
                open.push(Open { name, number: field.number, link, rest, copied: Vec::new() });
            }
            None => at.copied.extend_from_slice(field.whole),
        }
    }
}

/// Returns the kept end of a chain of causes: its root, after a failure with the number of omitted causes.
fn ends(mut cause: &[u8], number: u32) -> Option<Vec<u8>> {
    let mut before = 0;
    loop {
        let (mut rest, mut next) = (cause, None);
        while !rest.is_empty() {
            let field = next_field(&mut rest)?;
            next = field.content.filter(|_| field.number == number).or(next);
        }
        let Some(inner) = next else { break };
        before += 1;
        cause = inner;
    }
    if before == 0 {
        return Some(cause.to_vec());
    }
    let mut ends = left_out(before).encode_to_vec();
    put(&mut ends, number, cause);
    Some(ends)
}

fn held(name: &str, number: u32) -> Option<&'static str> {
    let (_, fields) = generated::WAYS.iter().find(|(known, _)| *known == name)?;
    fields.iter().find(|(known, _)| *known == number).map(|(_, held)| *held)
}

fn put(to: &mut Vec<u8>, number: u32, content: &[u8]) {
    encode_key(number, WireType::LengthDelimited, to);
    encode_varint(content.len() as u64, to);
    to.extend_from_slice(content);
}

struct Field<'a> {
    number: u32,
    whole: &'a [u8],
    /// The content, if it is length-delimited.
    content: Option<&'a [u8]>,
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let begin = *rest;
    let (number, wire_type) = decode_key(rest).ok()?;
    let mut content = None;
    match wire_type {
        WireType::Varint => drop(decode_varint(rest).ok()?),
        WireType::SixtyFourBit => *rest = rest.get(8..)?,
        WireType::ThirtyTwoBit => *rest = rest.get(4..)?,
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
            content = Some(rest.get(..length)?);
            rest.advance(length);
        }
        // Temporal's API has no groups.
        WireType::StartGroup | WireType::EndGroup => return None,
    }
    Some(Field { number, whole: &begin[..begin.len() - rest.len()], content })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::api::history::v1::history_event::Attributes;
    use crate::temporal::api::history::v1::{History, HistoryEvent, WorkflowExecutionFailedEventAttributes};
    use crate::temporal::api::workflowservice::v1::PollWorkflowTaskQueueResponse;

    /// Returns the bytes of a chain, built from the inside out: a message of that depth cannot be dropped or encoded as
    /// a value.
    fn chain(length: usize) -> Vec<u8> {
        let link = |number: usize| Failure { message: format!("error {number}"), ..Default::default() }.encode_to_vec();
        (1..length).rev().fold(link(length), |inner, number| {
            let mut outer = link(number);
            put(&mut outer, 4, &inner);
            outer
        })
    }

    fn task(length: usize) -> Vec<u8> {
        let mut attributes = WorkflowExecutionFailedEventAttributes::default().encode_to_vec();
        put(&mut attributes, 1, &chain(length));
        let mut event = HistoryEvent { event_id: 7, ..Default::default() }.encode_to_vec();
        put(&mut event, 8, &attributes);
        let (mut history, mut task) = (Vec::new(), Vec::new());
        put(&mut history, 1, &event);
        put(&mut task, 1, b"token");
        put(&mut task, 8, &history);
        task
    }

    fn messages(task: &PollWorkflowTaskQueueResponse) -> Vec<&str> {
        let event = &task.history.as_ref().unwrap().events[0];
        let Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) = &event.attributes else {
            panic!("{event:?}")
        };
        std::iter::successors(failed.failure.as_ref(), |failure| failure.cause.as_deref())
            .map(|failure| failure.message.as_str())
            .collect()
    }

    #[test]
    fn the_fields_that_the_tests_write_are_those_of_the_api() {
        let short: PollWorkflowTaskQueueResponse = decode(&task(3)).unwrap();
        assert_eq!(messages(&short), ["error 1", "error 2", "error 3"]);
        assert_eq!(held("temporal.api.failure.v1.Failure", 4), Some(FAILURE));
    }

    #[test]
    fn what_prost_reads_is_not_changed() {
        let read: PollWorkflowTaskQueueResponse = decode(&task(90)).unwrap();
        assert_eq!(messages(&read).len(), 90);
    }

    #[test]
    fn of_a_chain_that_is_too_deep_for_prost_the_ends_are_read() {
        for length in [120, 1_000, 10_000] {
            let bytes = task(length);
            assert!(PollWorkflowTaskQueueResponse::decode(bytes.as_slice()).is_err());
            let read: PollWorkflowTaskQueueResponse = decode(&bytes).unwrap();
            let found = messages(&read);
            assert_eq!((found.len(), found[KEPT - 1]), (KEPT + 2, "error 50"));
            assert_eq!(found[KEPT], format!("{} causes are left out here", length - KEPT - 1));
            assert_eq!(found[KEPT + 1], format!("error {length}"));
            assert_eq!((read.task_token.as_slice(), read.history.unwrap().events[0].event_id), (&b"token"[..], 7));
        }
    }

    #[test]
    fn what_is_no_message_stays_an_error() {
        decode::<History>(&[0xff; 9]).unwrap_err();
        let mut cut = task(200);
        cut.truncate(cut.len() - 3);
        decode::<PollWorkflowTaskQueueResponse>(&cut).unwrap_err();
    }
}
