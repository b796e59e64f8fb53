//! Owns `Extern`, a reference to any object that can be imported or exported, and the check against an import's type.
//! Does not own the objects.

use std::ptr::NonNull;

use sterna_abi::FuncRef;
use sterna_module::{ExternIndex, GlobalType, MemoryType, Module, TableType};

use crate::error::ImportMismatch;
use crate::global::GlobalRef;
use crate::loaded::LoadedModule;
use crate::memory::Memory;
use crate::table::Table;
use crate::tag::Tag;
use crate::types::TypeInfo;

/// An object of a live store.
#[derive(Clone, Copy, Debug)]
pub enum Extern {
    /// A function.
    Func(NonNull<FuncRef>),
    /// A table.
    Table(NonNull<Table>),
    /// A linear memory.
    Memory(NonNull<Memory>),
    /// A global.
    Global(GlobalRef),
    /// An exception tag.
    Tag(NonNull<Tag>),
}

impl Extern {
    /// Checks the object against import `index` of a module (core spec 4.5.3, "External Typing" and matching).
    ///
    /// # Safety
    /// The object must be live.
    pub(crate) unsafe fn check(
        &self,
        module: &LoadedModule,
        index: ExternIndex,
    ) -> Result<(), ImportMismatch> {
        let wanted: &Module = module.module();
        let types = &module.engine().types;
        let (ok, found) = match (*self, index) {
            (Extern::Func(func), ExternIndex::Func(index)) => {
                // SAFETY: live by the caller's promise.
                let type_id = unsafe { func.as_ref() }.type_id;
                let ok = types.is_subtype(type_id, module.func_type(index).id);
                (ok, types.get(type_id).def.to_string())
            }
            (Extern::Table(table), ExternIndex::Table(index)) => {
                // SAFETY: live by the caller's promise.
                let table = unsafe { table.as_ref() };
                let found = TableType { min: table.len(), ..table.ty().clone() };
                (table_matches(&found, &module.table_type(index)), describe_table(&found))
            }
            (Extern::Memory(memory), ExternIndex::Memory(index)) => {
                // SAFETY: live by the caller's promise.
                let memory = unsafe { memory.as_ref() };
                let found = MemoryType { min: memory.size(), ..memory.ty() };
                (memory_matches(&found, &wanted.memories()[index.index()]), describe_memory(&found))
            }
            (Extern::Global(global), ExternIndex::Global(index)) => {
                let wanted = module.global_type(index);
                // What can be written must be what can be read.
                let ok = match wanted.mutable {
                    true => global.ty == wanted,
                    false => !global.ty.mutable && types.val_matches(global.ty.ty, wanted.ty),
                };
                (ok, describe_global(global.ty))
            }
            (Extern::Tag(tag), ExternIndex::Tag(index)) => {
                // SAFETY: live by the caller's promise.
                let type_id = unsafe { tag.as_ref() }.type_id();
                let ok = type_id == module.tag_type(index).id;
                (ok, describe_tag(&types.get(type_id)))
            }
            (other, _) => (false, format!("a {}", other.kind())),
        };
        match ok {
            true => Ok(()),
            false => Err(ImportMismatch { expected: describe(module, index), found }),
        }
    }

    /// The kind's name: `function`, `table`, `memory`, `global` or `tag`.
    pub fn kind(&self) -> &'static str {
        match self {
            Extern::Func(_) => "function",
            Extern::Table(_) => "table",
            Extern::Memory(_) => "memory",
            Extern::Global(_) => "global",
            Extern::Tag(_) => "tag",
        }
    }
}

fn limits_match(min: u64, max: Option<u64>, wanted_min: u64, wanted_max: Option<u64>) -> bool {
    let max_ok = match (max, wanted_max) {
        (_, None) => true,
        (Some(max), Some(wanted)) => max <= wanted,
        (None, Some(_)) => false,
    };
    min >= wanted_min && max_ok
}

fn table_matches(found: &TableType, wanted: &TableType) -> bool {
    found.element == wanted.element
        && found.is_64 == wanted.is_64
        && limits_match(found.min, found.max, wanted.min, wanted.max)
}

fn memory_matches(found: &MemoryType, wanted: &MemoryType) -> bool {
    found.is_64 == wanted.is_64
        && found.shared == wanted.shared
        && found.page_size_log2 == wanted.page_size_log2
        && limits_match(found.min, found.max, wanted.min, wanted.max)
}

fn describe(module: &LoadedModule, index: ExternIndex) -> String {
    let wanted = module.module();
    match index {
        ExternIndex::Func(index) => module.func_type(index).def.to_string(),
        ExternIndex::Table(index) => describe_table(&module.table_type(index)),
        ExternIndex::Memory(index) => describe_memory(&wanted.memories()[index.index()]),
        ExternIndex::Global(index) => describe_global(module.global_type(index)),
        ExternIndex::Tag(index) => describe_tag(module.tag_type(index)),
    }
}

fn limits_text(is_64: bool, min: u64, max: Option<u64>) -> String {
    let prefix = if is_64 { "i64 " } else { "" };
    match max {
        Some(max) => format!("{prefix}{min} {max}"),
        None => format!("{prefix}{min}"),
    }
}

fn describe_tag(ty: &TypeInfo) -> String {
    format!("(tag {})", ty.def)
}

fn describe_table(ty: &TableType) -> String {
    format!(
        "(table {} {})",
        limits_text(ty.is_64, ty.min, ty.max),
        sterna_isa::ValType::Ref(ty.element)
    )
}

fn describe_memory(ty: &MemoryType) -> String {
    let shared = if ty.shared { " shared" } else { "" };
    let page = match ty.page_size_log2 {
        16 => String::new(),
        log2 => format!(" (pagesize {})", 1u64 << log2),
    };
    format!("(memory {}{shared}{page})", limits_text(ty.is_64, ty.min, ty.max))
}

fn describe_global(ty: GlobalType) -> String {
    match ty.mutable {
        true => format!("(global (mut {}))", ty.ty),
        false => format!("(global {})", ty.ty),
    }
}
