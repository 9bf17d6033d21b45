//! Descriptions of values that do not fit: enough to find the position, and nothing of the value.

use std::collections::BTreeMap;
use std::fmt;

use abide_protos::prost;
use serde::{Deserialize, Serialize};

use super::super::{Protobuf, from_payload};
use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Card {
    number: u64,
    owner: Owner,
    limits: BTreeMap<String, u8>,
    #[serde(default)]
    kind: Kind,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[test]
fn a_field_of_a_struct_without_fields_is_refused() {
    let payload = crate::converter::to_payload(&BTreeMap::from([("number", 7)])).unwrap();
    let error = from_payload::<Nothing>(&payload).unwrap_err().to_string();
    assert!(error.contains("expected no fields, found a name of 6 characters"), "{error}");
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Owner {
    names: Vec<String>,
    pin: (u8, u8),
}

#[derive(Debug, Default, Deserialize)]
#[expect(dead_code, reason = "only read")]
enum Kind {
    #[default]
    Debit,
    Credit {
        cents: u32,
    },
    Points(u32),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "only read")]
enum Either {
    Number(u32),
    Flag(bool),
}

/// A type whose own check repeats the value in its message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "String")]
struct Even(String);

impl TryFrom<String> for Even {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Err(format!("{text:?} is not even"))
    }
}

#[derive(Debug)]
struct Talkative(&'static str);

impl Serialize for Talkative {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(format!("{} cannot be written", self.0)))
    }
}

fn said<T: DeserializeOwned + fmt::Debug + 'static>(json: &str) -> String {
    let text = from_payload::<T>(&super::super::payload::payload(b"json/plain", json.into())).unwrap_err().to_string();
    text.replace("abide::converter::misfit::tests::", "")
}

#[test]
fn type_position_and_kind_are_said() {
    assert_eq!(said::<u64>(r#""4111-1111""#), "expected `u64`, found JSON: a string of 9 characters");
    assert_eq!(
        said::<u8>("4111"),
        "expected `u8`, found JSON: an integer: expected u8, found an integer that is not one"
    );
    assert_eq!(
        said::<Card>(r#"{"number": "4111-1111", "owner": {"names": [], "pin": [1, 2]}, "limits": {}}"#),
        "expected `Card`, found JSON: an object with 3 fields; at `number`: expected u64, found a string of 9 characters"
    );
    assert_eq!(
        said::<Card>(r#"{"number": 4111, "owner": {"names": ["Ada", 4222], "pin": [1, 2]}, "limits": {}}"#),
        "expected `Card`, found JSON: an object with 3 fields; at `owner.names[1]`: expected a string, found an integer"
    );
    assert_eq!(
        said::<Card>(
            r#"{"number": 4111, "owner": {"names": [], "pin": [1, 2]}, "limits": {"day": 1, "4111": "4222"}}"#
        ),
        "expected `Card`, found JSON: an object with 3 fields; at `limits[entry 1]`: expected u8, found a string of 4 \
         characters",
        "a key of a map is a value: it is counted, in the order of the keys"
    );
    assert_eq!(
        said::<Card>(r#"{"number": 4111, "owner": {"names": [], "pin": [1]}, "limits": {}}"#),
        "expected `Card`, found JSON: an object with 3 fields; at `owner.pin`: expected a tuple of size 2, found 1 of them"
    );
    assert_eq!(
        said::<Card>(r#"{"number": 4111, "owner": {"names": [], "pin": [1, 2]}, "limits": {}, "kind": "Secret"}"#),
        "expected `Card`, found JSON: an object with 4 fields; at `kind`: expected one of the variants `Debit`, `Credit`, \
         `Points`, found a name of 6 characters"
    );
    assert_eq!(
        said::<Card>(
            r#"{"number": 1, "owner": {"names": [], "pin": [1, 2]}, "limits": {}, "kind": {"Credit": {"cents": "9"}}}"#
        ),
        "expected `Card`, found JSON: an object with 4 fields; at `kind.Credit.cents`: expected u32, found a string of 1 \
         character"
    );
    assert_eq!(
        said::<Card>(r#"{"number": 4111, "secret": 1}"#),
        "expected `Card`, found JSON: an object with 2 fields: expected one of the fields `number`, `owner`, `limits`, \
         `kind`, found a name of 6 characters"
    );
    assert_eq!(
        said::<Owner>("{}"),
        "expected `Owner`, found JSON: an object with 0 fields: the field `names` is missing"
    );
    assert_eq!(
        said::<Either>(r#""4111""#),
        "expected `Either`, found JSON: a string of 4 characters: data did not match any variant of untagged enum Either"
    );
    assert_eq!(said::<u32>("{4111"), "expected `u32`, found 5 bytes that are not JSON (line 1, column 2)");
}

#[test]
fn a_types_own_words_are_left_out_because_they_may_repeat_the_value() {
    let text = said::<Vec<Even>>(r#"["4111"]"#);
    assert!(text.contains("at `[0]`: the type's own `Deserialize` refuses it") && !text.contains("4111"), "{text}");
    let text = super::super::to_payload(&Talkative("4111")).unwrap_err().to_string();
    assert!(text.contains("its own `Serialize` refuses it") && !text.contains("4111"), "{text}");
}

/// serde_json and the describing deserializer accept the same values. Otherwise a good value could be described as a
/// misfit.
#[test]
fn the_describing_deserializer_reads_all_fitting_values() {
    let values = [
        r#"{"number": 18446744073709551615, "owner": {"names": ["é"], "pin": [1, 2]}, "limits": {"a": 1}}"#,
        r#"{"number": 0, "owner": {"names": [], "pin": [1, 2]}, "limits": {}, "kind": "Debit"}"#,
        r#"{"number": 0, "owner": {"names": [], "pin": [1, 2]}, "limits": {}, "kind": {"Credit": {"cents": 1}}}"#,
        r#"{"number": 0, "owner": {"names": [], "pin": [1, 2]}, "limits": {}, "kind": {"Points": 3}}"#,
    ];
    for json in values {
        let value: Value = serde_json::from_str(json).unwrap();
        let (ours, theirs) = (Card::deserialize(At::new(&value)).unwrap(), serde_json::from_str::<Card>(json).unwrap());
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }
    let keyed: Value = serde_json::from_str(r#"{"-3": [true, null], "7": [false, 2.5]}"#).unwrap();
    let read = BTreeMap::<i8, (bool, Option<f64>)>::deserialize(At::new(&keyed)).unwrap();
    assert_eq!(read, BTreeMap::from([(-3, (true, None)), (7, (false, Some(2.5)))]));
}

#[derive(Clone, PartialEq, prost::Message)]
#[prost(prost_path = "abide_protos::prost")]
struct Message {
    #[prost(string, tag = "1")]
    text: String,
}

impl prost::Name for Message {
    const NAME: &'static str = "Message";
    const PACKAGE: &'static str = "acme.v1";
}

/// Refused values of every kind of type: no four consecutive characters of the value appear in the description.
#[test]
fn no_piece_of_a_value_is_repeated() {
    const SECRET: &str = "Zq7Xw9Kv3Jp5";
    let values = [
        format!("{SECRET:?}"),
        format!("[{SECRET:?}]"),
        format!("[1, {SECRET:?}, 3]"),
        format!("{{{SECRET:?}: 1}}"),
        format!("{{\"number\": {SECRET:?}}}"),
        format!("{{\"number\": 1, \"owner\": {{\"names\": {SECRET:?}, \"pin\": []}}}}"),
        format!("{{\"number\": 1, \"owner\": {{\"names\": [], \"pin\": [1, 2]}}, \"limits\": {{{SECRET:?}: 4111}}}}"),
        format!("{{\"Credit\": {SECRET:?}}}"),
        format!("{{\"Points\": {{{SECRET:?}: {SECRET:?}}}}}"),
        format!("{{\"{SECRET}\": {SECRET:?}}}"),
        format!("{SECRET} is no JSON"),
        format!("\"{SECRET}"),
        "4111222233334444".into(),
        "-4111222233334444.5".into(),
    ];
    let mut said_of = Vec::new();
    for json in &values {
        let all = [
            from::<u8>(json),
            from::<i64>(json),
            from::<bool>(json),
            from::<char>(json),
            from::<()>(json),
            from::<f32>(json),
            from::<Vec<u32>>(json),
            from::<(u8, u8)>(json),
            from::<Card>(json),
            from::<Owner>(json),
            from::<Kind>(json),
            from::<Either>(json),
            from::<Even>(json),
            from::<Option<Card>>(json),
            from::<BTreeMap<u32, u32>>(json),
            from::<BTreeMap<Kind2, Kind2>>(json),
            from::<std::net::IpAddr>(json),
            from::<std::num::NonZeroU8>(json),
            from::<std::time::Duration>(json),
            from::<Protobuf<Message>>(json),
        ];
        said_of.extend(all.into_iter().flatten());
    }
    assert!(said_of.len() > 200, "{}", said_of.len());
    for text in said_of {
        for piece in ["4111", "1122", "4444"].into_iter().map(String::from).chain(pieces(SECRET)) {
            assert!(!text.contains(&piece), "{piece} is in: {text}");
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Kind2 {
    One,
}

fn from<T: DeserializeOwned + 'static>(json: &str) -> Option<String> {
    let payload = super::super::payload::payload(b"json/plain", json.into());
    from_payload::<T>(&payload).err().map(|error| error.to_string())
}

fn pieces(secret: &str) -> impl Iterator<Item = String> + '_ {
    (0..=secret.len() - 4).map(|from| secret[from..from + 4].to_string())
}
