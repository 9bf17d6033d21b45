//! A fast reader for the data of a local activity's marker as Core writes it: these keys in this order, without a
//! space.
//!
//! A replay reads thousands of these texts, and serde takes several times as long for each. If a text differs in any
//! way (another order, an unknown key, an escaped character), serde reads it.

use std::time::Duration;

use abide_protos::Timestamp;

use super::MarkerData;

/// Returns `None` if the text does not have exactly this form.
pub(super) fn read(data: &[u8]) -> Option<MarkerData> {
    let mut text = Text { rest: std::str::from_utf8(data).ok()? };
    text.pass("{\"seq\":")?;
    let seq = text.number()?.try_into().ok()?;
    text.pass(",\"attempt\":")?;
    let attempt = text.number()?.try_into().ok()?;
    text.pass(",\"activity_id\":")?;
    let activity_id = text.string()?.to_string();
    text.pass(",\"activity_type\":")?;
    let activity_type = text.string()?.to_string();
    text.pass(",\"complete_time\":")?;
    let complete_time = text.time()?;
    text.pass(",\"backoff\":")?;
    let backoff = text.time()?.map(duration);
    text.pass(",\"original_schedule_time\":")?;
    let original_schedule_time = text.time()?;
    let activation_index = match text.pass(",\"activation_index\":") {
        Some(()) => Some(text.number()?.try_into().ok()?),
        None => None,
    };
    text.pass("}")?;
    let is_whole = text.rest.is_empty();
    let data = MarkerData {
        seq,
        attempt,
        activity_id,
        activity_type,
        complete_time,
        backoff,
        original_schedule_time,
        activation_index,
    };
    is_whole.then_some(data)
}

fn duration(time: Timestamp) -> Duration {
    crate::duration::from_proto(&abide_protos::Duration { seconds: time.seconds, nanos: time.nanos })
}

struct Text<'a> {
    rest: &'a str,
}

impl<'a> Text<'a> {
    fn pass(&mut self, expected: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    /// Reads a number that is not negative: Core writes no time before 1970.
    fn number(&mut self) -> Option<i64> {
        let end = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        let is_padded = digits.len() > 1 && digits.starts_with('0');
        if is_padded { None } else { digits.parse().ok() }
    }

    fn string(&mut self) -> Option<&'a str> {
        self.pass("\"")?;
        let end = self.rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix('"')?;
        Some(text)
    }

    fn time(&mut self) -> Option<Option<Timestamp>> {
        if self.pass("null").is_some() {
            return Some(None);
        }
        self.pass("{\"seconds\":")?;
        let seconds = self.number()?;
        self.pass(",\"nanos\":")?;
        let nanos = self.number()?.try_into().ok()?;
        self.pass("}")?;
        Some(Some(Timestamp { seconds, nanos }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time() -> impl Strategy<Value = Option<Timestamp>> {
        let time = (0..=i64::MAX, 0..=i32::MAX).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos });
        proptest::option::of(time)
    }

    prop_compose! {
        fn marker()(
            (seq, attempt, activation_index) in any::<(u32, u32, Option<u64>)>(),
            (activity_id, activity_type) in any::<(String, String)>(),
            (complete_time, backoff, original_schedule_time) in (time(), proptest::option::of(0..u64::MAX / 2), time()),
        ) -> MarkerData {
            let backoff = backoff.map(Duration::from_nanos);
            MarkerData {
                seq, attempt, activity_id, activity_type, complete_time, backoff, original_schedule_time, activation_index,
            }
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_reads_or_leaves_it_to_serde(marker in marker()) {
            let text = serde_json::to_vec(&marker).unwrap();
            let read = read(&text);
            prop_assert!(read.as_ref().is_none_or(|read| *read == marker));
            let is_plain = |text: &str| !text.contains(|c: char| c == '"' || c == '\\' || c < ' ');
            let is_small = marker.activation_index.is_some_and(|index| i64::try_from(index).is_ok());
            if is_small && is_plain(&marker.activity_id) && is_plain(&marker.activity_type) {
                prop_assert!(read.is_some(), "{}", String::from_utf8_lossy(&text));
            }
        }

        #[test]
        fn a_text_that_was_changed_anywhere_is_read_as_serde_reads_it(marker in marker(), at in any::<prop::sample::Index>(), byte: u8) {
            let mut text = serde_json::to_vec(&marker).unwrap();
            let at = at.index(text.len());
            text[at] = byte;
            if let Some(read) = read(&text) {
                prop_assert_eq!(read, serde_json::from_slice::<MarkerData>(&text).unwrap());
            }
        }
    }

    #[test]
    fn a_text_of_another_make_is_left_to_serde() {
        let text = r#"{"seq":1,"attempt":1,"activity_id":"1","activity_type":"nap","complete_time":null,"backoff":null,"original_schedule_time":null,"activation_index":1}"#;
        assert!(read(text.as_bytes()).is_some());
        let old = text.replace(",\"activation_index\":1", "");
        assert_eq!(read(old.as_bytes()).map(|data| data.activation_index), Some(None));
        for (from, to) in [
            ("\"seq\":1", "\"seq\":01"),
            ("\"seq\":1", "\"seq\":-1"),
            ("\"seq\":1", "\"seq\":4294967296"),
            ("\"seq\":1", "\"seq\": 1"),
            ("nap", "n\\u0061p"),
            ("\"backoff\":null,", ""),
            (":1}", ":1} "),
            (":1}", ":1.5}"),
            (":1}", ":null}"),
        ] {
            assert!(read(text.replacen(from, to, 1).as_bytes()).is_none(), "{to}");
        }
    }
}
