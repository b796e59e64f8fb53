//! Modules that import from each other, and objects made by the host.
//! `cargo run -p sterna --example linking`

use sterna::{
    Engine, Global, GlobalType, Linker, Memory, MemoryType, Module, Mutability, Result, Store, Val,
    ValType,
};

pub(crate) fn main() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);

    // A memory and a global that both modules share.
    let memory = Memory::new(&mut store, MemoryType::new(1, Some(1)))?;
    let calls = GlobalType::new(ValType::I32, Mutability::Var);
    let calls = Global::new(&mut store, calls, Val::I32(0))?;
    linker.define(&store, "env", "memory", memory)?;
    linker.define(&store, "env", "calls", calls)?;

    // A library that sums bytes ...
    let library = Module::new(
        &engine,
        r#"(module
            (import "env" "memory" (memory 1))
            (import "env" "calls" (global $calls (mut i32)))
            (func (export "sum") (param $at i32) (param $end i32) (result i32)
                (local $sum i32)
                (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                (block $done
                    (loop $next
                        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
                        (local.set $sum
                            (i32.add (local.get $sum) (i32.load8_u (local.get $at))))
                        (local.set $at (i32.add (local.get $at) (i32.const 1)))
                        (br $next)))
                (local.get $sum)))"#,
    )?;
    // ... and a program that uses it.
    let program = Module::new(
        &engine,
        r#"(module
            (import "env" "memory" (memory 1))
            (import "sums" "sum" (func $sum (param i32 i32) (result i32)))
            (data (i32.const 100) "\01\02\03\04")
            (func (export "run") (result i32)
                (i32.add (call $sum (i32.const 100) (i32.const 102))
                         (call $sum (i32.const 102) (i32.const 104)))))"#,
    )?;

    // All exports of the library's instance become definitions of module `sums`.
    linker.module(&mut store, "sums", &library)?;
    let instance = linker.instantiate(&mut store, &program)?;
    let run = instance.get_typed_func::<(), i32>(&mut store, "run")?;
    assert_eq!(run.call(&mut store, ())?, 10);
    assert_eq!(calls.get(&mut store).unwrap_i32(), 2);
    assert_eq!(&memory.data(&store)[100..104], [1, 2, 3, 4]);

    // What is missing is named, and what may have been meant.
    let typo = Module::new(&engine, r#"(module (import "sums" "summ" (func)))"#)?;
    let error = linker.instantiate(&mut store, &typo).expect_err("there is no `summ`");
    println!("{error}");
    assert!(error.to_string().contains("did you mean `sum`?"));
    Ok(())
}
