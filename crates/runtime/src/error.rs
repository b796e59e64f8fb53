//! Owns the errors of instantiation.
//! Does not own traps (`trap`) nor load errors (`loaded`).

use crate::trap::Trap;

/// Why a module could not be instantiated.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The number of imports given is not the module's.
    #[error("expected {expected} imports, got {given}")]
    Count {
        /// Imports of the module.
        expected: usize,
        /// Imports given.
        given: usize,
    },
    /// An import is of another kind or type than the module declares.
    #[error("incompatible import type for `{module}::{name}`: {mismatch}")]
    Incompatible {
        /// Module name of the import.
        module: String,
        /// Field name of the import.
        name: String,
        /// What differs.
        mismatch: ImportMismatch,
    },
    /// A limit of the store forbids it.
    #[error("{0}")]
    Limit(String),
    /// The system has no memory or address space for it.
    #[error("cannot allocate {what}: {source}")]
    System {
        /// What was to be allocated.
        what: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An active segment is out of bounds or the start function trapped.
    #[error(transparent)]
    Trap(#[from] Box<Trap>),
}

/// How an import differs from its declaration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct ImportMismatch {
    /// What the module declares.
    pub expected: String,
    /// What it was given.
    pub found: String,
}
