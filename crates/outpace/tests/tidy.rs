//! Goal: the repository keeps the rules that the compiler does not know. A failure names the file and the rule.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a source file before its tests.
const LINES_MAX: usize = 600;

/// Names that say nothing. A file, folder or module has none of them as a word of its name.
const BANNED_NAMES: &[&str] = &[
    "common", "handler", "handlers", "helper", "helpers", "manager", "managers", "misc", "models", "types",
    "util", "utils",
];

/// Texts that have no place in the tree: folders of one developer's machine, and hosts of package registries (a mirror
/// must be able to stand in for them). Written in two parts, so that this list does not find itself.
const FORBIDDEN_TEXTS: &[&str] = &[
    concat!("..", "/shared"),
    concat!("/work", "/shared"),
    concat!("/work", "/main"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("registry.", "npmjs.org"),
    concat!("pypi", ".org"),
    concat!("proxy.", "golang.org"),
];

/// Folders that hold nothing of ours.
const SKIPPED_FOLDERS: &[&str] = &[".git", "target", "data", "node_modules"];

#[test]
fn no_source_file_is_longer_than_600_lines_before_its_tests() {
    let mut broken = Vec::new();
    for file in rust_files() {
        if is_test_file(&file) {
            continue;
        }
        let lines = lines_before_tests(&read(&file));
        if lines > LINES_MAX {
            broken.push(format!("{}: {lines} lines, at most {LINES_MAX}", shown(&file)));
        }
    }
    assert_none(&broken, "split these files by their ideas");
}

#[test]
fn the_limit_of_70_lines_a_function_is_on_in_every_crate() {
    let mut broken = Vec::new();
    let workspace = read(&root().join("Cargo.toml"));
    if !has_line(&workspace, "[workspace.lints.clippy]") || !has_line(&workspace, "too_many_lines = \"warn\"")
    {
        broken.push("Cargo.toml: [workspace.lints.clippy] needs too_many_lines = \"warn\"".to_owned());
    }
    let threshold = "too-many-lines-threshold = 70";
    if !has_line(&read(&root().join("clippy.toml")), threshold) {
        broken.push(format!("clippy.toml: needs {threshold}"));
    }
    for crate_folder in crates() {
        let manifest = read(&crate_folder.join("Cargo.toml"));
        if !manifest.contains("\n[lints]\nworkspace = true\n") {
            broken.push(format!("{}/Cargo.toml: needs [lints] workspace = true", shown(&crate_folder)));
        }
        // A crate's own clippy.toml replaces the one of the workspace.
        let own = crate_folder.join("clippy.toml");
        if own.exists() && !has_line(&read(&own), threshold) {
            broken.push(format!("{}: needs {threshold}", shown(&own)));
        }
    }
    assert_none(&broken, "switch the lints on");
}

#[test]
fn no_lint_of_function_length_is_switched_off() {
    let allow = concat!("allow(clippy::", "too_many_lines");
    let broken: Vec<String> = rust_files()
        .iter()
        .filter(|file| read(file).contains(allow))
        .map(|file| format!("{}: {allow})", shown(file)))
        .collect();
    assert_none(&broken, "split these functions");
}

#[test]
fn no_file_folder_or_module_has_a_name_that_says_nothing() {
    let mut broken = Vec::new();
    for file in rust_files() {
        let path = shown(&file);
        let parts = path.trim_end_matches(".rs").split('/');
        for word in parts.flat_map(|part| part.split(['_', '-'])) {
            if BANNED_NAMES.contains(&word) {
                broken.push(format!("{path}: {word}"));
            }
        }
        for name in read(&file).lines().filter_map(declared_module) {
            if name.split('_').any(|word| BANNED_NAMES.contains(&word)) {
                broken.push(format!("{path}: mod {name}"));
            }
        }
    }
    assert_none(&broken, "name these by what they are about");
}

#[test]
fn architecture_md_names_every_module_and_nothing_that_is_gone() {
    let map = read(&root().join("ARCHITECTURE.md"));
    let mut broken = Vec::new();
    for crate_folder in crates() {
        let heading = format!("### `{}`", shown(&crate_folder));
        let named = code_map(&map, &heading);
        let source = crate_folder.join("src");
        for file in rust_files().iter().filter(|file| file.starts_with(&source)) {
            let path = relative(file, &source);
            let covered =
                named.iter().any(|name| *name == path || (name.ends_with('/') && path.starts_with(name)));
            if !covered {
                broken.push(format!("{heading}: {path} is not named"));
            }
        }
        for name in named.iter().filter(|name| !source.join(name).exists()) {
            broken.push(format!("{heading}: {name} is named and does not exist"));
        }
    }
    assert_none(&broken, "make the code map of ARCHITECTURE.md true");
}

#[test]
fn every_config_key_is_in_the_example_and_in_the_documentation() {
    let parts = ["config.rs", "config/compliance.rs", "config/direct.rs"];
    let source: String = parts.map(|part| read(&root().join("crates/outpace/src").join(part))).concat();
    let example = example_keys(&read(&root().join("outpace.toml")));
    let documented = documented_keys(&read(&root().join("docs/configuration.md")));
    let mut known = BTreeSet::new();
    config_keys(&source, "Config", "", &mut known);
    assert!(
        known.contains("server.data") && known.contains("company.app.appid"),
        "config.rs was not understood"
    );

    let mut broken = Vec::new();
    for (place, found) in [("outpace.toml", &example), ("docs/configuration.md", &documented)] {
        broken.extend(known.difference(found).map(|key| format!("{place}: {key} is missing")));
        broken.extend(found.difference(&known).map(|key| format!("{place}: {key} is no key")));
    }
    assert_none(&broken, "document every key");
}

#[test]
fn every_service_of_the_api_is_documented() {
    let table = read(&root().join("crates/outpace/src/api/app_sip/service.rs"));
    let (table, _) = table.split_once("#[cfg(test)]").expect("the routing table has tests below it");
    let services: Vec<&str> = table.split('"').filter(|text| is_service(text)).collect();
    assert!(services.len() > 10, "the routing table was not understood");
    let documented = read(&root().join("docs/api.md"));
    let broken: Vec<String> = services
        .iter()
        .filter(|service| !documented.contains(**service))
        .map(|service| format!("docs/api.md: {service} is missing"))
        .collect();
    assert_none(&broken, "document every service");
}

#[test]
fn both_readmes_show_the_two_commands() {
    let mut broken = Vec::new();
    for readme in ["README.md", "README.zh-CN.md"] {
        let text = read(&root().join(readme));
        for command in ["make demo", "make test"] {
            if !has_line(&text, command) {
                broken.push(format!("{readme}: no line {command:?}"));
            }
        }
    }
    assert_none(&broken, "say how to start");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for file in files(&root()).into_iter().filter(|file| has_extension(file, "md")) {
        let folder = file.parent().expect("a file is in a folder").to_owned();
        for target in link_targets(&read(&file)) {
            if !folder.join(&target).exists() {
                broken.push(format!("{}: {target}", shown(&file)));
            }
        }
    }
    assert_none(&broken, "mend these links");
}

#[test]
fn no_text_is_in_the_tree_that_has_no_place_there() {
    let mut broken = Vec::new();
    for file in files(&root()).iter().filter(|file| is_text_of_ours(file)) {
        let Ok(text) = fs::read_to_string(file) else { continue };
        for forbidden in FORBIDDEN_TEXTS.iter().filter(|forbidden| text.contains(**forbidden)) {
            broken.push(format!("{}: {forbidden}", shown(file)));
        }
    }
    assert_none(&broken, "take these out");
}

#[test]
fn the_length_of_a_file_ends_where_its_tests_begin() {
    assert_eq!(lines_before_tests("a\nb\n"), 2);
    assert_eq!(lines_before_tests("a\n#[cfg(test)]\nmod tests;\nb\n"), 4);
    assert_eq!(lines_before_tests("a\n#[cfg(test)]\nuse x;\n#[cfg(test)]\nmod tests {\n}\n"), 3);
}

#[test]
fn keys_of_the_example_are_read_with_their_section() {
    let text = "[a]\nx = 1\n# y = 2\n# [[b]]\n# # Words = no key\n# z = 3\n#\n# [[b.c]]\n# k = \"v\"\n";
    let keys: Vec<String> = example_keys(text).into_iter().collect();
    assert_eq!(keys, ["a.x", "a.y", "b.c.k", "b.z"]);
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate is two folders below the root").to_owned()
}

/// The folders of the workspace's crates.
fn crates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        entries(&root().join("crates")).into_iter().filter(|path| path.join("Cargo.toml").exists()).collect();
    folders.sort();
    folders
}

fn rust_files() -> Vec<PathBuf> {
    files(&root().join("crates")).into_iter().filter(|file| has_extension(file, "rs")).collect()
}

/// All files below the folder, in a fixed order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for path in entries(&folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // In a linked work tree `.git` is a file.
            if path.is_symlink() || name == ".git" {
                continue;
            }
            if !path.is_dir() {
                found.push(path);
            } else if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                open.push(path);
            }
        }
    }
    found.sort();
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).unwrap_or_else(|e| panic!("cannot list {}: {e}", folder.display()));
    listed.map(|entry| entry.expect("a listed folder can be read").path()).collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|e| panic!("cannot read {}: {e}", file.display()))
}

/// The path as seen from the root of the repository.
fn shown(path: &Path) -> String {
    relative(path, &root())
}

fn relative(path: &Path, base: &Path) -> String {
    path.strip_prefix(base).expect("the path is below the folder").to_string_lossy().into_owned()
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|e| e == extension)
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|l| l.trim() == line)
}

/// Not lock files, which name registries by design, and not sounds or databases.
fn is_text_of_ours(file: &Path) -> bool {
    let text = [
        "", "rs", "md", "toml", "sql", "sh", "xml", "yml", "yaml", "json", "csv", "txt", "ts", "css", "html",
    ];
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    text.contains(&extension.as_ref())
}

/// A file that is a test as a whole.
fn is_test_file(file: &Path) -> bool {
    let path = shown(file);
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

fn lines_before_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let begin = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    begin.unwrap_or(lines.len())
}

/// The name in `mod name;`, `pub(crate) mod name {` and the like.
fn declared_module(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
    if words.next()? != "mod" {
        return None;
    }
    Some(words.next()?.trim_end_matches([';', '{']))
}

/// What the first column of the table below the heading names: `file.rs` or `folder/`.
fn code_map(document: &str, heading: &str) -> Vec<String> {
    let below = document.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    let section = below.take_while(|line| !line.starts_with('#'));
    section.filter_map(first_column).collect()
}

/// The text in backticks that begins a row of a table.
fn first_column(line: &str) -> Option<String> {
    let (text, _) = line.strip_prefix("| `")?.split_once('`')?;
    Some(text.to_owned())
}

/// The keys of the struct with their dotted path, those of the structs in it included.
fn config_keys(source: &str, name: &str, prefix: &str, keys: &mut BTreeSet<String>) {
    let opening = format!("pub struct {name} {{");
    for line in source.lines().skip_while(|line| *line != opening).skip(1).take_while(|line| *line != "}") {
        let Some((key, kind)) = line.trim().strip_prefix("pub ").and_then(|field| field.split_once(": "))
        else {
            continue;
        };
        let kind = kind.trim_end_matches(',').trim_start_matches("Vec<").trim_start_matches("Option<");
        let kind = kind.trim_end_matches('>');
        if source.contains(&format!("pub struct {kind} {{")) {
            config_keys(source, kind, &format!("{prefix}{key}."), keys);
        } else {
            keys.insert(format!("{prefix}{key}"));
        }
    }
}

/// The keys of the example with their section, those that are commented out included.
fn example_keys(example: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut section = String::new();
    for line in example.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

/// The keys of the tables, whose first column has them in backticks.
fn documented_keys(document: &str) -> BTreeSet<String> {
    document.lines().filter_map(first_column).filter(|name| name.contains('.')).collect()
}

/// Targets of the links that stay in the repository, without what follows a `#`.
fn link_targets(document: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for rest in document.split("](").skip(1) {
        let Some((target, _)) = rest.split_once(')') else { continue };
        let target = target.split('#').next().unwrap_or_default();
        if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
            targets.push(target.to_owned());
        }
    }
    targets
}

/// `App.Sip_Area.Action`
fn is_service(text: &str) -> bool {
    text.starts_with("App.Sip_") && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_')
}

/// Fails with the whole list, so that one run shows all there is to do.
fn assert_none(broken: &[String], what_to_do: &str) {
    assert!(broken.is_empty(), "{what_to_do}:\n  {}", broken.join("\n  "));
}
