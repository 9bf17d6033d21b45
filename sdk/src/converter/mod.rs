//! Payload conversion: Rust values to Temporal payloads and back, the same bytes as other SDKs write.
//!
//! | value | encoding |
//! | --- | --- |
//! | `()`, `None` | `binary/null` |
//! | `Vec<u8>` | `binary/plain` |
//! | [`RawPayload`] | as it is |
//! | all else | `json/plain`, written by serde |

mod arguments;
mod payload;

pub use arguments::{PayloadReader, PayloadWriter};
pub use payload::{PayloadError, RawPayload, from_payload, to_payload};
