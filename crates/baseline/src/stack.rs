//! Owns the vocabulary of the abstract operand stack: types, entries, locals, open constructs.
//! Does not own the code that moves values between these places.

use sterna_isa::{HeapType, RefType, ValType};
use sterna_module::{BlockType, Module};

use crate::machine::Cc;

/// Type of a value, as far as code depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ty {
    I32,
    I64,
    F32,
    F64,
    V128,
    /// Address of a `FuncRef`.
    Func,
    /// References into the heap.
    Extern,
    Any,
    Exn,
}

/// Kind of registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bank {
    Int = 0,
    Float = 1,
}

impl Ty {
    pub fn of(module: &Module, ty: ValType) -> Ty {
        match ty {
            ValType::I32 => Ty::I32,
            ValType::I64 => Ty::I64,
            ValType::F32 => Ty::F32,
            ValType::F64 => Ty::F64,
            ValType::V128 => Ty::V128,
            ValType::Ref(ty) => Ty::of_heap(module, ty.heap),
        }
    }

    pub fn of_heap(module: &Module, ty: HeapType) -> Ty {
        match ty {
            HeapType::Extern | HeapType::NoExtern => Ty::Extern,
            HeapType::Exn | HeapType::NoExn => Ty::Exn,
            _ if module.is_func_heap(ty) => Ty::Func,
            _ => Ty::Any,
        }
    }

    pub fn of_fixed(ty: sterna_isa::Ty) -> Ty {
        use sterna_isa::Ty as Fixed;
        match ty {
            Fixed::I32 => Ty::I32,
            Fixed::I64 => Ty::I64,
            Fixed::F32 => Ty::F32,
            Fixed::F64 => Ty::F64,
            Fixed::V128 => Ty::V128,
            _ => Ty::Any,
        }
    }

    /// Slots of 8 bytes.
    pub fn slots(self) -> u32 {
        if self == Ty::V128 { 2 } else { 1 }
    }

    /// Bytes that are moved.
    pub fn bytes(self) -> u32 {
        match self {
            Ty::I32 | Ty::F32 => 4,
            Ty::V128 => 16,
            _ => 8,
        }
    }

    pub fn bank(self) -> Bank {
        match self {
            Ty::F32 | Ty::F64 | Ty::V128 => Bank::Float,
            _ => Bank::Int,
        }
    }

    /// Whether the collector may change values.
    pub fn is_object(self) -> bool {
        matches!(self, Ty::Extern | Ty::Any | Ty::Exn)
    }

    /// Of references, the nullable top of their hierarchy.
    pub fn val_type(self) -> ValType {
        match self {
            Ty::I32 => ValType::I32,
            Ty::I64 => ValType::I64,
            Ty::F32 => ValType::F32,
            Ty::F64 => ValType::F64,
            Ty::V128 => ValType::V128,
            Ty::Func => ValType::FUNCREF,
            Ty::Extern => ValType::EXTERNREF,
            Ty::Any => ValType::Ref(RefType::nullable(HeapType::Any)),
            Ty::Exn => ValType::EXNREF,
        }
    }
}

/// No register, no entry.
pub(crate) const NO_REG: u8 = u8::MAX;
pub(crate) const NO_ENTRY: u32 = u32::MAX;

/// Where an operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Loc {
    /// Nowhere: its bits.
    Const(u64),
    /// In a register of its type's bank, which is its own.
    Reg(u8),
    /// It is the current value of a local. `below` is the next such entry of the same local further down.
    Local { index: u32, below: u32 },
    /// In its home.
    Home,
    /// In the flags, for the next operator only.
    Flags(Cond),
}

/// A condition that the flags hold. Machine conditions by their number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cond {
    Cc(Cc),
    /// After a comparison of floats: equal and ordered.
    FloatEq,
    /// Not that.
    FloatNe,
}

impl Cond {
    /// The opposite.
    pub fn inverted(self) -> Cond {
        match self {
            Cond::Cc(cc) => Cond::Cc(cc.inverted()),
            Cond::FloatEq => Cond::FloatNe,
            Cond::FloatNe => Cond::FloatEq,
        }
    }
}

/// An operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub loc: Loc,
    pub ty: Ty,
    /// Its home: the number of slots of locals and operands below.
    pub slot: u32,
}

/// A local.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Local {
    pub ty: Ty,
    /// Its home.
    pub slot: u32,
    /// The register that it lives in, or [`NO_REG`].
    pub pin: u8,
    /// If it is not pinned, a register that holds its value now, or [`NO_REG`].
    pub cache: u8,
    /// The topmost operand that is this local's value, or [`NO_ENTRY`].
    pub alias: u32,
}

/// What kind of construct is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FrameKind {
    /// The function, a block, or the second half of an `if`.
    Block,
    Loop,
    /// The first half of an `if`.
    If,
    TryTable,
    /// The body of a legacy `try`.
    Try,
    /// A clause of one.
    Catch,
}

/// An open construct.
#[derive(Clone, Copy)]
pub(crate) struct Frame<L> {
    pub kind: FrameKind,
    pub ty: BlockType,
    /// Operands below its parameters.
    pub height: u32,
    pub params: u32,
    pub results: u32,
    /// Where branches to it go.
    pub label: L,
    /// Of an `if`: where its second half begins. Of a `try` with clauses: the test of the next one.
    pub other: L,
    /// Where its parameters are kept for the second half.
    pub saved: u32,
    /// How often it was entered; of the first half of an `if`, the second half. See [`crate::driver::record`].
    pub runs: u32,
    /// The outermost construct that branches in it lead to.
    pub lowest: u32,
}
