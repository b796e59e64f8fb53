//! Owns the style checks that neither rustfmt nor clippy knows, as a list of short functions.
//! Does not fix anything: a finding names file, line and what to do.

mod blank;
mod budget;
mod layers;
mod safety;
mod words;

use std::fmt;
use std::path::Path;
use std::process::Command;

type Check = fn(&Source, &mut Vec<Finding>);

/// Checks of Rust files.
const RUST: [Check; 7] = [
    budget::file_length,
    budget::function_length,
    safety::forbids_unsafe,
    safety::states_safety,
    words::doc_header,
    words::operating_system,
    words::unfinished,
];

/// Checks of every text file.
const TEXT: [Check; 3] = [budget::map_length, words::file_name, words::machine_path];

const TEXT_EXTENSIONS: [&str; 9] = ["rs", "md", "toml", "wat", "wast", "sh", "yml", "json", "c"];

/// One file as the checks see it.
pub struct Source {
    /// Relative to the repository, with `/`.
    path: String,
    text: String,
    /// The text with strings and comments blanked; empty unless it is Rust.
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { blank::blank(text) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }
}

/// One broken rule.
pub struct Finding {
    path: String,
    line: usize,
    message: String,
    fatal: bool,
}

impl Finding {
    fn error(source: &Source, line: usize, message: String) -> Self {
        Self { path: source.path.clone(), line, message, fatal: true }
    }

    fn into_warning(self) -> Self {
        Self { fatal: false, ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = if self.fatal { "error" } else { "warning" };
        write!(f, "{}:{}: {severity}: {}", self.path, self.line, self.message)
    }
}

/// Runs every check on the repository at `root`; the findings, or why they could not be made.
pub fn run(root: &Path) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    for path in tracked_files(root)? {
        let Ok(text) = std::fs::read_to_string(root.join(&path)) else { continue };
        let source = Source::new(&path, &text);
        TEXT.iter().for_each(|check| check(&source, &mut findings));
        if path.ends_with(".rs") {
            RUST.iter().for_each(|check| check(&source, &mut findings));
        }
    }
    check_layers(root, &mut findings)?;
    Ok(findings)
}

/// Whether any finding must fail the run.
pub fn is_fatal(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.fatal)
}

fn check_layers(root: &Path, findings: &mut Vec<Finding>) -> Result<(), String> {
    const MAP: &str = "ARCHITECTURE.md";
    let map = std::fs::read_to_string(root.join(MAP)).map_err(|e| format!("{MAP}: {e}"))?;
    let metadata = output(root, "cargo", &["metadata", "--no-deps", "--format-version=1"])?;
    let source = Source::new(MAP, &map);
    let problems = layers::check(&map, &metadata)?;
    findings.extend(problems.into_iter().map(|message| Finding::error(&source, 1, message)));
    Ok(())
}

/// Files that are committed, or would be by `git add .`, with a text extension.
fn tracked_files(root: &Path) -> Result<Vec<String>, String> {
    let list = output(root, "git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let is_text =
        |path: &&str| path.rsplit_once('.').is_some_and(|(_, ext)| TEXT_EXTENSIONS.contains(&ext));
    Ok(list.lines().filter(is_text).map(str::to_owned).collect())
}

fn output(root: &Path, program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).current_dir(root).output();
    let output = output.map_err(|e| format!("cannot run {program}: {e}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[cfg(test)]
fn findings_of(check: Check, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    check(&Source::new(path, text), &mut findings);
    findings
}
