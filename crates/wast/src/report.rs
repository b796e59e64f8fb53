//! Owns what a script run reports: how many assertions passed, and each failure with its place.
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
        outcome: Result<(), String>,
    ) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(message) => self.failures.push(Failure::at(file, text, span, message)),
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
}

impl Failure {
    fn at(file: &str, text: &str, span: Span, message: String) -> Self {
        let (line, column) = span.linecol_in(text);
        Self {
            file: file.to_owned(),
            line: line + 1,
            column: column + 1,
            message,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}",
            self.file, self.line, self.column, self.message
        )
    }
}
