//! Owns `sterna compile`: a module to code that starts without compiling.
//! Does not own the format of that file: the engine does.

use crate::failure::Failure;
use crate::passes::Disabled;
use crate::progress::Progress;
use crate::{files, loading};
use clap::Parser;
use std::path::PathBuf;
use sterna::Config;

/// Compile a module ahead of time
#[derive(Parser)]
#[command(
    after_help = "The result runs with `sterna run` of the same version on the same kind of processor; any other refuses it."
)]
pub struct Arguments {
    /// A .wasm or .wat file, or - for standard input
    file: PathBuf,
    /// Where to write [default: the file with the extension .cwasm; - is standard output]
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Compile on this many threads [default: as many as the machine has]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Compute the same bits on every machine: canonical NaNs, deterministic relaxed SIMD
    #[arg(long)]
    deterministic: bool,
    /// Let `sterna run --timeout` stop the program; costs a few percent of speed
    #[arg(long)]
    interruptible: bool,
    /// Compile for what a run saw, which `sterna run --save-profile FILE` wrote
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    #[command(flatten)]
    passes: Disabled,
}

pub fn execute(arguments: &Arguments) -> Result<u8, Failure> {
    let mut config = Config::new();
    config.deterministic(arguments.deterministic).interruptible(arguments.interruptible);
    arguments.passes.apply(&mut config);
    if let Some(threads) = arguments.threads {
        config.threads(threads);
    }
    let progress = Progress::start();
    let profile = arguments.profile.as_deref();
    let module = loading::compilable(&mut config, &arguments.file, profile, &|done, all| {
        progress.show(done, all);
    });
    progress.finish();
    let artifact = module?
        .serialize()
        .map_err(|error| Failure::new(format_args!("cannot compile: {error:#}")))?;
    let output =
        arguments.output.clone().unwrap_or_else(|| files::output_beside(&arguments.file, "cwasm"));
    files::write(&output, &artifact)?;
    Ok(0)
}
