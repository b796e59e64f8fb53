//! Owns the size budgets: lines of a file, lines of a function, lines of the map.
//! Does not judge complexity; a long flat table or dispatch says so with a mark.

use super::{Finding, Source};

const FILE_WARN: usize = 600;
const FILE_FAIL: usize = 1000;
const FUNCTION_FAIL: usize = 70;
const MAP_FAIL: usize = 300;
const FLAT_TABLE: &str = "// tidy: flat-table";
const DISPATCH: &str = "// tidy: dispatch";

/// A Rust file has at most 1000 lines unless it is marked as a flat table.
pub fn file_length(source: &Source, findings: &mut Vec<Finding>) {
    let lines = source.text.lines().count();
    if lines <= FILE_WARN || source.text.contains(FLAT_TABLE) {
        return;
    }
    let finding = Finding::error(
        source,
        1,
        format!("{lines} lines, at most {FILE_FAIL}: split it, or mark `{FLAT_TABLE}`"),
    );
    findings.push(if lines > FILE_FAIL { finding } else { finding.into_warning() });
}

/// A function has at most 70 lines unless it is marked as a dispatch.
pub fn function_length(source: &Source, findings: &mut Vec<Finding>) {
    for function in functions(&source.code) {
        let lines = function.last - function.first + 1;
        if lines > FUNCTION_FAIL && !is_marked(source, function.first) {
            let message = format!(
                "`{}` has {lines} lines, at most {FUNCTION_FAIL}: split it, or mark `{DISPATCH}`",
                function.name
            );
            findings.push(Finding::error(source, function.first, message));
        }
    }
}

/// `ARCHITECTURE.md` has at most 300 lines.
pub fn map_length(source: &Source, findings: &mut Vec<Finding>) {
    let lines = source.text.lines().count();
    if source.path == "ARCHITECTURE.md" && lines > MAP_FAIL {
        findings.push(Finding::error(source, 1, format!("{lines} lines, at most {MAP_FAIL}")));
    }
}

/// Whether the mark stands on the line of `fn` or in the comments and attributes above it.
fn is_marked(source: &Source, first: usize) -> bool {
    let lines: Vec<&str> = source.text.lines().collect();
    let above = lines[..first - 1].iter().rev().map(|l| l.trim());
    let above = above.take_while(|l| l.starts_with("//") || l.starts_with("#["));
    lines[first - 1].contains(DISPATCH) || above.into_iter().any(|l| l.starts_with(DISPATCH))
}

#[derive(Debug, PartialEq)]
struct Function<'a> {
    name: &'a str,
    /// Line of `fn`, from 1.
    first: usize,
    /// Line of the closing brace.
    last: usize,
}

/// Every function with a body, found by the word `fn`, a name, and balanced braces.
fn functions(code: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut scanned = 0;
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        line += newlines(&code[scanned..at]);
        scanned = at;
        let signature = code[at + 3..].trim_start();
        let name_len =
            signature.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(0);
        if name_len == 0 {
            continue;
        }
        if let Some(body) = body_length(signature) {
            let end = code.len() - signature.len() + body;
            found.push(Function {
                name: &signature[..name_len],
                first: line,
                last: line + newlines(&code[at..end]),
            });
        }
    }
    found
}

fn newlines(code: &str) -> usize {
    code.bytes().filter(|b| *b == b'\n').count()
}

/// Bytes up to the brace that closes the body; `None` for a declaration without one.
fn body_length(signature: &str) -> Option<usize> {
    let mut braces = 0_usize;
    let mut brackets = 0_usize;
    for (at, byte) in signature.bytes().enumerate() {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets = brackets.checked_sub(1)?,
            b';' if braces == 0 && brackets == 0 => return None,
            b'{' => braces += 1,
            b'}' if braces == 0 => return None,
            b'}' if braces == 1 && brackets == 0 => return Some(at),
            b'}' => braces -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::findings_of;

    #[test]
    fn file_budget_warns_then_fails_unless_flat() {
        let (short, long, huge) = ("x\n".repeat(600), "x\n".repeat(601), "x\n".repeat(1001));
        assert!(findings_of(file_length, "a.rs", &short).is_empty());
        assert!(!findings_of(file_length, "a.rs", &long)[0].fatal);
        assert!(findings_of(file_length, "a.rs", &huge)[0].fatal);
        assert!(findings_of(file_length, "a.rs", &format!("{FLAT_TABLE}\n{huge}")).is_empty());
    }

    #[test]
    fn function_budget_counts_from_fn_to_brace() {
        let body =
            |lines: usize| format!("/// Doc.\nfn f() {{\n{}}}\n", "    x();\n".repeat(lines));
        assert!(findings_of(function_length, "a.rs", &body(68)).is_empty());
        let found = findings_of(function_length, "a.rs", &body(69));
        assert_eq!((found.len(), found[0].line), (1, 2));
        assert!(
            findings_of(
                function_length,
                "a.rs",
                &format!("{DISPATCH}\n#[inline]\n{}", &body(69)[9..])
            )
            .is_empty()
        );
    }

    #[test]
    fn functions_are_found_by_balanced_braces() {
        let code = "fn a();\nfn b<const N: usize>(x: [u8; 2], f: fn(u8)) {\n  if x {}\n}\nimpl T { fn c() -> u8 {\n 1 } }";
        let found: Vec<_> = functions(code).iter().map(|f| (f.name, f.first, f.last)).collect();
        assert_eq!(found, [("b", 2, 4), ("c", 5, 6)]);
    }

    #[test]
    fn the_map_has_a_budget() {
        let text = "x\n".repeat(301);
        assert_eq!(findings_of(map_length, "ARCHITECTURE.md", &text).len(), 1);
        assert!(findings_of(map_length, "docs/RATIONALE.md", &text).is_empty());
    }
}
