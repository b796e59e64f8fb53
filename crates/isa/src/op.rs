//! The operator enumeration and its columns at run time.
//! Not here: the rows themselves, which are in `table`.

use crate::Feature;

/// A type in an operator's fixed signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ty {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector.
    V128,
    /// The address type (i32 or i64) of the memory or table named by the immediate.
    Addr,
    /// `(ref null eq)`, shared or not.
    EqRef,
    /// `(ref null array)`.
    ArrayRef,
    /// `(ref i31)`.
    I31Ref,
    /// `(ref null i31)`.
    I31RefNull,
}

/// What kind of thing an operator is; tiers implement classes rather than operators.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// Total function of its operands, one result.
    Pure,
    /// Pure, one result, with lane immediates.
    Lane,
    /// Pure, two results.
    Wide,
    /// Function of its operands that may trap; one result.
    Trapping,
    /// Plain load.
    Load,
    /// Plain store.
    Store,
    /// Load into one lane of a vector operand.
    LoadLane,
    /// Store of one lane of a vector operand.
    StoreLane,
    /// Sequentially consistent load.
    AtomicLoad,
    /// Sequentially consistent store.
    AtomicStore,
    /// Atomic read-modify-write.
    AtomicRmw,
    /// Atomic compare and exchange.
    AtomicCmpxchg,
    /// Wait, notify, fence.
    AtomicWait,
    /// Constant.
    Const,
    /// Access to a local.
    Local,
    /// Access to a global.
    Global,
    /// `drop`, `select`, `nop`.
    Parametric,
    /// Structure and branches.
    Control,
    /// Calls and tail calls.
    Call,
    /// Whole-memory, table and segment operators.
    Builtin,
    /// Function references and null tests.
    Ref,
    /// Garbage-collected objects and casts.
    Gc,
    /// Throwing and catching.
    Exception,
}

/// The immediates of an operator, in binary order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ImmKind {
    /// None.
    NoImm,
    /// Block type.
    Block,
    /// Relative label depth.
    Label,
    /// Label vector and default.
    BrTable,
    /// Local index.
    Local,
    /// Global index.
    Global,
    /// Function index.
    Func,
    /// Type index.
    Type,
    /// Type index, table index.
    TypeTable,
    /// Type index, field index.
    TypeField,
    /// Type index, element count.
    TypeCount,
    /// Type index, data segment index.
    TypeData,
    /// Type index, element segment index.
    TypeElem,
    /// Two type indices.
    TypeType,
    /// Tag index.
    Tag,
    /// Block type and catch clauses.
    TryTable,
    /// Flags, label, two heap types.
    BrOnCast,
    /// Heap type.
    HeapType,
    /// Vector of value types, of length one.
    SelectType,
    /// Memory index.
    Memory,
    /// Destination and source memory.
    MemoryMemory,
    /// Data segment index.
    Data,
    /// Data segment index, memory index.
    DataMemory,
    /// Table index.
    Table,
    /// Destination and source table.
    TableTable,
    /// Element segment index.
    Elem,
    /// Element segment index, table index.
    ElemTable,
    /// Alignment, offset, memory index.
    MemArg,
    /// `MemArg`, then a lane index.
    MemArgLane,
    /// One reserved byte.
    Fence,
    /// Lane index.
    Lane,
    /// Sixteen lane indices below 32.
    Shuffle,
    /// Constant.
    I32Imm,
    /// Constant.
    I64Imm,
    /// Constant.
    F32Imm,
    /// Constant.
    F64Imm,
    /// Constant.
    V128Imm,
}

/// The value that a memory operator reads or writes, before conversion to its operand type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MemType {
    /// One byte, sign-extended when loaded.
    I8,
    /// One byte.
    U8,
    /// Two bytes, sign-extended when loaded.
    I16,
    /// Two bytes.
    U16,
    /// Four bytes, sign-extended when loaded into something wider.
    I32,
    /// Four bytes.
    U32,
    /// Eight bytes.
    I64,
    /// Eight bytes.
    U64,
    /// Float of four bytes.
    F32,
    /// Float of eight bytes.
    F64,
    /// Sixteen bytes.
    U128,
}

impl MemType {
    /// Size in bytes: 1, 2, 4, 8 or 16; also the natural alignment.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
            Self::U128 => 16,
        }
    }
}

/// The function of an atomic read-modify-write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RmwOp {
    /// Wrapping addition.
    Add,
    /// Wrapping subtraction.
    Sub,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Replacement.
    Xchg,
}

/// A list of types, stored in place.
#[derive(Clone, Copy)]
struct Types {
    types: [Ty; 4],
    len: u8,
}

impl Types {
    const fn new(list: &[Ty]) -> Types {
        let mut types = [Ty::I32; 4];
        let mut i = 0;
        while i < list.len() {
            types[i] = list[i];
            i += 1;
        }
        Types { types, len: list.len() as u8 }
    }

    fn as_slice(&self) -> &[Ty] {
        &self.types[..usize::from(self.len)]
    }
}

/// Operands and results.
type Sig = Option<(Types, Types)>;

/// One row of the table at run time. It holds no pointers, which would all have to be relocated at the start of every process.
struct Row {
    encoding: (u8, u32),
    class: Class,
    mem: Option<MemType>,
    rmw: Option<RmwOp>,
    sig: Sig,
    imm: ImmKind,
    feature: Feature,
}

macro_rules! mem_type {
    () => {
        None
    };
    (i8) => {
        Some(MemType::I8)
    };
    (u8) => {
        Some(MemType::U8)
    };
    (i16) => {
        Some(MemType::I16)
    };
    (u16) => {
        Some(MemType::U16)
    };
    (i32) => {
        Some(MemType::I32)
    };
    (u32) => {
        Some(MemType::U32)
    };
    (i64) => {
        Some(MemType::I64)
    };
    (u64) => {
        Some(MemType::U64)
    };
    (f32) => {
        Some(MemType::F32)
    };
    (f64) => {
        Some(MemType::F64)
    };
    (u128) => {
        Some(MemType::U128)
    };
}

macro_rules! rmw_op {
    () => {
        None
    };
    ($op:ident) => {
        Some(RmwOp::$op)
    };
}

macro_rules! sig {
    (Special) => { None };
    ([$($p:ident)*] [$($r:ident)*]) => { Some((Types::new(&[$(Ty::$p),*]), Types::new(&[$(Ty::$r),*]))) };
}

macro_rules! define_op {
    ($($op:ident, $name:ident, ($prefix:literal, $code:literal), $text:literal,
       $class:ident $(($mem:ident $(, $rmw:ident)?))?,
       $sig:tt $(-> $results:tt)?, $imm:ident, $feature:ident;)*) => {
        /// An operator. Variants have the names that `wasmparser` gives them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u16)]
        pub enum Op {
            $(#[doc = concat!("`", $text, "`")] $op,)*
        }

        impl Op {
            /// Every operator, in table order: `ALL[op as usize] == op`.
            pub const ALL: &[Op] = &[$(Op::$op),*];

            /// The operator of a (prefix byte or 0, code) pair.
            pub fn from_encoding(prefix: u8, code: u32) -> Option<Op> {
                match (prefix, code) {
                    $(($prefix, $code) => Some(Op::$op),)*
                    _ => None,
                }
            }
        }

        static ROWS: [Row; Op::ALL.len()] = [$(Row {
            encoding: ($prefix, $code),
            class: Class::$class,
            mem: mem_type!($($mem)?),
            rmw: rmw_op!($($($rmw)?)?),
            sig: sig!($sig $($results)?),
            imm: ImmKind::$imm,
            feature: Feature::$feature,
        }),*];

        /// Text and name of every operator, one after the other.
        const NAMES: &str = concat!($($text, stringify!($name)),*);
        /// Lengths in [`NAMES`].
        const LENGTHS: [[usize; 2]; Op::ALL.len()] = [$([$text.len(), stringify!($name).len()]),*];
    };
}
crate::for_each_op! { define_op }

/// Where in [`NAMES`] an operator's text begins, its name begins, and that ends.
static NAME_BOUNDS: [[u16; 3]; Op::ALL.len()] = name_bounds();

const fn name_bounds() -> [[u16; 3]; Op::ALL.len()] {
    assert!(NAMES.len() <= u16::MAX as usize);
    let mut bounds = [[0; 3]; Op::ALL.len()];
    let (mut op, mut at) = (0, 0);
    while op < bounds.len() {
        let [text, name] = LENGTHS[op];
        bounds[op] = [at as u16, (at + text) as u16, (at + text + name) as u16];
        at += text + name;
        op += 1;
    }
    bounds
}

impl Op {
    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The name in the text format. A few pairs share one (`select`, `ref.test`, `ref.cast`).
    pub fn text(self) -> &'static str {
        let [start, end, _] = NAME_BOUNDS[self as usize];
        &NAMES[usize::from(start)..usize::from(end)]
    }

    /// The function name of the row (`i32_add`): unique, and `eval`'s name for it.
    pub fn name(self) -> &'static str {
        let [_, start, end] = NAME_BOUNDS[self as usize];
        &NAMES[usize::from(start)..usize::from(end)]
    }

    /// The operator's class.
    pub fn class(self) -> Class {
        self.row().class
    }

    /// Operands and results, or `None` when they depend on immediates or context.
    pub fn signature(self) -> Option<(&'static [Ty], &'static [Ty])> {
        self.row().sig.as_ref().map(|(operands, results)| (operands.as_slice(), results.as_slice()))
    }

    /// The immediates that follow the code.
    pub fn imm(self) -> ImmKind {
        self.row().imm
    }

    /// The feature that a module needs to use this operator.
    pub fn feature(self) -> Feature {
        self.row().feature
    }

    /// (Prefix byte or 0, code after it); the code is LEB128 after a prefix.
    pub fn encoding(self) -> (u8, u32) {
        self.row().encoding
    }

    /// What a load, store or atomic access moves; `None` for other operators.
    pub fn mem_type(self) -> Option<MemType> {
        self.row().mem
    }

    /// The function of an atomic read-modify-write; `None` for other operators.
    pub fn rmw_op(self) -> Option<RmwOp> {
        self.row().rmw
    }
}

impl std::fmt::Display for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}
