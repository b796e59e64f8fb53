//! Owns measuring what crossing the border between host and guest costs: `cargo bench -p sterna`.
//! Does not own the speed of guest code (`bench`).
#![allow(clippy::unwrap_used, reason = "a measurement stops at the first error")]

use std::hint::black_box;
use std::time::Instant;

use sterna::{Caller, Config, Engine, Func, Linker, Module, Store, Tier, Val};

/// Calls a run; the fastest of several runs counts.
const CALLS: u32 = 200_000;

fn measure(name: &str, work: impl FnMut(u32)) {
    measure_some(name, CALLS, work);
}

fn measure_some(name: &str, times: u32, mut work: impl FnMut(u32)) {
    let best = (0..7)
        .map(|_| {
            let start = Instant::now();
            work(times);
            start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
        })
        .fold(f64::INFINITY, f64::min);
    println!("{name:<44} {best:>8.1} ns");
}

fn main() {
    measure_some("an engine", 200, |times| {
        for _ in 0..times {
            black_box(Engine::default());
        }
    });
    for tier in [Tier::Interp, Tier::Opt] {
        let engine = Engine::new(Config::new().tier(tier)).unwrap();
        let module = Module::new(
            &engine,
            r#"(module
                (import "h" "nop" (func $nop))
                (import "h" "add" (func $add (param i32 i32) (result i32)))
                (import "h" "mem" (func $mem (param i32) (result i32)))
                (import "h" "new" (func $new (param i32) (result i32)))
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
                (func (export "mem") (param i32)
                    (loop (drop (call $mem (local.get 0)))
                        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
                (func (export "new") (param i32)
                    (loop (drop (call $new (local.get 0)))
                        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#,
        )
        .unwrap();
        let mut linker = Linker::<u64>::new(&engine);
        linker.func_wrap("h", "nop", || {}).unwrap();
        linker.func_wrap("h", "add", |a: i32, b: i32| a.wrapping_add(b)).unwrap();
        linker
            .func_wrap("h", "mem", |mut caller: Caller<'_, u64>, at: i32| {
                let (memory, calls) = caller.memory_and_data("memory").unwrap();
                *calls += 1;
                i32::from(memory[at as usize & 0xffff])
            })
            .unwrap();
        let ty = linker_type(&module, "new");
        linker
            .func_new("h", "new", ty, |_, params, results| {
                results[0] = params[0];
                Ok(())
            })
            .unwrap();
        let mut store = Store::new(&engine, 0);
        let instance = linker.instantiate(&mut store, &module).unwrap();

        let empty = instance.get_typed_func::<(), ()>(&mut store, "empty").unwrap();
        measure(&format!("{tier:?}: host to guest, typed"), |calls| {
            for _ in 0..calls {
                empty.call(&mut store, ()).unwrap();
            }
        });
        let id = instance.get_typed_func::<i32, i32>(&mut store, "id").unwrap();
        measure(&format!("{tier:?}: host to guest, typed, i32 -> i32"), |calls| {
            for call in 0..calls {
                black_box(id.call(&mut store, call as i32).unwrap());
            }
        });
        let untyped: Func = *id.func();
        measure(&format!("{tier:?}: host to guest, values, i32 -> i32"), |calls| {
            let mut results = [Val::I32(0)];
            for call in 0..calls {
                untyped.call(&mut store, &[Val::I32(call as i32)], &mut results).unwrap();
            }
        });
        let once = instance.get_typed_func::<(), ()>(&mut store, "once").unwrap();
        measure(&format!("{tier:?}: host to guest to host"), |calls| {
            for _ in 0..calls {
                once.call(&mut store, ()).unwrap();
            }
        });
        for name in ["nop", "add", "mem", "new"] {
            let func = instance.get_typed_func::<i32, ()>(&mut store, name).unwrap();
            measure(&format!("{tier:?}: guest to host, {name}"), |calls| {
                func.call(&mut store, calls as i32).unwrap();
            });
        }
        let module = Module::new(&engine, MEBIBYTE).unwrap();
        let pre = Linker::<u64>::new(&engine).instantiate_pre(&module).unwrap();
        for touched in [false, true] {
            measure_some(
                &format!("{tier:?}: store and instance, touched: {touched}"),
                2000,
                |times| {
                    for _ in 0..times {
                        let mut store = Store::new(&engine, 0);
                        let instance = pre.instantiate(&mut store).unwrap();
                        if touched {
                            let touch = instance.get_typed_func::<(), ()>(&mut store, "touch");
                            touch.unwrap().call(&mut store, ()).unwrap();
                        }
                    }
                },
            );
        }
    }
}

/// A module with a mebibyte of data.
const MEBIBYTE: &str = r#"(module (memory 32)
    (data (i32.const 0) "\01") (data (i32.const 1048575) "\01")
    (func (export "touch") (i32.store (i32.const 5000) (i32.const 7))))"#;

fn linker_type(module: &Module, import: &str) -> sterna::FuncType {
    let import = module.imports().find(|candidate| candidate.name() == import).unwrap();
    import.ty().func().unwrap().clone()
}
