//! Owns the `sterna` command line: which commands exist, and the way from a failure to an exit code.
//! Does not implement a command: one file each under `commands`.

#![forbid(unsafe_code)]

mod commands;
mod failure;
mod files;
mod quantity;
mod suggest;

use clap::{Parser, Subcommand};
use commands::{completion, inspect, print, validate, wat};
use failure::Failure;
use std::ffi::OsString;
use std::process::ExitCode;

/// Run, compile and examine WebAssembly.
#[derive(Parser)]
#[command(name = "sterna", version, disable_help_subcommand = true, arg_required_else_help = true, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  the guest's  when the program exits by itself
  1            an error of sterna: unreadable file, invalid module, missing import
  2            the command line could not be understood
  124          --timeout ran out
  134          the program trapped (128 + 6, like a native program that aborts)

Each command explains itself: sterna run --help";

/// The commands. Their help is the doc comment of their arguments.
#[derive(Subcommand)]
enum Command {
    Validate(validate::Arguments),
    Wat(wat::Arguments),
    Print(print::Arguments),
    Inspect(inspect::Arguments),
    Completion(completion::Arguments),
}

impl Command {
    fn execute(self) -> Result<u8, Failure> {
        match self {
            Self::Validate(arguments) => validate::execute(&arguments),
            Self::Wat(arguments) => wat::execute(&arguments),
            Self::Print(arguments) => print::execute(&arguments),
            Self::Inspect(arguments) => inspect::execute(&arguments),
            Self::Completion(arguments) => completion::execute(&arguments),
        }
    }
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let command = CommandLine::parse_from(words).command;
    ExitCode::from(command.execute().unwrap_or_else(|failure| failure.report()))
}
