//! Owns reading the operators of a validated body, one after the other.
//! Does not own what they are made of (`body`), nor the rare forms of immediates: `wasmparser` reads those.
//!
//! Compilers that go over a body once or twice spend much of their time here. So, since bodies are valid, nothing is checked again: one table
//! leads from the first byte to the operator, whose row says what immediates follow.

use std::sync::OnceLock;

use sterna_base::TypeIndex;
use sterna_isa::{HeapType, ImmKind, Op, RefType, ValType};
use wasmparser::{BinaryReader, OperatorsReader, OperatorsReaderAllocations};

use crate::body::{BlockType, Imm, MemArg, Operator};
use crate::compact::{Compact, Form, block_bits, form, heap_bits};
use crate::convert;

/// A prefix whose operators are in [`Table::compact`]: the first byte, and a number above all codes.
type Prefix = (u8, usize);
/// Of the operators on objects.
const OBJECTS: Prefix = (0xfb, 0x20);
/// Of the operators on vectors.
const VECTORS: Prefix = (0xfd, 0x120);
// Where they begin in the table.
const OBJECTS_AT: usize = 256;
const VECTORS_AT: usize = OBJECTS_AT + OBJECTS.1;
const COMPACT: usize = VECTORS_AT + VECTORS.1;

/// Operators by their encoding.
struct Table {
    /// Those without prefix by their byte.
    plain: [Option<Op>; 256],
    /// The same with their form, then those of some prefixes by their code. [`Form::Other`] if there is none.
    compact: [(Op, Form); COMPACT],
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let plain = |byte| Op::from_encoding(0, byte as u32);
        let found = |at| match at {
            VECTORS_AT.. => Op::from_encoding(VECTORS.0, (at - VECTORS_AT) as u32),
            OBJECTS_AT.. => Op::from_encoding(OBJECTS.0, (at - OBJECTS_AT) as u32),
            byte => plain(byte),
        };
        let compact = |at| found(at).map_or((Op::Unreachable, Form::Other), |op| (op, form(op)));
        Table { plain: std::array::from_fn(plain), compact: std::array::from_fn(compact) }
    })
}

/// Set in the alignment of a memory access if the index of the memory follows.
const HAS_MEMORY: u32 = 1 << 6;
/// Set in its first byte if either that or another byte of the alignment follows.
const MORE: u8 = 1 << 7 | 1 << 6;

/// A position in a body.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
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
        let mut value = 0;
        for shift in (0..64).step_by(7) {
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

    #[inline(always)]
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

    /// The type of a block.
    #[inline(always)]
    fn block_type(&mut self) -> BlockType {
        let start = self.at;
        match self.signed() {
            -0x40 => BlockType::Empty,
            index @ 0.. => BlockType::Func(TypeIndex::from_u32(index as u32)),
            _ => {
                self.at = start;
                BlockType::Value(self.val_type())
            }
        }
    }

    /// A value type.
    fn val_type(&mut self) -> ValType {
        let reference = |nullable, heap| ValType::Ref(RefType { nullable, heap });
        let start = self.at;
        match self.byte() {
            0x7f => ValType::I32,
            0x7e => ValType::I64,
            0x7d => ValType::F32,
            0x7c => ValType::F64,
            0x7b => ValType::V128,
            0x64 => reference(false, self.heap_type().expect("validated")),
            0x63 => reference(true, self.heap_type().expect("validated")),
            _ => {
                self.at = start;
                reference(true, self.heap_type().expect("validated"))
            }
        }
    }

    /// A heap type, unless it is of a proposal that is never enabled.
    #[inline(always)]
    fn heap_type(&mut self) -> Option<HeapType> {
        Some(match self.signed() {
            index @ 0.. => HeapType::Concrete(u32::try_from(index).ok()?),
            -0x0c => HeapType::NoExn,
            -0x0d => HeapType::NoFunc,
            -0x0e => HeapType::NoExtern,
            -0x0f => HeapType::None,
            -0x10 => HeapType::Func,
            -0x11 => HeapType::Extern,
            -0x12 => HeapType::Any,
            -0x13 => HeapType::Eq,
            -0x14 => HeapType::I31,
            -0x15 => HeapType::Struct,
            -0x16 => HeapType::Array,
            -0x17 => HeapType::Exn,
            _ => return None,
        })
    }
}

/// Iterator over the declared locals of a body: runs of equal type.
pub struct LocalGroups<'a> {
    cursor: Cursor<'a>,
    left: u32,
}

impl<'a> LocalGroups<'a> {
    /// With the cursor at the body's beginning.
    pub(crate) fn new(mut cursor: Cursor<'a>) -> LocalGroups<'a> {
        let left = cursor.index();
        LocalGroups { cursor, left }
    }

    /// The operators behind, once all have been read, of a body at `offset` of the module.
    pub(crate) fn operators(self, offset: u32) -> Operators<'a> {
        debug_assert_eq!(self.left, 0, "locals are left");
        Operators::new(self.cursor, offset)
    }
}

impl Iterator for LocalGroups<'_> {
    type Item = (u32, ValType);

    #[inline]
    fn next(&mut self) -> Option<(u32, ValType)> {
        self.left = self.left.checked_sub(1)?;
        let count = self.cursor.index();
        Some((count, self.cursor.val_type()))
    }
}

/// Iterator over the operators of a body.
pub struct Operators<'a> {
    cursor: Cursor<'a>,
    /// Where the body begins in the module.
    offset: u32,
    table: &'static Table,
    allocations: Option<OperatorsReaderAllocations>,
}

impl Clone for Operators<'_> {
    fn clone(&self) -> Self {
        Operators { allocations: None, ..*self }
    }
}

impl<'a> Operators<'a> {
    /// Operators from the cursor on, of a body at `offset` of the module.
    fn new(cursor: Cursor<'a>, offset: u32) -> Operators<'a> {
        Operators { cursor, offset, table: table(), allocations: None }
    }

    /// Reads the next operator if its immediates fit a word: an [`Operator`] is large. Else stays before it; [`Form::Other`] is never read.
    #[inline(always)]
    pub fn next_compact(&mut self) -> Option<Compact> {
        // Apart from `self`, so that it is kept in registers.
        let mut cursor = self.cursor;
        let first = *cursor.bytes.get(cursor.at)?;
        let offset = self.offset + cursor.at as u32;
        cursor.at += 1;
        let row = match first {
            b if b == OBJECTS.0 => OBJECTS_AT + (cursor.index() as usize).min(OBJECTS.1 - 1),
            b if b == VECTORS.0 => VECTORS_AT + (cursor.index() as usize).min(VECTORS.1 - 1),
            byte => usize::from(byte),
        };
        let (op, form) = self.table.compact[row];
        let bits = match form {
            Form::None | Form::Pure => 0,
            Form::Local | Form::Index => u64::from(cursor.index()),
            Form::Index2 => {
                let first = u64::from(cursor.index());
                first | u64::from(cursor.index()) << 32
            }
            Form::Access if cursor.byte() & MORE == 0 => cursor.unsigned(),
            Form::Block => block_bits(cursor.signed())?,
            Form::Heap => heap_bits(cursor.heap_type()?),
            Form::I32 => u64::from(cursor.signed() as u32),
            Form::I64 => cursor.signed() as u64,
            Form::F32 => u32::from_le_bytes(cursor.array()).into(),
            Form::F64 => u64::from_le_bytes(cursor.array()),
            Form::Access | Form::Other => return None,
        };
        self.cursor = cursor;
        Some(Compact { offset, op, form, bits })
    }

    /// The operator at `start` as `wasmparser` reads it.
    #[cold]
    fn slow(&mut self, start: usize) -> (Op, Imm<'a>) {
        let offset = u64::from(self.offset) + start as u64;
        let reader = BinaryReader::new(&self.cursor.bytes[start..], offset);
        let allocations = self.allocations.take().unwrap_or_default();
        let mut reader = OperatorsReader::new_with_allocs(reader, allocations);
        let operator = reader.read().expect("validated");
        self.cursor.at = (reader.original_position() - u64::from(self.offset)) as usize;
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
                Imm::Index(self.cursor.index())
            }
            MemArg => Imm::MemArg(self.cursor.mem_arg()),
            I32Imm => Imm::I32(self.cursor.signed() as i32),
            I64Imm => Imm::I64(self.cursor.signed()),
            F32Imm => Imm::F32(u32::from_le_bytes(self.cursor.array())),
            F64Imm => Imm::F64(u64::from_le_bytes(self.cursor.array())),
            V128Imm => Imm::V128(u128::from_le_bytes(self.cursor.array())),
            Block => Imm::Block(self.cursor.block_type()),
            ImmKind::HeapType => Imm::HeapType(self.cursor.heap_type()?),
            TypeTable | TypeField | TypeCount | TypeData | TypeElem | TypeType | MemoryMemory
            | DataMemory | TableTable | ElemTable => {
                Imm::Index2(self.cursor.index(), self.cursor.index())
            }
            MemArgLane => Imm::MemArgLane(self.cursor.mem_arg(), self.cursor.byte()),
            Lane => Imm::Lane(self.cursor.byte()),
            Shuffle => Imm::Shuffle(self.cursor.array()),
            Fence => {
                self.cursor.byte();
                Imm::None
            }
            SelectType if self.cursor.index() == 1 => Imm::Select(self.cursor.val_type()),
            BrOnCast => {
                let (flags, label) = (self.cursor.byte(), self.cursor.index());
                let from = RefType { nullable: flags & 1 != 0, heap: self.cursor.heap_type()? };
                let to = RefType { nullable: flags & 2 != 0, heap: self.cursor.heap_type()? };
                Imm::BrOnCast { label, from, to }
            }
            BrTable | TryTable | SelectType => return None,
        })
    }
}

impl<'a> Iterator for Operators<'a> {
    type Item = Operator<'a>;

    #[inline]
    fn next(&mut self) -> Option<Operator<'a>> {
        let start = self.cursor.at;
        let &first = self.cursor.bytes.get(start)?;
        self.cursor.at += 1;
        let op = match self.table.plain[usize::from(first)] {
            Some(op) => Some(op),
            None => {
                let code = self.cursor.index();
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

#[cfg(test)]
mod tests {
    use super::{Cursor, Operators};
    use crate::body::{Imm, MemArg};
    use crate::compact::Compact;

    fn operators(bytes: &[u8]) -> Operators<'_> {
        Operators::new(Cursor::new(bytes), 100)
    }

    /// Reads each operator in both ways; how many of them are compact.
    fn agree(bytes: &[u8]) -> usize {
        let (mut both, mut count) = (operators(bytes), 0);
        loop {
            let mut ahead = both.clone();
            let compact = ahead.next_compact();
            let Some(mut operator) = both.next() else { break };
            let mut slow = operators(bytes);
            let (op, imm) = slow.slow((operator.offset - 100) as usize);
            assert_eq!(slow.cursor.at, both.cursor.at, "{operator:?}");
            assert_eq!(format!("{op:?} {imm:?}"), format!("{:?} {:?}", operator.op, operator.imm));
            if let Imm::MemArg(MemArg { align_log2, .. }) = &mut operator.imm {
                *align_log2 = 0;
            }
            let Some(compact) = compact else { continue };
            assert_eq!(ahead.cursor.at, both.cursor.at, "{operator:?}");
            let imm = compact.imm().expect("it fits");
            let text = format!("{:?}", (compact.offset, compact.op, imm));
            assert_eq!(text, format!("{:?}", (operator.offset, operator.op, &operator.imm)));
            assert_eq!(Compact::of(&operator).imm().is_some(), has_other_way(&operator.imm));
            count += 1;
        }
        count
    }

    /// Whether [`Compact::of`] makes these compact, too.
    fn has_other_way(imm: &Imm<'_>) -> bool {
        matches!(imm, Imm::None | Imm::Index(_) | Imm::Index2(..) | Imm::MemArg(_))
    }

    #[test]
    fn compact_operators_are_the_same() {
        let numbers = [
            &[0x20, 0x85, 1, 0x21, 5, 0x22, 0][..], // locals
            &[0x41, 0x79, 0x42, 0x80, 0x80, 0x80, 0x80, 0x70, 0x43, 1, 2, 3, 4], // constants
            &[0x44, 1, 2, 3, 4, 5, 6, 7, 8, 0x6a, 0xfd, 0x6e, 0xfd, 0x80, 2], // f64, additions
            &[0x10, 0xac, 2, 0x11, 3, 1, 0x0c, 1, 0x0f, 0x0b], // calls, branches
        ];
        assert_eq!(agree(&numbers.concat()), 15);
        let others = [
            &[0x02, 0x40, 0x03, 0x7f, 0x04, 0x7b, 0x02, 0xc9, 1][..], // blocks
            &[0xd0, 0x71, 0xd0, 5, 0xd0, 0x69, 0xfb, 0x02, 2, 0x83, 1, 0xfb, 0x16, 0x6e], // objects
            &[0x28, 2, 16, 0x36, 0, 0xff, 0x7f, 0xfd, 0, 4, 0],       // accesses
        ];
        assert_eq!(agree(&others.concat()), 12);
    }

    #[test]
    fn what_does_not_fit_is_left() {
        let bytes = [
            &[0x28, 0x42, 1, 8][..],                        // another memory
            &[0x28, 0x82, 0, 8],                            // an alignment of two bytes
            &[0x02, 0x63, 0x71, 0x0b],                      // a block with a reference
            &[0xfd, 21, 3, 0xfc, 10, 0, 0],                 // a lane, memory.copy
            &[0x1c, 1, 0x64, 5, 0x1c, 1, 0x7f, 0x02, 0x6e], // typed selects, a block
            &[0xfb, 24, 2, 1, 0x6e, 5, 0x0e, 1, 0, 1],      // br_on_cast, br_table
        ];
        assert_eq!(agree(&bytes.concat()), 1);
        let bytes = bytes.concat();
        let mut operators = operators(&bytes);
        assert!(operators.next_compact().is_none());
        let imm = [operators.next(), operators.next()].map(|operator| operator.unwrap().imm);
        assert!(matches!(imm[0], Imm::MemArg(MemArg { memory: 1, offset: 8, align_log2: 2 })));
        assert!(matches!(imm[1], Imm::MemArg(MemArg { memory: 0, offset: 8, align_log2: 2 })));
    }
}
