//! Owns how the tool says that something went wrong: one sentence, a place, a hint, an exit code.
//! Does not decide what is wrong; commands return a `Failure` and `main` prints it.

use owo_colors::OwoColorize;
use std::fmt::Display;
use std::io::Write;

/// Exit codes of the tool itself. A guest that exits by itself chooses its own.
pub mod exit {
    /// Our own error: unreadable file, invalid module, missing import.
    pub const ERROR: u8 = 1;
    /// The command line could not be understood.
    pub const USAGE: u8 = 2;
    /// `--timeout` ran out, as with timeout(1).
    pub const TIMEOUT: u8 = 124;
    /// The guest trapped: 128 + 6, what a native program that aborts reports.
    pub const TRAP: u8 = 134;
    /// The guest raised signal n: this + n, what a shell reports of a native program.
    pub const SIGNAL: u8 = 128;
}

/// An error on its way to the terminal.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
    details: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    /// An error of ours: exit code 1.
    pub fn new(message: impl Display) -> Self {
        Self { code: exit::ERROR, message: message.to_string(), details: Vec::new(), hint: None }
    }

    /// A command line that cannot be obeyed: exit code 2.
    pub fn usage(message: impl Display) -> Self {
        Self::new(message).code(exit::USAGE)
    }

    /// Leaves with this exit code instead.
    pub fn code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Adds an indented line below the sentence: a place, a frame of a backtrace.
    pub fn detail(mut self, line: impl Display) -> Self {
        self.details.push(line.to_string());
        self
    }

    /// Says what to do about it.
    pub fn hint(self, hint: impl Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }

    /// Like [`hint`](Self::hint) when there is something to say.
    pub fn maybe_hint(self, hint: Option<impl Display>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Prints to standard error, in colour when it is a terminal; returns the exit code.
    pub fn report(&self) -> u8 {
        let mut err = anstream::stderr().lock();
        // Nothing sensible can be done when standard error itself is gone.
        let _ = self.write(&mut err);
        self.code
    }

    fn write(&self, err: &mut dyn Write) -> std::io::Result<()> {
        writeln!(err, "{} {}", "error:".red().bold(), self.message)?;
        for detail in &self.details {
            for line in detail.lines() {
                writeln!(err, "  {line}")?;
            }
        }
        if let Some(hint) = &self.hint {
            writeln!(err, "{} {hint}", "hint:".cyan().bold())?;
        }
        Ok(())
    }
}

/// Why reading or writing `path` failed, in one sentence.
pub fn cannot(action: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let path = path.display();
    let reason = match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "it is a directory".to_owned(),
        ErrorKind::StorageFull => "no space left on the device".to_owned(),
        _ => error.to_string(),
    };
    Failure::new(format_args!("cannot {action} {path}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_a_sentence_details_and_a_hint() {
        let failure = Failure::new("no").detail("a\nb").hint("try");
        let mut out = Vec::new();
        failure.write(&mut anstream::StripStream::new(&mut out)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "error: no\n  a\n  b\nhint: try\n");
    }

    #[test]
    fn io_errors_are_one_sentence() {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        let failure = cannot("read", "x.wasm".as_ref(), &error);
        assert_eq!(failure.message, "cannot read x.wasm: no such file or directory");
    }
}
