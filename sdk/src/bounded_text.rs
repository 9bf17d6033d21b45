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

/// Returns the name of a type as the docs of Rust write it: `String`, not `alloc::string::String`. Types of other crates
/// keep their paths, which tell types of one name apart.
pub(crate) fn type_name<T>() -> String {
    let full = std::any::type_name::<T>();
    let is_path = |char: char| char.is_alphanumeric() || matches!(char, '_' | ':');
    let mut short = String::with_capacity(full.len());
    let mut rest = full;
    while !rest.is_empty() {
        let (path, after) = rest.split_at(rest.find(|char| !is_path(char)).unwrap_or(rest.len()));
        let is_std = ["alloc::", "core::", "std::"].iter().any(|krate| path.starts_with(krate));
        short += if is_std { path.rsplit("::").next().unwrap_or(path) } else { path };
        let (between, after) = after.split_at(after.find(is_path).unwrap_or(after.len()));
        short += between;
        rest = after;
    }
    name(&short).into_owned()
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
    fn types_of_the_standard_library_are_named_without_their_modules() {
        use std::collections::BTreeMap;
        assert_eq!(type_name::<String>(), "String");
        assert_eq!(type_name::<Option<Vec<(u32, String)>>>(), "Option<Vec<(u32, String)>>");
        assert_eq!(type_name::<BTreeMap<String, [u8; 3]>>(), "BTreeMap<String, [u8; 3]>");
        assert_eq!(type_name::<()>(), "()");
        assert_eq!(type_name::<Vec<crate::RetryPolicy>>(), "Vec<abide::retry_policy::RetryPolicy>");
    }

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
