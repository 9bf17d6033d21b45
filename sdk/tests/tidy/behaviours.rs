//! The table of behaviours (`sdk/tests/behaviours/README.md`): generated from the names of all tests in the workspace
//! and from three lists, and checked against them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::expect_file;

use super::{Source, read, sources};

const FOLDER: &str = "sdk/tests/behaviours/";
const COUNT: usize = 135;
/// Prefix in `open.txt` for a behaviour that is only partly tested.
const IN_PART: &str = "in part: ";

/// The data of one behaviour.
#[derive(Default)]
struct Behaviour {
    /// Short description, from `items.txt`.
    words: String,
    /// Tests named after it: `file::test`.
    tests: Vec<String>,
    /// Reason and tests (`file::test`) from `elsewhere.txt`.
    elsewhere: Vec<(String, Vec<String>)>,
    /// Missing parts, from `open.txt`.
    open: Vec<String>,
}

impl Behaviour {
    /// Returns true if it is tested at least in part.
    fn is_begun(&self) -> bool {
        !(self.tests.is_empty() && self.elsewhere.is_empty())
    }
}

/// Returns the lines of a list: `number | one | two`, with `#` for comments.
fn list(name: &str, columns: usize, problems: &mut Vec<String>) -> Vec<(usize, Vec<String>)> {
    let path = format!("{FOLDER}{name}");
    let mut rows = Vec::new();
    for (index, line) in read(&path).lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let parts: Vec<String> = line.split(" | ").map(|part| part.trim().to_string()).collect();
        match parts[0].parse() {
            Ok(number) if (1..=COUNT).contains(&number) && parts.len() == columns => {
                rows.push((number, parts[1..].to_vec()));
            }
            _ => problems.push(format!(
                "{path}:{}: expected a number up to {COUNT} and {columns} columns between ` | `",
                index + 1
            )),
        }
    }
    rows
}

/// Returns the tests of a file: functions directly below an attribute that makes them tests.
fn tests_of(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.masked.lines().map(str::trim).collect();
    let is_test = |line: usize| {
        // From the line of the name upwards, across further attributes.
        let above = lines[..line - 1].iter().rev().take_while(|text| text.starts_with("#["));
        above.clone().any(|text| text.starts_with("#[test]") || text.starts_with("#[tokio::test"))
    };
    source.functions().into_iter().filter(|function| is_test(function.line)).map(|function| function.name).collect()
}

/// Returns the behaviours in a test's name: `b046_name`, or several as in `b077_b078_name`.
fn numbers_of(test: &str) -> Vec<usize> {
    let parts = test.split('_').map_while(|part| part.strip_prefix('b').filter(|digits| digits.len() == 3));
    parts.map_while(|digits| digits.parse().ok()).filter(|number| (1..=COUNT).contains(number)).collect()
}

/// Returns all behaviours by number, and the mistakes in the lists.
fn behaviours() -> (BTreeMap<usize, Behaviour>, Vec<String>) {
    let mut problems = Vec::new();
    let mut all: BTreeMap<usize, Behaviour> = BTreeMap::new();
    let tests: BTreeMap<String, Vec<String>> =
        sources().iter().map(|source| (source.path.clone(), tests_of(source))).collect();
    for (path, names) in &tests {
        for name in names {
            let numbers = numbers_of(name);
            if numbers.is_empty() && path.starts_with(FOLDER) {
                problems.push(format!("{path}: `{name}` does not begin with its number, as in `b046_`"));
            }
            for number in numbers {
                all.entry(number).or_default().tests.push(format!("{}::{name}", path.trim_start_matches(FOLDER)));
            }
        }
    }
    for (number, columns) in list("items.txt", 2, &mut problems) {
        let words = &mut all.entry(number).or_default().words;
        if !words.is_empty() {
            problems.push(format!("{FOLDER}items.txt: {number} stands there twice"));
        }
        words.clone_from(&columns[0]);
    }
    for (number, columns) in list("elsewhere.txt", 3, &mut problems) {
        let named: Vec<String> = columns[1].split(", ").map(str::to_string).collect();
        for one in &named {
            let (path, name) = one.split_once("::").unwrap_or((one, ""));
            if !tests.get(path).is_some_and(|names| names.iter().any(|test| test == name)) {
                problems.push(format!("{FOLDER}elsewhere.txt: {number}: there is no test `{one}`"));
            }
        }
        all.entry(number).or_default().elsewhere.push((columns[0].clone(), named));
    }
    for (number, columns) in list("open.txt", 2, &mut problems) {
        all.entry(number).or_default().open.push(columns[0].clone());
    }
    for number in 1..=COUNT {
        let behaviour = all.entry(number).or_default();
        if behaviour.words.is_empty() {
            problems.push(format!("{FOLDER}items.txt: {number} is missing"));
        }
        let is_begun = behaviour.is_begun();
        if !is_begun && behaviour.open.is_empty() {
            problems.push(format!("{number} ({}): write a test, or say where it is or what is open", behaviour.words));
        }
        for what in behaviour.open.iter().filter(|what| what.starts_with(IN_PART) != is_begun) {
            problems.push(match is_begun {
                true => format!(
                    "{FOLDER}open.txt: {number} ({what}) has tests now: delete the line, or write `{IN_PART}` and what is left"
                ),
                false => format!("{FOLDER}open.txt: {number} ({what}) has no test: it is open altogether"),
            });
        }
    }
    (all, problems)
}

fn table(all: &BTreeMap<usize, Behaviour>) -> String {
    let open: Vec<&Behaviour> = all.values().filter(|one| !one.open.is_empty()).collect();
    let (begun, open) = (open.iter().filter(|one| one.is_begun()).count(), open.len());
    let tests: usize = all.values().map(|one| one.tests.len()).sum();
    let mut text = format!(
        "{} of {COUNT} behaviours are proven; {open} are open, {begun} of them in part.\n\n\
         Generated by `UPDATE_EXPECT=1 cargo test --test tidy` from the names of {tests} tests, wherever they stand \
         (`b046_..`), and from `items.txt`, `elsewhere.txt` (tests of other names) and `open.txt` in this folder; do not \
         edit. A test without a folder stands in this one.\n\n\
         Tests in `sdk/tests/worker/` and `sdk/tests/client/` need a real server (`ABIDE_TEST_SERVER`): without one they \
         say that they were skipped, and prove nothing. Those in `testing/tests/conformance/` and \
         `testing/tests/client_updates/` then prove what they prove on the embedded server alone, and say so.\n\n\
         | | behaviour | proven by |\n| --- | --- | --- |\n",
        all.len() - open,
    );
    for (number, one) in all {
        let mut proofs: Vec<String> = one.tests.iter().map(|test| format!("`{test}`")).collect();
        proofs.extend(one.elsewhere.iter().map(|(why, tests)| {
            let tests: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
            format!("{why}: {}", tests.join(", "))
        }));
        proofs.extend(one.open.iter().map(|what| format!("**open**: {what}")));
        let _ = writeln!(text, "| {number} | {} | {} |", one.words, proofs.join("<br>"));
    }
    text
}

#[test]
fn every_behaviour_has_a_test_a_place_elsewhere_or_is_open() {
    let (all, problems) = behaviours();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    expect_file!["../behaviours/README.md"].assert_eq(&table(&all));
}
