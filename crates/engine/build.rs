//! Owns the identity of a build: a hash of all that decides what compiled code looks like and what it expects of the runtime.
//! Does not depend on time or place: equal sources give equal builds.

use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

/// The crates behind this one, and what the workspace says about their dependencies.
const SOURCES: [&str; 16] = [
    "../abi",
    "../base",
    "../baseline",
    "../eval",
    "../gc",
    "../interp",
    "../isa",
    "../module",
    "../opt",
    "../opt-clif",
    "../runtime",
    "../sys",
    "src",
    "build.rs",
    "../../Cargo.toml",
    "../../Cargo.lock",
];

fn main() {
    let mut files = Vec::new();
    for source in SOURCES {
        let path = Path::new(source);
        if path.exists() {
            println!("cargo:rerun-if-changed={source}");
            list(path, &mut files);
        }
    }
    files.sort();
    // Without keys: the same in every run.
    let mut hash = DefaultHasher::new();
    for file in files {
        hash.write(file.to_string_lossy().as_bytes());
        hash.write(&std::fs::read(&file).unwrap_or_default());
    }
    for variable in ["TARGET", "OPT_LEVEL", "DEBUG", "CARGO_PKG_VERSION", "CARGO_ENCODED_RUSTFLAGS"]
    {
        hash.write(std::env::var(variable).unwrap_or_default().as_bytes());
        hash.write_u8(0xff);
    }
    hash.write(compiler().as_bytes());
    println!("cargo:rustc-env=STERNA_BUILD={:016x}", hash.finish());
}

/// What the compiler says of itself.
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("-vV").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// Sources and manifests; tests, examples and benchmarks do not end up in a build.
fn list(path: &Path, files: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        files.push(path.to_owned());
        return;
    }
    let name = path.file_name().unwrap_or_default();
    if ["tests", "examples", "benches"].iter().any(|skipped| name == *skipped) {
        return;
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.for_each(|entry| list(&entry.path(), files));
}
