//! Owns tests of what a host can do about a guest that wants too much, and of looking into it.
//! Does not own the limits' bookkeeping.

use std::time::Duration;

use sterna::{
    Caller, Extern, FuncType, Instance, Limits, LinkError, Linker, MemoryType, Module, Ref,
    RefType, Store, Table, TableType, Trap, TrapCode, ValType,
};

use crate::{each_config, each_tier, instance};

const GREEDY: &str = r#"(module
    (memory (export "m") 2)
    (table (export "t") 10 funcref)
    (func (export "grow_memory") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "grow_table") (param i32) (result i32)
        (table.grow (ref.null func) (local.get 0))))"#;

#[test]
fn limits_hold_for_guests_and_hosts() {
    each_tier(|engine| {
        let module = Module::new(engine, GREEDY).unwrap();
        let linker = Linker::new(engine);
        let mut store = Store::new(engine, ());
        store.limits(Limits {
            memory_bytes: Some(4 << 16),
            table_elements: Some(15),
            instances: Some(2),
            ..Limits::default()
        });
        let one = linker.instantiate(&mut store, &module).unwrap();
        let mut grow = |name, by| {
            let func = one.get_typed_func::<i32, i32>(&mut store, name).unwrap();
            func.call(&mut store, by).unwrap()
        };
        assert_eq!(grow("grow_memory", 3), -1);
        assert_eq!(grow("grow_memory", 1), 2);
        assert_eq!(grow("grow_table", 6), -1);
        assert_eq!(grow("grow_table", 5), 10);
        let memory = one.get_memory(&mut store, "m").unwrap();
        let error = memory.grow(&mut store, 2).unwrap_err();
        assert_eq!(error.to_string(), "a memory of 3 pages cannot grow by 2 pages");
        assert_eq!(memory.grow(&mut store, 1).unwrap(), 3);
        let table = one.get_table(&mut store, "t").unwrap();
        assert!(table.grow(&mut store, 1, Ref::Func(None)).is_err());

        let is_limit =
            |error: &sterna::Error| matches!(error.downcast_ref(), Some(LinkError::Limit(_)));
        assert!(is_limit(&linker.instantiate(&mut store, &module).unwrap_err()));
        assert!(is_limit(&sterna::Memory::new(&mut store, MemoryType::new(1, None)).unwrap_err()));
        let ty = TableType::new(RefType::FUNCREF, 1, None);
        assert!(is_limit(&Table::new(&mut store, ty, Ref::Func(None)).unwrap_err()));
        store.limits(Limits { instances: Some(2), ..Limits::default() });
        let empty = Module::new(engine, "(module)").unwrap();
        let error = linker.instantiate(&mut store, &empty).unwrap_err();
        assert_eq!(error.to_string(), "the limit on instances is reached");
    });
}

#[test]
fn running_guests_are_interrupted() {
    each_tier(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module
                (func (export "loop") (loop (br 0)))
                (func (export "calls") (loop (call 2) (br 0)))
                (func)
                (func (export "ok") (result i32) (i32.const 1)))"#,
        );
        let handle = store.interrupt_handle();
        for (name, code) in [
            ("loop", TrapCode::Interrupt),
            ("calls", TrapCode::Timeout),
            ("loop", TrapCode::Timeout),
        ] {
            let func = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            let handle = handle.clone();
            let stopper = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                match code {
                    TrapCode::Timeout => handle.time_out(),
                    _ => handle.interrupt(),
                }
            });
            let error = func.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref::<Trap>().unwrap().code(), code);
            stopper.join().unwrap();
            let ok = instance.get_typed_func::<(), i32>(&mut store, "ok").unwrap();
            assert_eq!(ok.call(&mut store, ()).unwrap(), 1);
        }
        drop(store);
        handle.interrupt();
    });
}

#[test]
fn small_stacks_are_possible() {
    let text = r#"(module (func $f (export "f") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0))
            (then (i32.const 0))
            (else (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1))))))))"#;
    each_config(
        |config| {
            config.max_native_stack(64 << 10).max_value_stack(64 << 10);
        },
        |engine| {
            let (mut store, instance) = instance(engine, text);
            let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
            assert_eq!(f.call(&mut store, 100).unwrap(), 100);
            let error = f.call(&mut store, 1_000_000).unwrap_err();
            assert_eq!(error.downcast_ref::<Trap>().unwrap().code(), TrapCode::StackOverflow);
        },
    );
}

#[test]
fn frames_are_captured_alike_in_every_tier() {
    let text = r#"(module
        (import "host" "look" (func $look (param i32) (result i32)))
        (func $inner (param i32 f64) (result i32) (local i64)
            (local.set 2 (i64.const -2))
            (i32.const 11)
            (i32.add (call $look (local.get 0))))
        (func (export "run") (param i32) (result i32)
            (i32.add (i32.const 5) (call $inner (local.get 0) (f64.const 1.5)))))"#;
    each_config(
        |config| {
            config.capture_state(true);
        },
        |engine| {
            let module = Module::new(engine, text).unwrap();
            let mut linker = Linker::<usize>::new(engine);
            let look = |mut caller: Caller<'_, usize>, x: i32| {
                *caller.data_mut() += 1;
                let frames = caller.capture_frames();
                assert_eq!(frames.len(), 2);
                let (inner, run) = (&frames[0], &frames[1]);
                let bits = |values: &[sterna::CapturedValue]| {
                    values.iter().map(|value| (value.ty, value.bits)).collect::<Vec<_>>()
                };
                let float = u128::from(1.5f64.to_bits());
                let minus_two = u128::from((-2i64) as u64);
                let locals =
                    [(ValType::I32, x as u128), (ValType::F64, float), (ValType::I64, minus_two)];
                assert_eq!(bits(&inner.locals), locals);
                assert_eq!(bits(&inner.stack), [(ValType::I32, 11)]);
                assert_eq!(bits(&run.locals), [(ValType::I32, x as u128)]);
                assert_eq!(bits(&run.stack), [(ValType::I32, 5)]);
                assert_eq!(caller.backtrace().frames().len(), 2);
                x * 2
            };
            linker.func_wrap("host", "look", look).unwrap();
            let mut store = Store::new(engine, 0);
            let instance = linker.instantiate(&mut store, &module).unwrap();
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
            for _ in 0..4 {
                assert_eq!(run.call(&mut store, 20).unwrap(), 56);
                store.settle_tiers();
            }
            assert_eq!(*store.data(), 4);
            assert!(store.capture_frames().is_empty());
        },
    );
}

#[test]
fn explicit_checks_trap_the_same() {
    let text = r#"(module (memory 1)
        (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
        (func (export "div") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0))))"#;
    each_config(
        |config| {
            config.explicit_checks(true);
        },
        |engine| {
            let (mut store, instance) = instance(engine, text);
            for (name, good, bad, code) in [
                ("load", 65532, 65533, TrapCode::MemoryOutOfBounds),
                ("load", 0, -1, TrapCode::MemoryOutOfBounds),
                ("div", 1, 0, TrapCode::IntegerDivideByZero),
            ] {
                let func = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
                for _ in 0..4 {
                    func.call(&mut store, good).unwrap();
                    let error = func.call(&mut store, bad).unwrap_err();
                    assert_eq!(error.downcast_ref::<Trap>().unwrap().code(), code);
                    store.settle_tiers();
                }
            }
        },
    );
}

#[test]
fn stores_move_between_threads() {
    each_tier(|engine| {
        let module = Module::new(
            engine,
            r#"(module (import "h" "id" (func $id (param i32) (result i32)))
                (func (export "f") (param i32) (result i32) (call $id (local.get 0))))"#,
        );
        let module = module.unwrap();
        let mut linker = Linker::<i32>::new(engine);
        linker.func_wrap("h", "id", |x: i32| x).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (linker, module) = (&linker, &module);
                let mut store = Store::new(engine, thread);
                let instance: Instance = linker.instantiate(&mut store, module).unwrap();
                scope.spawn(move || {
                    let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
                    for x in 0..200 {
                        assert_eq!(f.call(&mut store, x).unwrap(), x);
                    }
                    let mut second = Store::new(store.engine(), 0);
                    let again = linker.instantiate(&mut second, module).unwrap();
                    let export = again.get_export(&mut second, "f");
                    let ty = export.and_then(Extern::into_func).unwrap().ty(&second);
                    assert_eq!(ty, FuncType::new([ValType::I32], [ValType::I32]));
                });
            }
        });
    });
}

#[test]
fn ten_thousand_instances_live_at_once() {
    // Each has a memory with data of its own; stacks are shared, so idle instances hold none.
    const INSTANCES: i32 = 10_000;
    let engine = sterna::Engine::default();
    let text = r#"(module (memory 2) (data (i32.const 65536) "\07")
        (func (export "f") (param i32) (result i32)
            (i32.store (i32.const 65536)
                (i32.add (i32.load (i32.const 65536)) (local.get 0)))
            (i32.load (i32.const 65536))))"#;
    let module = Module::new(&engine, text).unwrap();
    let module = Linker::<()>::new(&engine).instantiate_pre(&module).unwrap();
    let mut live: Vec<_> = (0..INSTANCES)
        .map(|_| {
            let mut store = Store::new(&engine, ());
            let instance = module.instantiate(&mut store).unwrap();
            let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
            (store, f)
        })
        .collect();
    for round in 1..3 {
        for (at, (store, f)) in (0..).zip(&mut live) {
            assert_eq!(f.call(store, at).unwrap(), 7 + round * at);
        }
    }
}
