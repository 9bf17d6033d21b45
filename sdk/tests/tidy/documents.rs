//! Documents: the links of every Markdown file, and the paths that ARCHITECTURE.md and CONTRIBUTING.md name, lead to files.
//! The changelog is one list, and the chapters of a guide have one order.

use std::collections::BTreeMap;
use std::path::Path;

use super::Violations;
use super::source::{read, texts, workspace};

/// Paths begin with one of these: the folders of the workspace that documents name.
const FOLDERS: &[&str] =
    &[".ci/", "benches/", "examples/", "macros/", "protos/", "scripts/", "sdk/", "server/", "testing/"];

/// The parts of a text between `open` and `close`, with their lines. Code blocks are left out.
fn between<'a>(text: &'a str, open: &str, close: char) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let mut rest = line;
            while let Some((_, after)) = rest.split_once(open) {
                let Some((part, behind)) = after.split_once(close) else { break };
                found.push((index + 1, part));
                rest = behind;
            }
        }
    }
    found
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    let mut violations = Violations::default();
    for (path, text) in texts(|name| name.ends_with(".md")) {
        let folder = Path::new(&path).parent().expect("a file lies in a folder");
        for (line, link) in between(&text, "](", ')') {
            let target = link.split('#').next().unwrap_or(link);
            // Links of documentation comments name items instead: `crate::Client`.
            let is_file = !target.contains("::") && (target.contains('/') || target.ends_with(".md"));
            if is_file && !target.contains("://") && !workspace().join(folder).join(target).exists() {
                violations.lines.push(format!("{path}:{line}: there is no `{target}`: correct the link"));
            }
        }
    }
    violations.none();
}

/// The pages of a guide are part of the crate documentation, so they link the examples by their public address.
#[test]
fn every_link_into_the_repository_leads_somewhere() {
    let prefix = format!("{}/tree/main/", env!("CARGO_PKG_REPOSITORY"));
    let mut violations = Violations::default();
    for (path, text) in texts(|name| name.ends_with(".md")) {
        for (index, line) in text.lines().enumerate() {
            for rest in line.split(&prefix).skip(1) {
                let target = rest.split([')', ' ', '#']).next().unwrap_or(rest);
                if !workspace().join(target).exists() {
                    violations.lines.push(format!("{path}:{}: there is no `{target}`: correct the link", index + 1));
                }
            }
        }
    }
    violations.none();
}

/// Rustdoc does not check the part of a link after `#`.
#[test]
fn every_link_to_a_section_of_the_guide_leads_to_a_heading() {
    let mut violations = Violations::default();
    for (path, text) in texts(|name| name.ends_with(".md") || name.ends_with(".rs")) {
        let Some(crate_folder) = ["sdk", "testing"].into_iter().find(|name| path.starts_with(&format!("{name}/")))
        else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            let links =
                line.split("](crate::guide::").skip(1).filter_map(|rest| rest.split(')').next()?.split_once('#'));
            for (page, section) in links {
                let headings = headings(&read(&format!("{crate_folder}/docs/guide/{page}.md")));
                if !headings.iter().any(|heading| heading == section) {
                    violations.lines.push(format!("{path}:{}: `{page}` has no heading `{section}`", index + 1));
                }
            }
        }
    }
    violations.none();
}

/// The ids that rustdoc gives to the headings of a page.
fn headings(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with("##"));
    let words = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let id =
        |words: String| words.replace(' ', "-").replace(|c: char| !c.is_alphanumeric() && c != '-' && c != '_', "");
    words.map(id).collect()
}

#[test]
fn the_paths_in_architecture_and_contributing_exist() {
    let mut violations = Violations::default();
    for path in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        for (line, code) in between(&read(path), "`", '`') {
            let name = code.split_whitespace().next().unwrap_or(code);
            let is_path = FOLDERS.iter().any(|folder| name.starts_with(folder)) && !name.contains(['<', '*']);
            if is_path && !workspace().join(name).exists() {
                violations.lines.push(format!("{path}:{line}: there is no `{name}`: correct the path"));
            }
        }
    }
    violations.none();
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = read("Cargo.toml");
    let reasons = read("ARCHITECTURE.md");
    let section = manifest.split("[workspace.dependencies]").nth(1).and_then(|rest| rest.split("\n[").next());
    let lines = section.expect("Cargo.toml lists the dependencies of the workspace").lines();
    let names = lines.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.trim());
    let mut violations = Violations::default();
    for name in names.filter(|name| !name.starts_with('#') && !name.starts_with("abide")) {
        if !reasons.contains(&format!("`{name}`")) {
            violations
                .lines
                .push(format!("Cargo.toml: `{name}`: add it to the dependencies in ARCHITECTURE.md, and why"));
        }
    }
    violations.none();
}

/// A merge that keeps both sides of a changelog leaves the old list behind the new one, where nobody reads it.
#[test]
fn the_changelog_is_one_list() {
    const BEGINNING: usize = 40;
    let mut violations = Violations::default();
    let mut seen = BTreeMap::new();
    for (index, line) in read("CHANGELOG.md").lines().enumerate() {
        let number = index + 1;
        if line.chars().count() > 150 {
            violations.lines.push(format!("CHANGELOG.md:{number}: wrap the line at 150 columns"));
        }
        let Some(entry) = line.strip_prefix("- ") else { continue };
        let beginning: String = entry.chars().take(BEGINNING).collect();
        if beginning.chars().count() == BEGINNING
            && let Some(first) = seen.insert(beginning, number)
        {
            violations.lines.push(format!("CHANGELOG.md:{number}: begins like the entry in line {first}: keep one"));
        }
    }
    violations.none();
}

/// The list of pages, the modules and the links at the end of each page. Pages under the heading "Look up" have no
/// neighbours.
#[test]
fn the_chapters_of_a_guide_have_one_order() {
    let mut violations = Violations::default();
    for crate_folder in ["sdk", "testing"] {
        let guide = format!("{crate_folder}/docs/guide");
        let index = read(&format!("{guide}/README.md"));
        let pages = linked_chapters(&index);
        let chapters = linked_chapters(index.split("\n# Look up\n").next().unwrap_or_default());
        let modules = read(&format!("{crate_folder}/src/guide.rs"));
        let modules: Vec<&str> =
            modules.lines().filter_map(|line| line.strip_prefix("pub mod ")?.split(' ').next()).collect();
        assert_eq!(pages, modules, "left: {guide}/README.md; right: {crate_folder}/src/guide.rs");
        for (index, page) in pages.iter().enumerate() {
            let path = format!("{guide}/{page}.md");
            let text = read(&path);
            let footer = text.rsplit("\n---\n").next().unwrap_or_default();
            let around = index.checked_sub(1).into_iter().chain([index + 1]);
            let neighbours: Vec<&String> = match chapters.contains(page) {
                true => around.filter_map(|other| chapters.get(other)).collect(),
                false => Vec::new(),
            };
            if !footer.contains("](crate::guide)") || linked_chapters(footer).iter().ne(neighbours.iter().copied()) {
                violations.lines.push(format!("{path}: its last line must link the guide and {neighbours:?}"));
            }
        }
    }
    violations.none();
}

/// The chapters of Abide's guide run on the embedded server, so they are doc tests of `abide-testing`.
#[test]
fn every_chapter_is_a_doc_test() {
    let mut violations = Violations::default();
    let index = read("sdk/docs/guide/README.md");
    let tested = read("testing/src/lib.rs");
    for chapter in linked_chapters(index.split("\n# Look up\n").next().unwrap_or_default()) {
        let file = format!("sdk/docs/guide/{chapter}.md");
        if !tested.contains(&format!("include_str!(\"../../{file}\")")) {
            violations
                .lines
                .push(format!("testing/src/lib.rs: include {file}, so that its programs are compiled and run"));
        }
    }
    violations.none();
}

fn linked_chapters(text: &str) -> Vec<String> {
    let links = text.split("](crate::guide::").skip(1);
    links.filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

/// A method that is missing in the list is refused as unimplemented.
#[test]
fn the_embedded_server_serves_every_rpc_that_it_implements() {
    for path in ["server/src/grpc.rs", "server/src/operator_grpc.rs"] {
        let text = read(path);
        let service = text.split("Service for Grpc").nth(1).unwrap_or_else(|| panic!("{path} implements a service"));
        let methods = service.split("\n}\n").next().unwrap_or(service);
        let methods = methods.lines().filter_map(|line| line.strip_prefix("    async fn ")?.split(['(', '<']).next());
        let mut implemented: Vec<String> = methods.map(|name| name.replace('_', "")).collect();
        implemented.sort();
        let list = text.split("const SERVED: &[&str] = &[").nth(1).and_then(|rest| rest.split(']').next());
        let list = list.unwrap_or_else(|| panic!("{path} lists the RPCs that it serves"));
        let mut served: Vec<String> = list.split('"').skip(1).step_by(2).map(str::to_lowercase).collect();
        served.sort();
        assert_eq!(implemented, served, "left: the methods in {path}; right: its list SERVED");
    }
}
