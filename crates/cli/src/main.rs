//! Owns the `sterna` command line: which commands exist, and the way from a failure to an exit code.
//! Does not implement a command: one file each under `commands`.

#![deny(unsafe_code)]
#![cfg_attr(not(test), no_main)]

mod cache_folder;
mod commands;
mod failure;
mod files;
mod grants;
mod literal;
mod loading;
mod passes;
mod progress;
mod quantity;
mod suggest;
mod tier;

use clap::{Parser, Subcommand};
use commands::{
    cache, compile, completion, dump, inspect, print, profile, run, validate, wast, wat,
};
use failure::Failure;
use std::ffi::OsString;

/// Run, compile and examine WebAssembly.
#[derive(Parser)]
#[command(name = "sterna", version = VERSION, disable_help_subcommand = true, arg_required_else_help = true, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

const EXIT_CODES: &str = "\
Exit codes:
  the guest's  when the program exits by itself
  1            an error of sterna: unreadable file, invalid module, missing import
  2            the command line could not be understood
  124          --timeout ran out
  134          the program trapped (128 + 6, like a native program that aborts)

Each command explains itself: sterna run --help";

/// Declares the commands: each is a module with `Arguments` and `execute`.
macro_rules! commands {
    ($($(#[$attr:meta])* $variant:ident = $module:ident,)*) => {
        /// The commands. Their help is the doc comment of their arguments.
        #[derive(Subcommand)]
        enum Command {
            $($(#[$attr])* $variant($module::Arguments),)*
        }

        impl Command {
            /// Parses the words after `sterna` when the first names a command; builds no other command on the way.
            fn parse_directly(words: &[OsString]) -> Option<Self> {
                match words.get(1)?.to_str()? {
                    $(stringify!($module) => Some(Self::$variant(parse_command(stringify!($module), &words[2..]))),)*
                    _ => None,
                }
            }

            fn execute(self) -> Result<u8, Failure> {
                match self {
                    $(Self::$variant(arguments) => $module::execute(&arguments),)*
                }
            }
        }
    };
}

commands! {
    Run = run,
    Profile = profile,
    Compile = compile,
    Validate = validate,
    Inspect = inspect,
    Wat = wat,
    Print = print,
    Wast = wast,
    Cache = cache,
    Completion = completion,
    #[command(hide = true)]
    Dump = dump,
}

/// Parses the arguments of one command, or leaves with its help or a usage error.
fn parse_command<T: Parser>(name: &'static str, words: &[OsString]) -> T {
    let command = T::command().name(name).bin_name(format!("sterna {name}"));
    let matches = command.no_binary_name(true).get_matches_from(words);
    T::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

#[cfg(not(test))]
sterna_sys::program!(run_words);

/// Runs the command that the words of the command line ask for; the exit code.
#[cfg_attr(test, expect(dead_code, reason = "the entry is not part of the test program"))]
fn run_words(words: Vec<OsString>) -> u8 {
    let command =
        Command::parse_directly(&words).unwrap_or_else(|| CommandLine::parse_from(words).command);
    command.execute().unwrap_or_else(|failure| failure.report())
}
