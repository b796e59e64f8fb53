//! Owns the checks that look for words: doc headers, file names, unfinished code, machine paths.
//! Does not look inside strings and comments unless the check is about them.

use super::{Finding, Source};

const FORBIDDEN_NAMES: [&str; 8] =
    ["util", "utils", "common", "misc", "manager", "helper", "helpers", "stuff"];
const UNFINISHED: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];
/// Split so that this file does not contain what it looks for.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/home", "/runner"),
    concat!("/tmp/", "target"),
];

/// A Rust file begins with two `//!` lines: what it owns, and what it does not.
pub fn doc_header(source: &Source, findings: &mut Vec<Finding>) {
    let header = source.text.lines().take_while(|l| l.starts_with("//!"));
    if header.filter(|l| l.len() > "//! ".len()).count() < 2 {
        findings.push(Finding::error(
            source,
            1,
            "begin with two `//!` lines: what the file owns, what it deliberately does not".into(),
        ));
    }
}

/// No file or folder has a name that says nothing.
pub fn file_name(source: &Source, findings: &mut Vec<Finding>) {
    let stems = source.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    for stem in stems {
        if FORBIDDEN_NAMES.contains(&stem) {
            findings.push(Finding::error(
                source,
                1,
                format!("the name `{stem}` says nothing: name the concept"),
            ));
        }
    }
}

/// `cfg(target_os)` appears only in `sys`.
pub fn operating_system(source: &Source, findings: &mut Vec<Finding>) {
    if source.path.starts_with("crates/sys/") {
        return;
    }
    for line in lines_with(&source.code, "target_os") {
        findings.push(Finding::error(
            source,
            line,
            "operating systems are distinguished only in crates/sys".into(),
        ));
    }
}

/// No unfinished code.
pub fn unfinished(source: &Source, findings: &mut Vec<Finding>) {
    for word in UNFINISHED {
        for line in lines_with(&source.code, word) {
            findings.push(Finding::error(
                source,
                line,
                format!("`{word}` left behind: return an error that says what is missing"),
            ));
        }
    }
}

/// No path of the machine somebody worked on.
pub fn machine_path(source: &Source, findings: &mut Vec<Finding>) {
    for path in MACHINE_PATHS {
        for (index, line) in source.text.lines().enumerate() {
            let inside_a_path = |at: usize| {
                line[..at].ends_with(|c: char| c.is_alphanumeric() || ".-_~".contains(c))
            };
            if line.match_indices(path).any(|(at, _)| !inside_a_path(at)) {
                findings.push(Finding::error(source, index + 1, format!("machine path `{path}`")));
            }
        }
    }
}

/// Lines (from 1) that contain `word` where no longer word ends with it.
fn lines_with<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let starts_word =
        |line: &str, at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let holds = move |line: &str| line.match_indices(word).any(|(at, _)| starts_word(line, at));
    code.lines().enumerate().filter(move |(_, line)| holds(line)).map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::findings_of;

    #[test]
    fn header_needs_two_lines() {
        assert!(findings_of(doc_header, "a.rs", "//! Owns a.\n//! Does not b.\n").is_empty());
        assert_eq!(findings_of(doc_header, "a.rs", "//! Owns a.\n//!\n").len(), 1);
        assert_eq!(findings_of(doc_header, "a.rs", "use a;\n//! x\n//! y\n").len(), 1);
    }

    #[test]
    fn empty_names_are_refused() {
        assert_eq!(findings_of(file_name, "crates/x/src/utils.rs", "").len(), 1);
        assert_eq!(findings_of(file_name, "crates/common/src/lib.rs", "").len(), 1);
        assert!(findings_of(file_name, "crates/x/src/uncommon.rs", "").is_empty());
    }

    #[test]
    fn operating_systems_only_in_sys() {
        let code = "#[cfg(target_os = \"linux\")]";
        assert_eq!(findings_of(operating_system, "crates/wasi/src/lib.rs", code).len(), 1);
        assert!(findings_of(operating_system, "crates/sys/src/lib.rs", code).is_empty());
        assert!(findings_of(operating_system, "crates/wasi/src/lib.rs", "// target_os").is_empty());
    }

    #[test]
    fn unfinished_code_is_found_outside_strings() {
        assert_eq!(findings_of(unfinished, "a.rs", "f();\ntodo!()")[0].line, 2);
        assert!(findings_of(unfinished, "a.rs", "// todo!\n\"dbg!\"; my_dbg!()").is_empty());
    }

    #[test]
    fn machine_paths_are_found_in_text() {
        let text = format!("see {}x", MACHINE_PATHS[0]);
        assert_eq!(findings_of(machine_path, "a.md", &text).len(), 1);
        assert!(findings_of(machine_path, "a.md", &format!("net{}", MACHINE_PATHS[0])).is_empty());
    }
}
