//! Owns the byte offsets of the per-module arrays that follow a vmctx's fixed header.
//! Does not own their element types (`context`) nor their initialization (the runtime).

use core::mem::size_of;
use sterna_base::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex};
use sterna_module::Module;

use crate::context::{FuncRef, GlobalCell, MemorySlot, VmCtx};

/// Where things lie in the vmctx of every instance of one module. All offsets in bytes from the vmctx.
/// A pure function of the module, so that ahead-of-time code and a later process agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceLayout {
    memories: u32,
    tables: u32,
    imported_funcs: u32,
    imported_globals: u32,
    globals: u32,
    func_refs: u32,
    tags: u32,
    size: u32,
    num_imported_globals: u32,
}

impl InstanceLayout {
    /// Lays out `module`'s instance data. The first memory comes right after the header.
    pub fn new(module: &Module) -> InstanceLayout {
        let mut at = VmCtx::SIZE;
        let mut array = |count: usize, size: usize| {
            let offset = at;
            at +=
                u32::try_from(count * size).expect("validation limits every count below a million");
            at = at.next_multiple_of(16);
            offset
        };
        let memories = array(module.memories().len(), size_of::<MemorySlot>());
        let tables = array(module.tables().len(), size_of::<usize>());
        let globals = array(module.num_defined_globals(), size_of::<GlobalCell>());
        let imported_globals = array(module.num_imported_globals(), size_of::<usize>());
        let imported_funcs = array(module.num_imported_funcs(), size_of::<FuncRef>());
        let func_refs = array(module.escaping_funcs().len(), size_of::<FuncRef>());
        let tags = array(module.tags().len(), size_of::<u32>());
        InstanceLayout {
            memories,
            tables,
            imported_funcs,
            imported_globals,
            globals,
            func_refs,
            tags,
            size: at,
            num_imported_globals: module.num_imported_globals() as u32,
        }
    }

    /// Offset of a memory's [`MemorySlot`].
    pub fn memory(&self, index: MemoryIndex) -> u32 {
        self.memories + index.as_u32() * MemorySlot::SIZE
    }

    /// Offset of the pointer to a table's [`crate::TableDef`].
    pub fn table(&self, index: TableIndex) -> u32 {
        self.tables + index.as_u32() * size_of::<usize>() as u32
    }

    /// Offset of an imported function's [`FuncRef`] (held by value).
    pub fn imported_func(&self, index: FuncIndex) -> u32 {
        self.imported_funcs + index.as_u32() * size_of::<FuncRef>() as u32
    }

    /// Where a global is: inline in the vmctx, or behind a pointer if imported.
    pub fn global(&self, index: GlobalIndex) -> GlobalPlace {
        match index.as_u32().checked_sub(self.num_imported_globals) {
            Some(defined) => GlobalPlace::Inline(self.globals + defined * GlobalCell::SIZE),
            None => GlobalPlace::Pointer(
                self.imported_globals + index.as_u32() * size_of::<usize>() as u32,
            ),
        }
    }

    /// Offset of the [`FuncRef`] of the `position`th function of [`Module::escaping_funcs`].
    pub fn func_ref(&self, position: u32) -> u32 {
        self.func_refs + position * size_of::<FuncRef>() as u32
    }

    /// Offset of the number that a tag has in its store (`u32`), which is its identity.
    pub fn tag(&self, index: TagIndex) -> u32 {
        self.tags + index.as_u32() * size_of::<u32>() as u32
    }

    /// Total size of a vmctx in bytes.
    pub fn size(&self) -> u32 {
        self.size
    }
}

/// See [`InstanceLayout::global`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalPlace {
    /// Offset of a [`GlobalCell`] in the vmctx.
    Inline(u32),
    /// Offset of a pointer to a [`GlobalCell`].
    Pointer(u32),
}
