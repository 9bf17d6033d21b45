//! House rules that no compiler checks: allowed dependencies between layers, header docs, size limits, and forbidden
//! content.
//!
//! Every rule reads the whole workspace as text and lists each violation as `file:line: what to do`.

mod behaviours;
mod documents;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Function, Source, has_path, is_name_character, leading_name, line_of, mask, read, texts};

/// The layers of `sdk/src`, in reading order: name, modules, and the other layers they may use. Explained in
/// ARCHITECTURE.md.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    (
        "vocabulary",
        &[
            "activity_defaults",
            "by_name",
            "contract",
            "definition",
            "direct_call",
            "bounded_text",
            "debug_only",
            "duration",
            "failure",
            "converter",
            "retry_policy",
            "workflow_id_reuse_policy",
            "header",
            "history",
            "http_server",
            "into_shared",
            "nexus_operation",
            "search_attributes",
            "memo_and_attributes",
            "rest",
            "metrics",
            "presence",
            "priority",
            "versioning",
        ],
        &[],
    ),
    ("replay", &["replay"], &["vocabulary"]),
    ("workflow", &["workflow"], &["vocabulary", "replay"]),
    ("runtime", &["runtime"], &["vocabulary", "replay", "workflow"]),
    ("activity", &["activity"], &["vocabulary"]),
    ("client", &["client"], &["vocabulary", "codec_server", "plugin"]),
    ("codec_server", &["codec_server"], &["vocabulary"]),
    ("external_storage", &["external_storage"], &["vocabulary"]),
    ("raw", &["raw"], &["vocabulary", "client"]),
    // Handlers of Nexus operations call the server through the worker's client.
    ("nexus", &["nexus"], &["vocabulary", "activity", "client"]),
    ("worker", &["worker"], &["vocabulary", "replay", "workflow", "runtime", "activity", "client", "nexus", "plugin"]),
    ("replayer", &["replayer"], &["vocabulary", "replay", "workflow", "runtime", "client", "worker", "plugin"]),
    // A trait that names what it configures. The layers hold its objects, and learn nothing of each other through it.
    ("plugin", &["plugin"], &["vocabulary", "client", "worker", "replayer"]),
    ("otel", &["otel"], &["vocabulary", "workflow", "activity", "client", "nexus", "worker", "plugin"]),
];
/// A module whose files belong each to the layer that it is named after: `interceptor/client.rs` to `client`.
const INTERCEPTORS: &str = "interceptor";

/// Code that must give the same result for the same input, wherever it runs.
const PURE: &[&str] = &["sdk/src/", "server/src/engine/"];
/// Exceptions within it. `history/load.rs` reads the file it is given; the core never calls it.
const SHELLS: &[&str] = &[
    "sdk/src/client/",
    "sdk/src/worker/",
    "sdk/src/replayer",
    "sdk/src/history/load.rs",
    "sdk/src/codec_server/",
    "sdk/src/external_storage/",
    "sdk/src/raw.rs",
    "sdk/src/http_server.rs",
    "sdk/src/metrics/prometheus/",
    "sdk/src/otel/",
];
const OUTSIDE_WORLD: &[&str] =
    &["tokio", "tonic", "std::fs", "std::net", "std::process", "std::env", "std::thread::spawn"];

/// Generated code.
const MAY_ALLOW: &[&str] = &["macros/src/", "protos/", "sdk/src/workflow/random.rs"];

const MAX_FILE_LINES: usize = 800;
const MAX_FUNCTION_LINES: usize = 70;

#[test]
fn a_layer_uses_only_the_layers_it_may() {
    let exports = root_exports();
    let mut violations = Violations::default();
    for source in sources() {
        let Some(module) = source.module() else { continue };
        let Some((layer, _, allowed)) = layer_of(module) else {
            violations.add(&source, 1, format!("module `{module}` has no layer: add it to LAYERS in sdk/tests/tidy"));
            continue;
        };
        for (line, name) in source.crate_paths() {
            let used = if layer_of(&name).is_some() { &name } else { exports.get(&name).unwrap_or(&name) };
            let in_reach = layer_of(used).is_some_and(|(used, ..)| used == layer || allowed.contains(used));
            if source.is_code(line) && !in_reach {
                let advice = format!("`{layer}` must not use `{used}`: move what both need into a lower layer");
                violations.add(&source, line, advice);
            }
        }
    }
    violations.none();
}

#[test]
fn the_pure_core_never_names_the_outside_world() {
    let mut violations = Violations::default();
    let is_in = |source: &Source, folders: &[&str]| folders.iter().any(|folder| source.path.starts_with(folder));
    for source in sources().iter().filter(|s| is_in(s, PURE) && !is_in(s, SHELLS)) {
        for (line, text) in source.code_lines() {
            for word in OUTSIDE_WORLD.iter().filter(|word| has_path(text, word)) {
                violations.add(source, line, format!("`{word}` in pure code: return a value, let the shell act on it"));
            }
        }
    }
    violations.none();
}

#[test]
fn every_file_says_what_it_is() {
    let mut violations = Violations::default();
    for source in sources().iter().filter(|source| !source.text.trim_start().starts_with("//! ")) {
        violations.add(source, 1, "open the file with a `//!` header: what it holds, and why it is there");
    }
    violations.none();
}

#[test]
fn files_and_functions_fit_their_budgets() {
    let mut violations = Violations::default();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > MAX_FILE_LINES {
            violations.add(&source, 1, format!("{lines} lines, at most {MAX_FILE_LINES}: split it by concept"));
        }
        for Function { name, line, lines } in source.functions() {
            if source.is_code(line) && lines > MAX_FUNCTION_LINES {
                let advice = format!("`fn {name}` has {lines} lines, at most {MAX_FUNCTION_LINES}: name its parts");
                violations.add(&source, line, advice);
            }
        }
    }
    violations.none();
}

#[test]
fn nothing_is_left_open_or_switched_off() {
    let rules = [
        ("todo!", "do it, or list it as missing in README.md"),
        ("unimplemented!", "do it, or return an error that says what is missing"),
        ("#[ignore", "a test that does not run proves nothing: fix it or delete it"),
        ("should_panic", "assert on the error, so that a panic elsewhere cannot pass the test"),
    ];
    let mut violations = Violations::default();
    for source in sources() {
        for (index, text) in source.masked.lines().enumerate() {
            for (word, advice) in rules.iter().filter(|(word, _)| text.contains(word)) {
                violations.add(&source, index + 1, format!("`{word}`: {advice}"));
            }
        }
    }
    violations.none();
}

#[test]
fn only_generated_code_allows_lints() {
    let mut violations = Violations::default();
    for source in sources().iter().filter(|source| !MAY_ALLOW.iter().any(|path| source.path.starts_with(path))) {
        for (line, _) in source.code_lines().filter(|(_, text)| text.contains("[allow(")) {
            violations.add(source, line, "`allow`: write `#[expect(lint, reason = \"..\")]`");
        }
    }
    violations.none();
}

#[test]
fn every_must_use_has_a_note() {
    let mut violations = Violations::default();
    for source in sources() {
        for (line, _) in source.code_lines().filter(|(_, text)| text.contains("[must_use]")) {
            violations.add(&source, line, "`must_use` without a note: say what happens if it is dropped");
        }
    }
    violations.none();
}

#[test]
fn no_public_function_takes_a_bool() {
    let mut violations = Violations::default();
    for source in sources().iter().filter(|s| ["sdk/src/", "testing/src/"].iter().any(|p| s.path.starts_with(p))) {
        for (at, _) in source.masked.match_indices("pub ") {
            let item = source.masked[at + 4..].trim_start_matches("const ").trim_start_matches("async ");
            let signature = item.split(['{', ';']).next().unwrap_or(item);
            if signature.starts_with("fn ") && signature.contains(": bool") {
                let advice = "a `bool` says nothing at the call: take an enum, or offer a method of its own";
                violations.add(source, line_of(&source.masked, at), advice);
            }
        }
    }
    violations.none();
}

#[test]
fn examples_and_benches_use_only_what_users_may() {
    let mut violations = Violations::default();
    for source in sources().iter().filter(|s| s.path.starts_with("examples/") || s.path.starts_with("benches/")) {
        for (line, _) in source.code_lines().filter(|(_, text)| has_path(text, "__private")) {
            violations.add(source, line, "`__private` is for the macros' output: use the public name");
        }
    }
    violations.none();
}

#[test]
fn no_line_ends_in_a_blank() {
    let mut violations = Violations::default();
    for (path, text) in
        texts(|name| [".rs", ".md", ".toml"].iter().any(|end| name.ends_with(end)) || !name.contains('.'))
    {
        for (index, _) in text.lines().enumerate().filter(|(_, line)| line.ends_with([' ', '\t'])) {
            violations.lines.push(format!("{path}:{}: delete the blanks at the end of the line", index + 1));
        }
    }
    violations.none();
}

#[test]
fn the_readme_begins_with_its_two_commands() {
    let readme = read("README.md");
    let mut commands = Vec::new();
    let mut in_commands = false;
    for line in readme.lines() {
        match line {
            "```" => in_commands = false,
            "```sh" => in_commands = true,
            _ if in_commands => commands.push(line.split(" #").next().unwrap_or(line).trim()),
            _ => {}
        }
    }
    assert_eq!(
        commands.get(..2),
        Some(&["cargo run --example order", "cargo test"][..]),
        "README.md's first two commands"
    );
}

#[test]
fn ci_runs_every_test_that_wants_a_real_server() {
    let ci = read(".ci/run");
    let mut violations = Violations::default();
    for source in sources().iter().filter(|s| s.text.contains("env::var(\"ABIDE_TEST_SERVER\")")) {
        let name = source.path.split("/tests/").nth(1).and_then(|rest| rest.split(['/', '.']).next());
        if !name.is_some_and(|name| ci.contains(&format!("--test {name}"))) {
            violations.add(
                source,
                1,
                "run this test with ABIDE_TEST_SERVER set in .ci/run: without it the test only says so",
            );
        }
    }
    violations.none();
}

#[test]
fn the_lock_file_holds_no_banned_crate_and_no_foreign_source() {
    let deny = read("deny.toml");
    let bans: BTreeSet<&str> =
        deny.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next()).collect();
    assert!(
        bans.contains("openssl"),
        "deny.toml: write each ban on a line of its own: {{ crate = \"name\", reason = .. }}"
    );
    for line in read("Cargo.lock").lines() {
        if let Some(name) = line.strip_prefix("name = ") {
            assert!(!bans.contains(name.trim_matches('"')), "Cargo.lock has {name}: deny.toml says why it must not");
        }
        assert!(!line.starts_with("source = \"git+"), "Cargo.lock has {line}: depend on published versions only");
    }
}

#[derive(Default)]
struct Violations {
    lines: Vec<String>,
}

impl Violations {
    fn add(&mut self, source: &Source, line: usize, advice: impl AsRef<str>) {
        self.lines.push(format!("{}:{line}: {}", source.path, advice.as_ref()));
    }

    fn none(self) {
        assert!(self.lines.is_empty(), "{} violations:\n{}", self.lines.len(), self.lines.join("\n"));
    }
}

fn layer_of(module: &str) -> Option<&'static (&'static str, &'static [&'static str], &'static [&'static str])> {
    LAYERS.iter().find(|(_, modules, _)| modules.contains(&module))
}

/// Returns the items that `sdk/src/lib.rs` re-exports at the root, with their modules.
fn root_exports() -> BTreeMap<String, String> {
    let masked = mask(&read("sdk/src/lib.rs"));
    let mut exports = BTreeMap::new();
    for statement in masked.split("\npub use ").skip(1).filter_map(|rest| rest.split(';').next()) {
        let module = leading_name(statement);
        for name in statement.split(|c| !is_name_character(c)).filter(|name| *name != module) {
            exports.insert(name.to_owned(), module.to_owned());
        }
    }
    exports
}

/// Returns the Rust files of the workspace, without inputs of compile-fail tests (`ui` folders), whose names describe
/// them.
fn sources() -> Vec<Source> {
    let files = texts(|name| name.ends_with(".rs")).into_iter().filter(|(path, _)| !path.contains("/ui/"));
    let mut sources: Vec<_> = files.map(|(path, text)| Source::new(path, text)).collect();
    let test_modules: BTreeSet<_> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        let is_test = |module: &String| {
            source.path.strip_prefix(module.as_str()).is_some_and(|rest| rest.starts_with(['.', '/']))
        };
        if test_modules.iter().any(is_test) {
            source.set_test_code();
        }
    }
    sources
}
