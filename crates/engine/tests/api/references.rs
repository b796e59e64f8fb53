//! Owns tests of how long references of the host live: scopes, owned ones, values of the host that are dropped.
//! Does not own tests of objects themselves (`gc`, `structures`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sterna::{
    AnyRef, Caller, Config, Engine, ExternRef, Func, FuncType, GcStress, Global, GlobalType,
    HeapType, I31, Instance, Limits, Linker, Module, Mutability, Owned, RefType, Store, Tier, Trap,
    TrapCode, Val, ValType,
};

use crate::{each_config, each_tier, instance};

/// A value that counts how many of its kind there are.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(counter: &Arc<AtomicUsize>) -> Counted {
        counter.fetch_add(1, Ordering::Relaxed);
        Counted(counter.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn references_end_with_their_scope() {
    each_tier(|engine| {
        let (mut store, guest) = instance(
            engine,
            r#"(func (export "id") (param externref) (result externref) (local.get 0))"#,
        );
        let id =
            guest.get_typed_func::<Option<ExternRef>, Option<ExternRef>>(&mut store, "id").unwrap();
        let outside = ExternRef::new(&mut store, 1).unwrap();
        let (inside, kept) = store.scope(|store| {
            let inside = id.call(&mut *store, Some(outside)).unwrap().unwrap();
            assert!(inside.ref_eq(&*store, &outside).unwrap());
            let innermost = store.scope(|store| ExternRef::new(store, 2).unwrap());
            assert!(innermost.data(&*store).is_err());
            (inside, inside.to_owned(&mut *store).unwrap())
        });
        let error = id.call(&mut store, Some(inside)).unwrap_err();
        assert!(error.to_string().contains("`to_owned` keeps it beyond"), "{error}");
        assert!(inside.to_owned(&mut store).is_err());
        assert!(outside.data(&store).is_ok());
        let again = kept.to_scoped(&store).unwrap();
        assert_eq!(again.data(&store).unwrap().downcast_ref(), Some(&1));
        let other = Store::new(engine, ());
        assert!(kept.to_scoped(&other).is_err(), "another store");
        assert!(outside.data(&other).is_err(), "another store");
    });
}

#[test]
fn a_call_of_a_host_function_is_a_scope() {
    each_config(stress, |engine| {
        let module = Module::new(
            engine,
            r#"(import "" "host" (func $host (param externref) (result externref)))
            (func (export "run") (param externref) (result externref) (call $host (local.get 0)))"#,
        )
        .unwrap();
        let stash = Arc::new(Mutex::new(Vec::new()));
        let mut linker = Linker::<()>::new(engine);
        let in_host = stash.clone();
        linker
            .func_wrap("", "host", move |mut caller: Caller<'_, ()>, given: Option<ExternRef>| {
                let made = ExternRef::new(&mut caller, "made")?;
                in_host.lock().unwrap().extend([given.unwrap(), made]);
                Ok(Some(made))
            })
            .unwrap();
        let mut store = Store::new(engine, ());
        let guest = linker.instantiate(&mut store, &module).unwrap();
        let run = guest
            .get_typed_func::<Option<ExternRef>, Option<ExternRef>>(&mut store, "run")
            .unwrap();
        let given = ExternRef::new(&mut store, "given").unwrap();
        let result = run.call(&mut store, Some(given)).unwrap().unwrap();
        assert_eq!(result.data(&store).unwrap().downcast_ref(), Some(&"made"));
        for ended in stash.lock().unwrap().iter() {
            assert!(ended.data(&store).is_err(), "made in the call");
        }
    });
}

#[test]
fn owned_references_are_dropped_on_any_thread() {
    each_tier(|engine| {
        let count = Arc::new(AtomicUsize::new(0));
        let mut store = Store::new(engine, ());
        let owned = store.scope(|store| {
            ExternRef::new(&mut *store, Counted::new(&count)).unwrap().to_owned(store).unwrap()
        });
        let clone = owned.clone();
        std::thread::spawn(move || drop(owned)).join().unwrap();
        store.gc();
        assert_eq!(count.load(Ordering::Relaxed), 1, "the clone keeps it");
        assert!(store.scope(|store| clone.to_scoped(&*store).unwrap().data(&*store).is_ok()));
        std::thread::spawn(move || drop(clone)).join().unwrap();
        store.gc();
        assert_eq!(count.load(Ordering::Relaxed), 0);

        // The store goes first.
        let i31 = AnyRef::from_i31(&store, I31::wrapping(7));
        let i31 = Owned::new(&mut store, i31).unwrap();
        assert_eq!(i31.to_scoped(&store).unwrap().i31(), I31::new(7));
        drop(store);
        drop(i31);
    });
}

fn stress(config: &mut Config) {
    config.gc_stress(GcStress::Alternate);
}

/// Places where a guest keeps an `externref`, each with a function that puts one there.
const PLACES: &str = r#"
    (type $box (struct (field (mut externref))))
    (type $boxes (array (mut externref)))
    (import "" "gc" (func $gc))
    (tag $tag (param externref))
    (global $global (mut externref) (ref.null extern))
    (global $any (mut anyref) (ref.null any))
    (global $box (ref $box) (struct.new_default $box))
    (global $boxes (ref $boxes) (array.new_default $boxes (i32.const 3)))
    (table $table 3 externref)
    (table $anys 3 anyref)
    (func (export "global") (param externref) (global.set $global (local.get 0)))
    (func (export "any") (param externref) (global.set $any (any.convert_extern (local.get 0))))
    (func (export "table") (param externref) (table.set $table (i32.const 1) (local.get 0)))
    (func (export "anys") (param externref)
        (table.fill $anys (i32.const 0) (any.convert_extern (local.get 0)) (i32.const 3)))
    (func (export "field") (param externref) (struct.set $box 0 (global.get $box) (local.get 0)))
    (func (export "element") (param externref)
        (array.fill $boxes (global.get $boxes) (i32.const 0) (local.get 0) (i32.const 3)))

    ;; These keep it only while they run, and give it back.
    (func (export "local") (param externref) (result externref) (call $gc) (local.get 0))
    (func (export "operand") (param externref) (result externref)
        (local.get 0)
        (local.set 0 (ref.null extern))
        (call $gc))
    (func (export "converted") (param externref) (result externref)
        (any.convert_extern (local.get 0))
        (local.set 0 (ref.null extern))
        (call $gc)
        (extern.convert_any))
    (func (export "loop") (param externref) (result externref) (local $i i32)
        (loop $more
            (call $gc)
            (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
        (local.get 0))
    (func (export "exception") (param externref) (result externref)
        (block $caught (result externref)
            (try_table (catch $tag $caught) (call $throw (local.get 0)))
            (ref.null extern)))
    (func $throw (param externref)
        (call $gc)
        (throw $tag (local.get 0)))"#;

fn places(engine: &Engine) -> (Store<()>, Instance) {
    let module = Module::new(engine, PLACES).unwrap();
    let mut linker = Linker::<()>::new(engine);
    linker.func_wrap("", "gc", |mut caller: Caller<'_, ()>| caller.gc()).unwrap();
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

fn call(store: &mut Store<()>, guest: &Instance, name: &str, value: Val, results: &mut [Val]) {
    guest.get_func(&mut *store, name).unwrap().call(&mut *store, &[value], results).unwrap();
}

#[test]
fn a_value_lives_as_long_as_a_place_refers_to_it() {
    for configure in [|_: &mut Config| {}, |config: &mut Config| stress(config)] {
        each_config(configure, |engine| {
            let (mut store, guest) = places(engine);
            let count = Arc::new(AtomicUsize::new(0));
            for place in ["global", "any", "table", "anys", "field", "element"] {
                for round in 0..3 {
                    store.scope(|store| {
                        let value = ExternRef::new(&mut *store, Counted::new(&count)).unwrap();
                        call(store, &guest, place, value.into(), &mut []);
                    });
                    store.gc();
                    let live = count.load(Ordering::Relaxed);
                    assert_eq!(live, 1, "{place} keeps the value of round {round}, and no other");
                }
                call(&mut store, &guest, place, Val::NULL_EXTERN, &mut []);
                store.gc();
                assert_eq!(count.load(Ordering::Relaxed), 0, "{place} gave it up");
            }
        });
    }
}

#[test]
fn a_value_lives_as_long_as_a_frame_refers_to_it() {
    for configure in [|_: &mut Config| {}, |config: &mut Config| stress(config)] {
        each_config(configure, |engine| {
            let (mut store, guest) = places(engine);
            let count = Arc::new(AtomicUsize::new(0));
            for name in ["local", "operand", "converted", "loop", "exception"] {
                // More often than it takes to be compiled.
                for _ in 0..5 {
                    // Passed on by a host function, whose own reference ends with it: the frames alone keep it.
                    let func = guest.get_func(&mut store, name).unwrap();
                    let counter = count.clone();
                    let make = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>| {
                        ExternRef::new(&mut caller, Counted::new(&counter)).map(Some)
                    });
                    let alive = store.scope(|store| {
                        let mut made = [Val::NULL_EXTERN];
                        make.call(&mut *store, &[], &mut made).unwrap();
                        let slot = made[0];
                        let mut results = [Val::NULL_EXTERN];
                        func.call(&mut *store, &[slot], &mut results).unwrap();
                        let value = results[0].unwrap_extern_ref().unwrap();
                        value.data(&*store).unwrap().is::<Counted>()
                    });
                    assert!(alive, "{name}");
                    store.gc();
                    assert_eq!(count.load(Ordering::Relaxed), 0, "{name}");
                }
            }
        });
    }
}

/// Calls `make` and passes what it returns to `take`, so often.
const PASS: &str = r#"
    (import "" "make" (func $make (result externref)))
    (import "" "take" (func $take (param externref)))
    (func (export "run") (param $times i32)
        (loop $more
            (call $take (call $make))
            (br_if $more (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))"#;

#[test]
fn millions_of_values_pass_in_bounded_memory() {
    for (tier, times) in [(Tier::Opt, 10_000_000), (Tier::Interp, 500_000)] {
        let engine = Engine::new(Config::new().tier(tier)).unwrap();
        let (count, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut linker = Linker::<()>::new(&engine);
        let (made, seen) = (count.clone(), most.clone());
        linker
            .func_wrap("", "make", move |mut caller: Caller<'_, ()>| {
                let value = Counted::new(&made);
                seen.fetch_max(made.load(Ordering::Relaxed), Ordering::Relaxed);
                ExternRef::new(&mut caller, value).map(Some)
            })
            .unwrap();
        linker
            .func_wrap("", "take", |caller: Caller<'_, ()>, value: Option<ExternRef>| {
                assert!(value.unwrap().data(&caller).unwrap().is::<Counted>());
            })
            .unwrap();
        let module = Module::new(&engine, PASS).unwrap();
        let mut store = Store::new(&engine, ());
        let guest = linker.instantiate(&mut store, &module).unwrap();
        let run = guest.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
        run.call(&mut store, times).unwrap();
        let most = most.load(Ordering::Relaxed);
        assert!((2..100_000).contains(&most), "{most} values at a time");
        drop(store);
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_host_can_take_millions_of_references() {
    let engine = Engine::new(Config::new().tier(Tier::Interp)).unwrap();
    let (mut store, guest) = instance(
        &engine,
        r#"
        (type $node (struct))
        (func (export "new") (result anyref) (struct.new $node))"#,
    );
    let new = guest.get_typed_func::<(), Option<AnyRef>>(&mut store, "new").unwrap();
    // Far more than a store holds at a time.
    for _ in 0..2_000 {
        store.scope(|store| {
            for _ in 0..100 {
                assert!(new.call(&mut *store, ()).unwrap().is_some());
            }
        });
    }
    let last = new.call(&mut store, ()).unwrap().unwrap();
    let mut refused = None;
    let owned = last.to_owned(&mut store).unwrap();
    for _ in 0..(1 << 24) + 1 {
        let last = owned.to_scoped(&store).unwrap();
        if let Err(error) = last.is(&store, sterna::HeapType::Any) {
            refused = Some(error);
            break;
        }
    }
    let error = refused.expect("there is a limit");
    assert!(error.to_string().contains("too many references"), "{error}");
    assert!(owned.to_scoped(&store).is_ok(), "the error comes when it is used");
}

#[test]
fn the_heap_limit_counts_values_of_the_host() {
    each_tier(|engine| {
        let mut store = Store::new(engine, ());
        store.limits(Limits { heap_bytes: Some(1 << 20), ..Limits::default() });
        let count = Arc::new(AtomicUsize::new(0));
        let mut kept = Vec::new();
        let error = loop {
            match ExternRef::new(&mut store, Counted::new(&count)) {
                Ok(value) => kept.push(value.to_owned(&mut store).unwrap()),
                Err(error) => break error,
            }
            assert!(kept.len() < 1 << 20);
        };
        assert_eq!(error.downcast_ref::<TrapCode>(), Some(&TrapCode::HeapExhausted));
        assert!(kept.len() > 1000);
        assert_eq!(count.load(Ordering::Relaxed), kept.len(), "the one refused is gone");
    });
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb went off");
    }
}

#[test]
fn a_value_that_panics_when_it_is_dropped_harms_only_the_call() {
    each_tier(|engine| {
        let module = Module::new(
            engine,
            r#"(import "" "drop" (func $drop))
            (func (export "run") (param i32) (result i32)
                (if (local.get 0) (then (call $drop)))
                (i32.const 5))"#,
        )
        .unwrap();
        let mut linker = Linker::<()>::new(engine);
        linker
            .func_wrap("", "drop", |mut caller: Caller<'_, ()>| {
                caller.scope(|caller| ExternRef::new(caller, Bomb).map(|_| ()))?;
                caller.gc();
                Ok(())
            })
            .unwrap();
        let mut store = Store::new(engine, ());
        let guest = linker.instantiate(&mut store, &module).unwrap();
        let run = guest.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        for _ in 0..3 {
            let panic = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, 1))).unwrap_err();
            assert_eq!(panic.downcast_ref(), Some(&"the bomb went off"));
            assert_eq!(run.call(&mut store, 0).unwrap(), 5);
        }
    });
}

#[test]
fn an_exception_keeps_its_payload_out_of_its_scope() {
    each_config(stress, |engine| {
        let (mut store, guest) = instance(
            engine,
            r#"(tag $tag (export "tag") (param externref))
            (func (export "throw") (param externref) (throw $tag (local.get 0)))"#,
        );
        let throw = guest.get_func(&mut store, "throw").unwrap();
        let error = store.scope(|store| {
            let value = ExternRef::new(&mut *store, 77).unwrap();
            throw.call(store, &[value.into()], &mut []).unwrap_err()
        });
        store.gc();
        assert!(error.is::<Trap>());
        let exception = error.downcast_ref::<sterna::Exception>().unwrap();
        let payload = exception.payload(&store).unwrap()[0].unwrap_extern_ref().unwrap();
        assert_eq!(payload.data(&store).unwrap().downcast_ref(), Some(&77));
    });
}

#[test]
fn objects_pass_a_host_function_in_a_small_heap() {
    for (tier, times) in [(Tier::Opt, 3_000_000), (Tier::Interp, 300_000)] {
        let engine = Engine::new(Config::new().tier(tier)).unwrap();
        let module = Module::new(
            &engine,
            r#"(type $node (struct (field i32)))
            (import "" "typed" (func $typed (param anyref) (result anyref)))
            (import "" "untyped" (func $untyped (param anyref) (result anyref)))
            (func (export "run") (param $times i32)
                (loop $more
                    (struct.new $node (local.get $times))
                    (call $untyped (call $typed))
                    (if (i32.ne (struct.get $node 0 (ref.cast (ref $node))) (local.get $times))
                        (then (unreachable)))
                    (br_if $more (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))"#,
        )
        .unwrap();
        let mut linker = Linker::<()>::new(&engine);
        linker.func_wrap("", "typed", |value: Option<AnyRef>| value).unwrap();
        let any = ValType::Ref(RefType::nullable(HeapType::Any));
        let ty = FuncType::new([any], [any]);
        linker
            .func_new("", "untyped", ty, |_, params, results| {
                results.copy_from_slice(params);
                Ok(())
            })
            .unwrap();
        let mut store = Store::new(&engine, ());
        store.limits(Limits { heap_bytes: Some(1 << 20), ..Limits::default() });
        let guest = linker.instantiate(&mut store, &module).unwrap();
        let run = guest.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
        run.call(&mut store, times).unwrap();
    }
}

#[test]
fn segments_keep_values_of_the_host() {
    each_config(stress, |engine| {
        let module = Module::new(
            engine,
            r#"(import "" "value" (global $value externref))
            (import "" "gc" (func $gc))
            (type $array (array externref))
            (elem $segment externref (global.get $value) (ref.null extern) (global.get $value))
            (global $view anyref (any.convert_extern (global.get $value)))
            (func (export "segment") (param externref) (result externref)
                (call $gc)
                (array.get $array
                    (array.new_elem $array $segment (i32.const 0) (i32.const 3))
                    (i32.const 2)))
            (func (export "view") (param externref) (result externref)
                (call $gc)
                (extern.convert_any (global.get $view)))"#,
        )
        .unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let mut store = Store::new(engine, ());
        let guest = store.scope(|store| {
            let value = ExternRef::new(&mut *store, Counted::new(&count)).unwrap();
            let ty = GlobalType::new(ValType::EXTERNREF, Mutability::Const);
            let global = Global::new(&mut *store, ty, value.into()).unwrap();
            let gc = Func::wrap(&mut *store, |mut caller: Caller<'_, ()>| caller.gc());
            Instance::new(store, &module, &[global.into(), gc.into()]).unwrap()
        });
        for name in ["segment", "view", "segment", "view"] {
            store.scope(|store| {
                let mut results = [Val::NULL_EXTERN];
                call(store, &guest, name, Val::NULL_EXTERN, &mut results);
                let value = results[0].unwrap_extern_ref().unwrap();
                assert!(value.data(&*store).unwrap().is::<Counted>(), "{name}");
            });
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
    });
}
