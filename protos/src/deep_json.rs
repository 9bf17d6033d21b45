//! Reads JSON histories with failures nested deeper than serde_json reads.
//!
//! serde_json reads 127 levels of nesting; a Temporal server delivers chains of 10,000 causes. A chain that is too long
//! is shortened as [`deep_failures`](crate::deep_failures) does in protobuf: its beginning and its root stay, with a
//! failure between them that tells how many causes were omitted. No code here recurses, so no depth can overflow the
//! stack.

use serde_json::json;

use crate::deep_failures::{KEPT, left_out};
use crate::temporal::api::failure::v1::failure::FailureInfo;

/// Maximum nesting levels that serde_json reads.
pub const READ_LEVELS: usize = 127;

/// Returns the greatest nesting depth of a JSON text.
pub fn levels(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for (_, token) in Tokens::of(json, 0) {
        match token {
            Token::Open { .. } => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Key(_) | Token::Text => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Returns the text with shorter chains of causes; `None` if none was too long, or if the text is truncated. It must be
/// JSON.
pub fn shortened(json: &[u8]) -> Option<Vec<u8>> {
    let (mut copied, mut copied_to) = (Vec::new(), 0);
    // The position in its chain of causes, for each open value.
    let mut open: Vec<usize> = Vec::new();
    let mut is_cause = false;
    let mut tokens = Tokens::of(json, 0);
    while let Some((at, token)) = tokens.next() {
        match token {
            Token::Key(key) => is_cause = key == b"cause",
            Token::Text => is_cause = false,
            Token::Close => drop(open.pop()),
            Token::Open { is_object } => {
                let link = if is_object && is_cause { open.last().map_or(1, |outer| outer + 1) } else { 0 };
                is_cause = false;
                if link < KEPT {
                    open.push(link);
                    continue;
                }
                let rest = rest_of_chain(json, at)?;
                if rest.before == 0 {
                    open.push(link);
                    continue;
                }
                copied.extend_from_slice(&json[copied_to..at]);
                copied.extend_from_slice(&standing_for(rest.before, &json[rest.root]));
                copied_to = rest.end;
                tokens = Tokens::of(json, rest.end);
            }
        }
    }
    if copied_to == 0 {
        return None;
    }
    copied.extend_from_slice(&json[copied_to..]);
    Some(copied)
}

/// The rest of a chain of causes.
struct Chain {
    /// The number of failures before the root.
    before: usize,
    root: std::ops::Range<usize>,
    /// End of the first failure.
    end: usize,
}

/// Returns the chain that begins with the object at `begin`; `None` if the text ends within it.
fn rest_of_chain(json: &[u8], begin: usize) -> Option<Chain> {
    let (mut depth, mut before, mut is_cause) = (0, 0, false);
    // The innermost cause so far: its depth, its beginning, and its end once that is known.
    let (mut root_depth, mut root, mut root_end) = (1, begin, None);
    for (at, token) in Tokens::of(json, begin) {
        match token {
            Token::Key(key) => is_cause = key == b"cause" && depth == root_depth && root_end.is_none(),
            Token::Text => is_cause = false,
            Token::Open { is_object } => {
                depth += 1;
                if is_object && is_cause {
                    (root_depth, root, before) = (depth, at, before + 1);
                }
                is_cause = false;
            }
            Token::Close => {
                if depth == root_depth {
                    root_end.get_or_insert(at + 1);
                }
                depth -= 1;
                if depth == 0 {
                    let root = root..root_end?;
                    return Some(Chain { before, root, end: at + 1 });
                }
            }
        }
    }
    None
}

/// Returns the failure that replaces this many causes, with the root as its cause.
fn standing_for(count: usize, root: &[u8]) -> Vec<u8> {
    let failure = left_out(count);
    let error_type = match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => info.r#type.as_str(),
        _ => "",
    };
    let info = json!({ "type": error_type });
    let text =
        json!({ "message": failure.message, "source": failure.source, "applicationFailureInfo": info }).to_string();
    let mut text = text.into_bytes();
    text.pop();
    text.extend_from_slice(b",\"cause\":");
    text.extend_from_slice(root);
    text.push(b'}');
    text
}

/// The tokens of a JSON text that affect its depth.
enum Token<'a> {
    Open { is_object: bool },
    Close,
    Key(&'a [u8]),
    Text,
}

/// The tokens of a JSON text with their positions.
struct Tokens<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn of(json: &'a [u8], at: usize) -> Self {
        Self { json, at }
    }

    /// Returns the string or key that begins here; its opening quote was already read.
    fn text(&mut self) -> Token<'a> {
        let begin = self.at;
        while let Some(byte) = self.json.get(self.at).filter(|byte| **byte != b'"') {
            self.at += if *byte == b'\\' { 2 } else { 1 };
        }
        let text = self.json.get(begin..self.at).unwrap_or_default();
        self.at += 1;
        let rest = self.json.get(self.at..).unwrap_or_default();
        match rest.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b':') => Token::Key(text),
            _ => Token::Text,
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, Token<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let at = self.at;
            self.at += 1;
            let token = match self.json.get(at)? {
                b'{' => Token::Open { is_object: true },
                b'[' => Token::Open { is_object: false },
                b'}' | b']' => Token::Close,
                b'"' => self.text(),
                _ => continue,
            };
            return Some((at, token));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn chain(length: usize) -> String {
        let mut text = String::new();
        for number in 1..length {
            text += &format!("{{\"message\":\"error {number}\",\"cause\" : ");
        }
        text += &format!("{{\"message\":\"error {length}\",\"applicationFailureInfo\":{{\"type\":\"}}\\\"cause\"}}}}");
        text + &"}".repeat(length - 1)
    }

    fn messages(json: &[u8]) -> Vec<String> {
        let value: Value = serde_json::from_slice(json).unwrap();
        let chain = std::iter::successors(Some(&value), |failure| failure.get("cause"));
        chain.map(|failure| failure["message"].as_str().unwrap().to_string()).collect()
    }

    #[test]
    fn levels_are_counted_without_what_stands_in_texts() {
        for (json, expected) in [("{}", 1), ("1", 0), (r#"{"a":[{"[[[":"{{{\"["}]}"#, 3), ("[[],[[]]]", 3), ("]]]", 0)]
        {
            assert_eq!(levels(json.as_bytes()), expected, "{json}");
        }
        assert_eq!(levels(chain(1_000).as_bytes()), 1_001);
    }

    #[test]
    fn of_a_long_chain_the_ends_stay() {
        assert_eq!(shortened(chain(KEPT + 1).as_bytes()), None);
        for length in [KEPT + 2, 1_000, 100_000] {
            let short = shortened(chain(length).as_bytes()).unwrap();
            let messages = messages(&short);
            assert_eq!(messages.len(), KEPT + 2);
            assert_eq!(messages[KEPT - 1], format!("error {KEPT}"));
            assert_eq!(messages[KEPT], format!("{} causes are left out here", length - KEPT - 1));
            assert_eq!(messages[KEPT + 1], format!("error {length}"));
        }
    }

    #[test]
    fn what_stands_behind_a_chain_and_beside_its_root_stays() {
        let beside = chain(200).replace("\"error 200\"", "\"error 200\",\"details\":{\"cause\":{\"cause\":{}}}");
        let json = format!("{{\"events\":[{beside},{},[]],\"more\":{{\"cause\":{{}}}}}}", chain(300));
        let read: Value = serde_json::from_slice(&shortened(json.as_bytes()).unwrap()).unwrap();
        let ends = |index: usize| messages(read["events"][index].to_string().as_bytes()).pop().unwrap();
        assert_eq!((ends(0), ends(1)), ("error 200".to_string(), "error 300".to_string()));
        assert_eq!(read["more"].to_string(), r#"{"cause":{}}"#);
    }

    #[test]
    fn a_chain_that_is_cut_off_is_left_as_it_is() {
        let whole = chain(200);
        // The last braces belong to the part that is kept anyway.
        for length in (0..whole.len() - KEPT).step_by(7) {
            assert_eq!(shortened(&whole.as_bytes()[..length]), None);
        }
    }
}
