//! Owns the file tests of machine code: functions of `code/*.wat` are compiled and compared with the `.code` beside each.
//! Does not pin every instruction of the tier: only loops and sequences whose shape was worked for.
//!
//! The code is Cranelift's notation after register allocation, for a plain x86-64 without optional features, so that it is the same on every
//! machine. `BLESS=1 cargo test` writes the files; look at the difference. The first line may hold settings: `;;! poll explicit`.
#![cfg(target_arch = "x86_64")]

use std::fs;
use std::path::Path;

use sterna_abi::{CodeSettings, CompileRequest};
use sterna_isa::FeatureSet;
use sterna_module::Module;
use sterna_opt_clif::{ClifCompiler, Options};

fn render(compiler: &ClifCompiler, source: &str) -> String {
    let line = source.lines().next().and_then(|line| line.strip_prefix(";;!")).unwrap_or("");
    let has = |word| line.split_whitespace().any(|setting| setting == word);
    let settings = CodeSettings {
        explicit_checks: has("explicit"),
        guard_bytes: if has("explicit") { 0 } else { 1 << 31 },
        deterministic: false,
        capture_state: false,
        interruptible: has("poll"),
    };
    let wasm = wat::parse_str(source).expect("valid text");
    let module = Module::decode(wasm, &FeatureSet::DEFAULT, 1).expect("valid module");
    let dump = |func| {
        let (_, code) = compiler
            .dump(&CompileRequest::new(&module, func, &settings))
            .unwrap_or_else(|error| panic!("{error}"));
        format!("{func}:\n{code}\n")
    };
    module.defined_funcs().map(dump).collect()
}

#[test]
fn code() {
    let compiler =
        ClifCompiler::for_target("x86_64-unknown-linux-gnu", Options::default()).expect("built in");
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/code");
    let bless = std::env::var_os("BLESS").is_some();
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("it exists")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    files.sort();
    assert!(!files.is_empty());
    let mut failed = Vec::new();
    for path in files {
        let actual = render(&compiler, &fs::read_to_string(&path).expect("readable"));
        let expected = path.with_extension("code");
        if bless {
            fs::write(&expected, &actual).expect("writable");
        } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
            failed.push(format!("{}:\n{actual}", path.display()));
        }
    }
    assert!(
        failed.is_empty(),
        "differs from the .code file (BLESS=1 accepts):\n{}",
        failed.join("\n")
    );
}
