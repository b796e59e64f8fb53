//! Owns `sterna cache`: what the code cache holds, and emptying it.
//! Does not own when `sterna run` uses it.

use crate::cache_folder;
use crate::failure::Failure;
use crate::files;
use crate::quantity::{parse_size, show_size};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use sterna::{CacheUsage, CodeCache};

/// Look at the code that `sterna run` keeps between runs, or remove it
#[derive(Parser)]
#[command(
    arg_required_else_help = true,
    after_help = concat_help()
)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// The folder
    #[arg(long, value_name = "FOLDER", global = true)]
    cache_dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Action {
    /// Say where it is and how much it holds
    Info,
    /// Remove everything
    Clear,
    /// Remove what was not used for the longest time
    Prune {
        /// How much may stay, such as 100MiB
        #[arg(long, value_name = "SIZE", value_parser = parse_size)]
        max_size: Option<u64>,
    },
}

fn concat_help() -> String {
    format!(
        "`sterna run` keeps the machine code of functions that ran often, for the next run of the same module; and that a large
module is valid. It needs no care: it holds at most {}, and what was not used for the longest time makes room.

{}",
        show_size(CodeCache::DEFAULT_LIMIT),
        cache_folder::HELP
    )
}

pub fn execute(arguments: &Arguments) -> Result<u8, Failure> {
    let Some(cache) = cache_folder::cache(arguments.cache_dir.as_deref()) else {
        let failure = Failure::new("there is no cache: it is switched off, or HOME is not set");
        return Err(failure.hint("--cache-dir names a folder"));
    };
    let folder = cache.folder().display();
    let failed = |error| Failure::new(format_args!("cannot use the cache {folder}: {error}"));
    let report = match &arguments.action {
        Action::Info => {
            let usage = cache.usage().map_err(failed)?;
            format!(
                "folder   {folder}\nholds    {}\nlimit    {}\n",
                show(usage),
                show_size(CodeCache::DEFAULT_LIMIT)
            )
        }
        Action::Clear => format!("removed {}\n", show(cache.clear().map_err(failed)?)),
        Action::Prune { max_size } => {
            let limit = max_size.unwrap_or(CodeCache::DEFAULT_LIMIT);
            format!("removed {}\n", show(cache.prune(limit).map_err(failed)?))
        }
    };
    files::print(report.as_bytes())?;
    Ok(0)
}

fn show(usage: CacheUsage) -> String {
    let CacheUsage { entries, bytes } = usage;
    let modules = if entries == 1 { "module" } else { "modules" };
    format!("{entries} {modules}, {}", show_size(bytes))
}
