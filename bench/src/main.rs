//! Owns the command line of `sterna-bench`: choose a suite, engines and programs; print tables; save results.
//! Does not measure: `suite` does, through `process`.

mod cli;
mod engine;
mod hosts;
mod process;
mod program;
mod real;
mod report;
mod results;
mod statistics;
mod suite;
mod svg;
mod wasm;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}
