//! A minimal Rust reader for the rules: text with comments and literals *masked* (blanked), so that rules do not match
//! prose, and on top of it paths, functions and test code.

use super::INTERCEPTORS;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::Path;

/// A file: its path within the workspace, its text, and its masked text.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) masked: String,
    test_lines: BTreeSet<usize>,
}

/// A function with a body: the position of its name, and the number of lines from there to its last brace.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        let masked = mask(&text);
        let is_test_file = path.split('/').any(|part| matches!(part, "tests" | "specs" | "tests.rs" | "specs.rs"));
        let test_lines = if is_test_file { (1..=text.lines().count()).collect() } else { test_item_lines(&masked) };
        Self { path, text, masked, test_lines }
    }

    /// Returns the files that `#[cfg(test)] mod name;` makes test code: their paths without `.rs` or `/mod.rs`.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let folder = self.path.trim_end_matches("/mod.rs").trim_end_matches("/lib.rs").trim_end_matches(".rs");
        let items = self.masked.split("#[cfg(test)]").skip(1);
        let declarations = items.filter_map(|item| item.split(['{', ';']).next()?.split_once("mod "));
        declarations.map(|(_, name)| format!("{folder}/{}", name.trim())).collect()
    }

    /// Marks the whole file as test code.
    pub(crate) fn set_test_code(&mut self) {
        self.test_lines = (1..=self.text.lines().count()).collect();
    }

    /// Returns the top-level module of `sdk/src` that the file belongs to; `None` for the crate root, `__private`, the guide
    /// and other crates.
    pub(crate) fn module(&self) -> Option<&str> {
        let mut parts = self.path.strip_prefix("sdk/src/")?.split('/');
        let mut module = parts.next()?.trim_end_matches(".rs");
        if module == INTERCEPTORS {
            module = parts.next()?.trim_end_matches(".rs");
        }
        // The last one is the root of `interceptor`.
        (!matches!(module, "lib" | "guide" | "__private" | "mod")).then_some(module)
    }

    /// Returns true if the line (from 1) is not test code.
    pub(crate) fn is_code(&self, line: usize) -> bool {
        !self.test_lines.contains(&line)
    }

    /// Returns the masked lines that are not test code, numbered from 1.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.masked.lines().enumerate().map(|(index, text)| (index + 1, text)).filter(|(line, _)| self.is_code(*line))
    }

    /// Returns the names after `crate::` or `abide::`, with groups split: line and first name. `$crate::` is in user
    /// code.
    pub(crate) fn crate_paths(&self) -> Vec<(usize, String)> {
        let masked = &self.masked;
        let mut found = Vec::new();
        for root in ["crate::", "abide::"] {
            let is_ours = |at: usize| !masked[..at].ends_with(|c| c == '$' || is_name_character(c));
            for (at, _) in masked.match_indices(root).filter(|(at, _)| is_ours(*at)) {
                let rest = at + root.len();
                let starts = if masked[rest..].starts_with('{') { group(masked, rest) } else { vec![rest] };
                let names = starts.into_iter().map(|start| (line_of(masked, start), module_name(&masked[start..])));
                found.extend(names.filter(|(_, name)| !name.is_empty()).map(|(line, name)| (line, name.to_owned())));
            }
        }
        found
    }

    /// Returns all functions with a body, including nested ones.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let masked = &self.masked;
        let mut found = Vec::new();
        for (at, _) in masked.match_indices("fn ").filter(|(at, _)| !masked[..*at].ends_with(is_name_character)) {
            let name = leading_name(&masked[at + 3..]);
            let Some(body) = body_start(masked, at).filter(|_| !name.is_empty()) else { continue };
            let (line, end) = (line_of(masked, at), line_of(masked, closing_brace(masked, body)));
            found.push(Function { name: name.to_owned(), line, lines: end - line + 1 });
        }
        found
    }
}

/// Returns the module that a path within the crate leads to; for an interceptor, the layer it belongs to.
fn module_name(path: &str) -> &str {
    let within = path.strip_prefix(INTERCEPTORS).and_then(|rest| rest.strip_prefix("::"));
    leading_name(within.unwrap_or(path))
}

/// Returns the text of a file in the workspace.
pub(crate) fn read(path: &str) -> String {
    let path = workspace().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns all files with matching names, by path within the workspace.
pub(crate) fn texts(is_wanted: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![workspace().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).expect("the workspace can be read").map(|entry| entry.expect("so can its folders"))
        {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !matches!(name.as_str(), "target" | ".git") {
                folders.push(path);
            } else if path.is_file() && name != ".git" && is_wanted(&name) {
                let relative = path
                    .strip_prefix(workspace())
                    .expect("it lies in the workspace")
                    .to_string_lossy()
                    .replace('\\', "/");
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{relative}: {error}"));
                found.insert(relative, text);
            }
        }
    }
    found
}

pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// Returns the text with comments and the content of literals blanked; lines and offsets stay the same.
pub(crate) fn mask(text: &str) -> String {
    let mut masked = text.as_bytes().to_vec();
    let mut at = 0;
    while at < text.len() {
        let (hidden, next) = literal_or_comment(text, at).unwrap_or((at..at, at + 1));
        masked[hidden].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = next;
    }
    String::from_utf8(masked).expect("only whole characters were blanked")
}

/// If a comment or a literal begins at `at`, returns the part to hide and the position after it.
fn literal_or_comment(text: &str, at: usize) -> Option<(Range<usize>, usize)> {
    let bytes = text.as_bytes();
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        let end = find(bytes, at, "\n");
        return Some((at..end, end));
    }
    if rest.starts_with(b"/*") {
        let end = end_of_block_comment(bytes, at);
        return Some((at..end, end));
    }
    let in_name = at > 0 && is_name_character(char::from(bytes[at - 1]));
    if rest[0] == b'r' && (!in_name || bytes[at - 1] == b'b') {
        let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            let from = at + hashes + 2;
            let end = find(bytes, from, &format!("\"{}", "#".repeat(hashes)));
            return Some((from..end, (end + hashes + 1).min(bytes.len())));
        }
    }
    let is_character =
        |rest: &str| rest.starts_with("'\\") || rest.starts_with('\'') && rest.chars().nth(2) == Some('\'');
    if rest[0] == b'"' || rest[0] == b'\'' && is_character(&text[at..]) {
        let mut end = at + 1;
        while end < bytes.len() && bytes[end] != rest[0] {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let end = end.min(bytes.len());
        return Some((at + 1..end, end + 1));
    }
    None
}

fn find(bytes: &[u8], from: usize, what: &str) -> usize {
    bytes[from..].windows(what.len()).position(|w| w == what.as_bytes()).map_or(bytes.len(), |n| from + n)
}

fn end_of_block_comment(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        match &bytes[at..bytes.len().min(at + 2)] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Returns the lines of items behind `#[cfg(test)]`.
fn test_item_lines(masked: &str) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    for (at, attribute) in masked.match_indices("#[cfg(test)]") {
        if let Some(body) = body_start(masked, at + attribute.len()) {
            lines.extend(line_of(masked, at)..=line_of(masked, closing_brace(masked, body)));
        }
    }
    lines
}

/// Returns the position at which the body of the item at `at` opens; `None` if it ends in a semicolon.
fn body_start(masked: &str, at: usize) -> Option<usize> {
    let mut depth = 0;
    for (index, character) in masked[at..].char_indices() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return None,
            '{' if depth == 0 => return Some(at + index),
            _ => {}
        }
    }
    None
}

fn closing_brace(masked: &str, open: usize) -> usize {
    let mut depth = 0;
    for (index, character) in masked[open..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + index;
        }
    }
    masked.len() - 1
}

/// Returns the beginnings of the paths in a `{a::b, c}` group, with inner groups left whole.
fn group(masked: &str, open: usize) -> Vec<usize> {
    let mut starts = Vec::new();
    let (mut depth, mut expected) = (0, false);
    for (index, character) in masked[open..=closing_brace(masked, open)].char_indices() {
        match character {
            '{' => (depth, expected) = (depth + 1, depth == 0),
            '}' => depth -= 1,
            ',' => expected = depth == 1,
            _ if expected && is_name_character(character) => {
                starts.push(open + index);
                expected = false;
            }
            _ => {}
        }
    }
    starts
}

/// Returns true if the text contains the path as a whole, not as part of a longer name.
pub(crate) fn has_path(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        !text[..at].ends_with(is_name_character) && !text[at + path.len()..].starts_with(is_name_character)
    })
}

pub(crate) fn leading_name(text: &str) -> &str {
    &text[..text.find(|c| !is_name_character(c)).unwrap_or(text.len())]
}

pub(crate) fn is_name_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn example(text: &str) -> Source {
    Source::new("sdk/src/example.rs".into(), text.into())
}

#[test]
fn the_mask_hides_comments_and_literals_and_keeps_offsets() {
    let text = "a /* x /* y */ z */ b // todo!\n'{' \"}\\\"{\" r#\"\"{\"# b'\\'' '–' 'life: &'life\nc";
    let masked = mask(text);
    assert_eq!((masked.len(), masked.lines().count()), (text.len(), 3));
    let seen: String = masked.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(seen, "a b ' ' \" \" r#\" \"# b' ' ' ' 'life: &'life c");
}

#[test]
fn functions_are_measured_from_their_name_to_their_last_brace() {
    let text = "trait T {\n    fn declared(&self);\n}\nfn two(a: [u8; 2]) where u8: Copy {\n}\nfn four() {\n    if x {\n    }\n}\n";
    let found: Vec<_> = example(text).functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect();
    assert_eq!(found, [("two".into(), 4, 2), ("four".into(), 6, 4)]);
}

#[test]
fn paths_are_found_in_groups_and_test_modules_are_not_code() {
    let text = "use crate::{\n    replay::{Input, Output},\n    Failure,\n};\nlet x = crate::client::y;\n#[cfg(test)]\nmod tests {\n    use crate::worker::Worker;\n}\n";
    let source = example(text);
    let found: Vec<_> =
        source.crate_paths().into_iter().map(|(line, name)| (line, name, source.is_code(line))).collect();
    let expected = [(2, "replay", true), (3, "Failure", true), (5, "client", true), (8, "worker", false)];
    assert_eq!(found, expected.map(|(line, name, is_code)| (line, name.to_owned(), is_code)));
}
