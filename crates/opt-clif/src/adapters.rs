//! Owns the adapters between calling conventions, one per signature (or per function, for bridges).
//! Does not know when they are needed: the runtime asks.

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    self, AbiParam, ArgumentPurpose, ExtFuncData, ExternalName, Function, InstBuilder,
    MemFlagsData, StackSlotData, StackSlotKind, UserExternalName, UserFuncName, types,
};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use sterna_abi::{Builtin, Convention, FuncEntry, FunctionCode, StoreCtx, VmCtx};
use sterna_base::FuncIndex;
use sterna_isa::{FuncType, ValType};
use sterna_opt::Graph;

use crate::artifact::function_code;
use crate::lower::{Lowering, builtin_signature};
use crate::positions::Positions;
use crate::signature::{ResultPlace, clif_type, result_places, signature};

/// Accesses to slots, result areas and context structures: always mapped, 8-byte aligned.
fn flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// An adapter under construction: one block.
struct Adapter {
    func: Function,
    block: ir::Block,
    params: Vec<ir::Value>,
}

impl Adapter {
    fn new(signature: ir::Signature) -> Adapter {
        let mut func = Function::with_name_signature(UserFuncName::default(), signature);
        let block = func.dfg.make_block();
        let types: Vec<_> = func.signature.params.iter().map(|param| param.value_type).collect();
        let params = types.into_iter().map(|ty| func.dfg.append_block_param(block, ty)).collect();
        func.layout.append_block(block);
        Adapter { func, block, params }
    }

    fn ins(&mut self) -> FuncCursor<'_> {
        FuncCursor::new(&mut self.func).at_bottom(self.block)
    }

    fn load(&mut self, ty: types::Type, base: ir::Value, offset: u32) -> ir::Value {
        self.ins().ins().load(ty, flags(), base, offset as i32)
    }

    fn store(&mut self, value: ir::Value, base: ir::Value, offset: u32) {
        self.ins().ins().store(flags(), value, base, offset as i32);
    }

    /// Loads consecutive values from slots.
    fn load_slots(&mut self, types: &[ValType], base: ir::Value) -> Vec<ir::Value> {
        let mut offset = 0;
        let load = |&ty: &ValType| {
            let value = self.load(clif_type(ty), base, offset);
            offset += ty.slots() as u32 * 8;
            value
        };
        types.iter().map(load).collect()
    }

    /// Stores consecutive values to slots; those of 32 bits zero-extended.
    fn store_slots(&mut self, types: &[ValType], values: &[ir::Value], base: ir::Value) {
        let mut offset = 0;
        for (&ty, &value) in types.iter().zip(values) {
            let wide = match ty {
                ValType::I32 => self.ins().ins().uextend(types::I64, value),
                ValType::F32 => {
                    let bits = self.ins().ins().bitcast(types::I32, MemFlagsData::new(), value);
                    self.ins().ins().uextend(types::I64, bits)
                }
                _ => value,
            };
            self.store(wide, base, offset);
            offset += ty.slots() as u32 * 8;
        }
    }

    /// A result area of this adapter.
    fn area(&mut self, size: u32) -> ir::Value {
        let slot = self.func.create_sized_stack_slot(StackSlotData::new(
            StackSlotKind::ExplicitSlot,
            size,
            4,
        ));
        self.ins().ins().stack_addr(types::I64, slot, 0)
    }

    /// Results of a call, from registers and area.
    fn results(
        &mut self,
        call: ir::Inst,
        ty: &FuncType,
        area: Option<ir::Value>,
    ) -> Vec<ir::Value> {
        let mut places = Vec::new();
        result_places(&ty.results, &mut places);
        let mut registers = self.func.dfg.inst_results(call).to_vec().into_iter();
        let mut values = Vec::new();
        for (&ty, place) in ty.results.iter().zip(&places) {
            values.push(match (place, area) {
                (ResultPlace::Area(offset), Some(area)) => self.load(clif_type(ty), area, *offset),
                _ => registers.next().expect("one register per result outside the area"),
            });
        }
        values
    }

    /// Returns values as the signature rule says.
    fn return_results(&mut self, ty: &FuncType, values: &[ir::Value], area: Option<ir::Value>) {
        let mut places = Vec::new();
        result_places(&ty.results, &mut places);
        let mut registers = Vec::new();
        for (&value, place) in values.iter().zip(&places) {
            match (place, area) {
                (ResultPlace::Area(offset), Some(area)) => self.store(value, area, *offset),
                _ => registers.push(value),
            }
        }
        self.ins().ins().return_(&registers);
    }

    fn compile(self, isa: &dyn TargetIsa) -> FunctionCode {
        let mut context = Context::for_function(self.func);
        if let Err(error) = context.compile(isa, &mut ControlPlane::default()) {
            panic!("adapters are within all limits: {:?}", error.inner);
        }
        let code = context.compiled_code().expect("just compiled");
        let code = function_code(
            isa,
            &context.func,
            code,
            0,
            Lowering::default(),
            &Positions::default(),
            &Graph::default(),
        );
        code.expect("adapters use what the artifact format has")
    }
}

/// `extern "C" fn(vmctx, entry: *const FuncEntry, fp: *mut Slot)`.
pub(crate) fn entered_from_stack() -> ir::Signature {
    let mut signature = ir::Signature::new(CallConv::SystemV);
    signature.params.push(AbiParam::special(types::I64, ArgumentPurpose::VMContext));
    signature.params.extend([AbiParam::new(types::I64); 2]);
    signature
}

/// See [`entered_from_stack`].
pub(crate) fn stack_to_reg(isa: &dyn TargetIsa, ty: &FuncType) -> FunctionCode {
    let mut adapter = Adapter::new(entered_from_stack());
    let [vmctx, entry, fp] = [adapter.params[0], adapter.params[1], adapter.params[2]];
    let size = result_places(&ty.results, &mut Vec::new());
    let area = (size > 0).then(|| adapter.area(size));
    let mut args = vec![vmctx];
    args.extend(area);
    args.extend(adapter.load_slots(&ty.params, fp));
    let code = adapter.load(types::I64, entry, FuncEntry::OFF_REG);
    let callee = adapter.func.import_signature(signature(&ty.params, &ty.results, Convention::Reg));
    let call = adapter.ins().ins().call_indirect(callee, code, &args);
    let results = adapter.results(call, ty, area);
    adapter.store_slots(&ty.results, &results, fp);
    adapter.ins().ins().return_(&[]);
    adapter.compile(isa)
}

/// Stores the arguments at `StoreCtx::value_sp`, calls `call_stack` or `call_stack_tail`, returns the results it left there.
pub(crate) fn reg_to_stack(
    isa: &dyn TargetIsa,
    ty: &FuncType,
    convention: Convention,
) -> FunctionCode {
    let mut adapter = Adapter::new(signature(&ty.params, &ty.results, convention));
    let vmctx = adapter.params[0];
    let has_area = result_places(&ty.results, &mut Vec::new()) > 0;
    let area = has_area.then(|| adapter.params[1]);
    let args = adapter.params[1 + usize::from(has_area)..].to_vec();
    let store = adapter.load(types::I64, vmctx, VmCtx::OFF_STORE);
    let fp = adapter.load(types::I64, store, StoreCtx::OFF_VALUE_SP);
    adapter.store_slots(&ty.params, &args, fp);
    let thunks = adapter.load(types::I64, store, StoreCtx::OFF_THUNKS);
    let builtin = match convention {
        Convention::Reg => Builtin::call_stack,
        Convention::Tail => Builtin::call_stack_tail,
    };
    let code = adapter.load(types::I64, thunks, builtin.thunk_offset());
    let callee = adapter.func.import_signature(builtin_signature(builtin));
    adapter.ins().ins().call_indirect(callee, code, &[vmctx, fp]);
    let results = adapter.load_slots(&ty.results, fp);
    adapter.return_results(ty, &results, area);
    adapter.compile(isa)
}

/// Calls function `VmCtx::callee_index` in the other convention.
pub(crate) fn tail_to_reg(isa: &dyn TargetIsa, ty: &FuncType) -> FunctionCode {
    let mut adapter = Adapter::new(signature(&ty.params, &ty.results, Convention::Tail));
    // Both conventions take and return the same values; a result area is passed through.
    let args = adapter.params.clone();
    let vmctx = args[0];
    let callee = adapter.load(types::I32, vmctx, VmCtx::OFF_CALLEE_INDEX);
    let callee = adapter.ins().ins().uextend(types::I64, callee);
    let offset = adapter.ins().ins().imul_imm_u(callee, i64::from(FuncEntry::SIZE));
    let entries = adapter.load(types::I64, vmctx, VmCtx::OFF_ENTRIES);
    let entry = adapter.ins().ins().iadd(entries, offset);
    let code = adapter.load(types::I64, entry, FuncEntry::OFF_REG);
    let callee = adapter.func.import_signature(signature(&ty.params, &ty.results, Convention::Reg));
    let call = adapter.ins().ins().call_indirect(callee, code, &args);
    let results = adapter.func.dfg.inst_results(call).to_vec();
    adapter.ins().ins().return_(&results);
    adapter.compile(isa)
}

/// An entry in convention `from` that calls `func`, which is compiled in the other one.
pub(crate) fn bridge(
    isa: &dyn TargetIsa,
    ty: &FuncType,
    func: FuncIndex,
    from: Convention,
) -> FunctionCode {
    let to = match from {
        Convention::Reg => Convention::Tail,
        Convention::Tail => Convention::Reg,
    };
    let mut adapter = Adapter::new(signature(&ty.params, &ty.results, from));
    let name = UserExternalName { namespace: 0, index: func.as_u32() };
    let name = ExternalName::user(adapter.func.declare_imported_user_function(name));
    let callee = adapter.func.import_signature(signature(&ty.params, &ty.results, to));
    let callee = ExtFuncData { name, signature: callee, colocated: true, patchable: false };
    let callee = adapter.func.import_function(callee);
    // Both conventions take and return the same values; a result area is passed through.
    let args = adapter.params.clone();
    let call = adapter.ins().ins().call(callee, &args);
    let results = adapter.func.dfg.inst_results(call).to_vec();
    adapter.ins().ins().return_(&results);
    adapter.compile(isa)
}
