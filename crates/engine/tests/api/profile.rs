//! Owns the tests of counters and samples: what ran where.
//! Does not test how they are shown.

use std::time::Duration;

use sterna::{
    CodeTier, Config, Engine, ExecutionProfile, Instance, Module, ProfileError, Store, Tier,
};

/// `outer` asks its host for a sample, which its loop takes.
const MODULE: &str = r#"(module
    (import "" "ask" (func $ask))
    (memory 1)
    (func $inner (param $n i32)
        (call $ask)
        (loop $next
            (i32.store8 (local.get $n) (i32.const 1))
            (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
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

/// `f` calls `$double` through a table that the host may write to.
const INDIRECT: &str = r#"(module
    (type $unary (func (param i32) (result i32)))
    (table (export "t") 2 funcref)
    (elem (i32.const 0) $square $double)
    (func $square (type $unary) (i32.mul (local.get 0) (local.get 0)))
    (func $double (type $unary) (i32.add (local.get 0) (local.get 0)))
    (func (export "f") (param i32 i32) (result i32) (local i32)
        (loop $next
            (local.set 2 (i32.add (local.get 2) (call_indirect (type $unary) (local.get 1) (i32.const 1))))
            (br_if $next (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
        (local.get 2)))"#;

#[test]
fn what_a_run_saw_guides_compilation() {
    let f = |module: &Module| {
        let mut store = Store::new(&module.engine(), ());
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let f = instance.get_typed_func::<(i32, i32), i32>(&mut store, "f").unwrap();
        f.call(&mut store, (0, 100)).unwrap()
    };
    let observed = Module::new(&engine(Tier::Auto), INDIRECT).unwrap();
    let nothing = observed.execution_profile();
    assert_eq!(f(&observed), 10_100);
    let profile = observed.execution_profile();
    assert_ne!(profile, nothing);
    let bytes = profile.to_bytes();
    assert_eq!(ExecutionProfile::from_bytes(&bytes).unwrap(), profile);

    let compile = |text: &str, profile| {
        Module::new_with_profile(&engine(Tier::Opt), text, profile, &|_, _| {})
    };
    let (guided, plain) = (compile(INDIRECT, &profile), compile(INDIRECT, &nothing));
    let (guided, plain) = (guided.unwrap(), plain.unwrap());
    assert!(guided.machine_code_bytes() > plain.machine_code_bytes(), "the callee is inlined");
    assert_eq!((f(&guided), f(&plain)), (10_100, 10_100));
    assert_eq!(guided.execution_profile(), profile, "it is handed on");

    let other = compile(MODULE, &profile).unwrap_err();
    assert_eq!(other.downcast_ref(), Some(&ProfileError::OtherModule));
    for end in 0..bytes.len() {
        let cut = ExecutionProfile::from_bytes(&bytes[..end]).unwrap_err();
        assert_eq!(cut.downcast_ref(), Some(&ProfileError::Malformed), "{end}");
    }
}

#[test]
fn baseline_code_records_what_the_interpreter_began_to() {
    // The interpreter sees the first few calls of `$double`, baseline code the others, and about 50 of `$square`.
    let text = INDIRECT.replacen(
        "(local.get 1) (i32.const 1))))",
        "(local.get 1) (i32.gt_u (local.get 1) (i32.const 85)))))",
        1,
    );
    assert_ne!(text, INDIRECT);
    let mut config = Config::new();
    config.tier(Tier::Auto).hot_budget(64).synchronous_tiers();
    let module = Module::new(&Engine::new(&config).unwrap(), text).unwrap();
    let mut store = Store::new(&module.engine(), ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<(i32, i32), i32>(&mut store, "f").unwrap();
    let squares: i32 = (1..=85).map(|n| n * n).sum();
    let doubles: i32 = (86..=100).map(|n| 2 * n).sum();
    assert_eq!(f.call(&mut store, (0, 100)).unwrap(), squares + doubles);
    let seen = module.execution_profile().to_bytes();
    let (_, seen) = seen.split_at(16 + 32 + 32);
    let (words, rest) = seen.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    assert_eq!(
        (words[0], words[2], rest.len()),
        (1, 0, 0),
        "one call, of the function with index 0"
    );
    let most = words[3..].as_chunks::<3>().0.iter().map(|[_, runs, taken]| (*runs, *taken)).max();
    assert!(matches!(most, Some((60..70, 60..70))), "the branch of the loop: {most:?}");
}
