//! Owns the file tests of the command line: transcripts in comments at the head of `tests/cli/*.wat`.
//! Does not test the engine; what matters here are words and exit codes.
//!
//! ```text
//! ;; $ sterna run --invoke div div.wat 1 0
//! ;; error: the program trapped: integer divide by zero
//! ;;    0: div at 0x25
//! ;; exit 134
//! ```
//! Below the command stand standard output, standard error, and the exit code unless it is 0. `cargo x bless` writes what
//! it got instead of comparing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROMPT: &str = ";; $ sterna";

#[test]
fn transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cli");
    let bless = std::env::var_os("STERNA_BLESS").is_some();
    let files = files(&folder);
    assert!(!files.is_empty(), "no transcripts in {}", folder.display());
    let mut different = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let actual = replay(&folder, &text);
        if actual == text {
            continue;
        }
        if bless {
            std::fs::write(&file, actual).unwrap();
        } else {
            let head: String = actual
                .lines()
                .take_while(|line| line.starts_with(";;"))
                .fold(String::new(), |s, l| s + l + "\n");
            different.push(format!("{}: got\n{head}", file.display()));
        }
    }
    assert!(different.is_empty(), "{}\nIf that is right: cargo x bless", different.join("\n"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "wat")).collect();
    files.sort();
    files
}

/// The text with the outputs of its commands replaced by what they print now.
fn replay(folder: &Path, text: &str) -> String {
    let mut out = String::new();
    let mut in_transcript = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix(PROMPT) {
            in_transcript = true;
            writeln!(out, "{line}").unwrap();
            out += &run(folder, command);
        } else if !(in_transcript && line.starts_with(";;")) {
            in_transcript = false;
            writeln!(out, "{line}").unwrap();
        }
    }
    out
}

fn run(folder: &Path, command: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sterna"))
        .args(words(command))
        .current_dir(folder)
        .env_clear()
        .env("NO_COLOR", "1")
        .env("GREETING", "hello")
        .output()
        .unwrap();
    let streams = [output.stdout, output.stderr].concat();
    let mut shown = String::new();
    for line in String::from_utf8(streams).unwrap().lines() {
        writeln!(shown, "{}", format!(";; {line}").trim_end()).unwrap();
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => writeln!(shown, ";; exit {code}").unwrap(),
        None => writeln!(shown, ";; killed: {}", output.status).unwrap(),
    }
    shown
}

/// Words between spaces; quotes keep spaces.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in command.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
