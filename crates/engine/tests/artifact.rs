//! Owns the tests of precompiled modules end to end: compiled in one engine, loaded and run in another.
//! Does not test the file format byte by byte; the runtime's unit tests do.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fmt::Write as _;

use sterna::{
    ArtifactError, Caller, CapturedFrame, Config, Engine, Instance, Linker, Module, Store, Tier,
    Trap, TrapCode,
};

fn engine(tier: Tier) -> Engine {
    Engine::new(Config::new().tier(tier)).unwrap()
}

fn load(engine: &Engine, artifact: &[u8]) -> Module {
    // SAFETY: the tests load what `serialize` has just made.
    unsafe { Module::deserialize(engine, artifact) }.unwrap()
}

/// Loads through a file, which is gone when this returns; its mapping stays.
fn load_file(engine: &Engine, artifact: &[u8]) -> Module {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), artifact).unwrap();
    // SAFETY: as above, and nobody changes the file.
    unsafe { Module::deserialize_file(engine, file.path()) }.unwrap()
}

fn refusal(engine: &Engine, artifact: &[u8]) -> ArtifactError {
    // SAFETY: nothing of it is run: it is refused.
    let error = unsafe { Module::deserialize(engine, artifact) }.unwrap_err();
    error.downcast::<ArtifactError>().unwrap()
}

fn artifact(module: impl AsRef<[u8]>) -> Vec<u8> {
    Module::new(&engine(Tier::Opt), module).unwrap().serialize().unwrap()
}

/// Everything that code reaches outside itself with, and every way to trap.
const PROGRAM: &str = r#"(module $program
    (import "host" "twice" (func $twice (param i64 f32) (result i64)))
    (memory (export "memory") 1 4)
    (data (i32.const 16) "\01\02\03\04")
    (table $table 3 funcref)
    (elem (i32.const 0) $square $half)
    (global $count (mut i32) (i32.const 0))
    (type $unary (func (param i32) (result i32)))
    (func $square (type $unary) (i32.mul (local.get 0) (local.get 0)))
    (func $half (type $unary) (i32.div_u (local.get 0) (i32.const 2)))
    (func (export "apply") (param i32 i32) (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (call_indirect (type $unary) (local.get 1) (local.get 0)))
    (func (export "count") (result i32) (global.get $count))
    (func (export "host") (param i64) (result i64)
        (i64.add (call $twice (local.get 0) (f32.const 0.5)) (i64.const 1)))
    (func (export "grow") (result i32)
        (drop (memory.grow (i32.const 1)))
        (i32.add (memory.size) (i32.load (i32.const 16))))
    (func $fib (export "fib") (param i32) (result i32)
        (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
            (then (local.get 0))
            (else (i32.add
                (call $fib (i32.sub (local.get 0) (i32.const 1)))
                (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func (export "lanes") (param i32) (result i64)
        (i64x2.extract_lane 1 (i32x4.mul (i32x4.splat (local.get 0)) (v128.const i32x4 1 2 3 4))))
    (func $load (export "load") (param i32) (result i32) (i32.load offset=100 (local.get 0)))
    (func $outer (export "outer") (param i32) (result i32)
        (i32.add (call $load (local.get 0)) (i32.const 1)))
    (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
    (func $deep (export "deep") (result i32) (i32.add (call $deep) (i32.const 1)))
    (func (export "unreachable") unreachable))"#;

fn instantiate(engine: &Engine, module: &Module) -> (Store<u32>, Instance) {
    let mut linker = Linker::new(engine);
    let twice = |mut caller: Caller<'_, u32>, x: i64, _: f32| {
        *caller.data_mut() += 1;
        x * 2
    };
    linker.func_wrap("host", "twice", twice).unwrap();
    let mut store = Store::new(engine, 0);
    let instance = linker.instantiate(&mut store, module).unwrap();
    (store, instance)
}

/// Runs all of [`PROGRAM`]; the result of everything as text, backtraces included.
fn transcript(engine: &Engine, module: &Module) -> String {
    let (mut store, instance) = instantiate(engine, module);
    let mut text = String::new();
    let mut note = |result: &dyn std::fmt::Debug| writeln!(text, "{result:?}").unwrap();
    let apply = instance.get_typed_func::<(i32, i32), i32>(&mut store, "apply").unwrap();
    for args in [(0, 12), (1, 12), (2, 12), (3, 12)] {
        note(&apply.call(&mut store, args));
    }
    for name in ["count", "grow", "grow"] {
        let func = instance.get_typed_func::<(), i32>(&mut store, name).unwrap();
        note(&func.call(&mut store, ()));
    }
    // Tiers notice it at different places: before the call, and on entry.
    let deep = instance.get_typed_func::<(), i32>(&mut store, "deep").unwrap();
    note(&deep.call(&mut store, ()).unwrap_err().downcast_ref::<Trap>().map(Trap::code));
    let unreachable = instance.get_typed_func::<(), ()>(&mut store, "unreachable").unwrap();
    note(&unreachable.call(&mut store, ()));
    let host = instance.get_typed_func::<i64, i64>(&mut store, "host").unwrap();
    note(&host.call(&mut store, 1 << 40));
    let unary = [("fib", &[20][..]), ("load", &[-84, 0, -101, 70_000_000]), ("outer", &[-1, 1])];
    for (name, args) in unary {
        let func = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
        args.iter().for_each(|&arg| note(&func.call(&mut store, arg)));
    }
    let lanes = instance.get_typed_func::<i32, i64>(&mut store, "lanes").unwrap();
    note(&lanes.call(&mut store, 7));
    let divide = instance.get_typed_func::<(i32, i32), i32>(&mut store, "divide").unwrap();
    for args in [(7, 2), (7, 0), (i32::MIN, -1)] {
        note(&divide.call(&mut store, args));
    }
    note(store.data());
    text
}

#[test]
fn loaded_code_does_what_fresh_code_does() {
    let interp = engine(Tier::Interp);
    let expected = transcript(&interp, &Module::new(&interp, PROGRAM).unwrap());
    let artifact = artifact(PROGRAM);
    for tier in [Tier::Opt, Tier::Auto] {
        let engine = engine(tier);
        assert_eq!(transcript(&engine, &Module::new(&engine, PROGRAM).unwrap()), expected);
        let (mapped, copied) = (load_file(&engine, &artifact), load(&engine, &artifact));
        assert!(mapped.code_bytes() > 0);
        assert_eq!(transcript(&engine, &mapped), expected);
        assert_eq!(transcript(&engine, &copied), expected);
        drop(copied);
        assert_eq!(transcript(&engine, &mapped), expected, "modules do not share code");
    }
}

#[test]
fn code_with_explicit_checks_is_saved_too() {
    let checked = Engine::new(Config::new().tier(Tier::Opt).explicit_checks(true)).unwrap();
    let fresh = Module::new(&checked, PROGRAM).unwrap();
    let artifact = fresh.serialize().unwrap();
    let loaded = load_file(&checked, &artifact);
    assert_eq!(transcript(&checked, &loaded), transcript(&checked, &fresh));
    assert!(matches!(refusal(&engine(Tier::Opt), &artifact), ArtifactError::WrongSettings(_)));
}

#[test]
fn equal_modules_give_equal_bytes() {
    let expected = artifact(PROGRAM);
    assert!(Module::is_serialized(&expected) && !Module::is_serialized(PROGRAM));
    for tier in [Tier::Opt, Tier::Auto] {
        for threads in [1, 3] {
            let engine = Engine::new(Config::new().tier(tier).threads(threads)).unwrap();
            let module = Module::new(&engine, PROGRAM).unwrap();
            assert_eq!(module.serialize().unwrap(), expected);
            if tier == Tier::Auto {
                transcript(&engine, &module);
                assert_eq!(module.serialize().unwrap(), expected, "after parts were compiled");
            }
            assert_eq!(load(&engine, &expected).serialize().unwrap(), expected);
        }
    }
}

#[test]
fn tail_calls_work_between_loaded_modules() {
    let even = r#"(module
        (import "odd" "odd" (func $odd (param i64) (result i32)))
        (func (export "even") (param i64) (result i32)
            (if (result i32) (i64.eqz (local.get 0))
                (then (i32.const 1))
                (else (return_call $odd (i64.sub (local.get 0) (i64.const 1)))))))"#;
    let odd = r#"(module
        (table (export "table") 1 funcref)
        (type $test (func (param i64) (result i32)))
        (func (export "odd") (type $test)
            (if (result i32) (i64.eqz (local.get 0))
                (then (i32.const 0))
                (else (return_call_indirect (type $test)
                    (i64.sub (local.get 0) (i64.const 1)) (i32.const 0))))))"#;
    let (even, odd) = (artifact(even), artifact(odd));
    let engine = engine(Tier::Auto);
    // A module of the other convention is loaded first: its functions get tail entries when tail calls come up.
    let plain = load_file(&engine, &artifact(PROGRAM));
    let (_store, _plain) = instantiate(&engine, &plain);
    let mut store = Store::new(&engine, ());
    let odd = Linker::new(&engine).instantiate(&mut store, &load_file(&engine, &odd)).unwrap();
    let mut linker = Linker::new(&engine);
    linker.instance(&mut store, "odd", odd).unwrap();
    let even = linker.instantiate(&mut store, &load_file(&engine, &even)).unwrap();
    let table = odd.get_table(&mut store, "table").unwrap();
    let func = even.get_func(&mut store, "even").unwrap();
    table.set(&mut store, 0, func.into()).unwrap();
    let even = even.get_typed_func::<i64, i32>(&mut store, "even").unwrap();
    for n in [0, 1, 2, 1_000_001, 1_000_000] {
        assert_eq!(even.call(&mut store, n).unwrap(), i32::from(n % 2 == 0));
    }
}

/// A function type, function, export or body, as the binary format counts and sizes them.
fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [leb(bytes.len()), bytes.to_vec()].concat()
}

/// `small` calls `huge`, which is too large for the compiler and calls `leaf`: all `i32` to `i32`.
fn with_a_huge_function() -> Vec<u8> {
    let section = |id: u8, bytes: &[u8]| [vec![id], sized(bytes)].concat();
    let nops = vec![0x01; 5 << 20];
    // local.get 0; call; i32.const 1; i32.add
    let caller = |callee| [0, 0x20, 0, 0x10, callee, 0x41, 1, 0x6a];
    let small = [&caller(1)[..], &[0x0b]].concat();
    let huge = [&[0], &nops[..], &caller(2)[1..], &[0x0b]].concat();
    let leaf = [0, 0x20, 0, 0x20, 0, 0x6c, 0x0b];
    let code = [vec![3], sized(&small), sized(&huge), sized(&leaf)].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f]),
        section(3, &[3, 0, 0, 0]),
        section(7, b"\x02\x05small\0\0\x04huge\0\x01"),
        section(10, &code),
    ]
    .concat()
}

#[test]
fn functions_that_the_compiler_refuses_stay_in_the_interpreter() {
    let artifact = artifact(with_a_huge_function());
    for load in [load, load_file] {
        let engine = engine(Tier::Opt);
        let mut store = Store::new(&engine, ());
        let module = load(&engine, &artifact);
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let compiled = module.code_bytes();
        for (name, expected) in [("small", 51), ("huge", 50)] {
            let func = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
            assert_eq!(func.call(&mut store, 7).unwrap(), expected);
        }
        assert!(module.code_bytes() > compiled, "`huge` was translated for the interpreter");
    }
}

/// Captures frames in a host function called from two nested frames with live locals and operands.
fn captured(engine: &Engine, module: &Module) -> Vec<CapturedFrame> {
    let mut linker = Linker::new(engine);
    let capture = |mut caller: Caller<'_, Vec<CapturedFrame>>| {
        let frames = caller.capture_frames();
        *caller.data_mut() = frames;
    };
    linker.func_wrap("host", "capture", capture).unwrap();
    let mut store = Store::new(engine, Vec::new());
    let instance = linker.instantiate(&mut store, module).unwrap();
    let run = instance.get_typed_func::<(i32, i64), f64>(&mut store, "run").unwrap();
    run.call(&mut store, (3, -4)).unwrap();
    std::mem::take(store.data_mut())
}

#[test]
fn loaded_frames_are_captured_like_fresh_ones() {
    let program = r#"(module
        (import "host" "capture" (func $capture))
        (func $inner (param i32) (result i32) (local i64 v128)
            (local.set 1 (i64.extend_i32_u (local.get 0)))
            (local.set 2 (i64x2.splat (local.get 1)))
            (i32.mul (local.get 0) (i32.const 3))
            (call $capture)
            (i32.add (i32.wrap_i64 (i64x2.extract_lane 1 (local.get 2)))))
        (func (export "run") (param i32 i64) (result f64) (local f64)
            (local.set 2 (f64.convert_i64_s (local.get 1)))
            (f64.mul (local.get 2) (f64.const 2))
            (f64.convert_i32_s (call $inner (i32.add (local.get 0) (i32.const 1))))
            (f64.add)
            (f64.add (f64.convert_i32_s (local.get 0)))
            (f64.add (f64.convert_i64_s (local.get 1)))
            (f64.add (local.get 2))))"#;
    let capturing = |tier| Engine::new(Config::new().tier(tier).capture_state(true)).unwrap();
    let interp = capturing(Tier::Interp);
    let expected = captured(&interp, &Module::new(&interp, program).unwrap());
    assert_eq!(expected.len(), 2);
    assert_eq!(expected[0].locals.len(), 3);
    assert_eq!(expected[1].stack.len(), 1);
    let opt = capturing(Tier::Opt);
    let fresh = Module::new(&opt, program).unwrap();
    assert_eq!(captured(&opt, &fresh), expected);
    let loaded = load_file(&capturing(Tier::Auto), &fresh.serialize().unwrap());
    assert_eq!(captured(&loaded.engine(), &loaded), expected);
}

#[test]
fn bad_files_are_refused_with_the_reason() {
    let engine = engine(Tier::Auto);
    let artifact = artifact(PROGRAM);
    for at in (0..artifact.len()).step_by(97).filter(|&at| at >= 12) {
        let mut damaged = artifact.clone();
        damaged[at] ^= 0x10;
        assert!(matches!(refusal(&engine, &damaged), ArtifactError::Corrupted(_)));
        assert!(matches!(refusal(&engine, &artifact[..at]), ArtifactError::Corrupted(_)));
    }
    assert!(matches!(refusal(&engine, PROGRAM.as_bytes()), ArtifactError::NotAnArtifact));
    let interp = self::engine(Tier::Interp);
    assert!(matches!(refusal(&interp, &artifact), ArtifactError::NoCompiler));
    let narrow = Config::new().features(sterna::FeatureSet::WASM1).clone();
    let narrow = Engine::new(&narrow).unwrap();
    assert!(matches!(refusal(&narrow, &artifact), ArtifactError::WrongSettings(_)));
    // SAFETY: there is no such file.
    let error = unsafe { Module::deserialize_file(&engine, "no/such.file") }.unwrap_err();
    assert!(error.to_string().contains("no/such.file"), "{error}");
    assert!(matches!(error.downcast::<ArtifactError>().unwrap(), ArtifactError::Io(_)));
    // What was refused has left nothing behind.
    let module = load(&engine, &artifact);
    let (mut store, instance) = instantiate(&engine, &module);
    let deep = instance.get_typed_func::<(), i32>(&mut store, "deep").unwrap();
    let error = deep.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast::<Trap>().unwrap().code(), TrapCode::StackOverflow);
}

#[test]
fn every_pass_can_be_left_out_and_artifacts_tell() {
    let interp = engine(Tier::Interp);
    let expected = transcript(&interp, &Module::new(&interp, PROGRAM).unwrap());
    for pass in sterna_opt::passes::Pass::ALL {
        let mut config = Config::new();
        let without = Engine::new(config.tier(Tier::Opt).disable_pass(pass.name()).unwrap());
        let without = without.unwrap();
        let artifact = Module::new(&without, PROGRAM).unwrap().serialize().unwrap();
        assert_eq!(transcript(&without, &load(&without, &artifact)), expected, "{}", pass.name());
        let refusal = refusal(&engine(Tier::Opt), &artifact);
        assert!(
            matches!(refusal, ArtifactError::WrongFingerprint { .. }),
            "{}: {refusal}",
            pass.name()
        );
    }
    let error = Config::new().disable_pass("loop").unwrap_err().to_string();
    assert!(error.starts_with("there is no pass `loop`, only fold, inline, "), "{error}");
}
