//! Owns the plain descriptions of what a module declares: types of externals, imports, exports, segments.
//! Does not own function bodies (`body`) nor constant expressions (`const_expr`).

use std::ops::Range;

use sterna_base::{FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex};
use sterna_isa::{FuncType, RefType, ValType};

use crate::const_expr::ConstExpr;

/// Type of a table (core spec 2.3, "Table Types").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableType {
    /// Type of the elements.
    pub element: RefType,
    /// Whether indices are `i64`.
    pub is_64: bool,
    /// Initial number of elements.
    pub min: u64,
    /// Most elements it may grow to.
    pub max: Option<u64>,
    /// Initial value of the elements of a defined table; null if absent.
    pub init: Option<ConstExpr>,
}

/// Type of a linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryType {
    /// Whether addresses are `i64`.
    pub is_64: bool,
    /// Whether it can be shared between threads.
    pub shared: bool,
    /// Initial size in pages.
    pub min: u64,
    /// Largest size in pages.
    pub max: Option<u64>,
    /// log2 of the page size in bytes (16 unless the custom page sizes proposal is used).
    pub page_size_log2: u32,
}

impl MemoryType {
    /// Page size in bytes.
    pub fn page_size(&self) -> u64 {
        1 << self.page_size_log2
    }

    /// Initial size in bytes; `None` if it exceeds 64 bits.
    pub fn min_bytes(&self) -> Option<u64> {
        self.min.checked_mul(self.page_size())
    }

    /// Most pages the memory may ever have: its maximum, or what its address type can address.
    pub fn page_limit(&self) -> u64 {
        let addressable = match self.is_64 {
            true => u64::MAX >> self.page_size_log2,
            false => (1 << 32) >> self.page_size_log2,
        };
        self.max.map_or(addressable, |max| max.min(addressable))
    }
}

/// Type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalType {
    /// Type of the value.
    pub ty: ValType,
    /// Whether it can be set.
    pub mutable: bool,
}

/// Type of an import or export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A table.
    Table(TableType),
    /// A linear memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// An exception tag, by the type of its parameters.
    Tag(FuncType),
}

/// What an export refers to, or an import defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExternIndex {
    /// A function.
    Func(FuncIndex),
    /// A table.
    Table(TableIndex),
    /// A linear memory.
    Memory(MemoryIndex),
    /// A global.
    Global(GlobalIndex),
    /// An exception tag.
    Tag(TagIndex),
}

/// An import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Module name.
    pub module: Box<str>,
    /// Field name.
    pub name: Box<str>,
    /// The index it defines.
    pub index: ExternIndex,
}

/// An export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Field name.
    pub name: Box<str>,
    /// What is exported.
    pub index: ExternIndex,
}

/// When a segment takes effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentMode<I> {
    /// Copied on instantiation to `offset` of the table or memory.
    Active(I, ConstExpr),
    /// Copied by an instruction.
    Passive,
    /// Never copied: only declares its functions (element segments only).
    Declared,
}

/// A data segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSegment {
    /// When it is copied.
    pub mode: SegmentMode<MemoryIndex>,
    /// Its bytes, as a range of the module's binary.
    pub range: Range<u32>,
}

/// An element segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElemSegment {
    /// When it is copied.
    pub mode: SegmentMode<TableIndex>,
    /// Type of the elements.
    pub ty: RefType,
    /// The elements.
    pub items: ElemItems,
}

/// Elements of an element segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElemItems {
    /// References to functions.
    Funcs(Box<[FuncIndex]>),
    /// Constant expressions.
    Exprs(Box<[ConstExpr]>),
}

impl ElemItems {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            ElemItems::Funcs(funcs) => funcs.len(),
            ElemItems::Exprs(exprs) => exprs.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A defined global.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GlobalDecl {
    pub(crate) ty: GlobalType,
    pub(crate) init: Option<ConstExpr>,
}

/// A function: its type, and where its body is if it is defined here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FuncDecl {
    pub(crate) ty: TypeIndex,
    pub(crate) body: Range<u32>,
}
