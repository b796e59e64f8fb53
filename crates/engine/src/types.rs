//! Owns the types of importable objects as this API names them.
//! Does not own value and function types (`sterna-isa`).

use sterna_isa::{FuncType, RefType, ValType};
use sterna_module as module;

/// Whether a global can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutability {
    /// It cannot.
    Const,
    /// It can.
    Var,
}

/// Type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalType {
    content: ValType,
    mutability: Mutability,
}

impl GlobalType {
    /// A global of a value type.
    pub fn new(content: ValType, mutability: Mutability) -> GlobalType {
        GlobalType { content, mutability }
    }

    /// Type of the value.
    pub fn content(&self) -> ValType {
        self.content
    }

    /// Whether it can be set.
    pub fn mutability(&self) -> Mutability {
        self.mutability
    }

    pub(crate) fn from_module(ty: module::GlobalType) -> GlobalType {
        let mutability = if ty.mutable { Mutability::Var } else { Mutability::Const };
        GlobalType { content: ty.ty, mutability }
    }

    pub(crate) fn to_module(self) -> module::GlobalType {
        module::GlobalType { ty: self.content, mutable: self.mutability == Mutability::Var }
    }
}

/// Type of a linear memory. Sizes are in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryType(module::MemoryType);

impl MemoryType {
    /// A memory with 32-bit addresses and pages of 64 KiB.
    pub fn new(minimum: u64, maximum: Option<u64>) -> MemoryType {
        MemoryType(module::MemoryType {
            is_64: false,
            shared: false,
            min: minimum,
            max: maximum,
            page_size_log2: 16,
        })
    }

    /// A memory with 64-bit addresses and pages of 64 KiB.
    pub fn new64(minimum: u64, maximum: Option<u64>) -> MemoryType {
        let MemoryType(ty) = MemoryType::new(minimum, maximum);
        MemoryType(module::MemoryType { is_64: true, ..ty })
    }

    /// The same with pages of `1 << log2` bytes: 0 or 16 (custom page sizes proposal).
    #[must_use]
    pub fn with_page_size_log2(self, log2: u32) -> MemoryType {
        MemoryType(module::MemoryType { page_size_log2: log2, ..self.0 })
    }

    /// The same, shared between threads (threads proposal).
    #[must_use]
    pub fn shared(self) -> MemoryType {
        MemoryType(module::MemoryType { shared: true, ..self.0 })
    }

    /// Initial size in pages.
    pub fn minimum(&self) -> u64 {
        self.0.min
    }

    /// Largest size in pages.
    pub fn maximum(&self) -> Option<u64> {
        self.0.max
    }

    /// Whether addresses are `i64`.
    pub fn is_64(&self) -> bool {
        self.0.is_64
    }

    /// Whether threads may share it.
    pub fn is_shared(&self) -> bool {
        self.0.shared
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> u64 {
        self.0.page_size()
    }

    pub(crate) fn from_module(ty: module::MemoryType) -> MemoryType {
        MemoryType(ty)
    }

    pub(crate) fn to_module(self) -> module::MemoryType {
        self.0
    }
}

/// Type of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableType {
    element: RefType,
    is_64: bool,
    minimum: u64,
    maximum: Option<u64>,
}

impl TableType {
    /// A table with 32-bit indices.
    pub fn new(element: RefType, minimum: u64, maximum: Option<u64>) -> TableType {
        TableType { element, is_64: false, minimum, maximum }
    }

    /// A table with 64-bit indices.
    pub fn new64(element: RefType, minimum: u64, maximum: Option<u64>) -> TableType {
        TableType { is_64: true, ..TableType::new(element, minimum, maximum) }
    }

    /// Type of the elements.
    pub fn element(&self) -> RefType {
        self.element
    }

    /// Initial number of elements.
    pub fn minimum(&self) -> u64 {
        self.minimum
    }

    /// Most elements it may grow to.
    pub fn maximum(&self) -> Option<u64> {
        self.maximum
    }

    /// Whether indices are `i64`.
    pub fn is_64(&self) -> bool {
        self.is_64
    }

    pub(crate) fn from_module(ty: &module::TableType) -> TableType {
        TableType { element: ty.element, is_64: ty.is_64, minimum: ty.min, maximum: ty.max }
    }

    pub(crate) fn to_module(&self) -> module::TableType {
        module::TableType {
            element: self.element,
            is_64: self.is_64,
            min: self.minimum,
            max: self.maximum,
            init: None,
        }
    }
}

/// Type of an import or export.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A global.
    Global(GlobalType),
    /// A table.
    Table(TableType),
    /// A linear memory.
    Memory(MemoryType),
    /// An exception tag, by the type of its parameters.
    Tag(FuncType),
}

impl ExternType {
    /// The function type, if it is one.
    pub fn func(&self) -> Option<&FuncType> {
        match self {
            ExternType::Func(ty) => Some(ty),
            _ => None,
        }
    }

    /// The kind's name: `function`, `table`, `memory`, `global` or `tag`.
    pub fn kind(&self) -> &'static str {
        match self {
            ExternType::Func(_) => "function",
            ExternType::Global(_) => "global",
            ExternType::Table(_) => "table",
            ExternType::Memory(_) => "memory",
            ExternType::Tag(_) => "tag",
        }
    }

    pub(crate) fn from_module(ty: module::ExternType) -> ExternType {
        match ty {
            module::ExternType::Func(ty) => ExternType::Func(ty),
            module::ExternType::Table(ty) => ExternType::Table(TableType::from_module(&ty)),
            module::ExternType::Memory(ty) => ExternType::Memory(MemoryType::from_module(ty)),
            module::ExternType::Global(ty) => ExternType::Global(GlobalType::from_module(ty)),
            module::ExternType::Tag(ty) => ExternType::Tag(ty),
        }
    }
}

/// An import of a module.
#[derive(Clone, Debug)]
pub struct ImportType<'m> {
    pub(crate) module: &'m str,
    pub(crate) name: &'m str,
    pub(crate) ty: ExternType,
}

impl<'m> ImportType<'m> {
    /// The module name.
    pub fn module(&self) -> &'m str {
        self.module
    }

    /// The field name.
    pub fn name(&self) -> &'m str {
        self.name
    }

    /// What is expected.
    pub fn ty(&self) -> &ExternType {
        &self.ty
    }
}

/// An export of a module.
#[derive(Clone, Debug)]
pub struct ExportType<'m> {
    pub(crate) name: &'m str,
    pub(crate) ty: ExternType,
}

impl<'m> ExportType<'m> {
    /// The name.
    pub fn name(&self) -> &'m str {
        self.name
    }

    /// What is exported.
    pub fn ty(&self) -> &ExternType {
        &self.ty
    }
}
