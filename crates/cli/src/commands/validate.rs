//! Owns `sterna validate`: whether a module is valid, and if not, where and why.
//! Does not know the rules; the engine's own validation is asked.

use crate::failure::Failure;
use crate::files;
use clap::Parser;
use std::path::{Path, PathBuf};
use sterna_isa::FeatureSet;
use sterna_module::{Module, ModuleError};

/// Check whether modules are valid
#[derive(Parser)]
#[command(
    after_help = "Silent when everything is valid. Every file is checked, even after an invalid one."
)]
pub struct Arguments {
    /// .wasm or .wat files, or - for standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub fn execute(arguments: &Arguments) -> Result<u8, Failure> {
    let mut code = 0;
    for file in &arguments.files {
        if let Err(failure) = validate(file) {
            code = failure.report();
        }
    }
    Ok(code)
}

fn validate(file: &Path) -> Result<(), Failure> {
    let binary = files::read_module(file)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Module::decode(binary, &FeatureSet::DEFAULT, threads)
        .map(drop)
        .map_err(|error| invalid(file, &error))
}

/// What is wrong with a module, and where.
pub fn invalid(file: &Path, error: &ModuleError) -> Failure {
    let failure =
        Failure::new(format_args!("{}: invalid module: {}", file.display(), error.message))
            .detail(format_args!("at byte {:#x}", error.offset));
    failure.maybe_hint(hint(&error.message))
}

fn hint(message: &str) -> Option<&'static str> {
    if message.contains("not enabled") || message.contains("not supported") {
        return Some(
            "the module needs a feature that is not built yet; `sterna inspect` lists what it uses",
        );
    }
    message
        .contains("unexpected end")
        .then_some("the file seems to be cut off: compare its size with the original")
}
