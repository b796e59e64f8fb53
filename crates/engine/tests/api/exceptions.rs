//! Owns the tests of exceptions between guest and host.
//! Does not own what happens to them within guests: `tests/wast/exceptions.wast`.

use sterna::{
    Caller, Error, Exception, Extern, Func, GcStress, Instance, Limits, Linker, Module, Store, Tag,
    Trap, TrapCode, Val,
};
use sterna_isa::{FuncType, HeapType, RefType, ValType};

use crate::{each_config, each_tier, instance};

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
        let host = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, n: i32| match n {
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
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, ()>, n: i32| {
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

const MANY: &str = r#"
    (tag $n (param i32 exnref))
    (func $throw (param i32 exnref) (throw $n (local.get 0) (local.get 1)))
    (func $make (param i32 exnref) (result exnref)
      (block $h (result exnref)
        (try_table (catch_all_ref $h) (call $throw (local.get 0) (local.get 1)))
        (unreachable)))
    (func (export "drop") (param i32)
      (loop $more
        (drop (call $make (local.get 0) (ref.null exn)))
        (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "keep") (local $last exnref)
      (loop $more
        (local.set $last (call $make (i32.const 0) (local.get $last)))
        (br $more)))"#;

#[test]
fn only_the_limit_of_the_heap_bounds_exceptions() {
    each_tier(|engine| {
        let (mut store, instance) = instance(engine, MANY);
        store.limits(Limits { heap_bytes: Some(1 << 20), ..Limits::default() });
        let dropped = instance.get_typed_func::<u32, ()>(&mut store, "drop").unwrap();
        let keep = instance.get_typed_func::<(), ()>(&mut store, "keep").unwrap();
        for _ in 0..2 {
            dropped.call(&mut store, 500_000).unwrap();
            let error = keep.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref::<Trap>().unwrap().code(), TrapCode::HeapExhausted);
        }
    });
}

/// Every function is called for the first time with its own number, so that compiled and interpreted ones alternate.
const TIERS: &str = r#"
    (type $s (struct (field i32)))
    (tag $t (export "tag") (param i32 (ref $s) exnref))
    (func $host (import "" "host") (param i32))
    (func $churn (local i32)
      (loop $l
        (drop (struct.new $s (local.get 0)))
        (br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 20)))))
    (func $throw (param i32)
      (if (i32.eqz (local.get 0)) (then (return)))
      (throw $t (local.get 0) (struct.new $s (local.get 0)) (ref.null exn)))
    (func $hot (export "hot") (param i32) (local $mine (ref $s))
      (local.set $mine (struct.new $s (i32.const 100)))
      (block $h (result i32 (ref $s) exnref exnref)
        (try_table (catch_ref $t $h) (call $cold (local.get 0)) (return))
        (unreachable))
      (call $churn)
      (drop) (drop)
      (struct.get $s 0)
      (i32.add (struct.get $s 0 (local.get $mine)))
      (i32.add)
      (call $rethrow))
    (func $rethrow (param i32)
      (throw $t (local.get 0) (struct.new $s (i32.const 1000)) (ref.null exn)))
    (func $cold (param i32)
      (if (i32.eqz (local.get 0)) (then (return)))
      (call $host (local.get 0)))
    (func (export "inner") (param i32) (call $throw (local.get 0)))
    (func (export "outer") (param i32) (result i32) (local $mine (ref $s))
      (local.set $mine (struct.new $s (i32.const 10000)))
      (block $h (result i32 (ref $s) exnref)
        (try_table (catch $t $h) (call $hot (local.get 0)))
        (return (i32.const -1)))
      (call $churn)
      (drop)
      (struct.get $s 0)
      (i32.add)
      (i32.add (struct.get $s 0 (local.get $mine))))"#;

#[test]
fn exceptions_cross_tiers_and_hosts_while_objects_move() {
    let configure = |config: &mut sterna::Config| _ = config.gc_stress(GcStress::Alternate);
    each_config(configure, |engine| {
        let mut store = Store::new(engine, Vec::new());
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, Vec<Exception>>, n: i32| {
            let inner = caller.get_export("inner").and_then(Extern::into_func).unwrap();
            let error = inner.call(&mut caller, &[Val::I32(n)], &mut []).unwrap_err();
            let exception = error.downcast_ref::<Exception>().unwrap().clone();
            let payload = exception.payload(&caller).unwrap();
            if n % 2 == 0 {
                caller.data_mut().push(exception);
                return Err::<(), _>(error);
            }
            // Another one with the same payload.
            let tag = exception.tag();
            let again = Exception::new(&mut caller, tag, &payload)?;
            caller.data_mut().push(exception);
            Err(Error::from(again))
        });
        let module = Module::new(engine, TIERS).unwrap();
        let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
        let hot = instance.get_typed_func::<i32, ()>(&mut store, "hot").unwrap();
        for _ in 0..4 {
            hot.call(&mut store, 0).unwrap();
        }
        store.settle_tiers();
        let outer = instance.get_typed_func::<i32, i32>(&mut store, "outer").unwrap();
        for round in 1..8 {
            let sum = outer.call(&mut store, round).unwrap();
            assert_eq!(sum, 11100 + 2 * round);
            store.settle_tiers();
        }
        for (number, exception) in (1..).zip(store.data().clone()) {
            let payload = exception.payload(&store).unwrap();
            assert_eq!(payload[0].unwrap_i32(), number);
            assert!(payload[1].unwrap_any_ref().unwrap().is(&store, HeapType::Struct).unwrap());
            assert!(payload[2].unwrap_exn_ref().is_none());
        }
    });
}

#[test]
fn a_host_keeps_references_to_exceptions() {
    let configure = |config: &mut sterna::Config| _ = config.gc_stress(GcStress::Alternate);
    each_config(configure, |engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(type $s (struct (field i32)))
               (tag $t (param i32 (ref $s)))
               (func (export "make") (param i32) (result exnref)
                 (block $h (result exnref)
                   (try_table (catch_all_ref $h)
                     (throw $t (local.get 0) (struct.new $s (local.get 0))))
                   (unreachable)))
               (func (export "value") (param exnref) (result i32)
                 (block $h (result i32 (ref $s))
                   (try_table (catch $t $h) (throw_ref (local.get 0)))
                   (unreachable))
                 (i32.add (struct.get $s 0)))"#,
        );
        let make = instance.get_func(&mut store, "make").unwrap();
        let value = instance.get_func(&mut store, "value").unwrap();
        let mut kept = Vec::new();
        for number in 0..20 {
            let mut result = [Val::NULL_EXN];
            make.call(&mut store, &[Val::I32(number)], &mut result).unwrap();
            kept.push(result[0]);
        }
        for (number, exn) in (0..).zip(kept) {
            let mut result = [Val::I32(0)];
            value.call(&mut store, &[exn], &mut result).unwrap();
            assert_eq!(result[0].unwrap_i32(), 2 * number);
            let exception = exn.unwrap_exn_ref().unwrap().exception(&mut store).unwrap();
            assert_eq!(exception.payload(&store).unwrap()[0].unwrap_i32(), number);
        }
    });
}

#[test]
fn an_exception_of_another_store_is_an_error() {
    each_tier(|engine| {
        let mut other = Store::new(engine, ());
        let ty = FuncType::new([ValType::Ref(RefType::nullable(HeapType::Any))], []);
        let tag = Tag::new(&mut other, &ty).unwrap();
        let exception = Exception::new(&mut other, tag, &[Val::NULL_ANY]).unwrap();
        let mut store = Store::new(engine, ());
        let host = Func::wrap(&mut store, move || Err::<(), _>(Error::from(exception.clone())));
        let module = Module::new(
            engine,
            r#"(func $host (import "" "host"))
               (func (export "run") (result i32)
                 (block $h (try_table (catch_all $h) (call $host)))
                 (i32.const 1))"#,
        );
        let instance = Instance::new(&mut store, &module.unwrap(), &[host.into()]).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        let error = run.call(&mut store, ()).unwrap_err();
        assert!(error.to_string().contains("another store"), "{error}");
    });
}

#[test]
fn exceptions_that_the_host_drops_are_freed() {
    each_tier(|engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(type $bytes (array (mut i8)))
               (tag $t (param (ref $bytes)))
               (func (export "throw") (throw $t (array.new_default $bytes (i32.const 4000))))"#,
        );
        store.limits(Limits { heap_bytes: Some(1 << 20), ..Limits::default() });
        let throw = instance.get_typed_func::<(), ()>(&mut store, "throw").unwrap();
        let kept = throw.call(&mut store, ()).unwrap_err();
        for _ in 0..5000 {
            let error = throw.call(&mut store, ()).unwrap_err();
            assert!(error.is::<Exception>(), "{error}");
        }
        let exception = kept.downcast_ref::<Exception>().unwrap();
        let payload = exception.payload(&store).unwrap();
        assert!(payload[0].unwrap_any_ref().unwrap().is(&store, HeapType::Array).unwrap());
    });
}

#[test]
fn an_owned_reference_to_an_exception_outlives_its_scope() {
    let configure = |config: &mut sterna::Config| _ = config.gc_stress(GcStress::Alternate);
    each_config(configure, |engine| {
        let (mut store, instance) = instance(
            engine,
            r#"(tag $t (param i32))
               (func (export "make") (param i32) (result exnref)
                 (block $h (result exnref)
                   (try_table (catch_all_ref $h) (throw $t (local.get 0)))
                   (unreachable)))
               (func (export "again") (param exnref) (throw_ref (local.get 0)))"#,
        );
        let make = instance.get_func(&mut store, "make").unwrap();
        let again = instance.get_func(&mut store, "again").unwrap();
        let (scoped, owned) = store.scope(|store| {
            let mut result = [Val::NULL_EXN];
            make.call(&mut *store, &[Val::I32(5)], &mut result).unwrap();
            let scoped = result[0].unwrap_exn_ref().unwrap();
            (scoped, scoped.to_owned(store).unwrap())
        });
        assert!(scoped.exception(&mut store).is_err());
        let exn = owned.to_scoped(&store).unwrap();
        let error = again.call(&mut store, &[Val::ExnRef(Some(exn))], &mut []).unwrap_err();
        let exception = error.downcast_ref::<Exception>().unwrap();
        assert_eq!(exception.payload(&store).unwrap()[0].unwrap_i32(), 5);
    });
}
