//! Tests that every machine has every operator, whatever machine the tests run on.
//! Does not test what code computes: the official suite does, on the machine itself or an emulated one (`cargo x spec --aarch64`).

use std::fmt::Write;

use sterna_abi::{CodeEntry, CodeSettings, Convention, FunctionCode, InstanceLayout};
use sterna_base::FuncIndex;
use sterna_isa::{FeatureSet, Op, Ty};
use sterna_module::Module;

use crate::a64::A64;
use crate::driver::{Input, Scratch, adapters, compile};
use crate::machine::Machine;
use crate::x64::X64;

const SETTINGS: CodeSettings = CodeSettings {
    explicit_checks: false,
    guard_bytes: 32 << 20,
    deterministic: false,
    capture_state: true,
    interruptible: true,
};

/// A function for each operator that has nothing but operands, in the text format, with operands on the stack and results left there.
fn functions() -> String {
    let name = |ty: &Ty| match ty {
        // Of memories with 32 bits.
        Ty::I32 | Ty::Addr => "i32",
        Ty::I64 => "i64",
        Ty::F32 => "f32",
        Ty::F64 => "f64",
        Ty::V128 => "v128",
        other => unreachable!("{other:?} is no type of such an operator"),
    };
    let list = |types: &[Ty]| types.iter().map(name).collect::<Vec<_>>().join(" ");
    let mut text = String::from("(module (memory 1) (memory i64 1) (memory 1 1 shared)\n");
    for &op in Op::ALL {
        use sterna_isa::Class::*;
        let Some((params, results)) = op.signature() else { continue };
        let operator = match op.class() {
            Pure | Trapping | Wide => op.to_string(),
            Load | Store => format!("{op} 0 offset=70000"),
            AtomicLoad | AtomicStore | AtomicRmw | AtomicCmpxchg => format!("{op} 2 offset=8"),
            LoadLane | StoreLane => format!("{op} 0 offset=3 1"),
            _ => continue,
        };
        let (params_text, results_text) = (list(params), list(results));
        write!(text, "(func (param {params_text}) (result {results_text})").unwrap();
        (0..params.len()).for_each(|at| write!(text, " local.get {at}").unwrap());
        writeln!(text, " {operator})").unwrap();
    }
    text + ")"
}

/// The first function's code.
fn compiled<M: Machine>(module: &Module, cpu: M::Cpu) -> FunctionCode {
    let (layout, func) = (InstanceLayout::new(module), FuncIndex::from_u32(0));
    let input = Input::<M> {
        module,
        layout: &layout,
        settings: &SETTINGS,
        convention: Convention::Reg,
        cpu,
        counted: None,
        recorder: None,
        entry: CodeEntry::Function,
    };
    compile(input, func, &mut Scratch::default()).unwrap()
}

fn compiles<M: Machine>(cpu: M::Cpu) {
    let bytes = wat::parse_str(functions()).unwrap();
    let module = Module::decode(bytes, &FeatureSet::ALL, 1).unwrap();
    assert!(module.defined_funcs().len() > 400);
    let layout = InstanceLayout::new(&module);
    let mut scratch = Scratch::<M>::default();
    let mut refused = Vec::new();
    for (explicit_checks, deterministic) in [(false, false), (true, true)] {
        let settings = CodeSettings { explicit_checks, deterministic, ..SETTINGS };
        for func in module.defined_funcs() {
            let input = Input::<M> {
                module: &module,
                layout: &layout,
                settings: &settings,
                convention: Convention::Tail,
                cpu,
                counted: Some(func),
                recorder: None,
                entry: CodeEntry::Function,
            };
            refused.extend(compile(input, func, &mut scratch).err());
            let ty = module.func_type(func);
            for convention in [Convention::Reg, Convention::Tail] {
                adapters::reg_to_stack::<M>(ty, convention);
                adapters::bridge::<M>(ty, func, convention);
            }
            adapters::stack_to_reg::<M>(ty);
        }
    }
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn x86_64_has_every_operator() {
    let all = true;
    compiles::<X64>(crate::x64::Cpu {
        sse41: all,
        simd: all,
        popcnt: all,
        lzcnt: all,
        bmi1: all,
        bmi2: all,
    });
}

#[test]
fn aarch64_has_every_operator() {
    compiles::<A64>(crate::a64::Cpu { lse: true });
    compiles::<A64>(crate::a64::Cpu { lse: false });
}

/// A block that a jump leaves over more code than a conditional jump of AArch64 reaches.
#[test]
fn jumps_over_large_blocks_are_compiled_again() {
    let many = "local.get 0 i64.const 0x123456789abcdef i64.xor local.set 0 ".repeat(60_000);
    let text = format!("(module (func (param i64) block local.get 0 i64.eqz br_if 0 {many} end))");
    let module = Module::decode(wat::parse_str(text).unwrap(), &FeatureSet::ALL, 1).unwrap();
    let code = compiled::<A64>(&module, crate::a64::Cpu { lse: true });
    assert!(code.bytes.len() > 1 << 20);
}
