//! Owns measuring what crossing the border between host and guest costs: `cargo bench -p sterna`.
//! Does not own the speed of guest code (`bench`).
#![allow(clippy::unwrap_used, reason = "a measurement stops at the first error")]

use std::time::Instant;

use sterna::{
    Caller, Config, Engine, Func, FuncType, Instance, Linker, Module, Store, Tier, Val, ValType,
};

/// A guest that calls each host function in a loop.
const GUEST: &str = r#"(module
    (import "host" "nop" (func $nop))
    (import "host" "add" (func $add (param i32 i32) (result i32)))
    (import "host" "load" (func $load (param i32) (result i32)))
    (import "host" "values" (func $values (param i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "empty"))
    (func (export "id") (param i32) (result i32) (local.get 0))
    (func (export "once") (call $nop))
    (func (export "nop") (param i32)
        (loop (call $nop)
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "add") (param i32)
        (loop (drop (call $add (local.get 0) (i32.const 1)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "load") (param i32)
        (loop (drop (call $load (local.get 0)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "values") (param i32)
        (loop (drop (call $values (local.get 0)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;

/// A module with a mebibyte of data.
const MEBIBYTE: &str = r#"(module (memory 32)
    (data (i32.const 0) "\01") (data (i32.const 1048575) "\01")
    (func (export "touch") (i32.store (i32.const 5000) (i32.const 7))))"#;

/// Prints the time of one of `times` pieces of work: of the fastest of several runs.
fn measure(name: &str, times: u32, mut work: impl FnMut(u32)) {
    let mut run = || {
        let start = Instant::now();
        work(times);
        start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
    };
    let best = (0..7).map(|_| run()).fold(f64::INFINITY, f64::min);
    println!("{name:<40} {best:>9.1} ns");
}

fn linker(engine: &Engine) -> Linker<u64> {
    let mut linker = Linker::<u64>::new(engine);
    linker.func_wrap("host", "nop", || {}).unwrap();
    linker.func_wrap("host", "add", |a: i32, b: i32| a.wrapping_add(b)).unwrap();
    let load = |mut caller: Caller<'_, u64>, at: i32| {
        let (memory, calls) = caller.memory_and_data("memory").unwrap();
        *calls += 1;
        i32::from(memory[at as usize & 0xffff])
    };
    linker.func_wrap("host", "load", load).unwrap();
    let ty = FuncType::new([ValType::I32], [ValType::I32]);
    let values = |_: Caller<'_, u64>, params: &[Val], results: &mut [Val]| {
        results[0] = params[0];
        Ok(())
    };
    linker.func_new("host", "values", ty, values).unwrap();
    linker
}

fn calls(tier: Tier, store: &mut Store<u64>, instance: Instance) {
    const CALLS: u32 = 200_000;
    let empty = instance.get_typed_func::<(), ()>(&mut *store, "empty").unwrap();
    measure(&format!("{tier:?}: host to guest"), CALLS, |calls| {
        (0..calls).for_each(|_| empty.call(&mut *store, ()).unwrap());
    });
    let id = instance.get_typed_func::<i32, i32>(&mut *store, "id").unwrap();
    measure(&format!("{tier:?}: host to guest, i32 -> i32"), CALLS, |calls| {
        (0..calls as i32).for_each(|x| assert_eq!(id.call(&mut *store, x).unwrap(), x));
    });
    let untyped: Func = *id.func();
    measure(&format!("{tier:?}: the same, untyped"), CALLS, |calls| {
        let mut results = [Val::I32(0)];
        (0..calls as i32)
            .for_each(|x| untyped.call(&mut *store, &[Val::I32(x)], &mut results).unwrap());
    });
    let once = instance.get_typed_func::<(), ()>(&mut *store, "once").unwrap();
    measure(&format!("{tier:?}: host to guest to host"), CALLS, |calls| {
        (0..calls).for_each(|_| once.call(&mut *store, ()).unwrap());
    });
    for name in ["nop", "add", "load", "values"] {
        let func = instance.get_typed_func::<i32, ()>(&mut *store, name).unwrap();
        measure(&format!("{tier:?}: guest to host, {name}"), CALLS, |calls| {
            func.call(&mut *store, calls as i32).unwrap();
        });
    }
}

fn instances(tier: Tier, engine: &Engine) {
    let module = Module::new(engine, MEBIBYTE).unwrap();
    let module = Linker::<()>::new(engine).instantiate_pre(&module).unwrap();
    for touched in [false, true] {
        let what = if touched { ", and a call" } else { "" };
        measure(&format!("{tier:?}: store and instance{what}"), 2000, |times| {
            for _ in 0..times {
                let mut store = Store::new(engine, ());
                let instance = module.instantiate(&mut store).unwrap();
                if touched {
                    let touch = instance.get_typed_func::<(), ()>(&mut store, "touch").unwrap();
                    touch.call(&mut store, ()).unwrap();
                }
            }
        });
    }
}

fn main() {
    measure("an engine", 500, |times| (0..times).for_each(|_| drop(Engine::default())));
    for tier in [Tier::Interp, Tier::Opt] {
        let engine = Engine::new(Config::new().tier(tier)).unwrap();
        let module = Module::new(&engine, GUEST).unwrap();
        let mut store = Store::new(&engine, 0);
        let instance = linker(&engine).instantiate(&mut store, &module).unwrap();
        calls(tier, &mut store, instance);
        instances(tier, &engine);
    }
}
