//! Explains why a JSON value does not fit a type, without showing the value. The explanation goes to the server and
//! into logs, from which a codec may be meant to hide the value.
//!
//! serde's own messages quote the value. So a refused value is deserialized again, by a deserializer whose error keeps
//! only the position and the shape. This happens only after an error, never for a value that fits.

mod access;

use std::fmt;

use serde::de::{DeserializeOwned, Expected, Unexpected};
use serde_json::Value;

use self::access::At;
use crate::bounded_text::name;

/// Describes JSON that is not a `T`; [`from_payload`](super::from_payload) puts it after "expected `T`, ".
pub(super) fn found<T: DeserializeOwned>(data: &[u8]) -> String {
    let value: Value = match serde_json::from_slice(data) {
        Ok(value) => value,
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            return format!("found {} bytes that are not JSON (line {line}, column {column})", data.len());
        }
    };
    let whole = format!("found JSON: {}", shape(&value));
    match T::deserialize(At::new(&value)) {
        Err(misfit) if misfit.steps.is_empty() && misfit.is_type => whole,
        Err(misfit) if misfit.steps.is_empty() => format!("{whole}: {}", misfit.text),
        Err(misfit) => {
            let path: String = misfit.steps.iter().rev().map(String::as_str).collect();
            format!("{whole}; at `{}`: {}", name(path.trim_start_matches('.')), misfit.text)
        }
        // A duplicate field, or a number that does not fit a `Value`.
        Ok(_) => format!("{whole}, which serde refuses"),
    }
}

/// Describes a payload by the kind and size of its value, for texts that must not show the value.
#[cfg(feature = "worker")]
pub(crate) fn payload_shape(encoding: Option<&str>, data: &[u8]) -> String {
    let bytes = || counted("", data.len(), "byte").trim_start().to_string();
    match encoding {
        Some("binary/null") => "null".into(),
        Some("json/plain" | "json/protobuf") => {
            serde_json::from_slice(data).map_or_else(|_| bytes(), |value| shape(&value))
        }
        Some("binary/plain") => bytes(),
        other => format!("{} ({})", bytes(), other.map_or("of no stated encoding".into(), name)),
    }
}

/// Describes the kind and size of a value.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "a boolean".into(),
        Value::Number(number) if number.is_f64() => "a number with a fraction".into(),
        Value::Number(_) => "an integer".into(),
        Value::String(text) => counted("a string of", text.chars().count(), "character"),
        Value::Array(items) => counted("an array of", items.len(), "element"),
        Value::Object(fields) => counted("an object with", fields.len(), "field"),
    }
}

fn counted(what: &str, count: usize, unit: &str) -> String {
    format!("{what} {count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The position and reason of a refusal.
#[derive(Debug)]
struct Misfit {
    text: String,
    /// True if the text concerns only the kind of value.
    is_type: bool,
    /// From the inside out. Keys of maps are values: only fields that the type declares are named here.
    steps: Vec<String>,
}

impl Misfit {
    fn new(text: String) -> Self {
        Self { text, is_type: false, steps: Vec::new() }
    }

    fn under(mut self, step: String) -> Self {
        self.steps.push(step);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Misfit {}

/// Replaces the message of a type's own check.
pub(super) const OWN_CHECK: &str = "the type's own `Deserialize` refuses it (its message may contain the value, so it \
                                    is left out here: `serde_json::from_str` shows it)";

/// Returns true if a text that does not come from serde's visitors is known to contain only type names.
fn names_types_only(text: &str) -> bool {
    let is_name = |name: &str| name.chars().all(|char| char.is_alphanumeric() || char == '_');
    let untagged = text.strip_prefix("data did not match any variant of untagged enum ");
    // The second text comes from `Protobuf`.
    untagged.is_some_and(is_name) || text.starts_with("the message `") && text.ends_with("` is expected in binary form")
}

impl serde::de::Error for Misfit {
    fn custom<T: fmt::Display>(text: T) -> Self {
        let text = text.to_string();
        Self::new(if names_types_only(&text) { text } else { OWN_CHECK.into() })
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let text = format!("expected {}, found {}", name(&expected.to_string()), unexpected(found));
        Self { is_type: true, ..Self::new(text) }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {} that is not one", name(&expected.to_string()), unexpected(found)))
    }

    fn invalid_length(found: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {found} of them", name(&expected.to_string())))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let found = counted("a name of", found.chars().count(), "character");
        Self::new(format!("expected {}, found {found}", one_of("variants", expected)))
    }

    fn unknown_field(found: &str, expected: &'static [&'static str]) -> Self {
        let found = counted("a name of", found.chars().count(), "character");
        Self::new(format!("expected {}, found {found}", one_of("fields", expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("the field `{field}` is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("the field `{field}` is given twice"))
    }
}

fn one_of(what: &str, declared: &[&str]) -> String {
    if declared.is_empty() { format!("no {what}") } else { format!("one of the {what} {}", names(declared)) }
}

fn names(declared: &[&str]) -> String {
    let names: Vec<String> = declared.iter().take(20).map(|name| format!("`{name}`")).collect();
    let more = declared.len().saturating_sub(20);
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}

fn unexpected(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(_) => "a boolean".into(),
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer".into(),
        Unexpected::Float(_) => "a number with a fraction".into(),
        Unexpected::Char(_) => "a character".into(),
        Unexpected::Str(text) => counted("a string of", text.chars().count(), "character"),
        Unexpected::Bytes(bytes) => counted("a byte array of", bytes.len(), "byte"),
        Unexpected::Unit | Unexpected::Option => "null".into(),
        Unexpected::NewtypeStruct => "a newtype".into(),
        Unexpected::Seq => "an array".into(),
        Unexpected::Map => "an object".into(),
        Unexpected::Enum => "an enum".into(),
        Unexpected::UnitVariant => "a variant without data".into(),
        Unexpected::NewtypeVariant => "a variant with a value".into(),
        Unexpected::TupleVariant => "a variant with values".into(),
        Unexpected::StructVariant => "a variant with fields".into(),
        // Made by a type's own code, with any text.
        Unexpected::Other(_) => "something else".into(),
    }
}

#[cfg(test)]
mod tests;
