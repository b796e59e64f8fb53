//! Owns the tests of entries of a code cache: what one run compiled the next one has, added to, linked as if compiled at once.
//! Does not run guest code; the command line's tests do.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::io::Write;

use sterna_abi::FuncEntry;

use super::*;
use crate::TierPolicy;
use crate::adapters::entry_cell;
use crate::artifact_module::tests::{Notes, callee, check, engine, peek, wasm};

const KEY: &str = "this module, this build";

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn load(
    engine: &Arc<Engine>,
    wasm: &[u8],
    entry: &[u8],
) -> Result<Arc<LoadedModule>, ArtifactError> {
    // SAFETY: made by `to_cache` for this module, or refused; nothing is run.
    unsafe { LoadedModule::from_cache(engine, wasm, &file(entry), KEY) }
}

/// Compiles functions one at a time, as the background thread does.
fn compile(loaded: &LoadedModule, funcs: &[u32]) {
    for &func in funcs {
        let funcs = [FuncIndex::from_u32(func)];
        let (codes, _) = linking::compile_parallel(loaded, &funcs, &|_, _| {});
        linking::publish(loaded, codes).unwrap();
    }
}

fn body(loaded: &LoadedModule, func: usize) -> usize {
    entry_cell(entry(loaded, func), loaded.convention()).load(Ordering::Acquire) as usize
}

fn entry(loaded: &LoadedModule, func: usize) -> &FuncEntry {
    &loaded.entries()[func]
}

fn compiled(notes: &Notes) -> usize {
    notes.lock().unwrap().iter().filter(|what| **what == "compile").count()
}

/// A first run with code of some functions, and its entry.
fn first(wasm: &[u8], funcs: &[u32]) -> Vec<u8> {
    let (engine, _) = engine(TierPolicy::Auto);
    let loaded = LoadedModule::new_kept(&engine, wasm).unwrap();
    compile(&loaded, funcs);
    loaded.to_cache(KEY).unwrap()
}

#[test]
fn the_next_run_has_the_code_and_adds_to_it() {
    for (defined, tail_calls) in [(3, false), (3, true), (5, false), (5, true)] {
        let wasm = wasm(defined, tail_calls);
        let last = defined as u32;
        let entry = first(&wasm, &[last]);
        let (engine, notes) = engine(TierPolicy::Auto);
        let loaded = load(&engine, &wasm, &entry).unwrap();
        assert!(notes.lock().unwrap().is_empty(), "no adapter either");
        assert_eq!(loaded.cached_functions(), 1);
        assert_eq!(peek::<4>(body(&loaded, defined)), [last as u8; 4]);
        let stack = |func| self::entry(&loaded, func).stack.load(Ordering::Acquire);
        assert!(!stack(defined).is_null() && stack(2).is_null());
        assert!(loaded.to_cache(KEY).is_none(), "nothing new");
        // Function 2 is refused.
        compile(&loaded, &(1..last).collect::<Vec<_>>());
        assert_eq!(compiled(&notes), defined - 1);
        let whole = loaded.to_cache(KEY).unwrap();
        assert!(loaded.to_cache(KEY).is_none(), "nothing new again");
        let (engine, notes) = self::engine(TierPolicy::Auto);
        let loaded = load(&engine, &wasm, &whole).unwrap();
        check(&loaded, defined > 3);
        assert!(notes.lock().unwrap().is_empty());
        assert_eq!(loaded.cached_functions(), defined - 1);
        let order: Vec<u32> = (1..=last).rev().collect();
        assert!(first(&wasm, &order) == whole, "the way there makes no difference");
    }
}

#[test]
fn functions_of_different_runs_call_each_other_directly() {
    let wasm = wasm(5, false);
    let (engine, _) = engine(TierPolicy::Auto);
    let loaded = load(&engine, &wasm, &first(&wasm, &[4])).unwrap();
    compile(&loaded, &[5]);
    assert_ne!(callee(body(&loaded, 5), 4), body(&loaded, 4), "a stub in between");
    let entry = loaded.to_cache(KEY).unwrap();
    let loaded = load(&engine, &wasm, &entry).unwrap();
    assert_eq!(callee(body(&loaded, 5), 4), body(&loaded, 4));
    assert_eq!(callee(body(&loaded, 4), 8), body(&loaded, 5));
}

#[test]
fn small_modules_that_stayed_cold_are_not_worth_an_entry() {
    let (engine, _) = engine(TierPolicy::Auto);
    let loaded = LoadedModule::new_kept(&engine, wasm(3, false)).unwrap();
    assert!(loaded.to_cache(KEY).is_none());
    // Nor is anything kept that nobody wants.
    let loaded = LoadedModule::new(&engine, wasm(3, false), &|_, _| {}).unwrap();
    compile(&loaded, &[1, 3]);
    assert!(loaded.to_cache(KEY).is_none());
}

#[test]
fn large_modules_are_known_to_be_valid() {
    let nops = "nop ".repeat(300 << 10);
    let wasm = wat::parse_str(format!("(module (func (return_call 1)) (func {nops}))")).unwrap();
    let (engine, _) = engine(TierPolicy::Auto);
    let loaded = LoadedModule::new_kept(&engine, &wasm[..]).unwrap();
    let entry = loaded.to_cache(KEY).unwrap();
    let loaded = load(&engine, &wasm, &entry).unwrap();
    assert!(loaded.module().has_tail_calls() && loaded.cached_functions() == 0);
    assert!(loaded.to_cache(KEY).is_none());
}

#[test]
fn wrong_entries_are_refused() {
    let wasm = wasm(5, true);
    let good = first(&wasm, &[1, 3, 4]);
    let (engine, _) = engine(TierPolicy::Auto);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(load(&engine, &wasm, &bad).is_err(), "byte {at}");
    }
    for len in [0, 1, 8, 20, 100, good.len() / 2, good.len() - 1] {
        assert!(load(&engine, &wasm, &good[..len]).is_err(), "length {len}");
    }
    let mut settings = engine.settings().clone();
    settings.code.deterministic = true;
    let other = Engine::new(settings, other_interp(), None);
    assert!(load(&other, &wasm, &good).is_err());
    drop(load(&engine, &wasm, &good).unwrap());
    // SAFETY: refused before anything of it is used.
    let foreign = unsafe { LoadedModule::from_cache(&engine, &wasm[..], &file(&good), "another") };
    assert!(matches!(foreign, Err(ArtifactError::WrongFingerprint { .. })));
}

/// An interpreter for an engine that never runs anything.
fn other_interp() -> Box<dyn sterna_abi::Interpreter> {
    Box::new(crate::artifact_module::tests::FakeInterp)
}
