//! Owns getting a module into the engine: from a file or standard input, in any of the formats.
//! Does not compile; the engine does.

use crate::failure::{Failure, cannot};
use crate::files::{self, Format};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use sterna::{Engine, Error, Module, ModuleError};

/// Hears how many functions are compiled, and of how many.
pub type OnProgress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Loads a module to be run: binary, text or precompiled.
pub fn runnable(engine: &Engine, path: &Path) -> Result<Module, Failure> {
    if path.as_os_str() != files::DASH && format_of_file(path)? == Format::Precompiled {
        return precompiled(engine, path);
    }
    module(engine, path, &|_, _| {})
}

/// Loads a module from binary or text.
pub fn module(engine: &Engine, path: &Path, progress: OnProgress<'_>) -> Result<Module, Failure> {
    let binary = files::read_module(path)?;
    Module::new_with_progress(engine, binary, progress).map_err(|error| refused(path, &error))
}

/// The format by the first bytes, without reading the file.
fn format_of_file(path: &Path) -> Result<Format, Failure> {
    let mut start = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(files::MAGIC_LENGTH).read_to_end(&mut start));
    read.map_err(|error| cannot("read", path, &error))?;
    Ok(files::format_of(&start))
}

/// Maps an artifact of `sterna compile`.
#[expect(
    unsafe_code,
    reason = "running an artifact is running machine code, which no check makes safe"
)]
fn precompiled(engine: &Engine, path: &Path) -> Result<Module, Failure> {
    // SAFETY: the user asks to run this file, as he would an executable; `sterna compile` replaces files and never changes them.
    let module = unsafe { Module::deserialize_file(engine, path) };
    module.map_err(|error| {
        Failure::new(format_args!("cannot run {}: {}", path.display(), error.root_cause()))
    })
}

fn refused(path: &Path, error: &Error) -> Failure {
    match error.downcast_ref::<ModuleError>() {
        Some(invalid) => files::invalid(path, invalid),
        None => Failure::new(format_args!("cannot load {}: {error:#}", path.display())),
    }
}
