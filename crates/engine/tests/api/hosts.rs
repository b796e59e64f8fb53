//! Owns tests of host functions.
//! Does not own how their errors come out (`errors`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sterna::{
    AsContextMut, Caller, Extern, ExternRef, Func, FuncType, Linker, Module, Result, Store, Val,
    ValType,
};

use crate::each_tier;

#[test]
fn closures_of_many_shapes() {
    each_tier(|engine| {
        let mut store = Store::new(engine, 0u32);
        macro_rules! check {
            ($closure:expr, $params:ty => $results:ty: $given:expr => $expected:expr) => {
                let func = Func::wrap(&mut store, $closure);
                let func = func.typed::<$params, $results>(&store).unwrap();
                assert_eq!(func.call(&mut store, $given).unwrap(), $expected);
            };
        }
        check!(|| {}, () => (): () => ());
        check!(|| 7u32, () => i32: () => 7);
        check!(|| Ok(7i64), () => i64: () => 7);
        check!(|a: i32| a + 1, i32 => i32: 1 => 2);
        check!(|a: f32, b: f64| (b, a), (f32, f64) => (f64, f32): (1.5, 2.5) => (2.5, 1.5));
        check!(|a: u128| -> Result<(u128, i32)> { Ok((a << 64, 1)) }, u128 => (u128, i32): 3 => (3 << 64, 1));
        check!(|mut caller: Caller<'_, u32>| *caller.data_mut() += 1, () => (): () => ());
        check!(|caller: Caller<'_, u32>, a: u32| a + caller.data(), u32 => u32: 10 => 11);
        check!(
            |a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32,
             i: u128, j: i32, k: i32, l: i32, m: i32, n: i32, o: i32, p: i32|
             -> (i32, i32, i32, i32, i32, i32, i32, u128) {
                (a + b, c + d, e + f, g + h, j + k, l + m + n, o + p, i)
            },
            (i32, i32, i32, i32, i32, i32, i32, i32, u128, i32, i32, i32, i32, i32, i32, i32)
                => (i32, i32, i32, i32, i32, i32, i32, u128):
            (1, 2, 3, 4, 5, 6, 7, 8, 9 << 80, 10, 11, 12, 13, 14, 15, 16)
                => (3, 7, 11, 15, 21, 39, 31, 9 << 80)
        );
    });
}

#[test]
fn guests_call_hosts_that_call_guests() {
    each_tier(|engine| {
        // Counts down through the host, one guest frame and one host frame a step.
        let module = Module::new(
            engine,
            r#"(module
                (import "host" "step" (func $step (param i32 i64) (result i64)))
                (memory (export "memory") 1)
                (func (export "down") (param i32) (result i64)
                    (if (result i64) (i32.eqz (local.get 0))
                        (then (i64.const 0))
                        (else (call $step (i32.sub (local.get 0) (i32.const 1)) (i64.const 3))))))"#,
        );
        let module = module.unwrap();
        let mut linker = Linker::<u32>::new(engine);
        let step = |mut caller: Caller<'_, u32>, left: i32, more: i64| -> Result<i64> {
            *caller.data_mut() += 1;
            let down = caller.get_export("down").and_then(Extern::into_func).unwrap();
            let down = down.typed::<i32, i64>(&caller)?;
            Ok(down.call(&mut caller, left)? + more)
        };
        linker.func_wrap("host", "step", step).unwrap();
        let mut store = Store::new(engine, 0);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let down = instance.get_typed_func::<i32, i64>(&mut store, "down").unwrap();
        for round in 1..4 {
            assert_eq!(down.call(&mut store, 20).unwrap(), 60);
            assert_eq!(*store.data(), 20 * round);
            store.settle_tiers();
        }
    });
}

#[test]
fn callers_are_the_importing_instances() {
    each_tier(|engine| {
        // The host function reaches each guest's own memory, also when it is called through a table.
        let module = Module::new(
            engine,
            r#"(module
                (import "host" "mark" (func $mark (param i32)))
                (memory (export "memory") 1)
                (table funcref (elem $mark))
                (export "mark" (func $mark))
                (func (export "direct") (call $mark (i32.const 1)))
                (func (export "indirect")
                    (call_indirect (param i32) (i32.const 2) (i32.const 0))))"#,
        );
        let module = module.unwrap();
        let mut linker = Linker::<usize>::new(engine);
        let mark = |mut caller: Caller<'_, usize>, value: i32| {
            match caller.memory_and_data("memory") {
                Some((memory, calls)) => {
                    memory[*calls] = value as u8;
                    *calls += 1;
                }
                None => assert!(caller.instance().is_none()),
            }
            assert!(caller.memory_and_data("no such memory").is_none());
        };
        linker.func_wrap("host", "mark", mark).unwrap();
        let mut store = Store::new(engine, 0);
        let first = linker.instantiate(&mut store, &module).unwrap();
        let second = linker.instantiate(&mut store, &module).unwrap();
        for (instance, name) in
            [(first, "direct"), (second, "direct"), (first, "indirect"), (second, "indirect")]
        {
            let func = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            func.call(&mut store, ()).unwrap();
        }
        // What another module gets from an instance is a host function all the same: its caller is that module.
        let other = r#"(module
            (import "first" "mark" (func $mark (param i32)))
            (memory (export "memory") 1)
            (func (export "run") (call $mark (i32.const 9))))"#;
        let other = Module::new(engine, other).unwrap();
        linker.instance(&mut store, "first", first).unwrap();
        let third = linker.instantiate(&mut store, &other).unwrap();
        let run = third.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        run.call(&mut store, ()).unwrap();

        let mut bytes = |instance: sterna::Instance| {
            let memory = instance.get_memory(&mut store, "memory").unwrap();
            memory.data(&store)[..5].to_vec()
        };
        assert_eq!(bytes(first), [1, 0, 2, 0, 0]);
        assert_eq!(bytes(second), [0, 1, 0, 2, 0]);
        assert_eq!(bytes(third), [0, 0, 0, 0, 9]);
        // The host itself is no instance.
        let host = linker.get(&mut store, "host", "mark").and_then(Extern::into_func).unwrap();
        host.call(&mut store, &[Val::I32(1)], &mut []).unwrap();
        assert_eq!(*store.data(), 5);
    });
}

#[test]
fn untyped_host_functions_are_checked() {
    each_tier(|engine| {
        let mut store = Store::new(engine, ());
        let ty = FuncType::new([ValType::I32, ValType::V128], [ValType::V128, ValType::EXTERNREF]);
        let swap = Func::new(&mut store, ty.clone(), |mut caller, params, results| {
            let [a, b] = params else { panic!("two parameters") };
            results[0] = *b;
            if a.unwrap_i32() == 1 {
                results[1] = ExternRef::new(&mut caller, a.unwrap_i32())?.into();
            }
            if a.unwrap_i32() == 2 {
                results[1] = *a;
            }
            Ok(())
        });
        assert_eq!(swap.ty(&store), ty);
        let mut results = [Val::I32(0); 2];
        let mut call = |store: &mut Store<()>, a: i32| {
            swap.call(store, &[Val::I32(a), Val::V128(5.into())], &mut results).map(|()| results)
        };
        let [vector, null] = call(&mut store, 0).unwrap();
        assert_eq!(u128::from(vector.unwrap_v128()), 5);
        assert!(null.unwrap_extern_ref().is_none());
        let [_, value] = call(&mut store, 1).unwrap();
        let value = value.unwrap_extern_ref().unwrap();
        assert_eq!(value.data(&store).unwrap().downcast_ref(), Some(&1i32));
        let error = call(&mut store, 2).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "a host function returned a wrong value: \
             type mismatch: expected externref, found i32"
        );
    });
}

#[test]
fn panics_of_host_functions_reach_the_caller() {
    each_tier(|engine| {
        let module = Module::new(
            engine,
            r#"(module
                (import "host" "f" (func $f (param i32)))
                (func $inner (param i32) (call $f (local.get 0)))
                (func (export "run") (param i32) (call $inner (local.get 0))))"#,
        );
        let mut linker = Linker::<()>::new(engine);
        linker
            .func_wrap("host", "f", |x: i32| {
                assert!(x != 3, "three is too much");
            })
            .unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module.unwrap()).unwrap();
        let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
        for round in 0..6 {
            let call = std::panic::AssertUnwindSafe(|| run.call(&mut store, round));
            match std::panic::catch_unwind(call) {
                Ok(result) => result.unwrap(),
                Err(payload) => {
                    assert_eq!(round, 3);
                    let message = payload.downcast_ref::<&str>();
                    assert_eq!(message, Some(&"three is too much"));
                }
            }
        }
    });
}

#[test]
fn closures_live_as_long_as_somebody_can_call_them() {
    each_tier(|engine| {
        let alive = Arc::new(AtomicUsize::new(0));
        struct Guard(Arc<AtomicUsize>);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        alive.fetch_add(1, Ordering::Relaxed);
        let guard = Guard(alive.clone());
        let mut linker = Linker::<()>::new(engine);
        let body = move || guard.0.load(Ordering::Relaxed) as i32;
        linker.func_wrap("host", "f", body).unwrap();
        let module = r#"(module (import "host" "f" (func $f (result i32)))
            (func (export "run") (result i32) (call $f)))"#;
        let module = Module::new(engine, module).unwrap();
        let mut stores = [Store::new(engine, ()), Store::new(engine, ())];
        let runs = stores.each_mut().map(|store| {
            let instance = linker.instantiate(store.as_context_mut(), &module).unwrap();
            instance.get_typed_func::<(), i32>(store, "run").unwrap()
        });
        drop(linker);
        let [one, two] = &mut stores;
        assert_eq!(runs[0].call(one, ()).unwrap(), 1);
        assert_eq!(runs[1].call(two, ()).unwrap(), 1);
        drop(stores);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}
