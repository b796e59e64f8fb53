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
    /// Files, or single lines of them, that must fail.
    #[serde(default)]
    pub known_failure: Vec<KnownFailure>,
}

/// A folder that is not run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    pub folder: String,
    pub reason: String,
}

/// A file or a line that must fail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownFailure {
    /// Folder and file, such as `wasm-v3/i32.wast`.
    file: String,
    /// Only this line; without it, any failure of the file is expected.
    line: Option<usize>,
    /// Only these tiers; without it, all.
    tiers: Option<Vec<String>>,
    reason: String,
}

impl Exceptions {
    /// Reads the list.
    pub fn parse(text: &str) -> Result<Self, String> {
        let list: Self =
            toml::from_str(text).map_err(|e| format!("tests/spec-exceptions.toml: {e}"))?;
        let reasons = list
            .skip
            .iter()
            .map(|s| &s.reason)
            .chain(list.known_failure.iter().map(|k| &k.reason));
        match reasons.into_iter().any(|reason| reason.trim().is_empty()) {
            true => Err("tests/spec-exceptions.toml: every entry needs a reason".into()),
            false => Ok(list),
        }
    }

    /// Why a file is not run.
    pub fn skip_of(&self, file: &str) -> Option<&Skip> {
        self.skip.iter().find(|skip| {
            file.strip_prefix(&skip.folder)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// What is wrong with a report: failures that are not listed, and listed ones that did not happen.
    pub fn judge(&self, tier: &str, file: &str, report: &Report) -> Vec<String> {
        let applies = |known: &&KnownFailure| {
            known.file == file
                && known
                    .tiers
                    .as_ref()
                    .is_none_or(|tiers| tiers.iter().any(|t| t == tier))
        };
        let known: Vec<&KnownFailure> = self.known_failure.iter().filter(applies).collect();
        let covers = |known: &KnownFailure, failure: &Failure| {
            known.line.is_none_or(|line| line == failure.line)
        };
        let new = report
            .failures
            .iter()
            .filter(|failure| !known.iter().any(|known| covers(known, failure)));
        let gone = known
            .iter()
            .filter(|known| !report.failures.iter().any(|failure| covers(known, failure)));
        let gone = gone.map(|known| {
            let line = known
                .line
                .map(|line| format!(":{line}"))
                .unwrap_or_default();
            format!(
                "{file}{line}: listed as a known failure ({}), but it passes: remove the entry",
                known.reason
            )
        });
        new.map(ToString::to_string).chain(gone).collect()
    }
}

/// The judgement is what keeps the suite honest, so it is tested before the suite runs.
pub fn self_test() -> Result<(), String> {
    let list = Exceptions::parse(
        r#"
        [[skip]]
        folder = "gc"
        reason = "later"
        [[known_failure]]
        file = "a.wast"
        line = 3
        tiers = ["opt"]
        reason = "bug"
        "#,
    )?;
    let failure = |line| Failure {
        file: "a.wast".into(),
        line,
        column: 1,
        message: "no".into(),
    };
    let report = |lines: &[usize]| Report {
        passed: 0,
        failures: lines.iter().map(|line| failure(*line)).collect(),
    };
    let checks = [
        (
            "a listed failure is accepted",
            list.judge("opt", "a.wast", &report(&[3])).is_empty(),
        ),
        (
            "another line is not",
            list.judge("opt", "a.wast", &report(&[3, 4])).len() == 1,
        ),
        (
            "another tier is not",
            list.judge("interp", "a.wast", &report(&[3])).len() == 1,
        ),
        (
            "an unexpected pass fails",
            list.judge("opt", "a.wast", &report(&[])).len() == 1,
        ),
        (
            "folders are skipped",
            list.skip_of("gc/x.wast").is_some() && list.skip_of("gc2/x.wast").is_none(),
        ),
        (
            "a reason is required",
            Exceptions::parse("[[skip]]\nfolder = 'x'\nreason = ' '").is_err(),
        ),
    ];
    checks
        .iter()
        .find(|(_, holds)| !holds)
        .map_or(Ok(()), |(what, _)| Err(format!("self-test failed: {what}")))
}
