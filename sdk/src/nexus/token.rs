//! Tokens of operations that Temporal itself backs, in the format that all SDKs share: JSON in base64.
//!
//! The token names what backs the operation, so a request to cancel needs no memory of the worker.

use serde::{Deserialize, Serialize};

const WORKFLOW: i64 = 1;
const UPDATE: i64 = 3;

/// The workflow or update that backs an operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Backing {
    Workflow {
        namespace: String,
        workflow_id: String,
    },
    /// Something that this version cannot cancel.
    Other {
        token_type: i64,
    },
}

#[derive(Serialize, Deserialize)]
struct Token {
    #[serde(default, skip_serializing_if = "is_current")]
    v: Option<i64>,
    t: i64,
    ns: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    wid: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rid: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    uid: String,
}

fn is_current(version: &Option<i64>) -> bool {
    version.unwrap_or(0) == 0
}

/// Returns the token of an operation that a workflow backs.
pub(super) fn of_workflow(namespace: &str, workflow_id: &str) -> String {
    written(WORKFLOW, namespace, [workflow_id, "", ""])
}

/// Returns the token of an operation that an update backs. The run may be unknown.
pub(super) fn of_update(namespace: &str, workflow_id: &str, run_id: &str, update_id: &str) -> String {
    written(UPDATE, namespace, [workflow_id, run_id, update_id])
}

fn written(t: i64, namespace: &str, ids: [&str; 3]) -> String {
    let [wid, rid, uid] = ids.map(str::to_string);
    let token = Token { v: None, t, ns: namespace.to_string(), wid, rid, uid };
    // Texts and numbers can always be written.
    encode(&serde_json::to_vec(&token).unwrap_or_default())
}

/// Reads a token; `None` if it is not in this format, but one of the handler's own.
///
/// # Errors
/// Returns an error if it is in this format, but names nothing.
pub(super) fn read(token: &str) -> Option<Result<Backing, String>> {
    let Token { v, t, ns, wid, .. } = serde_json::from_slice(&decode(token)?).ok()?;
    if !is_current(&v) {
        return Some(Err(format!(
            "expected an operation token without a version, found version {}",
            v.unwrap_or_default()
        )));
    }
    Some(match t {
        WORKFLOW if wid.is_empty() => Err("expected an operation token with a workflow id, found none".into()),
        WORKFLOW => Ok(Backing::Workflow { namespace: ns, workflow_id: wid }),
        token_type => Ok(Backing::Other { token_type }),
    })
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Writes base64 for URLs, without padding.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let all = chunk.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            let six = (all >> (18 - 6 * index)) & 0x3f;
            text.push(char::from(ALPHABET[six as usize]));
        }
    }
    text
}

/// Reads base64 for URLs, without padding; `None` if it is something else.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in text.as_bytes().chunks(4) {
        let mut all = 0_u32;
        for byte in chunk {
            let six = ALPHABET.iter().position(|known| known == byte)?;
            all = all << 6 | u32::try_from(six).ok()?;
        }
        all <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(all.to_be_bytes().get(1..chunk.len())?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_written_as_the_other_sdks_write_it() {
        // From Python: `WorkflowHandle(namespace="default", workflow_id="order-17").to_token()`.
        let token = "eyJ0IjoxLCJucyI6ImRlZmF1bHQiLCJ3aWQiOiJvcmRlci0xNyJ9";
        assert_eq!(of_workflow("default", "order-17"), token);
        let backing = Backing::Workflow { namespace: "default".into(), workflow_id: "order-17".into() };
        assert_eq!(read(token), Some(Ok(backing)));
        let update = decode(&of_update("default", "order-17", "run", "ship")).unwrap();
        assert_eq!(update, br#"{"t":3,"ns":"default","wid":"order-17","rid":"run","uid":"ship"}"#);
    }

    #[test]
    fn a_token_survives_every_length() {
        for id in ["", "a", "ab", "abc", "abcd", "ä/b?ü", "\u{1f980}\""] {
            assert_eq!(decode(&encode(id.as_bytes())).as_deref(), Some(id.as_bytes()));
        }
    }

    #[test]
    fn a_token_of_the_handlers_own_is_none_of_these() {
        assert_eq!(read("scan-17"), None);
        assert_eq!(read(""), None);
        assert_eq!(read("not base64!"), None);
        assert_eq!(read(&encode(b"[1]")), None);
    }

    #[test]
    fn a_token_that_names_nothing_is_refused() {
        let of = |json: &str| read(&encode(json.as_bytes()));
        assert!(matches!(of(r#"{"t":1,"ns":"a"}"#), Some(Err(_))));
        assert!(matches!(of(r#"{"v":2,"t":1,"ns":"a","wid":"b"}"#), Some(Err(_))));
        assert_eq!(of(r#"{"t":2,"ns":"a","aid":"b"}"#), Some(Ok(Backing::Other { token_type: 2 })));
        assert!(matches!(of(r#"{"v":0,"t":1,"ns":"a","wid":"b"}"#), Some(Ok(_))));
    }
}
