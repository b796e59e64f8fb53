//! Owns the table in the README of features and the tiers that carry them out: it is measured here, and compared.
//! Does not test the features one by one; the official suite does.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fmt::Write as _;
use std::path::PathBuf;

use sterna::{
    Config, Engine, Extern, Feature, FeatureSet, Global, GlobalType, Instance, Module, Mutability,
    Standard, Store, Tier, Val, ValType,
};
use sterna_abi::{CodeSettings, CompileRequest, Compiler};
use sterna_baseline::Baseline;
use sterna_opt_clif::{ClifCompiler, Options};

const BEGIN: &str =
    "<!-- Features: `STERNA_BLESS=1 cargo test -p sterna --test features` writes this table. -->\n";
const END: &str = "<!-- End of features. -->\n";

/// A module that needs a feature; its export `f` returns 1.
// tidy: dispatch
fn sample(feature: Feature) -> &'static str {
    match feature {
        Feature::Mvp => r#"(module (func (export "f") (result i32) (i32.const 1)))"#,
        Feature::MutableGlobal => {
            r#"(module (global (export "g") (mut i32) (i32.const 1))
                (func (export "f") (result i32) (global.get 0)))"#
        }
        Feature::SignExtension => {
            r#"(module (func (export "f") (result i32) (i32.sub (i32.const 0) (i32.extend8_s (i32.const 255)))))"#
        }
        Feature::SaturatingFloatToInt => {
            r#"(module (func (export "f") (result i32) (i32.trunc_sat_f32_s (f32.const 1.5))))"#
        }
        Feature::MultiValue => {
            r#"(module (func $two (result i32 i32) (i32.const 3) (i32.const 2))
                (func (export "f") (result i32) (i32.sub (call $two))))"#
        }
        Feature::BulkMemory => {
            r#"(module (memory 1) (func (export "f") (result i32)
                (memory.fill (i32.const 4) (i32.const 1) (i32.const 1)) (i32.load (i32.const 4))))"#
        }
        Feature::ReferenceTypes => {
            r#"(module (func (export "f") (result i32) (ref.is_null (ref.null extern))))"#
        }
        Feature::Simd => {
            r#"(module (func (export "f") (result i32) (v128.any_true (v128.const i64x2 0 7))))"#
        }
        Feature::RelaxedSimd => {
            r#"(module (func (export "f") (result i32) (i32x4.extract_lane 0
                (i32x4.relaxed_trunc_f32x4_s (v128.const f32x4 1 2 3 4)))))"#
        }
        Feature::ExtendedConst => {
            r#"(module (global i32 (i32.sub (i32.const 3) (i32.const 2)))
                (func (export "f") (result i32) (global.get 0)))"#
        }
        Feature::TailCall => {
            r#"(module (func $one (result i32) (i32.const 1))
                (func (export "f") (result i32) (return_call $one)))"#
        }
        Feature::MultiMemory => {
            r#"(module (memory 1) (memory $m 1) (data (memory $m) (i32.const 0) "\01")
                (func (export "f") (result i32) (i32.load $m (i32.const 0))))"#
        }
        Feature::Memory64 => {
            r#"(module (memory i64 1) (func (export "f") (result i32) (i32.wrap_i64 (memory.size))))"#
        }
        Feature::FunctionReferences => {
            r#"(module (type $t (func (result i32))) (func $one (type $t) (i32.const 1))
                (table 1 (ref $t) (ref.func $one))
                (func (export "f") (result i32) (local $r (ref null $t))
                  (local.set $r (table.get (i32.const 0)))
                  (block $null
                    (br_on_null $null (local.get $r))
                    (block $found (param (ref $t)) (result (ref $t)) (br_on_non_null $found) unreachable)
                    (call_ref $t (ref.as_non_null))
                    return)
                  (return_call_ref $t (local.get $r))))"#
        }
        Feature::Gc => {
            r#"(module (type $s (struct (field i8))) (type $a (array i64))
                (func (export "f") (result i32)
                  (if (i32.ne (array.len (array.new $a (i64.const 1) (i32.const 3))) (i32.const 3)) (then unreachable))
                  (i32.and (struct.get_u $s 0 (struct.new $s (i32.const 1)))
                    (ref.test (ref i31) (ref.i31 (i32.const 3))))))"#
        }
        Feature::Exceptions => {
            r#"(module (tag $t (param i32)) (func (export "f") (result i32)
                (block $h (result i32) (try_table (catch $t $h) (throw $t (i32.const 1))) unreachable)))"#
        }
        Feature::LegacyExceptions => {
            r#"(module (tag $t (param i32)) (func (export "f") (result i32)
                try (result i32) (throw $t (i32.const 1)) catch $t end))"#
        }
        Feature::Threads => {
            r#"(module (memory 1 1 shared) (func (export "f") (result i32)
                (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))) (i32.atomic.load (i32.const 0))))"#
        }
        Feature::WideArithmetic => {
            r#"(module (func (export "f") (result i32) (i32.wrap_i64
                (i64.add128 (i64.const -1) (i64.const 0) (i64.const 1) (i64.const 0)) (i64.add))))"#
        }
        Feature::CustomPageSizes => {
            r#"(module (memory 1 (pagesize 1)) (func (export "f") (result i32) (memory.size)))"#
        }
        Feature::CompactImports => {
            r#"(module (import "m" (item "a") (item "b") (global i32)) (import "m" (item "c" (global i32)))
                (func (export "f") (result i32) (i32.sub (i32.add (global.get 0) (global.get 1)) (global.get 2))))"#
        }
    }
}

fn engine(tier: Tier, features: FeatureSet) -> Engine {
    Engine::new(Config::new().tier(tier).features(features)).unwrap()
}

/// Whether a module's `f` returns 1.
fn runs(engine: &Engine, text: &str) -> bool {
    let module = Module::new(engine, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut store = Store::new(engine, ());
    let one = |_| {
        let ty = GlobalType::new(ValType::I32, Mutability::Const);
        Extern::from(Global::new(&mut store, ty, Val::I32(1)).unwrap())
    };
    let imports: Vec<Extern> = module.imports().map(one).collect();
    let Ok(instance) = Instance::new(&mut store, &module, &imports) else { return false };
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    f.call(&mut store, ()).is_ok_and(|result| result == 1)
}

/// Whether a compiler takes every function of a module.
fn compiles(compiler: &dyn Compiler, text: &str) -> bool {
    let module = Module::new(&engine(Tier::Interp, FeatureSet::ALL), text).unwrap();
    let module = sterna_module::Module::decode(module.bytes(), &FeatureSet::ALL, 1).unwrap();
    let settings = CodeSettings {
        explicit_checks: true,
        guard_bytes: 0,
        deterministic: false,
        capture_state: false,
        interruptible: false,
    };
    module
        .defined_funcs()
        .all(|func| compiler.compile(&CompileRequest::new(&module, func, &settings)).is_ok())
}

fn table() -> String {
    let (baseline, opt) =
        (Baseline::native().unwrap(), ClifCompiler::native(Options::default()).unwrap());
    let tiers = [Tier::Interp, Tier::Baseline, Tier::Opt];
    let compilers: [Option<&dyn Compiler>; 3] = [None, Some(&baseline), Some(&opt)];
    let engines = tiers.map(|tier| engine(tier, FeatureSet::ALL));
    let mut text = String::from(
        "| feature | since | default | interpreter | baseline tier | optimizing tier |\n|---|---|---|---|---|---|\n",
    );
    for &feature in Feature::ALL {
        let since = match feature.standard() {
            Standard::Wasm1 => "1.0",
            Standard::Wasm2 => "2.0",
            Standard::Wasm3 => "3.0",
            Standard::Proposal => "proposal",
        };
        let default = if feature.is_default() { "on" } else { "off" };
        let sample = sample(feature);
        let carried_out = [0, 1, 2].map(|tier| {
            let compiles = compilers[tier].is_none_or(|compiler| compiles(compiler, sample));
            runs(&engines[tier], sample) && compiles
        });
        assert!(!feature.is_default() || carried_out[0], "{feature} is on by default");
        let [interp, baseline, opt] = carried_out.map(|yes| if yes { "yes" } else { "no" });
        writeln!(text, "| `{feature}` | {since} | {default} | {interp} | {baseline} | {opt} |")
            .unwrap();
    }
    text
}

#[test]
fn the_readme_tells_what_the_tiers_carry_out() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the table's first mark");
    let (found, after) = rest.split_once(END).expect("the table's last mark");
    let table = table();
    if std::env::var_os("STERNA_BLESS").is_some() {
        return std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    }
    assert_eq!(found, table, "`STERNA_BLESS=1 cargo test -p sterna --test features` accepts");
}

#[test]
fn every_sample_needs_its_feature() {
    for &feature in Feature::ALL.iter().filter(|&&feature| feature != Feature::Mvp) {
        let features = FeatureSet::ALL.without(feature);
        let refused = Module::new(&engine(Tier::Interp, features), sample(feature)).is_err();
        assert!(refused, "{feature}");
    }
}
