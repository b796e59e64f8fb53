//! Owns `tests/spec-exceptions.toml`: what of the official suite is known to fail, and why.
//! Does not run anything; it judges the report of a file.

use serde::Deserialize;
use sterna_wast::{Failure, Report};

/// The whole list.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    /// Folders that are not run at all.
    #[serde(default)]
    pub skip: Vec<Skip>,
    /// Files that need features we do not have, in some of their directives.
    #[serde(default)]
    unsupported: Vec<Unsupported>,
    /// Lines that must fail for another reason.
    #[serde(default)]
    known_failure: Vec<KnownFailure>,
}

/// A folder that is not run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    pub folder: String,
    pub reason: String,
}

/// Files whose failures are expected as far as they come from a missing feature; one failure at least must.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsupported {
    /// Folder and file, such as `wasm-v3/i32.wast`.
    files: Vec<String>,
    reason: String,
}

/// Lines that must fail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownFailure {
    file: String,
    lines: Vec<usize>,
    /// Only these tiers; without it, all.
    tiers: Option<Vec<String>>,
    reason: String,
}

/// What one entry expects of one file.
struct Expected<'a> {
    /// `None`: any line, as long as a missing feature is the cause.
    line: Option<usize>,
    reason: &'a str,
}

impl Expected<'_> {
    fn covers(&self, failure: &Failure) -> bool {
        match self.line {
            Some(line) => failure.line == line,
            None => failure.unsupported,
        }
    }
}

impl Exceptions {
    /// Reads the list.
    pub fn parse(text: &str) -> Result<Self, String> {
        let list: Self =
            toml::from_str(text).map_err(|e| format!("tests/spec-exceptions.toml: {e}"))?;
        let skip = list.skip.iter().map(|entry| &entry.reason);
        let unsupported = list.unsupported.iter().map(|entry| &entry.reason);
        let known = list.known_failure.iter().map(|entry| &entry.reason);
        match skip.chain(unsupported).chain(known).any(|reason| reason.trim().is_empty()) {
            true => Err("tests/spec-exceptions.toml: every entry needs a reason".into()),
            false => Ok(list),
        }
    }

    /// Why a file is not run.
    pub fn skip_of(&self, file: &str) -> Option<&Skip> {
        self.skip
            .iter()
            .find(|skip| file.strip_prefix(&skip.folder).is_some_and(|rest| rest.starts_with('/')))
    }

    /// Files that the list names, to find the ones that do not exist.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let unsupported = self.unsupported.iter().flat_map(|entry| &entry.files);
        unsupported.chain(self.known_failure.iter().map(|known| &known.file)).map(String::as_str)
    }

    /// What is wrong with a report: failures that are not listed, and listed ones that did not happen.
    pub fn judge(&self, tier: &str, file: &str, report: &Report) -> Vec<String> {
        let expected = self.expected(tier, file);
        let is_new = |failure: &&Failure| !expected.iter().any(|expected| expected.covers(failure));
        let is_gone = |expected: &&Expected<'_>| {
            !report.failures.iter().any(|failure| expected.covers(failure))
        };
        let gone = expected.iter().filter(is_gone).map(|Expected { line, reason, .. }| {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            format!("{file}{line}: listed ({reason}), but it passes: remove the entry")
        });
        report.failures.iter().filter(is_new).map(ToString::to_string).chain(gone).collect()
    }

    fn expected(&self, tier: &str, file: &str) -> Vec<Expected<'_>> {
        let applies = |known: &&KnownFailure| {
            known.file == file
                && known.tiers.as_ref().is_none_or(|tiers| tiers.iter().any(|t| t == tier))
        };
        let unsupported =
            self.unsupported.iter().filter(|entry| entry.files.iter().any(|f| f == file));
        let unsupported = unsupported.map(|entry| Expected { line: None, reason: &entry.reason });
        let lines = self.known_failure.iter().filter(applies).flat_map(|known| {
            known.lines.iter().map(|line| Expected { line: Some(*line), reason: &known.reason })
        });
        unsupported.chain(lines).collect()
    }
}

/// The judgement is what keeps the suite honest, so it is tested before the suite runs.
pub fn self_test() -> Result<(), String> {
    let list = Exceptions::parse(
        r#"
        [[skip]]
        folder = "gc"
        reason = "later"
        [[unsupported]]
        files = ["b.wast"]
        reason = "later"
        [[known_failure]]
        file = "a.wast"
        lines = [3]
        tiers = ["opt"]
        reason = "bug"
        "#,
    )?;
    let report = |lines: &[usize], unsupported| {
        let failure = |line: &usize| {
            let (file, message) = ("x".to_owned(), "no".to_owned());
            Failure { file, line: *line, column: 1, message, unsupported }
        };
        Report { passed: 0, failures: lines.iter().map(failure).collect() }
    };
    let problems = |tier, file, report: &Report| list.judge(tier, file, report).len();
    let no_reason = Exceptions::parse("[[skip]]\nfolder = 'x'\nreason = ' '");
    let checks = [
        ("a listed failure is accepted", problems("opt", "a.wast", &report(&[3], false)) == 0),
        ("another line is not", problems("opt", "a.wast", &report(&[3, 4], false)) == 1),
        ("another tier is not", problems("interp", "a.wast", &report(&[3], false)) == 1),
        ("an unexpected pass fails", problems("opt", "a.wast", &report(&[], false)) == 1),
        (
            "a missing feature is accepted where listed",
            problems("opt", "b.wast", &report(&[7], true)) == 0,
        ),
        ("but no other failure", problems("opt", "b.wast", &report(&[7], false)) == 2),
        ("nor elsewhere", problems("opt", "c.wast", &report(&[7], true)) == 1),
        (
            "folders are skipped",
            list.skip_of("gc/x.wast").is_some() && list.skip_of("gc2/x.wast").is_none(),
        ),
        ("a reason is required", no_reason.is_err()),
    ];
    match checks.iter().find(|(_, holds)| !holds) {
        Some((what, _)) => Err(format!("self-test failed: {what}")),
        None => Ok(()),
    }
}
