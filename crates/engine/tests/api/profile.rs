//! Owns the tests of counters and samples: what ran where.
//! Does not test how they are shown.

use std::time::Duration;

use sterna::{CodeTier, Config, Engine, Instance, Module, Store, Tier};

/// `outer` asks its host for a sample, which its loop takes.
const MODULE: &str = r#"(module
    (import "" "ask" (func $ask))
    (func $inner (param $n i32)
        (call $ask)
        (loop $next (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $outer (export "outer") (param i32) (call $inner (local.get 0)))
    (func (export "refused") unreachable))"#;

fn engine(tier: Tier) -> Engine {
    Engine::new(Config::new().tier(tier)).unwrap()
}

#[test]
fn samples_have_the_frames_of_all_tiers() {
    for (tier, code) in [
        (Tier::Interp, CodeTier::Interp),
        (Tier::Baseline, CodeTier::Baseline),
        (Tier::Opt, CodeTier::Opt),
    ] {
        let engine = engine(tier);
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let handle = store.interrupt_handle();
        let asking = handle.clone();
        let ask = sterna::Func::wrap(&mut store, move || asking.sample());
        let instance = Instance::new(&mut store, &module, &[ask.into()]).unwrap();
        let outer = instance.get_typed_func::<i32, ()>(&mut store, "outer").unwrap();
        // Nobody wants to know.
        outer.call(&mut store, 3).unwrap();
        assert!(store.take_profile().samples.is_empty());
        store.start_sampling();
        for _ in 0..3 {
            outer.call(&mut store, 3).unwrap();
        }
        let profile = store.take_profile();
        assert_eq!(profile.samples.len(), 3, "{tier:?}");
        let names = |stack: &[u32]| {
            let function = |&at: &u32| profile.functions[at as usize].clone();
            stack.iter().map(function).map(|f| (f.name, f.index, f.tier)).collect::<Vec<_>>()
        };
        let expected = [("outer".to_owned(), 2, code), ("inner".to_owned(), 1, code)];
        for sample in &profile.samples {
            assert_eq!(names(&sample.stack), expected);
        }
        let weights: Duration = profile.samples.iter().map(|sample| sample.weight).sum();
        assert_eq!(weights, profile.samples[2].time);
        assert!(store.take_profile().samples.is_empty());
        // An interruption is not lost to a sample that was asked for.
        handle.interrupt();
        handle.sample();
        assert!(outer.call(&mut store, 3).is_err());
    }
}

#[test]
fn compilations_are_counted() {
    let engine = engine(Tier::Opt);
    assert_eq!(engine.stats(), Default::default());
    let module = Module::new(&engine, MODULE).unwrap();
    let stats = engine.stats();
    assert_eq!((stats.optimizing.functions, stats.optimizing.refused), (3, 0));
    assert!(stats.optimizing.time > Duration::ZERO);
    assert!(stats.optimizing.code_bytes as usize <= module.machine_code_bytes());
    assert!((20..100).contains(&stats.optimizing.wasm_bytes), "{stats:?}");
    assert_eq!((stats.baseline.functions, module.interpreted_functions()), (0, 0));
}

#[test]
fn translations_are_counted() {
    let engine = engine(Tier::Interp);
    let module = Module::new(&engine, r#"(module (func $f) (func) (func (export "g") (call $f)))"#);
    let module = module.unwrap();
    assert_eq!(module.interpreted_functions(), 0);
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    instance.get_typed_func::<(), ()>(&mut store, "g").unwrap().call(&mut store, ()).unwrap();
    assert_eq!((module.interpreted_functions(), module.machine_code_bytes()), (2, 0));
}
