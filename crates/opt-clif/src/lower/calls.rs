//! Owns calls of all kinds: wasm functions, builtins, the interruption poll, and the states recorded at them.
//! Does not own signatures (`crate::signature`).

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    self, AbiParam, BlockArg, ExceptionTableData, ExceptionTableItem, ExtFuncData, ExternalName,
    InstBuilder, StackSlotData, StackSlotKind, UserExternalName, types,
};
use cranelift_codegen::isa::CallConv;
use sterna_abi::{Builtin, Convention, FuncEntry, FuncRef, NULL_TYPE, ROW_DISPLAY, TypeRow, VmCtx};
use sterna_base::{FuncIndex, TableIndex, TypeIndex};
use sterna_isa::{Op, TrapCode};
use sterna_module::{ConstantTable, Module};
use sterna_opt::{Inst, LandingData, Opcode, StateData};

use super::{Input, Lower, OFF_INTERRUPT};
use crate::artifact::{PendingFrame, PendingLeave, PendingPlace, PendingState, clif_trap};
use crate::signature::{ResultPlace, clif_type, result_places, signature};

/// What a function already refers to, indexed by function, type or builtin. Entries of earlier functions are told apart by their
/// generation, so nothing is cleared between functions.
#[derive(Default)]
pub(super) struct CallTables {
    generation: u32,
    funcs: Vec<(u32, Option<ir::FuncRef>)>,
    /// Per type: in the reg and in the tail convention.
    types: Vec<[(u32, Option<ir::SigRef>); 2]>,
    builtins: Vec<(u32, Option<ir::SigRef>)>,
}

impl CallTables {
    /// Starts a function of `module`.
    pub fn begin(&mut self, module: &Module) {
        self.generation = self.generation.wrapping_add(1);
        self.funcs.resize(self.funcs.len().max(module.num_funcs()), (0, None));
        self.types.resize(self.types.len().max(module.types().len()), [(0, None); 2]);
        self.builtins.resize(Builtin::ALL.len(), (0, None));
    }
}

/// What is called.
#[derive(Clone, Copy)]
enum Callee {
    Direct(ir::FuncRef),
    Indirect(ir::SigRef, ir::Value),
}

/// A prepared call of a wasm function.
struct Call {
    callee: Callee,
    /// The callee's entry, unless the callee is direct.
    entry: Option<ir::Value>,
    instance: ir::Value,
    ty: TypeIndex,
}

impl Lower<'_> {
    // ------------------------------------------------------------------------------------------ wasm calls

    /// Lowers an operator of class Call.
    pub(super) fn call(&mut self, op: Op, inst: Inst) -> Result<(), String> {
        let tail = matches!(op, Op::ReturnCall | Op::ReturnCallIndirect | Op::ReturnCallRef);
        let (call, args) = match op {
            Op::Call | Op::ReturnCall => {
                let func = FuncIndex::from_u32(self.input.graph.inst(inst).index());
                let args = self.input.graph.args(inst).len();
                {
                    // Only code of the tail convention expects that nothing is preserved where it lands.
                    let tail = tail || self.input.graph.landing(inst).is_some();
                    (self.direct_call(func, tail), args)
                }
            }
            Op::CallIndirect | Op::ReturnCallIndirect => {
                let args = self.input.graph.args(inst).len() - 1;
                (self.indirect_call(inst, args), args)
            }
            Op::CallRef | Op::ReturnCallRef => {
                let args = self.input.graph.args(inst).len() - 1;
                (self.ref_call(inst, args), args)
            }
            _ => return Err(format!("{op} is not supported by the optimizing tier yet")),
        };
        if tail {
            self.tail_call(call, inst, args);
        } else {
            self.lowering.calls = true;
            self.plain_call(call, inst, args);
        }
        Ok(())
    }

    /// A call of a function known by index: defined here, or imported through the vmctx.
    fn direct_call(&mut self, func: FuncIndex, tail: bool) -> Call {
        let ty = self.input.module.func_type_index(func);
        if func.index() >= self.input.module.num_imported_funcs() {
            let callee = Callee::Direct(self.func_ref(func, ty));
            return Call { callee, entry: None, instance: self.vmctx, ty };
        }
        let offset = self.layout.imported_func(func);
        let entry = self.prelude_load(self.vmctx, offset + FuncRef::OFF_ENTRY);
        let instance = self.prelude_load(self.vmctx, offset + FuncRef::OFF_INSTANCE);
        let convention = if tail { Convention::Tail } else { Convention::Reg };
        let callee = self.entry_callee(entry, ty, convention);
        Call { callee, entry: Some(entry), instance, ty }
    }

    /// A call through a table: bounds, null and type are checked.
    fn indirect_call(&mut self, inst: Inst, args: usize) -> Call {
        let (ty, table) = self.input.graph.inst(inst).index2();
        let ty = TypeIndex::from_u32(ty);
        let index = self.arg(inst, args);
        let element = self.table_element(table, index, TrapCode::UndefinedElement);
        let flags = self.flags.tables;
        let actual = self.pos.ins().load(types::I32, flags, element, FuncRef::OFF_TYPE as i32);
        let ids = self.type_ids();
        let expected =
            self.pos.ins().load(types::I32, self.flags.constant, ids, ty.as_u32() as i32 * 4);
        let mismatch = self.pos.ins().icmp(IntCC::NotEqual, actual, expected);
        let (cold, next) = (self.new_cold_block(), self.new_block());
        self.pos.ins().brif(mismatch, cold, &[], next, &[]);
        self.open(cold);
        let null = self.pos.ins().iconst(types::I32, i64::from(NULL_TYPE));
        let is_null = self.pos.ins().icmp(IntCC::Equal, actual, null);
        self.trap_if(is_null, TrapCode::UninitializedElement);
        if self.input.module.types()[ty.index()].is_final {
            self.trap(TrapCode::IndirectCallTypeMismatch);
        } else {
            let found = self.supertype_at(actual, self.input.module.type_depth(ty));
            let mismatch = self.pos.ins().icmp(IntCC::NotEqual, found, expected);
            self.trap_if(mismatch, TrapCode::IndirectCallTypeMismatch);
            self.pos.ins().jump(next, &[]);
        }
        self.open(next);
        let entry = self.pos.ins().load(types::I64, flags, element, FuncRef::OFF_ENTRY as i32);
        let constant = self.input.module.constant_table(TableIndex::from_u32(table));
        let instance = if constant.is_some_and(ConstantTable::is_defined) {
            self.vmctx
        } else {
            self.pos.ins().load(types::I64, flags, element, FuncRef::OFF_INSTANCE as i32)
        };
        let callee = self.entry_callee(entry, ty, self.input.convention);
        Call { callee, entry: Some(entry), instance, ty }
    }

    /// A call through a reference, which may be null.
    fn ref_call(&mut self, inst: Inst, args: usize) -> Call {
        let ty = TypeIndex::from_u32(self.input.graph.inst(inst).index());
        let (entry, instance) = self.load_func_ref(inst, args);
        let callee = self.entry_callee(entry, ty, self.input.convention);
        Call { callee, entry: Some(entry), instance, ty }
    }

    /// Entry and instance of the function that an operand refers to.
    fn load_func_ref(&mut self, inst: Inst, operand: usize) -> (ir::Value, ir::Value) {
        let callee = self.arg(inst, operand);
        let null = TrapCode::NullFunctionReference;
        let flags = self.flags.tables;
        let mut first = flags;
        if self.input.settings.explicit_checks {
            self.trap_if_null(callee, null);
        } else {
            // Nothing is mapped at address 0.
            first = flags.with_trap_code(Some(clif_trap(null)));
        }
        let entry = self.pos.ins().load(types::I64, first, callee, FuncRef::OFF_ENTRY as i32);
        let instance = self.pos.ins().load(types::I64, flags, callee, FuncRef::OFF_INSTANCE as i32);
        (entry, instance)
    }

    /// Lowers a test of the callee of an indirect call: entries tell functions apart, instances their instances.
    pub(super) fn callee_is(&mut self, inst: Inst) {
        let test = self.input.graph.callee_test(inst);
        let (entry, instance) = match test.table {
            None => self.load_func_ref(inst, 0),
            Some(table) => {
                let index = self.arg(inst, 0);
                let element = self.table_element(table, index, TrapCode::UndefinedElement);
                let flags = self.flags.tables;
                let mut load =
                    |offset: u32| self.pos.ins().load(types::I64, flags, element, offset as i32);
                (load(FuncRef::OFF_ENTRY), load(FuncRef::OFF_INSTANCE))
            }
        };
        let entries = self.prelude_load(self.vmctx, VmCtx::OFF_ENTRIES);
        let offset = i64::from(test.func.as_u32()) * i64::from(FuncEntry::SIZE);
        let expected = self.pos.ins().iadd_imm_s(entries, offset);
        let is_entry = self.pos.ins().icmp(IntCC::Equal, entry, expected);
        let is_instance = self.pos.ins().icmp(IntCC::Equal, instance, self.vmctx);
        let is = self.pos.ins().band(is_entry, is_instance);
        self.set_bool(inst, is);
    }

    /// The supertype at a depth of the type with an id; see [`TypeRow`].
    pub(super) fn supertype_at(&mut self, id: ir::Value, depth: u32) -> ir::Value {
        let (vmctx, flags) = (self.vmctx, self.flags.context);
        let rows = self.pos.ins().load(types::I64, flags, vmctx, VmCtx::OFF_TYPE_ROWS as i32);
        let id = self.pos.ins().uextend(types::I64, id);
        let offset = self.pos.ins().ishl_imm_u(id, i64::from(TypeRow::LOG2_SIZE));
        let row = self.pos.ins().iadd(rows, offset);
        match depth.checked_sub(ROW_DISPLAY as u32) {
            None => {
                let at = TypeRow::OFF_DISPLAY + depth * 4;
                self.pos.ins().load(types::I32, flags, row, at as i32)
            }
            Some(rest) => {
                let more = self.pos.ins().load(types::I64, flags, row, TypeRow::OFF_MORE as i32);
                self.pos.ins().load(types::I32, flags, more, rest as i32 * 4)
            }
        }
    }

    /// The code that an entry holds now for a convention.
    fn entry_callee(&mut self, entry: ir::Value, ty: TypeIndex, convention: Convention) -> Callee {
        let offset = match convention {
            Convention::Reg => FuncEntry::OFF_REG,
            Convention::Tail => FuncEntry::OFF_TAIL,
        };
        let code = self.pos.ins().load(types::I64, self.flags.context, entry, offset as i32);
        Callee::Indirect(self.sig_ref(ty, convention), code)
    }

    fn plain_call(&mut self, call: Call, inst: Inst, count: usize) {
        let module = self.input.module;
        let results = &module.signature(call.ty).results;
        let mut places = Vec::new();
        let area_size = result_places(results, &mut places);
        let mut args = vec![call.instance];
        let area = (area_size > 0).then(|| self.grow_area(area_size));
        if let Some(slot) = area {
            args.push(self.pos.ins().stack_addr(types::I64, slot, 0));
        }
        self.push_args(inst, count, &mut args);
        let state = self.input.graph.states_at(inst);
        let landing = self.input.graph.landing(inst);
        let types =
            results.iter().zip(&places).filter(|(_, place)| **place == ResultPlace::Register);
        let types: Vec<_> = types.map(|(&ty, _)| clif_type(ty)).collect();
        let values = self.emit_call(call.callee, &args, &types, state, Some(inst), landing);
        self.end_safepoint(inst);
        let mut values = values.into_iter();
        for ((result, &place), &ty) in
            self.input.graph.results(inst).zip(&places).zip(results.iter())
        {
            let value = match place {
                ResultPlace::Register => values.next().expect("one value per register result"),
                ResultPlace::Area(offset) => {
                    let slot = area.expect("an area place implies an area");
                    let base = self.pos.ins().stack_addr(types::I64, slot, 0);
                    self.pos.ins().load(clif_type(ty), self.flags.results, base, offset as i32)
                }
            };
            self.define(result, value);
        }
    }

    fn tail_call(&mut self, call: Call, inst: Inst, count: usize) {
        if self.frame.is_some() {
            let entry = call.entry.unwrap_or_else(|| self.own_entry(inst));
            return self.leave_tail_call(entry, call.instance, inst, count);
        }
        let mut args = vec![call.instance];
        args.extend(self.result_area);
        self.push_args(inst, count, &mut args);
        match call.callee {
            Callee::Direct(func) => self.pos.ins().return_call(func, &args),
            Callee::Indirect(signature, code) => {
                self.pos.ins().return_call_indirect(signature, code, &args)
            }
        };
    }

    fn push_args(&mut self, inst: Inst, count: usize, args: &mut Vec<ir::Value>) {
        for i in 0..count {
            let value = self.arg(inst, i);
            args.push(self.canonical(value));
        }
    }

    /// The slot for results of calls, at least `size` bytes.
    fn grow_area(&mut self, size: u32) -> ir::StackSlot {
        match self.cached.area {
            Some((slot, old)) => {
                if size > old {
                    self.pos.func.sized_stack_slots[slot].size = size;
                    self.cached.area = Some((slot, size));
                }
                slot
            }
            None => {
                let data = StackSlotData::new(StackSlotKind::ExplicitSlot, size, 4);
                let slot = self.pos.func.create_sized_stack_slot(data);
                self.cached.area = Some((slot, size));
                slot
            }
        }
    }

    /// Emits a call; with a state, as `try_call` whose context items say where the state's values are; with a landing, as one with a
    /// handler.
    fn emit_call(
        &mut self,
        callee: Callee,
        args: &[ir::Value],
        results: &[ir::Type],
        state: &[StateData],
        safepoint: Option<Inst>,
        landing: Option<LandingData>,
    ) -> Vec<ir::Value> {
        if state.is_empty() && landing.is_none() {
            let call = match callee {
                Callee::Direct(func) => self.pos.ins().call(func, args),
                Callee::Indirect(signature, code) => {
                    self.pos.ins().call_indirect(signature, code, args)
                }
            };
            safepoint.inspect(|&inst| self.safepoint(inst, call));
            return self.pos.func.dfg.inst_results(call).to_vec();
        }
        let (mut items, state) = self.state_items(state);
        let pad = landing.map(|landing| {
            let (pad, item) = self.landing_item();
            items.push(item);
            (pad, landing)
        });
        let next = self.new_block();
        let values =
            results.iter().map(|&ty| self.pos.func.dfg.append_block_param(next, ty)).collect();
        let returned: Vec<_> = (0..results.len() as u32).map(BlockArg::TryCallRet).collect();
        let returned = self.pos.func.dfg.block_call(next, &returned);
        let signature = match callee {
            Callee::Direct(func) => self.pos.func.dfg.ext_funcs[func].signature,
            Callee::Indirect(signature, _) => signature,
        };
        let table = ExceptionTableData::new(signature, returned, items);
        let table = self.pos.func.dfg.exception_tables.push(table);
        let call = match callee {
            Callee::Direct(func) => self.pos.ins().try_call(func, args, table),
            Callee::Indirect(_, code) => self.pos.ins().try_call_indirect(code, args, table),
        };
        self.lowering.states.extend(state.map(|state| (call, state)));
        safepoint.inspect(|&inst| self.safepoint(inst, call));
        if let Some((pad, landing)) = pad {
            self.landing_pad(pad, landing);
        }
        self.open(next);
        values
    }

    /// Lists those values of the states at a call that only a context item can tell the place of, and tells where all of them are.
    fn state_items(
        &mut self,
        states: &[StateData],
    ) -> (Vec<ExceptionTableItem>, Option<PendingState>) {
        let mut items = Vec::new();
        if states.is_empty() {
            return (items, None);
        }
        let frames = states.iter().map(|state| self.pending_frame(state, &mut items)).collect();
        // Without context items Cranelift would report nothing about the call: have at least one.
        items.push(ExceptionTableItem::Context(self.vmctx));
        let address = self.result_area.or(self.frame);
        let leave = match address {
            _ if self.moves_arguments => PendingLeave::Never,
            None => PendingLeave::Plain,
            Some(address) => {
                items.push(ExceptionTableItem::Context(address));
                PendingLeave::WithAddress
            }
        };
        let area = self.cached.area.map(|(slot, _)| slot);
        (items, Some(PendingState { frames, leave, area }))
    }

    /// Whether the function may move its arguments on the stack to make room for those of a tail call: then nobody knows where its
    /// caller's frame ends.
    pub(super) fn may_move_arguments(input: &Input<'_>) -> bool {
        /// Parameters that are in registers whatever the machine, vmctx and result area not counted.
        const REGISTERS: usize = 4;
        let signature = |inst: Inst| {
            let data = input.graph.inst(inst);
            let ty = match data.op {
                Opcode::Wasm(Op::ReturnCall) => {
                    input.module.func_type_index(FuncIndex::from_u32(data.index()))
                }
                Opcode::Wasm(Op::ReturnCallIndirect) => TypeIndex::from_u32(data.index2().0),
                Opcode::Wasm(Op::ReturnCallRef) => TypeIndex::from_u32(data.index()),
                _ => return None,
            };
            Some(input.module.signature(ty))
        };
        let is_relevant = input.settings.capture_state && input.module.has_tail_calls();
        let insts = input.graph.blocks().flat_map(|block| input.graph.block_insts(block));
        is_relevant && insts.filter_map(signature).any(|ty| ty.params.len() > REGISTERS)
    }

    fn pending_frame(
        &mut self,
        state: &StateData,
        items: &mut Vec<ExceptionTableItem>,
    ) -> PendingFrame {
        let graph = self.input.graph;
        let mut values = Vec::with_capacity(state.values.len());
        for &value in graph.list(state.values) {
            let place = match graph.constant(value) {
                Some(bits) => PendingPlace::Const(bits),
                None if self.cx.roots.is_kept(value) => PendingPlace::Home(self.home(value)),
                None => {
                    items.push(ExceptionTableItem::Context(self.value(value)));
                    PendingPlace::Item
                }
            };
            values.push((graph.ty(value).val_type(), place));
        }
        PendingFrame { locals: state.locals, values }
    }

    // ------------------------------------------------------------------------------------------ builtins

    /// Calls a builtin through its thunk; returns its result.
    pub(super) fn call_builtin(&mut self, builtin: Builtin, args: &[ir::Value]) -> ir::Value {
        self.call_builtin_at(builtin, args, None)
    }

    /// As [`Lower::call_builtin`], the call being the safepoint of an instruction.
    pub(super) fn call_builtin_at(
        &mut self,
        builtin: Builtin,
        args: &[ir::Value],
        safepoint: Option<Inst>,
    ) -> ir::Value {
        self.lowering.calls |= builtin != Builtin::raise;
        let signature = self.builtin_sig(builtin);
        let code = self.thunk(builtin);
        let mut all = vec![self.vmctx];
        all.extend_from_slice(args);
        let call = self.pos.ins().call_indirect(signature, code, &all);
        safepoint.inspect(|&inst| self.safepoint(inst, call));
        self.pos.func.dfg.inst_results(call)[0]
    }

    /// Calls a builtin whose thunk preserves every register and returns nothing; perhaps the safepoint of an instruction.
    pub(super) fn call_preserving(
        &mut self,
        builtin: Builtin,
        args: &[ir::Value],
        safepoint: Option<Inst>,
    ) {
        self.lowering.calls = true;
        let signature = self.builtin_sig(builtin);
        let code = self.thunk(builtin);
        let mut all = vec![self.vmctx];
        all.extend_from_slice(args);
        let call = self.pos.ins().call_indirect(signature, code, &all);
        safepoint.inspect(|&inst| self.safepoint(inst, call));
    }

    /// The address of a builtin's thunk. Loaded where it is called: hoisted out of a loop it would take a register from the likely path.
    fn thunk(&mut self, builtin: Builtin) -> ir::Value {
        let thunks = self.pos.ins().load(
            types::I64,
            self.flags.context,
            self.vmctx,
            VmCtx::OFF_THUNKS as i32,
        );
        self.pos.ins().load(types::I64, self.flags.context, thunks, builtin.thunk_offset() as i32)
    }

    /// Lowers a poll: one load and a branch on the likely path.
    pub(super) fn poll(&mut self, inst: Inst) {
        let store = self.store_ctx();
        // Ordinary loads, yet never merged with an earlier poll's: each is followed by a path with a call.
        let flag = self.pos.ins().load(types::I8, self.flags.context, store, OFF_INTERRUPT);
        let (cold, next) = (self.new_cold_block(), self.new_block());
        self.pos.ins().brif(flag, cold, &[], next, &[]);
        self.open(cold);
        self.lowering.calls = true;
        let signature = self.builtin_sig(Builtin::poll);
        let code = self.thunk(Builtin::poll);
        let state = self.input.graph.states_at(inst);
        if !state.is_empty() {
            self.emit_call(
                Callee::Indirect(signature, code),
                &[self.vmctx],
                &[],
                state,
                None,
                None,
            );
            self.pos.func.layout.set_cold(self.block);
        } else {
            self.pos.ins().call_indirect(signature, code, &[self.vmctx]);
        }
        self.pos.ins().jump(next, &[]);
        self.open(next);
    }

    // ------------------------------------------------------------------------------------------ references to code

    fn func_ref(&mut self, func: FuncIndex, ty: TypeIndex) -> ir::FuncRef {
        let generation = self.cx.calls.generation;
        if let (known, Some(func)) = self.cx.calls.funcs[func.index()]
            && known == generation
        {
            return func;
        }
        let signature = self.sig_ref(ty, self.input.convention);
        let name = UserExternalName { namespace: 0, index: func.as_u32() };
        let name = ExternalName::user(self.pos.func.declare_imported_user_function(name));
        let data = ExtFuncData { name, signature, colocated: true, patchable: false };
        let made = self.pos.func.import_function(data);
        self.cx.calls.funcs[func.index()] = (generation, Some(made));
        made
    }

    fn sig_ref(&mut self, ty: TypeIndex, convention: Convention) -> ir::SigRef {
        let generation = self.cx.calls.generation;
        if let (known, Some(signature)) = self.cx.calls.types[ty.index()][convention as usize]
            && known == generation
        {
            return signature;
        }
        let ty_ = self.input.module.signature(ty);
        let made = self.pos.func.import_signature(signature(&ty_.params, &ty_.results, convention));
        self.cx.calls.types[ty.index()][convention as usize] = (generation, Some(made));
        made
    }

    fn builtin_sig(&mut self, builtin: Builtin) -> ir::SigRef {
        let generation = self.cx.calls.generation;
        if let (known, Some(signature)) = self.cx.calls.builtins[builtin as usize]
            && known == generation
        {
            return signature;
        }
        let made = self.pos.func.import_signature(builtin_signature(builtin));
        self.cx.calls.builtins[builtin as usize] = (generation, Some(made));
        made
    }
}

/// The machine signature of a builtin's thunk.
pub(crate) fn builtin_signature(builtin: Builtin) -> ir::Signature {
    let preserves = matches!(builtin, Builtin::poll | Builtin::gc_slow | Builtin::barrier);
    let mut signature =
        ir::Signature::new(if preserves { CallConv::PreserveAll } else { CallConv::SystemV });
    signature.params.push(AbiParam::new(types::I64));
    for &size in builtin.param_sizes() {
        signature.params.push(AbiParam::new(if size == 8 { types::I64 } else { types::I32 }));
    }
    if !preserves {
        signature.returns.push(AbiParam::new(types::I64));
    }
    signature
}
