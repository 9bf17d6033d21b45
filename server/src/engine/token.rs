//! Task tokens and page tokens: opaque to workers and clients, decoded only here.

use abide_protos::prost;
use abide_protos::prost::Message;

use super::errors::Error;

/// The token that a worker returns with the result of a workflow task or an activity task.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(prost_path = "abide_protos::prost")]
pub(crate) struct TaskToken {
    #[prost(string, tag = "1")]
    pub(crate) namespace_id: String,
    #[prost(string, tag = "2")]
    pub(crate) workflow_id: String,
    #[prost(string, tag = "3")]
    pub(crate) run_id: String,
    #[prost(int64, tag = "4")]
    pub(crate) scheduled_event_id: i64,
    #[prost(int64, tag = "5")]
    pub(crate) started_event_id: i64,
    #[prost(int32, tag = "6")]
    pub(crate) attempt: i32,
    #[prost(int64, tag = "7")]
    pub(crate) started_time: i64,
    #[prost(string, tag = "8")]
    pub(crate) activity_id: String,
    /// The query that was sent outside a workflow task; otherwise zero.
    #[prost(uint64, tag = "9")]
    pub(crate) query: u64,
}

/// The token that a worker returns with the answer to a Nexus request; as text, the token that a handler returns with
/// the result of an operation it has started.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(prost_path = "abide_protos::prost")]
pub(crate) struct NexusTaskToken {
    #[prost(string, tag = "1")]
    pub(crate) run_id: String,
    #[prost(int64, tag = "2")]
    pub(crate) scheduled_event_id: i64,
    #[prost(int32, tag = "3")]
    pub(crate) attempt: i32,
    /// True for a request to cancel.
    #[prost(bool, tag = "4")]
    pub(crate) cancels: bool,
    /// The command to a worker, with all other fields empty; otherwise zero.
    #[prost(uint64, tag = "5")]
    pub(crate) command: u64,
}

/// The position at which reading a history continues.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(prost_path = "abide_protos::prost")]
pub(crate) struct PageToken {
    #[prost(string, tag = "1")]
    pub(crate) run_id: String,
    /// The first event that was not sent yet.
    #[prost(int64, tag = "2")]
    pub(crate) next_event_id: i64,
    /// The end position (exclusive); 0 if reading follows the history to its end.
    #[prost(int64, tag = "3")]
    pub(crate) end_event_id: i64,
    /// The virtual scheduled event after the last page; 0 if there is none.
    #[prost(int64, tag = "4")]
    pub(crate) virtual_scheduled_event_id: i64,
}

impl TaskToken {
    pub(crate) fn encode_token(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    pub(crate) fn decode_token(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::invalid_argument("Task token not set on request."));
        }
        let token = Self::decode(bytes).map_err(|_| Error::invalid_argument("Error deserializing task token."))?;
        if token.run_id.is_empty() && token.query == 0 {
            return Err(Error::invalid_argument("Invalid TaskToken."));
        }
        Ok(token)
    }
}

impl NexusTaskToken {
    pub(crate) fn encode_token(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    pub(crate) fn decode_token(bytes: &[u8]) -> Result<Self, Error> {
        let token = Self::decode(bytes).map_err(|_| Error::invalid_argument("Error deserializing task token."))?;
        if token.run_id.is_empty() && token.command == 0 {
            return Err(Error::invalid_argument("Task token not set on request."));
        }
        Ok(token)
    }

    /// Formats the operation and the id of the request that starts it.
    pub(crate) fn to_text(&self, request_id: &str) -> String {
        format!("{}/{}/{request_id}", self.run_id, self.scheduled_event_id)
    }

    pub(crate) fn from_text(text: &str) -> Option<(Self, String)> {
        let mut parts = text.split('/');
        let (run_id, scheduled) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        Some((Self { run_id, scheduled_event_id: scheduled, ..Self::default() }, parts.next()?.to_owned()))
    }
}

impl PageToken {
    pub(crate) fn encode_token(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    pub(crate) fn decode_token(bytes: &[u8]) -> Result<Self, Error> {
        let token = Self::decode(bytes).map_err(|_| Error::invalid_argument("Invalid NextPageToken."))?;
        if token.run_id.is_empty() || token.next_event_id < 1 {
            return Err(Error::invalid_argument("Invalid NextPageToken."));
        }
        Ok(token)
    }
}
