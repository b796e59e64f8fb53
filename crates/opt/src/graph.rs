//! Owns the graph: values, instructions, blocks, edges, and the pools they point into.
//! Does not own how a graph comes about (`build`) or changes (`passes`).
//!
//! # Form
//! * A **block** has parameters and a contiguous run of instructions, the last of which is its only terminator. Block 0 is
//!   the entry; its parameters are the function's.
//! * An **edge** goes from a terminator to a block and carries one argument per parameter of the block.
//! * An **instruction** is an operator of the instruction set with its operands; control operators differ from wasm's only in
//!   that they name edges. There are no locals, no operand stack and no structured control left.
//! * A **value** is a block parameter, a result of an instruction, or a constant. Constants have no instruction.
//! * Everything refers to everything by index; argument lists are ranges of one pool. Clearing a graph keeps its memory.
//!
//! Instructions are 32-byte records in one vector, not one vector per field: building and lowering read all fields of an instruction
//! at a time.

use sterna_abi::{INLINED, InlinedSite};
use sterna_base::{Entity, FuncIndex};
use sterna_isa::{HeapType, Op, RefType, ValType};
use sterna_module::Module;

sterna_base::entity! {
    /// A basic block.
    pub struct Block("block");
    /// An instruction.
    pub struct Inst("inst");
    /// An SSA value.
    pub struct Value("v");
    /// A control flow edge.
    pub struct Edge("edge");
    /// A recorded program state.
    pub struct State("state");
}

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Type {
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
    /// Any reference to a function: an address, 0 = null.
    FuncRef,
    /// Any reference of the hierarchy `extern`: as [`Type::AnyRef`].
    ExternRef,
    /// Any reference of the hierarchy `any`: 32 bits, zero-extended, 0 = null. Calls and allocations can change it: see
    /// [`crate::roots`].
    AnyRef,
    /// As `AnyRef`, but never an `i31` or a value of the host: an object or null.
    ObjectRef,
    /// Any reference to an exception, likewise.
    ExnRef,
}

impl Type {
    /// The graph type of a value type of a module, unless the tier does not support it.
    pub fn of(module: &Module, ty: ValType) -> Option<Type> {
        Some(match ty {
            ValType::I32 => Type::I32,
            ValType::I64 => Type::I64,
            ValType::F32 => Type::F32,
            ValType::F64 => Type::F64,
            ValType::V128 => Type::V128,
            ValType::Ref(ty) => return Type::of_heap(module, ty.heap),
        })
    }

    /// The graph type of references to a heap type of a module, unless the tier does not support it.
    pub fn of_heap(module: &Module, ty: HeapType) -> Option<Type> {
        match ty {
            HeapType::Extern | HeapType::NoExtern => Some(Type::ExternRef),
            HeapType::Exn | HeapType::NoExn => Some(Type::ExnRef),
            _ if module.is_func_heap(ty) => Some(Type::FuncRef),
            HeapType::Any | HeapType::Eq | HeapType::I31 => Some(Type::AnyRef),
            _ => Some(Type::ObjectRef),
        }
    }

    /// Whether values can refer to objects of the heap, which move: see [`crate::roots`].
    pub fn is_object(self) -> bool {
        self.is_any() || matches!(self, Type::ExternRef | Type::ExnRef)
    }

    /// The type of where this value and others meet: another one of the same wasm type need not be an object.
    pub(crate) fn joined(self) -> Type {
        if self == Type::ObjectRef { Type::AnyRef } else { self }
    }

    /// Whether values are of the hierarchy `any`.
    pub fn is_any(self) -> bool {
        matches!(self, Type::AnyRef | Type::ObjectRef)
    }

    /// The value type it stands for: of references, the nullable top of their hierarchy.
    pub fn val_type(self) -> ValType {
        match self {
            Type::I32 => ValType::I32,
            Type::I64 => ValType::I64,
            Type::F32 => ValType::F32,
            Type::F64 => ValType::F64,
            Type::V128 => ValType::V128,
            Type::FuncRef => ValType::FUNCREF,
            Type::ExternRef => ValType::EXTERNREF,
            Type::AnyRef | Type::ObjectRef => ValType::Ref(RefType::nullable(HeapType::Any)),
            Type::ExnRef => ValType::EXNREF,
        }
    }
}

/// Where an instruction comes from: the byte offset of its operator in the module, or, with the bit [`INLINED`] set, an index into
/// [`Graph::inlined`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Origin(pub u32);

/// What an instruction does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Opcode {
    /// A wasm operator. `br`, `br_if`, `br_table` end blocks and name edges (`br_if` has two: taken, not taken); `return`,
    /// `unreachable` and tail calls end blocks too. `nop` is a removed instruction.
    Wasm(Op),
    /// Checks the interruption flag.
    Poll,
    /// Whether an indirect call would call a certain function of this instance: of a reference, or of an index of a table. Traps as the
    /// call would if the reference is null or the index out of bounds; see [`CalleeTest`].
    CalleeIs,
    /// The exception that the next instruction, a call, throws: only arguments of that call's landing edge, and what they lead to, may
    /// use it.
    Landed,
    /// A new exception of a tag.
    ExnNew,
    /// Whether an exception has a tag.
    ExnIs,
    /// The payload of an exception that has a tag.
    ExnPayload,
}

/// The immediate of [`Opcode::CalleeIs`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CalleeTest {
    /// The function.
    pub func: FuncIndex,
    /// The table, if the operand is an index of one.
    pub table: Option<u32>,
}

impl CalleeTest {
    pub(crate) fn imm(self) -> u64 {
        let table = self.table.map_or(0, |table| u64::from(table) + 1);
        u64::from(self.func.as_u32()) | table << 32
    }
}

/// A range of the value pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct List {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

impl List {
    /// Number of values.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether it has no values.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    fn range(self) -> core::ops::Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub struct InstData {
    /// What it does.
    pub op: Opcode,
    /// Its operands.
    pub args: List,
    /// Number of results, which are numbered consecutively from `first_result`.
    pub results: u16,
    /// See `results`.
    pub first_result: Value,
    /// The immediate, see [`InstData::index`] and [`InstData::index2`]. For memory accesses the position in [`Graph::access`]; for
    /// branches the first edge and their number; for `br_table` the position of its [`Switch`]; for `i8x16.shuffle`
    /// a position in the constants.
    pub imm: u64,
    /// Where it comes from.
    pub origin: Origin,
}

impl InstData {
    /// The index immediate.
    pub fn index(&self) -> u32 {
        self.imm as u32
    }

    /// The two index immediates, in the order of `sterna_module::Imm::Index2`.
    pub fn index2(&self) -> (u32, u32) {
        (self.imm as u32, (self.imm >> 32) as u32)
    }
}

/// A memory access.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemAccess {
    /// Static offset in bytes.
    pub offset: u64,
    /// Index of the memory.
    pub memory: u32,
    /// Lane, for accesses of one lane.
    pub lane: u8,
    /// Whether it is known to be in bounds: then it does not trap.
    pub in_bounds: bool,
    /// Whether its index is known to be so near to what is in bounds that hardware checks the rest, if it does at all for this memory.
    pub is_near: bool,
}

/// A basic block.
#[derive(Clone, Copy, Debug)]
pub struct BlockData {
    /// Its parameters.
    pub params: List,
    /// First instruction, and one past the last.
    pub insts: (Inst, Inst),
    /// Whether an edge from a later block leads here.
    pub is_loop: bool,
    /// Whether it is unlikely to run.
    pub is_cold: bool,
}

/// A control flow edge.
#[derive(Clone, Copy, Debug)]
pub struct EdgeData {
    /// Where it leads.
    pub block: Block,
    /// One argument per parameter of the block.
    pub args: List,
    /// Whether a branch hint says that it is unlikely taken.
    pub is_cold: bool,
}

/// Targets of a `br_table`.
#[derive(Clone, Copy, Debug)]
pub struct Switch {
    /// Its edges: first and number. Each distinct target has one.
    pub edges: (Edge, u32),
    /// Range of [`Graph::tables`]: an edge per index, then the default.
    pub table: (u32, u32),
}

/// All locals and the operand stack below the operands, at one instruction. In an inlined function these are its own; those of its
/// caller are the next state of the same instruction.
#[derive(Clone, Copy, Debug)]
pub struct StateData {
    /// The instruction: a call or a poll.
    pub inst: Inst,
    /// Locals, then operands from the bottom.
    pub values: List,
    /// How many are locals.
    pub locals: u32,
}

/// Where a call goes on when the callee throws.
#[derive(Clone, Copy, Debug)]
pub struct LandingData {
    /// The call. Unlike other edges, this one does not leave from the end of its block.
    pub inst: Inst,
    /// The edge.
    pub edge: Edge,
    /// The result of the [`Opcode::Landed`] in front of the call.
    pub exn: Value,
}

/// How a value is defined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Def {
    /// Parameter of a block.
    Param(Block),
    /// Result of an instruction.
    Result(Inst),
    /// Constant, at this position of the constants.
    Const(u32),
    /// Replaced by another value. None is left after the passes ran.
    Alias(Value),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ValueData {
    pub def: Def,
    pub ty: Type,
    /// Position among the parameters of the block or the results of the instruction.
    pub index: u16,
}

/// A function in SSA form. See the module documentation.
#[derive(Clone, Default)]
pub struct Graph {
    pub(crate) values: Vec<ValueData>,
    pub(crate) insts: Vec<InstData>,
    pub(crate) blocks: Vec<BlockData>,
    pub(crate) edges: Vec<EdgeData>,
    pub(crate) pool: Vec<Value>,
    pub(crate) consts: Vec<u128>,
    pub(crate) accesses: Vec<MemAccess>,
    pub(crate) switches: Vec<Switch>,
    pub(crate) tables: Vec<Edge>,
    pub(crate) states: Vec<StateData>,
    pub(crate) landings: Vec<LandingData>,
    pub(crate) results: Vec<Type>,
    pub(crate) inlined: Vec<InlinedSite>,
    pub(crate) entry_locals: Option<u32>,
    const_cache: ConstCache,
}

/// Remembers recent constants so that equal ones are mostly one value. Direct-mapped; an entry is checked before it is used.
#[derive(Clone)]
struct ConstCache([u32; 64]);

impl Default for ConstCache {
    fn default() -> Self {
        ConstCache([u32::MAX; 64])
    }
}

impl Graph {
    /// Empties the graph; its memory stays.
    pub fn clear(&mut self) {
        self.values.clear();
        self.insts.clear();
        self.blocks.clear();
        self.edges.clear();
        self.pool.clear();
        self.consts.clear();
        self.accesses.clear();
        self.switches.clear();
        self.tables.clear();
        self.states.clear();
        self.landings.clear();
        self.results.clear();
        self.inlined.clear();
        self.entry_locals = None;
        self.const_cache = ConstCache::default();
    }

    /// Number of values ever made, those that nothing refers to included.
    pub fn num_values(&self) -> usize {
        self.values.len()
    }

    /// Number of parameters of blocks and of arguments for them.
    pub fn num_passed(&self) -> usize {
        let args = self.edges.iter().map(|edge| edge.args);
        let params = self.blocks.iter().map(|block| block.params);
        args.chain(params).map(List::len).sum()
    }

    /// Number of instructions, removed ones included.
    pub fn num_insts(&self) -> usize {
        self.insts.len()
    }

    /// Number of blocks.
    pub fn num_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// All blocks in order; except for loops, a block comes after those that lead to it.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = Block> + DoubleEndedIterator + use<> {
        (0..self.blocks.len()).map(Block::from_index)
    }

    /// A block.
    pub fn block(&self, block: Block) -> &BlockData {
        &self.blocks[block.index()]
    }

    /// Instructions of a block.
    pub fn block_insts(&self, block: Block) -> impl DoubleEndedIterator<Item = Inst> + use<> {
        let (first, end) = self.blocks[block.index()].insts;
        (first.as_u32()..end.as_u32()).map(Inst::from_u32)
    }

    /// An instruction.
    #[inline]
    pub fn inst(&self, inst: Inst) -> &InstData {
        &self.insts[inst.index()]
    }

    /// Values of a list.
    #[inline]
    pub fn list(&self, list: List) -> &[Value] {
        &self.pool[list.range()]
    }

    pub(crate) fn list_mut(&mut self, list: List) -> &mut [Value] {
        &mut self.pool[list.range()]
    }

    /// Operands of an instruction.
    #[inline]
    pub fn args(&self, inst: Inst) -> &[Value] {
        self.list(self.insts[inst.index()].args)
    }

    /// Results of an instruction.
    pub fn results(&self, inst: Inst) -> impl ExactSizeIterator<Item = Value> + use<> {
        let data = self.inst(inst);
        let first = data.first_result.as_u32();
        (first..first + u32::from(data.results)).map(Value::from_u32)
    }

    /// An edge.
    pub fn edge(&self, edge: Edge) -> &EdgeData {
        &self.edges[edge.index()]
    }

    /// Edges out of a terminator.
    pub fn edges(&self, inst: Inst) -> impl ExactSizeIterator<Item = Edge> + use<> {
        let data = self.inst(inst);
        let (first, count) = match data.op {
            Opcode::Wasm(Op::Br | Op::BrIf) => (data.imm as u32, (data.imm >> 32) as u32),
            Opcode::Wasm(Op::BrTable) => {
                let (first, count) = self.switch(inst).edges;
                (first.as_u32(), count)
            }
            _ => (0, 0),
        };
        (first..first + count).map(Edge::from_u32)
    }

    /// Targets of a `br_table`.
    pub fn switch(&self, inst: Inst) -> &Switch {
        &self.switches[self.inst(inst).imm as usize]
    }

    /// Edges of a `br_table` by index, the default last.
    pub fn switch_table(&self, switch: &Switch) -> &[Edge] {
        &self.tables[switch.table.0 as usize..(switch.table.0 + switch.table.1) as usize]
    }

    /// The immediate of an [`Opcode::CalleeIs`].
    pub fn callee_test(&self, inst: Inst) -> CalleeTest {
        let (func, table) = self.inst(inst).index2();
        CalleeTest { func: FuncIndex::from_u32(func), table: table.checked_sub(1) }
    }

    /// The immediate of a memory access.
    pub fn access(&self, inst: Inst) -> MemAccess {
        self.accesses[self.inst(inst).imm as usize]
    }

    /// The immediate of an `i8x16.shuffle`: lane 0 in the low byte.
    pub fn shuffle(&self, inst: Inst) -> u128 {
        self.consts[self.inst(inst).imm as usize]
    }

    /// Type of a value.
    #[inline]
    pub fn ty(&self, value: Value) -> Type {
        self.values[value.index()].ty
    }

    /// Definition of a value.
    #[inline]
    pub fn def(&self, value: Value) -> Def {
        self.values[value.index()].def
    }

    /// The instruction that defines a value.
    pub fn def_inst(&self, value: Value) -> Option<Inst> {
        match self.def(value) {
            Def::Result(inst) => Some(inst),
            _ => None,
        }
    }

    /// The bits of a constant, zero-extended.
    #[inline]
    pub fn constant(&self, value: Value) -> Option<u128> {
        match self.values[value.index()].def {
            Def::Const(position) => Some(self.consts[position as usize]),
            _ => None,
        }
    }

    /// The value that stands for `value` after replacements.
    #[inline]
    pub fn resolve(&self, mut value: Value) -> Value {
        while let Def::Alias(to) = self.values[value.index()].def {
            value = to;
        }
        value
    }

    /// The recorded states, by ascending instruction.
    pub fn states(&self) -> &[StateData] {
        &self.states
    }

    /// The states recorded at an instruction, that of the innermost function first.
    pub fn states_at(&self, inst: Inst) -> &[StateData] {
        let start = self.states.partition_point(|state| state.inst < inst);
        let len = self.states[start..].iter().take_while(|state| state.inst == inst).count();
        &self.states[start..start + len]
    }

    /// Positions in functions that were inlined, callers before callees.
    pub fn inlined(&self) -> &[InlinedSite] {
        &self.inlined
    }

    /// The inlined function that an instruction comes from, the position there, and the instruction's caller; `None` for those of the
    /// function itself.
    pub fn inlined_at(&self, origin: Origin) -> Option<(FuncIndex, u32, Origin)> {
        let index = origin.0.checked_sub(INLINED)?;
        let site = self.inlined.get(index as usize)?;
        Some((site.func, site.wasm, Origin(site.caller)))
    }

    /// The origin of an operator at a position in a function that was inlined at `caller`.
    pub(crate) fn push_inlined(&mut self, func: FuncIndex, wasm: u32, caller: Origin) -> Origin {
        self.inlined.push(InlinedSite { func, wasm, caller: caller.0 });
        Origin(INLINED | (self.inlined.len() - 1) as u32)
    }

    /// Where a call goes on when the callee throws; `None` if the exception passes the function.
    pub fn landing(&self, inst: Inst) -> Option<LandingData> {
        let position = self.landings.binary_search_by_key(&inst, |landing| landing.inst).ok()?;
        self.landings.get(position).copied()
    }

    /// Whether the graph begins at a loop (see [`crate::BuildOptions::entry`]): its parameters are then all locals, that many, and the
    /// operand stack.
    pub fn entry_locals(&self) -> Option<u32> {
        self.entry_locals
    }

    /// Types of the function's results.
    pub fn result_types(&self) -> &[Type] {
        &self.results
    }

    // ------------------------------------------------------------------------------------------ construction

    pub(crate) fn push_value(&mut self, def: Def, ty: Type, index: usize) -> Value {
        let value = Value::from_index(self.values.len());
        let index =
            u16::try_from(index).expect("the builder refuses blocks with that many parameters");
        self.values.push(ValueData { def, ty, index });
        value
    }

    /// A constant.
    pub fn make_const(&mut self, ty: Type, bits: u128) -> Value {
        let hash = (bits ^ (bits >> 64)) as u64 ^ ((ty as u64) << 61);
        let slot = (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize;
        let cached = self.const_cache.0[slot];
        if let Some(data) = self.values.get(cached as usize)
            && data.ty == ty
            && let Def::Const(position) = data.def
            && self.consts[position as usize] == bits
        {
            return Value::from_u32(cached);
        }
        let position = self.consts.len() as u32;
        self.consts.push(bits);
        let value = self.push_value(Def::Const(position), ty, 0);
        self.const_cache.0[slot] = value.as_u32();
        value
    }

    pub(crate) fn push_list(&mut self, values: &[Value]) -> List {
        let start = self.pool.len() as u32;
        self.pool.extend_from_slice(values);
        List { start, len: values.len() as u32 }
    }

    pub(crate) fn push_block(&mut self) -> Block {
        let none = Inst::from_u32(0);
        self.blocks.push(BlockData {
            params: List::default(),
            insts: (none, none),
            is_loop: false,
            is_cold: false,
        });
        Block::from_index(self.blocks.len() - 1)
    }

    /// A new parameter; parameters of a block must be made one after the other.
    pub(crate) fn push_param(&mut self, block: Block, ty: Type) -> Value {
        let params = self.blocks[block.index()].params;
        let value = self.push_value(Def::Param(block), ty, params.len());
        let start = if params.is_empty() { self.pool.len() as u32 } else { params.start };
        assert_eq!((start + params.len) as usize, self.pool.len(), "parameters are made in one go");
        self.pool.push(value);
        self.blocks[block.index()].params = List { start, len: params.len + 1 };
        value
    }

    /// Puts the blocks into another order; the entry stays the first. Blocks that are not named are removed.
    pub(crate) fn reorder(&mut self, order: &[Block]) {
        let mut positions = vec![Block::from_u32(0); self.blocks.len()];
        for (at, block) in order.iter().enumerate() {
            positions[block.index()] = Block::from_index(at);
        }
        for value in &mut self.values {
            if let Def::Param(block) = &mut value.def {
                *block = positions[block.index()];
            }
        }
        for edge in &mut self.edges {
            edge.block = positions[edge.block.index()];
        }
        self.blocks = order.iter().map(|block| self.blocks[block.index()]).collect();
    }

    pub(crate) fn push_edge(&mut self, block: Block) -> Edge {
        self.edges.push(EdgeData { block, args: List::default(), is_cold: false });
        Edge::from_index(self.edges.len() - 1)
    }

    pub(crate) fn push_inst(&mut self, op: Opcode, args: List, imm: u64, origin: Origin) -> Inst {
        let first_result = Value::from_index(self.values.len());
        self.insts.push(InstData { op, args, results: 0, first_result, imm, origin });
        Inst::from_index(self.insts.len() - 1)
    }

    /// A new result; results of an instruction must be made right after it.
    pub(crate) fn push_result(&mut self, inst: Inst, ty: Type) -> Value {
        let index = usize::from(self.insts[inst.index()].results);
        let value = self.push_value(Def::Result(inst), ty, index);
        self.insts[inst.index()].results += 1;
        value
    }
}
