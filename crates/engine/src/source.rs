//! Owns the way from byte offsets in a module to places in its source code, through DWARF.
//! Does not own when it is asked (`trap`).

use std::fmt;

use addr2line::Context;
use gimli::{EndianSlice, LittleEndian, SectionId};
use sterna_module::Module;

/// A place in the source code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFrame {
    /// Name of the function (of the inlined one, if it was inlined) as the linker knows it.
    pub function: Option<String>,
    /// Path of the file as the compiler noted it.
    pub file: Option<String>,
    /// Line, counted from 1.
    pub line: Option<u32>,
    /// Column, counted from 1; `None` if the compiler did not note one.
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

/// The DWARF sections of one module, parsed as far as needed.
pub(crate) struct Sources<'m> {
    module: &'m Module,
    context: Option<Context<EndianSlice<'m, LittleEndian>>>,
}

impl<'m> Sources<'m> {
    pub(crate) fn new(module: &'m Module) -> Sources<'m> {
        let section = |id: SectionId| {
            let mut sections = module.custom_sections();
            let found = sections.find(|(name, _)| *name == id.name());
            let bytes = found.map_or(&[][..], |(_, bytes)| bytes);
            Ok::<_, gimli::Error>(EndianSlice::new(bytes, LittleEndian))
        };
        let has_dwarf = module.custom_sections().any(|(name, _)| name == ".debug_info");
        // Debug information that is broken is none: it must not hide the trap.
        let parse = || Context::from_dwarf(gimli::Dwarf::load(section).ok()?).ok();
        Sources { module, context: if has_dwarf { parse() } else { None } }
    }

    /// The place of an operator: innermost inlined function first.
    pub(crate) fn at(&self, wasm_offset: u32) -> Vec<SourceFrame> {
        let Some(context) = &self.context else { return Vec::new() };
        // DWARF for WebAssembly counts from the start of the code section's contents.
        let Some(address) = wasm_offset.checked_sub(self.module.code_range().start) else {
            return Vec::new();
        };
        let found = context.find_frames(u64::from(address)).skip_all_loads();
        let Ok(mut frames) = found else { return Vec::new() };
        let mut sources = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let location = frame.location;
            let file = location.as_ref().and_then(|location| location.file);
            let name = frame.function.and_then(|name| Some(name.raw_name().ok()?.into_owned()));
            sources.push(SourceFrame {
                function: name,
                file: file.map(str::to_owned),
                line: location.as_ref().and_then(|location| location.line),
                column: location.and_then(|location| location.column).filter(|&column| column > 0),
            });
        }
        sources.retain(|source| source.file.is_some() || source.line.is_some());
        sources
    }
}
