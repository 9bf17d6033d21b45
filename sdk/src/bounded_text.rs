//! Limits the length of texts that go to the server or into logs.

use std::borrow::Cow;

/// Maximum bytes of a message: of a failure and each of its causes, of a query's error, of a log line.
pub(crate) const MESSAGE: usize = 8 * 1024;
/// Maximum bytes of a name within a message: of a type, a field, an encoding.
const NAME: usize = 200;
/// Bytes reserved for the sentence at the end of a text that was cut.
const SUFFIX: usize = 50;

/// Returns a message cut to the limit, with the number of bytes left out.
pub(crate) fn message(text: &str) -> Cow<'_, str> {
    cut(text, MESSAGE)
}

/// Like [`message`], in place: nothing is copied if nothing is cut.
pub(crate) fn cut_message(text: &mut String) {
    if text.len() > MESSAGE {
        *text = message(text).into_owned();
    }
}

/// Returns the name of a type, or a name from the wire, cut for use in a message.
pub(crate) fn name(text: &str) -> Cow<'_, str> {
    cut(text, NAME)
}

fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    // The result including its last sentence stays within the limit, so that it is not cut again later.
    let mut end = most - SUFFIX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = &text[..end];
    Cow::Owned(format!("{kept}.. ({} more bytes are left out)", text.len() - kept.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters_and_says_how_much_is_left_out() {
        assert_eq!(name("short"), "short");
        let long = format!("{}{}", "x".repeat(149), "é".repeat(100));
        assert_eq!(name(&long), format!("{}.. (200 more bytes are left out)", "x".repeat(149)));
        let mut text = "y".repeat(MESSAGE);
        cut_message(&mut text);
        assert_eq!(text.len(), MESSAGE);
        text.push('y');
        cut_message(&mut text);
        assert!(text.ends_with("y.. (51 more bytes are left out)"), "{}", &text[MESSAGE - 100..]);
        let once = text.clone();
        cut_message(&mut text);
        assert_eq!(text, once);
    }
}
