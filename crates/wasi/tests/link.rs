//! Owns the tests of WASI in the engine: linking, results and ends of a guest, in every tier.
//! Does not test what the calls do.
#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

use sterna::{Config, Engine, Error, Linker, Module, Store, Tier};
use sterna_wasi::{FUNCTION_NAMES, Halt, OutputBuffer, Stdio, WasiCtx, add_to_linker};

/// The embedder's data; WASI is a part of it.
struct Host {
    wasi: WasiCtx,
}

fn run(tier: Tier, program: &str, wasi: WasiCtx) -> Result<(), Error> {
    let engine = Engine::new(Config::new().tier(tier))?;
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |host: &mut Host| &mut host.wasi)?;
    let mut store = Store::new(&engine, Host { wasi });
    let instance = linker.instantiate(&mut store, &Module::new(&engine, program)?)?;
    instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ())
}

const TIERS: [Tier; 2] = [Tier::Interp, Tier::Opt];

#[test]
fn both_names_and_all_results() {
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        let program = format!(
            r#"(module
                (import "{module}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
                (import "{module}" "fd_close" (func $close (param i32) (result i32)))
                (import "{module}" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (data (i32.const 0) "\08\00\00\00\06\00\00\00hello\n")
                (func (export "_start")
                    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 20)))
                    ;; 6 bytes written, and errno 8
                    (call $exit (i32.add (i32.mul (i32.const 10) (i32.load (i32.const 20)))
                        (call $close (i32.const 77))))))"#
        );
        for tier in TIERS {
            let output = OutputBuffer::new(100);
            let wasi = WasiCtx::builder().stdout(Stdio::output(&output)).build().unwrap();
            let end = run(tier, &program, wasi).unwrap_err();
            assert_eq!(
                end.downcast_ref::<Halt>(),
                Some(&Halt::Exit(68)),
                "{module} {tier:?}: {end}"
            );
            assert_eq!(output.contents(), b"hello\n");
        }
    }
}

#[test]
fn every_function_is_linked() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |host: &mut Host| &mut host.wasi).unwrap();
    let mut names: Vec<_> = linker.names().collect();
    names.sort_unstable();
    let mut expected: Vec<_> = ["wasi_snapshot_preview1", "wasi_unstable"]
        .into_iter()
        .flat_map(|module| FUNCTION_NAMES.iter().map(move |name| (module, *name)))
        .collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert!(add_to_linker(&mut linker, |host: &mut Host| &mut host.wasi).is_err());
}

#[test]
fn ends_other_than_exit() {
    let program = |body: &str, memory: &str| {
        format!(
            r#"(module
                (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32)))
                (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
                {memory}
                (func (export "_start") {body}))"#
        )
    };
    let memory = r#"(memory (export "memory") 1)"#;
    for tier in TIERS {
        let wasi = || WasiCtx::builder().build().unwrap();
        let abort = "(drop (call $raise (i32.const 6)))";
        let end = run(tier, &program(abort, memory), wasi()).unwrap_err();
        assert_eq!(end.downcast_ref::<Halt>(), Some(&Halt::Signal(6)));

        let endless = "(loop $again (drop (call $yield)) (br $again))";
        let interrupted = WasiCtx::builder().interrupt(|| true).build().unwrap();
        let end = run(tier, &program(endless, memory), interrupted).unwrap_err();
        assert_eq!(end.downcast_ref::<Halt>(), Some(&Halt::Interrupted));

        for memory in ["", "(memory 1)", r#"(table (export "memory") 1 funcref)"#] {
            let end = run(tier, &program("(drop (call $yield))", memory), wasi()).unwrap_err();
            let message = "WASI needs a memory that the module exports as `memory`";
            assert_eq!(end.to_string(), message, "{memory:?}");
        }
    }
}
