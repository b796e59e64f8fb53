//! Tests that hostile bodies take time and memory in proportion to their size, or are refused.
//! What code computes is tested in every tier together: by the official suite and the fuzzer.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fmt::Write;
use std::time::{Duration, Instant};

use sterna_abi::{CodeSettings, CompileError, CompileRequest, Compiler, FunctionCode};
use sterna_base::FuncIndex;
use sterna_baseline::Baseline;
use sterna_isa::FeatureSet;
use sterna_module::Module;

const SETTINGS: CodeSettings = CodeSettings {
    explicit_checks: false,
    guard_bytes: 32 << 20,
    deterministic: false,
    capture_state: false,
    interruptible: true,
};

/// Compiles the last function of a module; `None` where there is no such compiler.
fn compile(text: &str, settings: &CodeSettings) -> Option<Result<FunctionCode, CompileError>> {
    let compiler = Baseline::native().ok()?;
    let bytes = wat::parse_str(text).unwrap();
    let module = Module::decode(bytes, &FeatureSet::ALL, 1).unwrap();
    let func = FuncIndex::from_u32(module.num_funcs() as u32 - 1);
    let start = Instant::now();
    let result = compiler.compile(&CompileRequest::new(&module, func, settings));
    // In a build without optimization on a busy machine; quadratic time would be far beyond.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    Some(result)
}

fn compiles(text: &str) {
    if let Some(result) = compile(text, &SETTINGS) {
        let code = result.unwrap();
        assert!(!code.bytes.is_empty());
        assert!(code.sites.calls.is_sorted_by_key(|site| site.code));
        assert!(code.sites.traps.is_sorted_by_key(|site| site.code));
    }
}

#[test]
fn many_locals() {
    let mut body = String::new();
    for i in (0..50_000).step_by(7) {
        writeln!(body, "local.get {i} local.set {}", (i * 31) % 50_000).unwrap();
    }
    let locals = "i64 ".repeat(50_000);
    compiles(&format!("(module (func (local {locals}) {body}))"));
}

#[test]
fn deep_nesting() {
    let depth = 10_000;
    let open = "(block (loop ".repeat(depth);
    let close = "(br_if 0 (i32.const 0)) ))".repeat(depth);
    compiles(&format!("(module (func (local i32) {open} (local.set 0 (i32.const 1)) {close}))"));
}

#[test]
fn deep_operands_and_many_merges() {
    let constants = "(local.get 0) ".repeat(20_000);
    let blocks = "(block (br_if 0 (local.get 0))) (local.set 0 (i32.const 7))".repeat(20_000);
    let drops = "drop ".repeat(20_000);
    compiles(&format!("(module (func (param i32) {constants} {blocks} {drops}))"));
}

#[test]
fn a_large_table_of_branches() {
    let labels = "0 1 2 3 ".repeat(25_000);
    compiles(&format!(
        "(module (func (param i32) (result i32) (block (result i32) (block (result i32)
           (block (result i32) (br_table {labels} 0 (i32.const 1) (local.get 0))))))) "
    ));
    compiles(&format!(
        "(module (func (param i32) (block (block (block (br_table {labels} 0 (local.get 0)))))))"
    ));
}

#[test]
fn many_calls_with_many_references() {
    let calls = "call 0 ".repeat(20_000);
    let locals = "externref ".repeat(20_000);
    let text = format!("(module (func) (func (local {locals}) {calls}))");
    // All of them have the same roots.
    compiles(&text);
    // But states cannot be shared: too large for this tier.
    let settings = CodeSettings { capture_state: true, ..SETTINGS };
    if let Some(result) = compile(&text, &settings) {
        assert!(result.unwrap_err().to_string().contains("too large"));
    }
}

#[test]
fn a_body_of_a_megabyte() {
    let body =
        "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const 31)) (i32.load (local.get 1))))\n"
            .repeat(90_000);
    compiles(&format!("(module (memory 1) (func (param i32 i32) {body}))"));
}

#[test]
fn many_loops_that_can_be_left() {
    let Ok(compiler) = Baseline::native() else { return };
    let loops = "(loop (br_if 0 (local.tee 0 (i32.eqz (local.get 0)))))".repeat(10_000);
    let locals = "i32 ".repeat(800);
    let text = format!("(module (func (param i32) (local {locals}) {loops}))");
    let module = Module::decode(wat::parse_str(&text).unwrap(), &FeatureSet::ALL, 1).unwrap();
    let request = CompileRequest::new(&module, FuncIndex::from_u32(0), &SETTINGS);
    let code = compiler.compile(&CompileRequest { counts: true, ..request }).unwrap();
    // Writing all locals takes 8 KB, which not every loop may have for itself.
    assert!(code.bytes.len() < 10_000 * 200, "{} bytes", code.bytes.len());
}
