//! Owns the checks around `unsafe`: who may use it, and that declarations carry their proof.
//! Does not check unsafe blocks: clippy's `undocumented_unsafe_blocks` does.

use super::{Finding, Source};

/// Crates that promise the compiler to contain no unsafe code.
const FORBIDDING: [&str; 14] = [
    "base",
    "isa",
    "eval",
    "module",
    "baseline",
    "opt",
    "opt-clif",
    "component",
    "wasi",
    "debug",
    "snapshot",
    "wast",
    "js-api",
    "js",
];
const FORBID: &str = "#![forbid(unsafe_code)]";

/// Crates that lift the ban at single places, each with a reason.
const DENYING: [&str; 1] = ["cli"];
const DENY: &str = "#![deny(unsafe_code)]";

/// The root file of a crate in the lists above carries the attribute.
pub fn forbids_unsafe(source: &Source, findings: &mut Vec<Finding>) {
    let is_root_of = |krate: &&str| {
        let file = source.path.strip_prefix("crates/").and_then(|path| path.strip_prefix(krate));
        matches!(file, Some("/src/lib.rs" | "/src/main.rs"))
    };
    for (crates, attribute) in [(&FORBIDDING[..], FORBID), (&DENYING[..], DENY)] {
        if crates.iter().any(is_root_of) && !source.code.contains(attribute) {
            findings.push(Finding::error(source, 1, format!("missing `{attribute}`")));
        }
    }
}

/// `unsafe impl` and `unsafe extern` blocks have a `// SAFETY:` comment above them.
pub fn states_safety(source: &Source, findings: &mut Vec<Finding>) {
    let lines: Vec<&str> = source.text.lines().collect();
    for (index, code) in source.code.lines().enumerate() {
        let Some(what) = unsafe_declaration(code) else { continue };
        let above = lines[..index].iter().rev().map(|l| l.trim());
        let mut above = above.take_while(|l| l.starts_with("//") || l.starts_with("#["));
        if !above.any(|l| l.starts_with("// SAFETY:")) {
            findings.push(Finding::error(
                source,
                index + 1,
                format!("`{what}` without a `// SAFETY:` comment above it"),
            ));
        }
    }
}

fn unsafe_declaration(code: &str) -> Option<&'static str> {
    let (_, after) = code.split_once("unsafe ")?;
    let after = after.trim_start();
    if after.starts_with("impl") {
        return Some("unsafe impl");
    }
    let block = after.strip_prefix("extern")?.trim_start();
    block.starts_with('{').then_some("unsafe extern")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::findings_of;

    #[test]
    fn listed_crates_must_forbid_or_deny() {
        let problems = |path, text| findings_of(forbids_unsafe, path, text).len();
        assert_eq!(problems("crates/isa/src/lib.rs", "//! x"), 1);
        assert_eq!(problems("crates/isa/src/lib.rs", "// #![forbid(unsafe_code)]"), 1);
        assert_eq!(problems("crates/isa/src/lib.rs", FORBID), 0);
        assert_eq!(problems("crates/isa/src/other.rs", ""), 0);
        assert_eq!(problems("crates/sys/src/lib.rs", ""), 0);
        assert_eq!(problems("crates/cli/src/main.rs", ""), 1);
        assert_eq!(problems("crates/cli/src/main.rs", DENY), 0);
    }

    #[test]
    fn impls_and_extern_blocks_need_a_proof() {
        assert_eq!(findings_of(states_safety, "a.rs", "// x\nunsafe impl Send for T {}").len(), 1);
        assert_eq!(findings_of(states_safety, "a.rs", "unsafe extern \"C\" {").len(), 1);
        assert!(
            findings_of(
                states_safety,
                "a.rs",
                "// SAFETY: why\n// more\nunsafe impl Send for T {}"
            )
            .is_empty()
        );
        assert!(
            findings_of(
                states_safety,
                "a.rs",
                "type F = unsafe extern \"C\" fn();\nunsafe fn f() {}"
            )
            .is_empty()
        );
        assert!(findings_of(states_safety, "a.rs", "// unsafe impl").is_empty());
    }
}
