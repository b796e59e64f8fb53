//! Owns telling text from binary, and the error of the text format.
//! Does not own the text format: `wast` does.

use std::fmt;

#[cfg(not(feature = "wat"))]
use crate::error::Error;
use crate::error::Result;

/// Why a module in the text format is not well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    message: String,
    line: usize,
    column: usize,
    excerpt: String,
}

impl TextError {
    /// What was found and expected.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Column in characters, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The line of text.
    pub fn excerpt(&self) -> &str {
        &self.excerpt
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at line {}, column {})", self.message, self.line, self.column)
    }
}

impl std::error::Error for TextError {}

/// Whether bytes are meant as text: they are, and do not start like a binary.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes[0] != 0 && std::str::from_utf8(bytes).is_ok()
}

/// The binary format of a module in either format.
pub(crate) fn to_binary(bytes: &[u8]) -> Result<Vec<u8>> {
    match is_text(bytes) {
        true => assemble(bytes),
        false => Ok(bytes.to_vec()),
    }
}

#[cfg(feature = "wat")]
pub(crate) fn assemble(text: &[u8]) -> Result<Vec<u8>> {
    let text = String::from_utf8_lossy(text);
    let parsed = || {
        let buffer = wast::parser::ParseBuffer::new(&text)?;
        let mut module = wast::parser::parse::<wast::Wat>(&buffer)?;
        module.encode()
    };
    parsed().map_err(|error: wast::Error| {
        let (line, column) = error.span().linecol_in(&text);
        let excerpt = text.lines().nth(line).unwrap_or_default().chars().take(200).collect();
        let (line, column) = (line + 1, column + 1);
        TextError { message: error.message(), line, column, excerpt }.into()
    })
}

#[cfg(not(feature = "wat"))]
pub(crate) fn assemble(_text: &[u8]) -> Result<Vec<u8>> {
    Err(Error::msg("not a WebAssembly binary, and this build cannot read the text format"))
}
