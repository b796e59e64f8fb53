//! Owns tests that odd but valid sizes compile in proportion and run right in every tier, which may leave what it cannot take to the
//! tier below.
//! Does not own limits that a host sets (`limits`), nor what the format forbids.

use std::time::{Duration, Instant};

use sterna::{Engine, Linker, Module, Store, Tier};
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, MemArg,
    MemorySection, MemoryType, TypeSection, ValType,
};

use crate::each_tier;

/// Far more than work in proportion to the size takes even without optimization and beside other work, far less than anything that grows with its square.
/// Other machines are tested under emulators.
const PATIENCE: Duration = Duration::from_secs(if cfg!(target_arch = "x86_64") { 60 } else { 900 });

/// A module whose functions all take and return an `i32`, the first one exported as `f`.
fn module(functions: impl IntoIterator<Item = Function>) -> Vec<u8> {
    let (mut types, mut funcs) = (TypeSection::new(), FunctionSection::new());
    types.ty().function([ValType::I32], [ValType::I32]);
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    exports.export("f", ExportKind::Func, 0);
    for function in functions {
        funcs.function(0);
        code.function(&function);
    }
    let mut module = wasm_encoder::Module::new();
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 2,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&types).section(&funcs).section(&memories).section(&exports).section(&code);
    module.finish()
}

/// Calls `f` several times, so that every tier has its turn, and compares.
fn check(engine: &Engine, bytes: &[u8], calls: &[(i32, i32)]) {
    let start = Instant::now();
    let module = Module::new(engine, bytes).unwrap();
    let mut store = Store::new(engine, ());
    let instance = Linker::new(engine).instantiate(&mut store, &module).unwrap();
    let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
    for &(argument, result) in calls.iter().cycle().take(calls.len() * 3) {
        assert_eq!(f.call(&mut store, argument).unwrap(), result, "f({argument})");
    }
    store.settle_tiers();
    for &(argument, result) in calls {
        assert_eq!(f.call(&mut store, argument).unwrap(), result, "f({argument})");
    }
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
}

#[test]
fn a_function_of_a_megabyte() {
    // x = (x * 3) ^ i, a hundred thousand times, with a conditional step now and then.
    let mut function = Function::new([]);
    let mut body = function.instructions();
    let mut expected = 5i32;
    for i in 0..100_000 {
        body.local_get(0).i32_const(3).i32_mul().i32_const(i).i32_xor().local_set(0);
        expected = expected.wrapping_mul(3) ^ i;
        if i % 50 == 0 {
            body.local_get(0).i32_const(1).i32_and().if_(BlockType::Empty);
            body.local_get(0).i32_const(7).i32_add().local_set(0).end();
            expected = if expected & 1 != 0 { expected.wrapping_add(7) } else { expected };
        }
    }
    body.local_get(0).end();
    assert!(function.byte_len() > 1_000_000);
    let bytes = module([function]);
    each_tier(|engine| check(engine, &bytes, &[(5, expected)]));
}

#[test]
fn fifty_thousand_locals() {
    let mut function = Function::new([(49_999, ValType::I32)]);
    let mut body = function.instructions();
    for local in (1..50_000).step_by(7) {
        body.local_get(local - 1).i32_const(1).i32_add().local_set(local);
        body.local_get(local).local_set((local + 6).min(49_999));
    }
    body.local_get(49_999).end();
    let bytes = module([function]);
    each_tier(|engine| check(engine, &bytes, &[(1, 7144), (-7143, 0)]));
}

#[test]
fn blocks_ten_thousand_deep() {
    let depth = 10_000;
    let mut function = Function::new([]);
    let mut body = function.instructions();
    for level in 0..depth {
        match level % 3 {
            0 => body.block(BlockType::Empty),
            1 => body.loop_(BlockType::Empty),
            _ => body.local_get(0).if_(BlockType::Empty),
        };
    }
    // Out of everything at once, if the argument is 9.
    body.local_get(0).i32_const(9).i32_eq().br_if(depth - 1);
    for _ in 0..depth {
        body.local_get(0).i32_const(1).i32_add().local_set(0).end();
    }
    body.local_get(0).end();
    let bytes = module([function]);
    each_tier(|engine| check(engine, &bytes, &[(9, 9), (5, 10_005), (0, 2), (2, 10_002)]));
}

#[test]
fn a_hundred_thousand_branch_targets() {
    let (blocks, targets) = (1000, 100_000);
    let mut function = Function::new([]);
    let mut body = function.instructions();
    for _ in 0..blocks {
        body.block(BlockType::Empty);
    }
    body.local_get(0).br_table((0..targets).map(|target| target % blocks), 0);
    body.end();
    for _ in 1..blocks {
        body.local_get(0).i32_const(1).i32_add().local_set(0).end();
    }
    body.local_get(0).end();
    let bytes = module([function]);
    // Target t leaves t % 1000 blocks at once, and passes the additions behind the others.
    let result = |index: i32| index + 999 - index % 1000;
    let calls = [0, 1, 999, 1000, 54_321, 99_999].map(|index| (index, result(index)));
    each_tier(|engine| {
        check(engine, &bytes, &[calls.as_slice(), &[(100_000, 100_999), (-1, 998)]].concat())
    });
}

/// Each loop changes a local of its own, so that each of those around it needs them all.
#[test]
fn loops_in_loops_with_a_local_each() {
    for depth in [800, 5000] {
        let mut function = Function::new([(depth, ValType::I32)]);
        let mut body = function.instructions();
        for level in 1..=depth {
            body.loop_(BlockType::Empty);
            body.local_get(level).i32_const(1).i32_add().local_set(level);
        }
        for level in (1..=depth).rev() {
            body.local_get(level).local_get(0).i32_lt_s().br_if(0).end();
        }
        body.local_get(depth).end();
        let bytes = module([function]);
        each_tier(|engine| {
            check(engine, &bytes, &[(1, 1), (0, 1)]);
            let optimizing = engine.stats().optimizing;
            assert!(engine.tier() != Tier::Opt || optimizing.refused > 0, "{optimizing:?}");
        });
    }
}

/// What is loaded is needed at the end only, and cannot be loaded later: all of it is kept.
#[test]
fn tens_of_thousands_of_values_at_once() {
    let mut function = Function::new([(1, ValType::I32)]);
    let mut body = function.instructions();
    for i in 0..20_000 {
        let at =
            |offset: u64| MemArg { offset, align: 0, target: Default::default(), ordering: None };
        let place = i % 8000 * 4;
        body.local_get(1).local_get(0).i32_load(at(place)).i32_xor().local_set(1);
        body.local_get(0).i32_const(i as i32).i32_store(at(place + (1 << 15)));
    }
    body.local_get(1).end();
    let bytes = module([function]);
    each_tier(|engine| {
        check(engine, &bytes, &[(0, 0), (4, 0)]);
        let optimizing = engine.stats().optimizing;
        assert!(engine.tier() != Tier::Opt || optimizing.refused > 0, "{optimizing:?}");
    });
}

#[test]
fn hundreds_of_thousands_of_functions() {
    let callee = |target: Option<u32>| {
        let mut function = Function::new([]);
        let mut body = function.instructions();
        body.local_get(0).i32_const(1).i32_add();
        if let Some(target) = target {
            body.call(target);
        }
        body.end();
        function
    };
    // The first calls one far away, which calls one farther away.
    let functions = |count: u32| {
        (0..count).map(move |func| callee((func < count / 2).then_some(func + count / 2)))
    };
    // Compiling all of them ahead of time takes its time: this test is about those who do not.
    let (many, fewer) = (module(functions(600_000)), module(functions(5_000)));
    each_tier(|engine| {
        let lazy = matches!(engine.tier(), Tier::Interp | Tier::Auto);
        let bytes = if lazy { &many } else { &fewer };
        check(engine, bytes, &[(1, 3), (-2, 0)]);
    });
}
