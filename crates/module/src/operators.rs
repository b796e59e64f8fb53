//! Owns reading the operators of a validated body, one after the other.
//! Does not own what they are made of (`body`), nor the rare forms of immediates: `wasmparser` reads those.
//!
//! Compilers that go over a body once or twice spend much of their time here. So, since bodies are valid, nothing is checked again: one table
//! leads from the first byte to the operator, whose row says what immediates follow.

use std::sync::OnceLock;

use sterna_base::TypeIndex;
use sterna_isa::{ImmKind, Op, ValType};
use wasmparser::{BinaryReader, OperatorsReader, OperatorsReaderAllocations};

use crate::body::{BlockType, Imm, MemArg, Operator};
use crate::convert;

/// By first byte, the operators that have no prefix.
fn plain_operators() -> &'static [Option<Op>; 256] {
    static TABLE: OnceLock<[Option<Op>; 256]> = OnceLock::new();
    TABLE.get_or_init(|| std::array::from_fn(|byte| Op::from_encoding(0, byte as u32)))
}

/// Set in the alignment of a memory access if the index of the memory follows.
const HAS_MEMORY: u32 = 1 << 6;

/// The immediate of an operator of [`Operators::next_frequent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequent {
    /// None, of a pure operator, which may trap.
    None,
    /// A local, of an access to one.
    Local(u32),
    /// The constant.
    I32(i32),
    /// The offset of an access to memory 0, without the alignment, which is a hint.
    Access(u64),
}

// First and last bytes of the frequent forms.
const LOCAL_GET: u8 = 0x20;
const LOCAL_TEE: u8 = 0x22;
const I32_LOAD: u8 = 0x28;
const I64_STORE32: u8 = 0x3e;
const I32_CONST: u8 = 0x41;
const I32_EQZ: u8 = 0x45;
const I64_EXTEND32_S: u8 = 0xc4;

/// Iterator over the operators of a body.
pub struct Operators<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begins in the module.
    offset: u32,
    plain: &'static [Option<Op>; 256],
    allocations: Option<OperatorsReaderAllocations>,
}

impl Clone for Operators<'_> {
    fn clone(&self) -> Self {
        Operators { allocations: None, ..*self }
    }
}

impl<'a> Operators<'a> {
    /// Operators that begin at `offset` of the module, to the end of `bytes`.
    pub(crate) fn new(bytes: &'a [u8], offset: u32) -> Operators<'a> {
        Operators { bytes, at: 0, offset, plain: plain_operators(), allocations: None }
    }

    #[inline(always)]
    fn byte(&mut self) -> u8 {
        let byte = self.bytes[self.at];
        self.at += 1;
        byte
    }

    /// An unsigned LEB128 number.
    #[inline(always)]
    fn unsigned(&mut self) -> u64 {
        let byte = self.byte();
        if byte < 0x80 { u64::from(byte) } else { self.unsigned_rest(byte) }
    }

    fn unsigned_rest(&mut self, first: u8) -> u64 {
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    #[inline(always)]
    fn index(&mut self) -> u32 {
        self.unsigned() as u32
    }

    /// A signed LEB128 number.
    #[inline(always)]
    fn signed(&mut self) -> i64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= i64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 || shift >= 64 {
                let unused = 64 - u32::min(shift, 64);
                return value << unused >> unused;
            }
        }
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[self.at..self.at + N]);
        self.at += N;
        array
    }

    #[inline(always)]
    fn mem_arg(&mut self) -> MemArg {
        let align = self.index();
        let memory = if align & HAS_MEMORY != 0 { self.index() } else { 0 };
        MemArg { align_log2: (align & !HAS_MEMORY) as u8, memory, offset: self.unsigned() }
    }

    /// The type of a block, unless it is a reference type.
    #[inline(always)]
    fn block_type(&mut self) -> Option<BlockType> {
        let start = self.at;
        Some(match self.signed() {
            -0x40 => BlockType::Empty,
            -1 => BlockType::Value(ValType::I32),
            -2 => BlockType::Value(ValType::I64),
            -3 => BlockType::Value(ValType::F32),
            -4 => BlockType::Value(ValType::F64),
            -5 => BlockType::Value(ValType::V128),
            index @ 0.. => BlockType::Func(TypeIndex::from_u32(index as u32)),
            _ => {
                self.at = start;
                return None;
            }
        })
    }

    /// Reads the next operator if it is of the most frequent forms: its offset in the module, and its immediate. An [`Operator`] is large.
    #[inline(always)]
    pub fn next_frequent(&mut self) -> Option<(u32, Op, Frequent)> {
        let start = self.at;
        let first = *self.bytes.get(start)?;
        let op = self.plain[usize::from(first)]?;
        self.at += 1;
        let imm = match first {
            LOCAL_GET..=LOCAL_TEE => Frequent::Local(self.index()),
            I32_EQZ..=I64_EXTEND32_S => Frequent::None,
            I32_CONST => Frequent::I32(self.signed() as i32),
            I32_LOAD..=I64_STORE32 if u32::from(self.bytes[self.at]) & HAS_MEMORY == 0 => {
                self.at += 1;
                Frequent::Access(self.unsigned())
            }
            _ => {
                self.at = start;
                return None;
            }
        };
        Some((self.offset + start as u32, op, imm))
    }

    /// A heap type that is a type's index.
    fn concrete(&mut self) -> Option<sterna_isa::HeapType> {
        let index = self.signed();
        u32::try_from(index).ok().map(sterna_isa::HeapType::Concrete)
    }

    /// The operator at `start` as `wasmparser` reads it.
    #[cold]
    fn slow(&mut self, start: usize) -> (Op, Imm<'a>) {
        let offset = u64::from(self.offset) + start as u64;
        let reader = BinaryReader::new(&self.bytes[start..], offset);
        let allocations = self.allocations.take().unwrap_or_default();
        let mut reader = OperatorsReader::new_with_allocs(reader, allocations);
        let operator = reader.read().expect("validated");
        self.at = (reader.original_position() - u64::from(self.offset)) as usize;
        self.allocations = Some(reader.into_allocations());
        convert::operator(operator)
    }

    /// The immediates of `op`; `None` if `wasmparser` must read them.
    #[inline(always)]
    fn immediates(&mut self, op: Op) -> Option<Imm<'a>> {
        use ImmKind::*;
        Some(match op.imm() {
            NoImm => Imm::None,
            Local | Global | Func | Label | Type | Tag | Memory | Data | Table | Elem => {
                Imm::Index(self.index())
            }
            MemArg => Imm::MemArg(self.mem_arg()),
            I32Imm => Imm::I32(self.signed() as i32),
            I64Imm => Imm::I64(self.signed()),
            F32Imm => Imm::F32(u32::from_le_bytes(self.array())),
            F64Imm => Imm::F64(u64::from_le_bytes(self.array())),
            V128Imm => Imm::V128(u128::from_le_bytes(self.array())),
            Block => Imm::Block(self.block_type()?),
            HeapType => Imm::HeapType(self.concrete()?),
            TypeTable | TypeField | TypeCount | TypeData | TypeElem | TypeType | MemoryMemory
            | DataMemory | TableTable | ElemTable => Imm::Index2(self.index(), self.index()),
            MemArgLane => Imm::MemArgLane(self.mem_arg(), self.byte()),
            Lane => Imm::Lane(self.byte()),
            Shuffle => Imm::Shuffle(self.array()),
            Fence => {
                self.byte();
                Imm::None
            }
            BrTable | TryTable | BrOnCast | SelectType => return None,
        })
    }
}

impl<'a> Iterator for Operators<'a> {
    type Item = Operator<'a>;

    #[inline]
    fn next(&mut self) -> Option<Operator<'a>> {
        let start = self.at;
        let &first = self.bytes.get(start)?;
        self.at += 1;
        let op = match self.plain[usize::from(first)] {
            Some(op) => Some(op),
            None => {
                let code = self.index();
                Op::from_encoding(first, code)
            }
        };
        let read = op.and_then(|op| Some((op, self.immediates(op)?)));
        let (op, imm) = match read {
            Some(read) => read,
            None => self.slow(start),
        };
        Some(Operator { offset: self.offset + start as u32, op, imm })
    }
}
