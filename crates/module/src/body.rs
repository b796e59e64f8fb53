//! Owns reading a validated function body: declared locals, then operators with decoded immediates.
//! Does not validate and does not track types or control structure; each tier keeps the stack it needs.

use sterna_base::{TagIndex, TypeIndex};
use sterna_isa::{HeapType, Op, RefType, ValType};

use crate::operators::{Cursor, LocalGroups, Operators};

/// The body of a defined function.
pub struct Body<'a> {
    bytes: &'a [u8],
    offset: u32,
}

impl<'a> Body<'a> {
    pub(crate) fn new(bytes: &'a [u8], offset: u32) -> Body<'a> {
        Body { bytes, offset }
    }

    /// Byte offset of the body (its local declarations) in the module.
    pub fn offset(&self) -> u32 {
        self.offset
    }

    /// Size of the body in bytes.
    pub fn size(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// The declared locals as runs of equal type, parameters not included. At most 50,000 locals in all (validated).
    pub fn local_groups(&self) -> LocalGroups<'a> {
        LocalGroups::new(Cursor::new(self.bytes))
    }

    /// The declared locals one by one, parameters not included.
    pub fn locals(&self) -> impl Iterator<Item = ValType> + use<'a> {
        self.local_groups().flat_map(|(count, ty)| std::iter::repeat_n(ty, count as usize))
    }

    /// The operators, the function's final `end` included.
    pub fn operators(&self) -> Operators<'a> {
        let mut locals = self.local_groups();
        while locals.next().is_some() {}
        locals.operators(self.offset)
    }
}

/// An operator with its immediates.
#[derive(Clone, Debug)]
pub struct Operator<'a> {
    /// Byte offset in the module.
    pub offset: u32,
    /// Which operator.
    pub op: Op,
    /// Its immediates.
    pub imm: Imm<'a>,
}

/// Immediates of an operator, in the order of its fields in the binary format's description in `wasmparser`.
#[derive(Clone, Debug)]
pub enum Imm<'a> {
    /// None.
    None,
    /// Type of a block, loop or if.
    Block(BlockType),
    /// A label, or an index into the index space that the operator implies.
    Index(u32),
    /// Two indices: `call_indirect` (type, table), `memory.init` (data, memory), `table.init` (elem, table), `memory.copy`
    /// and `table.copy` (destination, source), `struct.get` and its like (type, field), `array.new_fixed` (type, count),
    /// `array.new_data` and its like (type, segment), `array.copy` (destination and source type).
    Index2(u32, u32),
    /// Targets of a `br_table`.
    BrTable(BrTable<'a>),
    /// Memory access.
    MemArg(MemArg),
    /// Memory access of one lane.
    MemArgLane(MemArg, u8),
    /// A lane.
    Lane(u8),
    /// Lanes of `i8x16.shuffle`.
    Shuffle([u8; 16]),
    /// `i32.const`.
    I32(i32),
    /// `i64.const`.
    I64(i64),
    /// `f32.const`, as bits.
    F32(u32),
    /// `f64.const`, as bits.
    F64(u64),
    /// `v128.const`.
    V128(u128),
    /// Type of a typed `select`.
    Select(ValType),
    /// Type of a `ref.null`, `ref.test` or `ref.cast`; whether null passes, the operator says.
    HeapType(HeapType),
    /// Immediates of `br_on_cast` and `br_on_cast_fail`.
    BrOnCast {
        /// The label.
        label: u32,
        /// Static type of the operand.
        from: RefType,
        /// Type that the operand is tested for.
        to: RefType,
    },
    /// Type and handlers of a `try_table`.
    TryTable(Box<TryTable>),
}

/// Type of a block, loop or if.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockType {
    /// No parameters, no results.
    Empty,
    /// No parameters, one result.
    Value(ValType),
    /// A function type.
    Func(TypeIndex),
}

/// Immediates of a `try_table`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TryTable {
    /// Its type.
    pub ty: BlockType,
    /// Its catch clauses, the first that matches counts.
    pub catches: Box<[Catch]>,
}

/// A catch clause (core spec 2.4, "Control Instructions").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Catch {
    /// The tag whose exceptions are caught; `None` = all exceptions, without their payload.
    pub tag: Option<TagIndex>,
    /// Whether the exception itself is passed, after the payload.
    pub with_ref: bool,
    /// Where control goes; labels count from outside of the `try_table`.
    pub label: u32,
}

/// Immediate of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemArg {
    /// Static offset in bytes.
    pub offset: u64,
    /// Index of the memory.
    pub memory: u32,
    /// log2 of the alignment hint in bytes.
    pub align_log2: u8,
}

/// Targets of a `br_table`.
#[derive(Clone, Debug)]
pub struct BrTable<'a>(pub(crate) wasmparser::BrTable<'a>);

impl BrTable<'_> {
    /// Number of targets without the default.
    pub fn len(&self) -> usize {
        self.0.len() as usize
    }

    /// Whether only the default is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Label for indices out of range.
    pub fn default(&self) -> u32 {
        self.0.default()
    }

    /// Labels in order, without the default.
    pub fn targets(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.targets().map(|target| target.expect("validated"))
    }
}
