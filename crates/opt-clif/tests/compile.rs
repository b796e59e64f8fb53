//! Owns the tests that code comes out: every operator in every mode, calls, limits, artifacts, determinism.
//! Does not run the code: the engine's tests do.

use std::fmt::Write;

use sterna_abi::{
    CallSite, CodeSettings, CompileRequest, Compiler, Convention, FunctionCode, RelocKind,
    ValuePlace,
};
use sterna_isa::{Class, Feature, FeatureSet, FuncType, ImmKind, Op, TrapCode, Ty, ValType};
use sterna_module::Module;
use sterna_opt_clif::{ClifCompiler, Options};

const SIGNALS: CodeSettings = CodeSettings {
    explicit_checks: false,
    guard_bytes: 1 << 31,
    deterministic: false,
    capture_state: false,
    interruptible: false,
};

const INFALLIBLE: &str = "writing to a string";

fn modes() -> Vec<CodeSettings> {
    vec![
        SIGNALS,
        CodeSettings { explicit_checks: true, guard_bytes: 0, deterministic: true, ..SIGNALS },
        CodeSettings { capture_state: true, interruptible: true, ..SIGNALS },
        CodeSettings { explicit_checks: true, guard_bytes: 0, interruptible: true, ..SIGNALS },
    ]
}

fn module(text: &str) -> Module {
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let features = FeatureSet::DEFAULT.with(Feature::WideArithmetic).with(Feature::CustomPageSizes);
    Module::decode(wasm, &features, 1).unwrap_or_else(|error| panic!("{error}"))
}

fn compiler() -> ClifCompiler {
    ClifCompiler::native(Options::default()).expect("this machine is supported")
}

fn compile_all(
    compiler: &ClifCompiler,
    module: &Module,
    settings: &CodeSettings,
) -> Vec<FunctionCode> {
    let compile = |func| {
        compiler
            .compile(&CompileRequest::new(module, func, settings))
            .unwrap_or_else(|error| panic!("{error}"))
    };
    module.defined_funcs().map(compile).collect()
}

fn type_text(ty: Ty, is_64: bool) -> &'static str {
    match ty {
        Ty::I32 => "i32",
        Ty::I64 => "i64",
        Ty::F32 => "f32",
        Ty::F64 => "f64",
        Ty::V128 => "v128",
        Ty::Addr if is_64 => "i64",
        Ty::Addr => "i32",
        _ => unreachable!("no such operand in these classes"),
    }
}

/// A module with one function per operator of the classes that compute or access memory, for one kind of memory.
fn every_operator(memory: &str, is_64: bool) -> String {
    let mut text = format!("(module (memory {memory})\n");
    for &op in Op::ALL {
        let classes = [
            Class::Pure,
            Class::Lane,
            Class::Wide,
            Class::Trapping,
            Class::Load,
            Class::Store,
            Class::LoadLane,
            Class::StoreLane,
            Class::AtomicLoad,
            Class::AtomicStore,
            Class::AtomicRmw,
            Class::AtomicCmpxchg,
            Class::AtomicWait,
        ];
        if !classes.contains(&op.class()) {
            continue;
        }
        let (params, results) = op.signature().expect("these classes have signatures");
        let list = |types: &[Ty]| {
            types.iter().map(|&ty| type_text(ty, is_64)).collect::<Vec<_>>().join(" ")
        };
        let imm = match op.imm() {
            ImmKind::Lane => "1",
            ImmKind::MemArg => "offset=24",
            ImmKind::MemArgLane => "offset=24 1",
            ImmKind::Shuffle => "0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31",
            _ => "",
        };
        write!(text, "(func (param {}) (result {})", list(params), list(results))
            .expect(INFALLIBLE);
        for i in 0..params.len() {
            write!(text, " local.get {i}").expect(INFALLIBLE);
        }
        writeln!(text, " {} {imm})", op.text()).expect(INFALLIBLE);
    }
    text + ")"
}

#[test]
fn every_operator_compiles_in_every_mode() {
    let compiler = compiler();
    let guarded = ClifCompiler::native(Options { spectre_heap: true, ..Options::default() })
        .expect("this machine is supported");
    for (memory, is_64) in [
        ("1", false),
        ("i64 1", true),
        ("0 (pagesize 1)", false),
        ("1 1", false),
        ("1 2 shared", false),
        ("i64 1 2 shared", true),
    ] {
        let module = module(&every_operator(memory, is_64));
        assert!(module.num_funcs() > 400);
        for settings in modes() {
            for code in compile_all(&compiler, &module, &settings) {
                assert!(!code.bytes.is_empty());
                assert!(code.sites.traps.is_sorted_by_key(|site| site.code));
            }
        }
        compile_all(&guarded, &module, &modes()[1]);
    }
}

const CALLS: &str = r#"(module
  (type $many (func (param i32 f64 v128) (result i32 i64 f32 f64 v128 i32 funcref)))
  (type $small (func (param i64) (result i64)))
  (import "m" "f" (func $import (type $many)))
  (import "m" "g" (global $g (mut i64)))
  (table $t 4 10 funcref) (table $x 2 2 externref)
  (memory 1 7) (memory $big i64 1)
  (global $v (mut v128) (v128.const i64x2 0 0)) (global $c f32 (f32.const 1))
  (data $d "abc") (elem $e func $swap)
  (func $swap (type $many)
    (call $import (local.get 0) (local.get 1) (local.get 2)))
  (func (export "a") (param i32) (result i64) (local $x i64)
    (local.set $x (i64.extend_i32_u (local.get 0)))
    (call_indirect $t (type $small) (local.get $x) (local.get 0))
    (i64.add (local.get $x)))
  (func (param i32 externref)
    (global.set $g (i64.add (global.get $g) (i64.const 1)))
    (global.set $v (global.get $v))
    (drop (global.get $c))
    (table.set $x (local.get 0) (local.get 1))
    (drop (table.get $x (local.get 0)))
    (drop (ref.is_null (table.get $t (local.get 0))))
    (table.set $t (i32.const 1) (ref.func $swap))
    (drop (table.grow $t (ref.null func) (local.get 0)))
    (drop (table.size $t)) (drop (table.size $x))
    (table.fill $t (i32.const 0) (ref.func $swap) (local.get 0))
    (table.copy $t $t (i32.const 0) (i32.const 1) (local.get 0))
    (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $e)
    (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)) (data.drop $d)
    (memory.fill (local.get 0) (i32.const 1) (i32.const 9))
    (memory.copy $big 0 (i64.const 1) (local.get 0) (i32.const 9))
    (memory.fill (local.get 0) (i32.const 1) (local.get 0)) (memory.copy (i32.const 1) (local.get 0) (local.get 0))
    (drop (memory.grow (memory.size))) (drop (memory.grow $big (memory.size $big))))
  (func (param i32) (result i32) (local i32)
    (loop $l
      (local.set 1 (i32.add (local.get 1) (i32.load (local.get 0))))
      (drop (call $loop_callee (i64.const 3)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func $loop_callee (type $small) (if (i64.eqz (local.get 0)) (then (unreachable))) (local.get 0))
  (func (param i32) (result i32)
    (block $a (block $b (block $c (br_table $a $b $c $a (local.get 0))) (return (i32.const 7)))
      (local.set 0 (i32.const 3)) (br $a))
    (local.get 0))
)"#;

#[test]
fn calls_and_builtins_compile_in_every_mode() {
    let compiler = compiler();
    let module = module(CALLS);
    for settings in modes() {
        let codes = compile_all(&compiler, &module, &settings);
        assert!(codes.iter().any(|code| !code.sites.calls.is_empty()));
        for code in &codes {
            assert!(code.sites.calls.is_sorted_by_key(|site| site.code));
            for site in &code.sites.calls {
                assert!(
                    module.code_range().contains(&site.wasm),
                    "a call's location is an operator"
                );
            }
        }
    }
}

#[test]
fn tail_calls_compile() {
    let module = module(
        r#"(module
      (type $t (func (param i32 i64 f32 i32 i32 i32 i32 i32 i32) (result i64 i64 i64 f32)))
      (import "m" "f" (func $import (type $t)))
      (table 3 funcref)
      (func $a (type $t) (return_call $a (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
        (local.get 5) (local.get 6) (local.get 7) (local.get 8)))
      (func (type $t) (return_call $import (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
        (local.get 5) (local.get 6) (local.get 7) (local.get 8)))
      (func (param i32) (result i64 i64 i64 f32)
        (return_call_indirect (type $t) (local.get 0) (i64.const 0) (f32.const 0) (local.get 0) (local.get 0)
        (local.get 0) (local.get 0) (local.get 0) (local.get 0) (local.get 0)))
      (func (param i32) (result i64 i64 i64 f32)
        (call $a (local.get 0) (i64.const 0) (f32.const 0) (local.get 0) (local.get 0)
        (local.get 0) (local.get 0) (local.get 0) (local.get 0))))"#,
    );
    let compiler = compiler();
    for settings in modes() {
        compile_all(&compiler, &module, &settings);
    }
    let func = module.defined_funcs().next().unwrap();
    let is_x86 = cfg!(target_arch = "x86_64");
    let kind = if is_x86 { RelocKind::PcRel32 } else { RelocKind::Arm64Branch26 };
    for from in [Convention::Reg, Convention::Tail] {
        let code = compiler.bridge(&module, func, from);
        assert_eq!(code.relocs.len(), 1);
        assert_eq!((code.relocs[0].target, code.relocs[0].kind), (func, kind));
    }
}

#[test]
fn adapters_compile_for_any_signature() {
    use ValType::{F32, F64, I32, I64, V128};
    let compiler = compiler();
    let all = [I32, I64, F32, F64, V128, ValType::FUNCREF, ValType::EXTERNREF];
    let many: Vec<_> = all.iter().copied().cycle().take(1000).collect();
    let types = [
        FuncType::default(),
        FuncType::new(all, all),
        FuncType::new(many.clone(), [I32]),
        FuncType::new([], many.clone()),
        FuncType::new(many.clone(), many),
    ];
    for ty in &types {
        assert!(!compiler.stack_to_reg(ty).bytes.is_empty());
        assert!(!compiler.tail_to_reg(ty).bytes.is_empty());
        for convention in [Convention::Reg, Convention::Tail] {
            let code = compiler.reg_to_stack(ty, convention);
            assert_eq!((code.relocs.len(), code.sites.calls.len()), (0, 1));
        }
    }
}

#[test]
fn a_thousand_parameters_and_results() {
    let types = "i32 i64 f32 f64 v128 ".repeat(200);
    let gets: String = (0..1000).map(|i| format!("local.get {i} ")).collect();
    let text = format!("(module (func $f (param {types}) (result {types}) {gets} call $f))");
    let module = module(&text);
    for settings in modes() {
        compile_all(&compiler(), &module, &settings);
    }
}

#[test]
fn states_record_constants_locals_and_operands() {
    let module = module(
        r#"(module (import "m" "f" (func $f (param i32)))
      (func (param i32 i64 f64) (result i32) (local i32)
        (i32.mul (local.get 0) (i32.const 3))
        (call $f (local.get 0))
        (drop (i64.add (local.get 1) (i64.const 1)))))"#,
    );
    let settings = CodeSettings { capture_state: true, ..SIGNALS };
    let code = compile_all(&compiler(), &module, &settings).remove(0);
    let [site] = &code.sites.calls[..] else { panic!("one call") };
    let state = &code.sites.states[site.state.expect("a state") as usize];
    assert_eq!(state.locals, 4);
    let types: Vec<_> = state.values.iter().map(|(ty, _)| *ty).collect();
    assert_eq!(types, [ValType::I32, ValType::I64, ValType::F64, ValType::I32, ValType::I32]);
    assert_eq!(state.values[3].1, ValuePlace::Const(0));
    assert!(
        matches!(state.values[2].1, ValuePlace::Frame(offset) if offset < 0),
        "no float register survives a call"
    );
    for (_, place) in &state.values {
        if let ValuePlace::Register(register) = place {
            assert!(
                code.sites.saved.iter().any(|saved| saved.register == *register),
                "used, hence saved"
            );
        }
    }
    assert!(!code.sites.saved.is_empty());
}

#[test]
fn recorded_references_are_where_the_collector_updates_them() {
    let module = module(
        r#"(module (type $s (struct (field i32))) (import "m" "f" (func $f (param i32)))
      (func (param anyref) (result anyref) (local (ref null $s))
        (local.set 1 (struct.new $s (i32.const 3)))
        (call $f (i32.const 4))
        (local.get 1)))"#,
    );
    let settings = CodeSettings { capture_state: true, ..SIGNALS };
    let code = compile_all(&compiler(), &module, &settings).remove(0);
    let [call, allocation] = &code.sites.calls[..] else { panic!("one call of each kind") };
    let roots = |site: &CallSite| &code.sites.roots[site.roots.expect("roots") as usize];
    let state = &code.sites.states[call.state.expect("a state") as usize];
    let places = state.values.iter().map(|(_, place)| match place {
        ValuePlace::Frame(offset) => *offset,
        other => panic!("{other:?}"),
    });
    let mut places: Vec<i32> = places.collect();
    places.sort_unstable();
    assert_eq!(places, **roots(call));
    assert_eq!(
        roots(allocation).len(),
        1,
        "the parameter; the new object is none before it is made"
    );
}

#[test]
fn operands_of_removed_instructions_are_no_roots() {
    let module = module(
        r#"(module (type $s (struct))
      (func (param i32) (result (ref $s))
        (local $made (ref null $s))
        (local.set $made (struct.new $s))
        (drop (ref.test (ref i31)
          (if (result anyref) (local.get 0)
            (then (ref.i31 (i32.const 1)))
            (else (ref.i31 (i32.const 2))))))
        (ref.as_non_null (local.get $made))))"#,
    );
    let code = compile_all(&compiler(), &module, &SIGNALS).remove(0);
    assert!(code.sites.roots.is_empty(), "{:?}", code.sites.roots);
}

#[test]
fn large_frames_are_checked_even_in_leaves() {
    // A leaf whose values cannot all be in registers: more than 128 KiB of vectors.
    let mut text = String::from("(module (func (param v128) (result v128)\n");
    for i in 0..8500 {
        writeln!(text, "(i32x4.mul (local.get 0) (i32x4.splat (i32.const {})))", i * 2 + 3)
            .expect(INFALLIBLE);
    }
    text += &"v128.xor ".repeat(8499);
    let module = module(&(text + "))"));
    let compiler = compiler();
    let code = compile_all(&compiler, &module, &SIGNALS).remove(0);
    let overflow =
        code.sites.traps.iter().filter(|site| site.trap == TrapCode::StackOverflow).count();
    assert!(overflow > 0, "the prologue checks a frame this large");
    let explicit = CodeSettings { explicit_checks: true, ..SIGNALS };
    let error = compiler
        .compile(&CompileRequest::new(&module, module.defined_funcs().next().unwrap(), &explicit))
        .unwrap_err();
    assert!(error.reason.contains("frame"), "{error}");
}

#[test]
fn compilation_is_deterministic_and_parallel() {
    let compiler = compiler();
    let module = module(CALLS);
    let expected = compile_all(&compiler, &module, &SIGNALS);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(compile_all(&compiler, &module, &SIGNALS), expected));
        }
    });
}
