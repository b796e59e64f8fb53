//! Owns `sterna wast`: test scripts from files and folders, a line for every failure, a count at the end.
//! Does not know scripts; `sterna-wast` runs them.

use crate::failure::{Failure, cannot, exit};
use crate::tier::Choice;
use crate::{files, loading};
use clap::Parser;
use owo_colors::OwoColorize;
use std::io::Write;
use std::path::{Path, PathBuf};
use sterna::Config;

/// Run test scripts
#[derive(Parser)]
#[command(
    after_help = "A folder stands for all .wast files below it. The exit code is 1 if anything failed."
)]
pub struct Arguments {
    /// .wast files, or folders with them
    #[arg(required = true, value_name = "FILES")]
    paths: Vec<PathBuf>,
    /// Which tiers run the scripts
    #[arg(long, value_enum, default_value = "auto")]
    tier: Choice,
}

pub fn execute(arguments: &Arguments) -> Result<u8, Failure> {
    let scripts = scripts(&arguments.paths)?;
    let engine = loading::engine(Config::new().tier(arguments.tier.into()))?;
    let (mut passed, mut failed) = (0, 0);
    for path in &scripts {
        let name = path.display().to_string();
        let bytes = files::read(path)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(format_args!("{name}: not UTF-8 text")))?;
        let report = sterna_wast::run(&engine, &name, &text);
        for failure in &report.failures {
            // A reader that went away is noticed at the final count.
            let _ = writeln!(anstream::stdout(), "{} {failure}", "FAILED".red());
        }
        passed += report.passed;
        failed += report.failures.len();
    }
    let files = scripts.len();
    let plural = if files == 1 { "" } else { "s" };
    files::print(format!("{passed} passed, {failed} failed in {files} file{plural}\n").as_bytes())?;
    Ok(if failed == 0 { 0 } else { exit::ERROR })
}

/// The files, and the .wast files below the folders, in order.
fn scripts(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut scripts = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = scripts.len();
            collect(path, &mut scripts)?;
            scripts[before..].sort();
        } else {
            scripts.push(path.clone());
        }
    }
    match scripts.is_empty() {
        true => Err(Failure::new("no .wast file in the given folders")),
        false => Ok(scripts),
    }
}

fn collect(folder: &Path, scripts: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let unreadable = |error| cannot("read the folder", folder, &error);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        // Links to folders are not followed: they may lead back.
        if entry.file_type().map_err(unreadable)?.is_dir() {
            collect(&path, scripts)?;
        } else if path.extension().is_some_and(|extension| extension == "wast") {
            scripts.push(path);
        }
    }
    Ok(())
}
