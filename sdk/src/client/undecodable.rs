//! Responses that cannot be decoded: their bytes do not fit the API version of this program.
//!
//! If the response was a task, its bytes still contain the token, with which that task alone can be failed. This
//! information is attached to the status that tonic passes through, in the place of the server's error details.

use abide_protos::google::rpc::Status as StatusDetails;
use abide_protos::prost::bytes::Bytes;
use abide_protos::prost::{DecodeError, Message};
use tonic::{Code, Status};

/// Type of the detail. No server sends it.
const TYPE_URL: &str = "abide/undecodable";

/// The fields that the responses to all task polls share.
#[derive(Clone, PartialEq, Message)]
#[prost(prost_path = "abide_protos::prost")]
pub(crate) struct TaskHead {
    /// The task token; empty if there is none.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) task_token: Vec<u8>,
}

/// Returns the status for a response that cannot be decoded.
pub(super) fn undecodable(bytes: &Bytes, error: &DecodeError) -> Status {
    let message = format!("a response of {} bytes cannot be decoded: {error}", bytes.len());
    let head = TaskHead::decode(bytes.clone()).unwrap_or_default();
    let detail = abide_protos::Any { type_url: TYPE_URL.into(), value: head.encode_to_vec() };
    let details = StatusDetails { code: Code::DataLoss as i32, message: message.clone(), details: vec![detail] };
    Status::with_details(Code::DataLoss, message, details.encode_to_vec().into())
}

/// Returns what is known of the task in such a response; `None` for all other errors.
pub(super) fn task_head(details: &StatusDetails) -> Option<TaskHead> {
    let detail = details.details.iter().find(|detail| detail.type_url == TYPE_URL)?;
    TaskHead::decode(detail.value.as_slice()).ok()
}
