//! Owns the way from a byte offset in a module to a place in its source code, through DWARF.
//! Does not own when it is asked (`trap`).

use std::fmt;

use sterna_runtime::LoadedModule;

/// A place in the source code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFrame {
    /// Name of the function, of the inlined one if it was inlined, demangled by nobody.
    pub function: Option<String>,
    /// Path of the file as the compiler noted it.
    pub file: Option<String>,
    /// Line, counted from 1.
    pub line: Option<u32>,
    /// Column, counted from 1.
    pub column: Option<u32>,
}

impl fmt::Display for SourceFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}", self.file.as_deref().unwrap_or("<unknown file>"))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

pub(crate) fn lookup(_module: &LoadedModule, _wasm_offset: u32) -> Vec<SourceFrame> {
    Vec::new()
}
