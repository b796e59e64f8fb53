//! Owns the tests of exceptions between guest and host.
//! Does not own what happens to them within guests: `tests/wast/exceptions.wast`.

use sterna::{
    Error, Exception, Extern, Func, Instance, Linker, Module, Store, Tag, Trap, TrapCode, Val,
};
use sterna_isa::{FuncType, ValType};

use crate::{each_tier, instance};

#[test]
fn an_uncaught_exception_has_tag_payload_and_backtrace() {
    each_tier(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(module $m
                (tag $oops (export "oops") (param i32 f64))
                (func $inner (param i32) (throw $oops (local.get 0) (f64.const 0.5)))
                (func $run (export "run") (param i32) (call $inner (local.get 0)) (unreachable)))"#,
        );
        let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
        for round in 0..5 {
            let error = run.call(&mut store, round).unwrap_err();
            let trap = error.downcast_ref::<Trap>().unwrap();
            assert_eq!(trap.code(), TrapCode::UncaughtException);
            let names: Vec<_> = trap.frames().iter().map(|frame| frame.func_name()).collect();
            assert_eq!(names, [Some("inner"), Some("run")]);
            let exception = error.downcast_ref::<Exception>().unwrap();
            assert_eq!(exception.tag().ty(&store).params[..], [ValType::I32, ValType::F64]);
            let payload = exception.payload(&store).unwrap();
            assert_eq!((payload[0].unwrap_i32(), payload[1].unwrap_f64()), (round, 0.5));
            assert!(exception.to_string().ends_with(&format!("({round}, 0.5)")), "{exception}");
            assert!(exception.payload(Store::new(engine, ())).is_err());
            store.settle_tiers();
        }
    });
}

const CATCHER: &str = r#"(module
    (tag $t (import "" "tag") (param i32))
    (func $host (import "" "host") (param i32))
    (tag $other (param i32))
    (func $middle (param i32) (call $host (local.get 0)))
    (func (export "catch") (param i32) (result i32)
      (block $h (result i32)
        (block $o (result i32)
          (try_table (catch $other $o) (catch $t $h) (call $middle (local.get 0)))
          (return (i32.const -1)))))
    (func (export "direct") (param i32) (result i32)
      (block $h (result i32)
        (try_table (catch $t $h) (call $host (local.get 0)))
        (i32.const -1)))
    (func (export "throw") (param i32) (throw $t (local.get 0))))"#;

#[test]
fn a_host_function_throws_to_a_guest() {
    each_tier(|engine| {
        let mut store = Store::new(engine, ());
        let tag = Tag::new(&mut store, &FuncType::new([ValType::I32], [])).unwrap();
        let host =
            Func::wrap(&mut store, move |mut caller: sterna::Caller<'_, ()>, n: i32| match n {
                0 => Ok(()),
                n => Err(Error::from(Exception::new(&mut caller, tag, &[Val::I32(n * 2)])?)),
            });
        let imports = [Extern::Tag(tag), Extern::Func(host)];
        let module = Module::new(engine, CATCHER).unwrap();
        let instance = Instance::new(&mut store, &module, &imports).unwrap();
        for name in ["catch", "direct"] {
            let catch = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
            for round in 0..6 {
                let expected = if round == 0 { -1 } else { round * 2 };
                assert_eq!(catch.call(&mut store, round).unwrap(), expected, "{name} {round}");
                store.settle_tiers();
            }
        }
        let wrong = Exception::new(&mut store, tag, &[Val::I64(1)]);
        assert!(wrong.is_err());
        assert!(Exception::new(&mut store, tag, &[]).is_err());
    });
}

#[test]
fn a_host_function_catches_and_throws_on() {
    each_tier(|engine| {
        let mut store = Store::new(engine, ());
        let tag = Tag::new(&mut store, &FuncType::new([ValType::I32], [])).unwrap();
        // Calls the guest's `throw`, and lets odd exceptions go on.
        let host = Func::wrap(&mut store, |mut caller: sterna::Caller<'_, ()>, n: i32| {
            let throw = caller.get_export("throw").and_then(Extern::into_func).unwrap();
            let error = throw.call(&mut caller, &[Val::I32(n)], &mut []).unwrap_err();
            let exception = error.downcast_ref::<Exception>().unwrap();
            assert_eq!(exception.payload(&caller).unwrap()[0].unwrap_i32(), n);
            if n % 2 == 0 { Ok(()) } else { Err(error) }
        });
        let imports = [Extern::Tag(tag), Extern::Func(host)];
        let module = Module::new(engine, CATCHER).unwrap();
        let instance = Instance::new(&mut store, &module, &imports).unwrap();
        for name in ["catch", "direct"] {
            let catch = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
            for round in 0..6 {
                let expected = if round % 2 == 0 { -1 } else { round };
                assert_eq!(catch.call(&mut store, round).unwrap(), expected, "{name} {round}");
                store.settle_tiers();
            }
        }
    });
}

#[test]
fn payloads_survive_collections() {
    let text = r#"(module
        (type $s (struct (field i32)))
        (tag $t (param (ref $s) i32))
        (global $kept (mut exnref) (ref.null exn))
        (func $churn (local i32)
          (loop $l
            (drop (struct.new $s (local.get 0)))
            (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 300000)))))
        (func $throw (param (ref $s)) (call $churn) (throw $t (local.get 0) (i32.const 5)))
        (func (export "run") (result i32)
          (local $mine (ref $s))
          (local.set $mine (struct.new $s (i32.const 30)))
          (block $h (result (ref $s) i32 exnref)
            (try_table (catch_ref $t $h) (call $throw (struct.new $s (i32.const 7))))
            (unreachable))
          (global.set $kept)
          (drop) (drop)
          (call $churn)
          (block $g (result (ref $s) i32)
            (try_table (catch $t $g) (throw_ref (global.get $kept)))
            (unreachable))
          (i32.add (struct.get $s 0 (local.get $mine)))
          (local.set 1)
          (i32.add (struct.get $s 0) (local.get 1)))
        (func (export "out") (call $throw (struct.new $s (i32.const 9))))
        (func (export "churn") (call $churn)))"#
        .replace("(local $mine (ref $s))", "(local $mine (ref $s)) (local i32)");
    each_tier(|engine| {
        let module = Module::new(engine, &text).unwrap();
        let mut store = Store::new(engine, ());
        let instance = Linker::new(engine).instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 42);
        let out = instance.get_typed_func::<(), ()>(&mut store, "out").unwrap();
        let error = out.call(&mut store, ()).unwrap_err();
        let churn = instance.get_typed_func::<(), ()>(&mut store, "churn").unwrap();
        churn.call(&mut store, ()).unwrap();
        let exception = error.downcast_ref::<Exception>().unwrap();
        let payload = exception.payload(&store).unwrap();
        assert!(matches!(payload[0], Val::AnyRef(Some(_))));
        assert_eq!(payload[1].unwrap_i32(), 5);
    });
}
