//! Owns what a script run reports: how many directives passed, and each failure with its place.
//! Does not print; `Display` gives the usual form of one failure.

use std::fmt;
use wast::token::Span;

/// The outcome of one script.
#[derive(Debug, Default)]
pub struct Report {
    /// Directives that did what they should.
    pub passed: usize,
    /// Directives that did not, in the order of the script.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether nothing failed.
    pub fn is_success(&self) -> bool {
        self.failures.is_empty()
    }

    pub(crate) fn record(
        &mut self,
        file: &str,
        text: &str,
        span: Span,
        outcome: Result<(), Problem>,
    ) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(problem) => {
                let (line, column) = span.linecol_in(text);
                let Problem { message, unsupported } = problem;
                let (line, column) = (line + 1, column + 1);
                self.failures.push(Failure {
                    file: file.to_owned(),
                    line,
                    column,
                    message,
                    unsupported,
                });
            }
        }
    }
}

/// One directive that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Name of the script.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was expected and what happened.
    pub message: String,
    /// Whether the cause is a feature that the engine does not have or that is switched off: in the directive itself, or in
    /// a module that it needs.
    pub unsupported: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// Why a directive failed.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    message: String,
    unsupported: bool,
}

impl Problem {
    /// The engine, or this runner, lacks what the directive needs.
    pub(crate) fn unsupported(what: impl fmt::Display) -> Self {
        Self { message: format!("not supported: {what}"), unsupported: true }
    }

    pub(crate) fn is_unsupported(&self) -> bool {
        self.unsupported
    }
}

impl<T: Into<String>> From<T> for Problem {
    fn from(message: T) -> Self {
        Self { message: message.into(), unsupported: false }
    }
}
