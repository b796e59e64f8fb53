//! Owns `sterna validate`: whether a module is valid, and if not, where and why.
//! Does not know the rules; the engine's own validation is asked.

use crate::failure::Failure;
use crate::files;
use clap::Parser;
use std::path::{Path, PathBuf};
use sterna_isa::FeatureSet;
use sterna_module::Module;

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
        .map_err(|error| files::invalid(file, &error))
}
