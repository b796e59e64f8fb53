//! Owns the branch hints of a module in decoded form (the section `metadata.code.branch_hint`).
//! Does not act on them. They never change what a program does, so malformed ones are ignored.

use wasmparser::{BinaryReader, BranchHintSectionReader};

use crate::items::FuncDecl;

/// Which way branches are likely to go.
#[derive(Clone, Debug, Default)]
pub(crate) struct BranchHints {
    /// Byte offset of the operator in the module, ascending, and whether the branch is likely taken.
    hints: Vec<(u32, bool)>,
}

impl BranchHints {
    /// Decodes the section's contents, which begin at `offset` of the module.
    pub fn decode(section: &[u8], offset: u64, funcs: &[FuncDecl]) -> BranchHints {
        let mut hints = Vec::new();
        let reader = BinaryReader::new(section, offset);
        let sections = BranchHintSectionReader::new(reader).into_iter().flatten();
        for func in sections.map_while(Result::ok) {
            let Some(decl) = funcs.get(func.func as usize) else { break };
            for hint in func.hints.into_iter().map_while(Result::ok) {
                hints.push((decl.body.start.saturating_add(hint.func_offset), hint.taken));
            }
        }
        hints.sort_unstable();
        BranchHints { hints }
    }

    /// The hint for the branch at a byte offset of the module.
    pub fn at(&self, offset: u32) -> Option<bool> {
        let found = self.hints.binary_search_by_key(&offset, |&(offset, _)| offset).ok()?;
        Some(self.hints[found].1)
    }
}
