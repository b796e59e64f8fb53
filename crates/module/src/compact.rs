//! Owns operators in 16 bytes: those whose immediates fit a word, for compilers that keep or move many of them.
//! Does not read them from a body (`operators`).

use sterna_base::TypeIndex;
use sterna_isa::{Class, HeapType, ImmKind, Op, ValType};

use crate::body::{BlockType, Imm, MemArg, Operator};

/// What [`Compact::bits`] are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Nothing: the operator has no immediates.
    None,
    /// The same of an operator without effects besides traps.
    Pure,
    /// A local.
    Local,
    /// An index.
    Index,
    /// Two of them, the first one in the lower half.
    Index2,
    /// The offset of an access to memory 0. Its alignment, which is a hint, is left out.
    Access,
    /// The type of a block that is no reference, by a number.
    Block,
    /// A heap type, by a number.
    Heap,
    /// A constant.
    I32,
    /// A constant.
    I64,
    /// The bits of a constant.
    F32,
    /// The bits of a constant.
    F64,
    /// What does not fit: whoever has such an operator knows what they mean.
    Other,
}

/// An operator with immediates that fit a word.
#[derive(Clone, Copy, Debug)]
pub struct Compact {
    /// Byte offset in the module.
    pub offset: u32,
    /// Which operator.
    pub op: Op,
    /// What its immediates are.
    pub form: Form,
    /// Its immediates.
    pub bits: u64,
}

/// The types of blocks with a number of their own; behind them come function types.
const BLOCKS: [BlockType; 6] = [
    BlockType::Empty,
    BlockType::Value(ValType::I32),
    BlockType::Value(ValType::I64),
    BlockType::Value(ValType::F32),
    BlockType::Value(ValType::F64),
    BlockType::Value(ValType::V128),
];

/// The number of a block's type, unless it is a reference.
#[inline(always)]
pub(crate) fn block_bits(encoded: i64) -> Option<u64> {
    Some(match encoded {
        0.. => BLOCKS.len() as u64 + encoded as u64,
        -5..=-1 => -encoded as u64,
        -0x40 => 0,
        _ => return None,
    })
}

/// The number of a heap type: an index, or the complement of a position in [`HeapType::ABSTRACT`].
#[inline(always)]
pub(crate) fn heap_bits(ty: HeapType) -> u64 {
    match ty {
        HeapType::Concrete(index) => index.into(),
        ty => {
            let position = HeapType::ABSTRACT.iter().position(|known| *known == ty);
            !(position.expect("the list has all abstract types") as u64)
        }
    }
}

/// The form of an operator with a kind of immediates.
pub(crate) fn form(op: Op) -> Form {
    use ImmKind::*;
    match op.imm() {
        NoImm if matches!(op.class(), Class::Pure | Class::Trapping) => Form::Pure,
        NoImm => Form::None,
        Local => Form::Local,
        Global | Func | Label | Type | Tag | Memory | Data | Table | Elem => Form::Index,
        TypeTable | TypeField | TypeCount | TypeData | TypeElem | TypeType | MemoryMemory
        | DataMemory | TableTable | ElemTable => Form::Index2,
        MemArg => Form::Access,
        Block => Form::Block,
        HeapType => Form::Heap,
        I32Imm => Form::I32,
        I64Imm => Form::I64,
        F32Imm => Form::F32,
        F64Imm => Form::F64,
        V128Imm | MemArgLane | Lane | Shuffle | Fence | BrTable | TryTable | BrOnCast
        | SelectType => Form::Other,
    }
}

impl Compact {
    /// An operator that was read with its immediates, [`Form::Other`] if they do not fit.
    pub fn of(operator: &Operator<'_>) -> Compact {
        let Operator { offset, op, ref imm } = *operator;
        let (form, bits) = match *imm {
            Imm::None => (form(op), 0),
            Imm::Index(index) => (form(op), index.into()),
            Imm::Index2(a, b) => (Form::Index2, u64::from(a) | u64::from(b) << 32),
            Imm::MemArg(MemArg { offset, memory: 0, .. }) => (Form::Access, offset),
            _ => (Form::Other, 0),
        };
        Compact { offset, op, form, bits }
    }

    /// Its first index.
    #[inline(always)]
    pub fn index(&self) -> u32 {
        self.bits as u32
    }

    /// Its second index.
    #[inline(always)]
    pub fn second(&self) -> u32 {
        (self.bits >> 32) as u32
    }

    /// The local that the operator sets.
    #[inline(always)]
    pub fn sets_local(&self) -> Option<u32> {
        (self.form == Form::Local && self.op != Op::LocalGet).then_some(self.bits as u32)
    }

    /// Its immediates as they were read; `None` of [`Form::Other`].
    #[inline(always)]
    pub fn imm(&self) -> Option<Imm<'static>> {
        let bits = self.bits;
        Some(match self.form {
            Form::None | Form::Pure => Imm::None,
            Form::Local | Form::Index => Imm::Index(bits as u32),
            Form::Index2 => Imm::Index2(self.index(), self.second()),
            Form::Access => Imm::MemArg(MemArg { offset: bits, memory: 0, align_log2: 0 }),
            Form::Block => Imm::Block(match BLOCKS.get(bits as usize) {
                Some(&ty) => ty,
                None => BlockType::Func(TypeIndex::from_u32(bits as u32 - BLOCKS.len() as u32)),
            }),
            Form::Heap => Imm::HeapType(match u32::try_from(bits) {
                Ok(index) => HeapType::Concrete(index),
                Err(_) => HeapType::ABSTRACT[!bits as usize],
            }),
            Form::I32 => Imm::I32(bits as i32),
            Form::I64 => Imm::I64(bits as i64),
            Form::F32 => Imm::F32(bits as u32),
            Form::F64 => Imm::F64(bits),
            Form::Other => return None,
        })
    }
}
