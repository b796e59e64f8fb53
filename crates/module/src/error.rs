//! Owns the error of decoding and validation.
//! Does not render it: diagnostics with context are the command line's.

/// Why a binary is not a valid module (under the enabled features).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at offset {offset:#x})")]
pub struct ModuleError {
    /// Byte offset in the binary at which the problem was found.
    pub offset: u64,
    /// What was found and expected, in the terms of the specification.
    pub message: String,
}

impl ModuleError {
    pub(crate) fn new(offset: u64, message: impl Into<String>) -> ModuleError {
        ModuleError { offset, message: message.into() }
    }
}

impl From<wasmparser::BinaryReaderError> for ModuleError {
    fn from(error: wasmparser::BinaryReaderError) -> ModuleError {
        ModuleError::new(error.offset(), error.message())
    }
}

/// Why no module came out of a stream.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// What arrived is not valid.
    #[error(transparent)]
    Invalid(#[from] ModuleError),
    /// It did not arrive.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
