//! Owns the lowering of a graph to CLIF: blocks, edges, values, and what all instructions share.
//! Does not own the instructions themselves: the modules below do, by class.
//!
//! Graph blocks become CLIF blocks with the same parameters. In front of them is a *prelude* block that receives the function's parameters
//! and holds loads of constant parts of the vmctx (memory bases, the store, …); Cranelift moves each of them to where it is
//! used. Constants, and comparison results used as integers, are materialized once per block that uses them.

mod allocation;
mod atomic;
mod bulk;
mod calls;
mod casts;
mod control;
mod enter;
mod exception;
mod memory;
mod numeric;
mod objects;
mod relaxed;
mod tables;
mod traps;
mod vector;

pub(crate) use calls::builtin_signature;
pub(crate) use traps::check_stack_in_prologue;

use std::borrow::Cow;
use std::collections::HashMap;

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::entity::EntityRef;
use cranelift_codegen::ir::{
    self, AliasRegionData, BlockArg, ConstantData, InstBuilder, MemFlagsData, SourceLoc, types,
};
use sterna_abi::{CodeSettings, Convention, InstanceLayout, StoreCtx, VmCtx};
use sterna_isa::{Class, Op, TrapCode};
use sterna_module::Module;
use sterna_opt::roots::Roots;
use sterna_opt::{Edge, Graph, Inst, Opcode, Type, Value};

use crate::artifact::{PendingState, clif_trap};
use crate::signature::ResultPlace;

/// Scratch memory of lowering, to be kept and used for many functions.
#[derive(Default)]
pub(crate) struct Scratch {
    values: Vec<Lowered>,
    blocks: Vec<ir::Block>,
    block_args: Vec<BlockArg>,
    args: Vec<ir::Value>,
    places: Vec<ResultPlace>,
    calls: calls::CallTables,
    roots: Roots,
    /// Stack slots of values that are kept for the collector.
    homes: HashMap<Value, ir::StackSlot>,
}

/// No value yet.
const NONE: u32 = u32::MAX;

/// What a graph value has become.
#[derive(Clone, Copy)]
struct Lowered {
    /// The value itself, or [`NONE`] for constants and comparisons.
    value: u32,
    /// The one-bit result of a comparison, or [`NONE`].
    bool: u32,
    /// A materialized form, and the block in which it may be used.
    cached: u32,
    cached_in: u32,
}

/// What a lowered function still needs besides its CLIF.
#[derive(Default)]
pub(crate) struct Lowering {
    /// Recorded states, each with its call: operators would not tell them apart, since passes copy them.
    pub states: Vec<(ir::Inst, PendingState)>,
    /// Whether it calls anything.
    pub calls: bool,
}

/// Everything lowering reads.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub module: &'a Module,
    pub graph: &'a Graph,
    pub settings: &'a CodeSettings,
    pub convention: Convention,
    /// See [`crate::Options::spectre_heap`].
    pub spectre_heap: bool,
}

/// Lowers `input.graph` into `func`, which has its signature and nothing else.
///
/// # Errors
/// What is not supported, as a reason.
pub(crate) fn lower(
    input: Input<'_>,
    func: &mut ir::Function,
    cx: &mut Scratch,
) -> Result<Lowering, String> {
    cx.values.clear();
    cx.values.resize(
        input.graph.num_values(),
        Lowered { value: NONE, bool: NONE, cached: NONE, cached_in: NONE },
    );
    cx.calls.begin(input.module);
    cx.homes.clear();
    if !cx.roots.compute(input.graph) {
        return Err("its references are too many for the optimizing tier".to_owned());
    }
    let flags = Flags::new(func);
    cx.blocks.clear();
    let prelude = func.dfg.make_block();
    for _ in input.graph.blocks() {
        cx.blocks.push(func.dfg.make_block());
    }
    let pos = FuncCursor::new(func);
    let lowering = Lowering::default();
    let layout = InstanceLayout::new(input.module);
    let result_area =
        crate::signature::result_places(results_of(input.graph, &mut Vec::new()), &mut cx.places)
            > 0;
    let mut lower = Lower {
        input,
        layout,
        flags,
        pos,
        cx,
        lowering,
        prelude,
        block: prelude,
        is_cold: false,
        vmctx: ir::Value::new(0),
        result_area: None,
        frame: None,
        moves_arguments: Lower::may_move_arguments(&input),
        cached: Cached::default(),
    };
    match input.graph.entry_locals() {
        Some(locals) => lower.loop_prelude(locals),
        None => lower.prelude(result_area),
    }
    for block in input.graph.blocks() {
        lower.block(block)?;
    }
    lower.finish_prelude();
    Ok(lower.lowering)
}

fn results_of<'a>(
    graph: &Graph,
    out: &'a mut Vec<sterna_isa::ValType>,
) -> &'a [sterna_isa::ValType] {
    out.extend(graph.result_types().iter().map(|ty| ty.val_type()));
    out
}

/// Flags of memory accesses by kind. Kinds other than `constant` cannot overlap, which Cranelift's alias analysis knows.
#[derive(Clone, Copy)]
struct Flags {
    /// Linear memories, bounds not checked.
    heap: MemFlagsData,
    /// What the vmctx points to and hardly changes: code pointers, definitions of memories and tables.
    context: MemFlagsData,
    /// The same, for what never changes: such loads may move anywhere.
    constant: MemFlagsData,
    globals: MemFlagsData,
    /// Elements of tables.
    tables: MemFlagsData,
    /// Objects of the garbage-collected heap.
    objects: MemFlagsData,
    /// Result areas, aligned to 8 bytes only.
    results: MemFlagsData,
}

impl Flags {
    fn new(func: &mut ir::Function) -> Flags {
        let mut region = |user_id, description| {
            let data = AliasRegionData { user_id, description: Cow::Borrowed(description) };
            Some(func.dfg.alias_regions.insert(data))
        };
        let trusted = MemFlagsData::trusted();
        let context = trusted.with_alias_region(region(2, "context"));
        Flags {
            heap: MemFlagsData::new()
                .with_alias_region(region(1, "heap"))
                .with_endianness(ir::Endianness::Little)
                .with_trap_code(Some(clif_trap(TrapCode::MemoryOutOfBounds))),
            context,
            constant: context.with_readonly().with_can_move(),
            globals: trusted.with_alias_region(region(3, "globals")),
            tables: trusted.with_alias_region(region(4, "tables")),
            objects: MemFlagsData::new().with_notrap().with_alias_region(region(6, "objects")),
            results: MemFlagsData::new().with_notrap().with_alias_region(region(5, "results")),
        }
    }
}

/// Values loaded in the prelude, as far as they were needed.
#[derive(Default)]
struct Cached {
    store: Option<ir::Value>,
    type_ids: Option<ir::Value>,
    /// Of memory 0.
    memory_base: Option<ir::Value>,
    memory_def: Option<ir::Value>,
    /// Where calls put results that do not fit registers, and its size in bytes.
    area: Option<(ir::StackSlot, u32)>,
    /// Where operands of builtin `gc` are put.
    operands: Option<ir::StackSlot>,
}

/// A function being lowered.
struct Lower<'a> {
    input: Input<'a>,
    layout: InstanceLayout,
    flags: Flags,
    pos: FuncCursor<'a>,
    cx: &'a mut Scratch,
    lowering: Lowering,
    prelude: ir::Block,
    /// The block being filled.
    block: ir::Block,
    /// Whether the graph's block is cold: then so is every block made for it.
    is_cold: bool,
    vmctx: ir::Value,
    /// The caller's result area.
    result_area: Option<ir::Value>,
    /// Of code that begins at a loop: the canonical frame, where it leaves the function's results.
    frame: Option<ir::Value>,
    /// See [`Lower::may_move_arguments`].
    moves_arguments: bool,
    cached: Cached,
}

impl<'a> Lower<'a> {
    // ------------------------------------------------------------------------------------------ blocks

    fn prelude(&mut self, result_area: bool) {
        let types: Vec<_> =
            self.pos.func.signature.params.iter().map(|param| param.value_type).collect();
        self.pos.insert_block(self.prelude);
        let mut params =
            types.into_iter().map(|ty| self.pos.func.dfg.append_block_param(self.prelude, ty));
        self.vmctx = params.next().expect("every signature begins with the vmctx");
        if result_area {
            self.result_area = params.next();
        }
        let graph = self.input.graph;
        let entry = graph.blocks().next().expect("every function has an entry block");
        for (&param, value) in graph.list(graph.block(entry).params).iter().zip(params) {
            self.cx.values[param.index()].value = value.as_u32();
        }
    }

    /// Ends the prelude; loads can be added to it until then.
    fn finish_prelude(&mut self) {
        let entry = self.cx.blocks[0];
        self.pos.goto_bottom(self.prelude);
        self.pos.set_srcloc(SourceLoc::default());
        if self.input.settings.explicit_checks && self.lowering.calls {
            self.stack_check(entry);
        } else {
            self.pos.ins().jump(entry, &[]);
        }
    }

    fn block(&mut self, block: sterna_opt::Block) -> Result<(), String> {
        let graph = self.input.graph;
        let clif_block = self.cx.blocks[block.index()];
        self.is_cold = graph.block(block).is_cold;
        if self.is_cold {
            self.pos.func.layout.set_cold(clif_block);
        }
        self.open(clif_block);
        if block.index() > 0 {
            for &param in graph.list(graph.block(block).params) {
                let ty = clif_type(graph.ty(param));
                let value = self.pos.func.dfg.append_block_param(clif_block, ty);
                self.cx.values[param.index()].value = value.as_u32();
            }
        }
        for &param in graph.list(graph.block(block).params) {
            // All parameters are there before the first instruction.
            let value = std::mem::replace(&mut self.cx.values[param.index()].value, NONE);
            self.define(param, ir::Value::from_u32(value));
        }
        for inst in graph.block_insts(block) {
            self.pos.set_srcloc(SourceLoc::new(graph.inst(inst).origin.0));
            self.inst(inst)?;
        }
        Ok(())
    }

    /// Continues in `block`, placed after what is there.
    fn open(&mut self, block: ir::Block) {
        self.pos.insert_block(block);
        self.pos.goto_bottom(block);
        self.block = block;
    }

    /// A new block, not placed yet.
    fn new_block(&mut self) -> ir::Block {
        let block = self.pos.func.dfg.make_block();
        if self.is_cold {
            self.pos.func.layout.set_cold(block);
        }
        block
    }

    /// A new block off the likely path.
    fn new_cold_block(&mut self) -> ir::Block {
        let block = self.new_block();
        self.pos.func.layout.set_cold(block);
        block
    }

    /// Target and arguments of an edge; the arguments stay in `cx.block_args` until the next call.
    fn edge(&mut self, edge: Edge) -> ir::Block {
        let graph = self.input.graph;
        let data = graph.edge(edge);
        let mut args = std::mem::take(&mut self.cx.block_args);
        args.clear();
        for &arg in graph.list(data.args) {
            let value = self.value(arg);
            args.push(BlockArg::Value(self.canonical(value)));
        }
        self.cx.block_args = args;
        self.cx.blocks[data.block.index()]
    }

    // ------------------------------------------------------------------------------------------ values

    /// The CLIF value of a graph value.
    fn value(&mut self, value: Value) -> ir::Value {
        let lowered = self.cx.values[value.index()];
        if lowered.value != NONE {
            return ir::Value::from_u32(lowered.value);
        }
        if lowered.cached_in == self.block.as_u32() {
            return ir::Value::from_u32(lowered.cached);
        }
        let made = if lowered.bool != NONE {
            self.pos.ins().uextend(types::I32, ir::Value::from_u32(lowered.bool))
        } else {
            match self.input.graph.constant(value) {
                Some(bits) => self.constant(self.input.graph.ty(value), bits),
                None => self.load_home(value),
            }
        };
        let lowered = &mut self.cx.values[value.index()];
        lowered.cached = made.as_u32();
        lowered.cached_in = self.block.as_u32();
        made
    }

    /// A value to branch or select on: any integer type, true if not zero.
    fn condition(&mut self, value: Value) -> ir::Value {
        match self.cx.values[value.index()].bool {
            NONE => self.value(value),
            bool => ir::Value::from_u32(bool),
        }
    }

    fn constant(&mut self, ty: Type, bits: u128) -> ir::Value {
        match ty {
            Type::I32 => self.pos.ins().iconst(types::I32, i64::from(bits as u32)),
            Type::I64
            | Type::FuncRef
            | Type::ExternRef
            | Type::AnyRef
            | Type::ObjectRef
            | Type::ExnRef => self.pos.ins().iconst(types::I64, bits as u64 as i64),
            Type::F32 => self.pos.ins().f32const(ir::immediates::Ieee32::with_bits(bits as u32)),
            Type::F64 => self.pos.ins().f64const(ir::immediates::Ieee64::with_bits(bits as u64)),
            Type::V128 => self.vector_constant(types::I8X16, bits),
        }
    }

    fn vector_constant(&mut self, ty: types::Type, bits: u128) -> ir::Value {
        let data = ConstantData::from(&bits.to_le_bytes()[..]);
        let constant = self.pos.func.dfg.constants.insert(data);
        self.pos.ins().vconst(ty, constant)
    }

    fn iconst(&mut self, value: i64) -> ir::Value {
        self.pos.ins().iconst(types::I64, value)
    }

    /// The operand at position `i`.
    fn arg(&mut self, inst: Inst, i: usize) -> ir::Value {
        self.value(self.input.graph.args(inst)[i])
    }

    /// Sets the only result.
    fn set(&mut self, inst: Inst, value: ir::Value) {
        self.define(self.input.graph.inst(inst).first_result, value);
    }

    /// Sets the only result, an `i32`, to a one-bit value.
    fn set_bool(&mut self, inst: Inst, value: ir::Value) {
        let result = self.input.graph.inst(inst).first_result;
        self.cx.values[result.index()].bool = value.as_u32();
    }

    /// A vector as `I8X16`, the type it has between blocks; other values as they are.
    fn canonical(&mut self, value: ir::Value) -> ir::Value {
        let ty = self.pos.func.dfg.value_type(value);
        if ty.is_vector() && ty != types::I8X16 { self.cast(value, types::I8X16) } else { value }
    }

    /// The same bits in another type of the same size.
    fn cast(&mut self, value: ir::Value, ty: types::Type) -> ir::Value {
        if self.pos.func.dfg.value_type(value) == ty {
            return value;
        }
        let flags = MemFlagsData::new().with_endianness(ir::Endianness::Little);
        self.pos.ins().bitcast(ty, flags, value)
    }

    // ------------------------------------------------------------------------------------------ context

    /// A load in the prelude of a value that never changes.
    fn prelude_load(&mut self, base: ir::Value, offset: u32) -> ir::Value {
        let position = self.pos.position();
        let srcloc = self.pos.srcloc();
        self.pos.goto_bottom(self.prelude);
        self.pos.set_srcloc(SourceLoc::default());
        let value = self.pos.ins().load(types::I64, self.flags.constant, base, offset as i32);
        self.pos.set_position(position);
        self.pos.set_srcloc(srcloc);
        value
    }

    /// The `StoreCtx`.
    fn store_ctx(&mut self) -> ir::Value {
        if self.cached.store.is_none() {
            self.cached.store = Some(self.prelude_load(self.vmctx, VmCtx::OFF_STORE));
        }
        self.cached.store.expect("just loaded")
    }

    fn type_ids(&mut self) -> ir::Value {
        if self.cached.type_ids.is_none() {
            self.cached.type_ids = Some(self.prelude_load(self.vmctx, VmCtx::OFF_TYPE_IDS));
        }
        self.cached.type_ids.expect("just loaded")
    }

    // ------------------------------------------------------------------------------------------ instructions

    fn inst(&mut self, inst: Inst) -> Result<(), String> {
        let op = match self.input.graph.inst(inst).op {
            Opcode::Poll => {
                self.poll(inst);
                return Ok(());
            }
            Opcode::CalleeIs => {
                self.callee_is(inst);
                return Ok(());
            }
            Opcode::Wasm(op) => op,
            other => {
                self.exception(other, inst);
                return Ok(());
            }
        };
        match op.class() {
            Class::Pure | Class::Lane | Class::Wide => self.pure(op, inst)?,
            Class::Trapping => self.trapping(op, inst),
            Class::Load => self.load(op, inst),
            Class::Store => self.store(op, inst),
            Class::LoadLane => self.load_lane(op, inst),
            Class::StoreLane => self.store_lane(op, inst),
            Class::AtomicLoad
            | Class::AtomicStore
            | Class::AtomicRmw
            | Class::AtomicCmpxchg
            | Class::AtomicWait => self.atomic(op, inst),
            Class::Global => self.global(op, inst),
            Class::Parametric => {
                if op == Op::Select {
                    self.select(inst);
                }
            }
            Class::Control => self.control(op, inst),
            Class::Call => self.call(op, inst)?,
            Class::Builtin => self.builtin(op, inst),
            Class::Ref => self.reference(op, inst),
            Class::Gc => self.object(op, inst),
            Class::Exception => self.throw_ref(inst),
            _ => return Err(format!("{op} is not supported by the optimizing tier yet")),
        }
        Ok(())
    }

    /// An operator without effects.
    fn pure(&mut self, op: Op, inst: Inst) -> Result<(), String> {
        if op.class() == Class::Wide {
            self.wide(op, inst);
            return Ok(());
        }
        let vector =
            matches!(op.feature(), sterna_isa::Feature::Simd | sterna_isa::Feature::RelaxedSimd);
        if !vector {
            self.scalar(op, inst);
        } else if op.feature() == sterna_isa::Feature::RelaxedSimd {
            self.relaxed(op, inst);
        } else {
            self.vector(op, inst);
        }
        if self.input.settings.deterministic
            && let Some(shape) = sterna_eval::nan_shape(op)
        {
            self.canonicalize_nan(shape, inst);
        }
        Ok(())
    }

    fn select(&mut self, inst: Inst) {
        let [a, b] = [0, 1].map(|i| {
            let value = self.arg(inst, i);
            self.canonical(value)
        });
        let condition = self.condition(self.input.graph.args(inst)[2]);
        let value = self.pos.ins().select(condition, a, b);
        self.set(inst, value);
    }
}

/// The type in which CLIF holds a graph value.
fn clif_type(ty: Type) -> types::Type {
    crate::signature::clif_type(ty.val_type())
}

/// Offset of the interruption flag, as an immediate.
const OFF_INTERRUPT: i32 = StoreCtx::OFF_INTERRUPT as i32;
