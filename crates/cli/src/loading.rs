//! Owns getting a module into an engine: from a file or standard input, in any of the formats.
//! Does not compile; the engine does.

use crate::failure::Failure;
use crate::files::{self, Format};
use crate::tier::Choice;
use std::path::Path;
use sterna::{
    CacheEntry, CodeCache, Config, Engine, Error, ExecutionProfile, Module, ModuleError,
    ProfileError,
};

/// Hears how many functions are compiled, and of how many.
pub type OnProgress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Loads a module to be run, binary, text or precompiled, into an engine of its own; from a cache, if there is one, and of which its
/// entry comes, too.
pub fn runnable(
    config: &mut Config,
    choice: Choice,
    path: &Path,
    cache: Option<&CodeCache>,
    listing: Listing,
) -> Result<(Module, Option<CacheEntry>), Failure> {
    let (bytes, lacks_debug_info) = files::read_to_run(path)?;
    config.tier(choice.into());
    if files::format_of(&bytes) == Format::Precompiled && path.as_os_str() != files::DASH {
        return Ok((precompiled(&listing.of(engine(config)?)?, path)?, None));
    }
    let binary = files::to_binary(path, bytes)?;
    let engine = listing.of(engine(config)?)?;
    let loaded = match cache {
        Some(cache) => cache.load(&engine, binary).map(|(module, entry)| (module, Some(entry))),
        None => Module::from_binary(&engine, binary).map(|module| (module, None)),
    };
    let (module, entry) = loaded.map_err(|error| refused(path, &error))?;
    if lacks_debug_info {
        let path = path.to_owned();
        module.set_debug_info(move || files::read(&path).ok());
    }
    Ok((module, entry))
}

/// Loads a module to be compiled, binary or text, with what a run saw of it, if `profile` is given.
pub fn compilable(
    config: &mut Config,
    path: &Path,
    profile: Option<&Path>,
    progress: OnProgress<'_>,
) -> Result<Module, Failure> {
    config.tier(Choice::Opt.into());
    let binary = files::read_module(path)?;
    let engine = engine(config)?;
    let Some(profile) = profile else { return load(&engine, path, &binary, progress) };
    let bytes = files::read(profile)?;
    let used = ExecutionProfile::from_bytes(&bytes).map_err(|error| unusable(profile, &error))?;
    let loaded = Module::new_with_profile(&engine, &binary, &used, progress);
    loaded.map_err(|error| match error.is::<ProfileError>() {
        true => unusable(profile, &error),
        false => refused(path, &error),
    })
}

/// An engine; without one there is nothing to do.
pub fn engine(config: &Config) -> Result<Engine, Failure> {
    Engine::new(config)
        .map_err(|error| Failure::new(format_args!("cannot start the engine: {error:#}")))
}

/// How an engine's code is to be listed for profilers of the system.
#[derive(clap::Args, Clone, Copy)]
pub struct Listing {
    /// List machine code in /tmp/perf-PID.map, where Linux's `perf` looks for names
    #[arg(long)]
    perf_map: bool,
    /// Write machine code to jit-PID.dump in the current folder, for `perf record -k mono` and `perf inject --jit`
    #[arg(long)]
    jitdump: bool,
}

impl Listing {
    fn of(self, engine: Engine) -> Result<Engine, Failure> {
        let refused = |option, error| Failure::new(format_args!("{option}: {error:#}"));
        if self.perf_map {
            engine.list_code_for_perf().map_err(|error| refused("--perf-map", error))?;
        }
        if self.jitdump {
            engine.dump_code_for_perf(".").map_err(|error| refused("--jitdump", error))?;
        }
        Ok(engine)
    }
}

fn load(
    engine: &Engine,
    path: &Path,
    binary: &[u8],
    progress: OnProgress<'_>,
) -> Result<Module, Failure> {
    Module::new_with_progress(engine, binary, progress).map_err(|error| refused(path, &error))
}

fn unusable(profile: &Path, error: &Error) -> Failure {
    Failure::new(format_args!("cannot use {}: {error}", profile.display()))
        .hint("`sterna run --save-profile FILE` writes one for this very module")
}

fn refused(path: &Path, error: &Error) -> Failure {
    match error.downcast_ref::<ModuleError>() {
        Some(invalid) => files::invalid(path, invalid),
        None => Failure::new(format_args!("cannot load {}: {error:#}", path.display())),
    }
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
        let reason = error.root_cause().to_string();
        let uninterruptible = reason.contains("interruption");
        Failure::new(format_args!("cannot run {}: {reason}", path.display())).maybe_hint(
            uninterruptible.then_some("--timeout needs code from `sterna compile --interruptible`"),
        )
    })
}
