//! Owns `sterna print`: binary to text.
//! Does not validate; it prints as far as the module can be decoded.

use crate::failure::Failure;
use crate::files;
use clap::Parser;
use std::path::PathBuf;

/// Print a module in the text format
#[derive(Parser)]
pub struct Arguments {
    /// A .wasm or .wat file, or - for standard input
    file: PathBuf,
    /// Leave out function bodies, data and element segments
    #[arg(long)]
    skeleton: bool,
    /// Write instructions as nested expressions
    #[arg(long)]
    fold: bool,
    /// Put the byte offset before every line
    #[arg(long)]
    offsets: bool,
    /// Where to write [default: standard output]
    #[arg(short, long, default_value = files::DASH, hide_default_value = true)]
    output: PathBuf,
}

pub fn execute(arguments: &Arguments) -> Result<u8, Failure> {
    let binary = files::read_module(&arguments.file)?;
    let mut text = String::new();
    wasmprinter::Config::new()
        .print_skeleton(arguments.skeleton)
        .fold_instructions(arguments.fold)
        .print_offsets(arguments.offsets)
        .print(&binary, &mut wasmprinter::PrintFmtWrite(&mut text))
        .map_err(|e| {
            Failure::new(format_args!("{}: {e:#}", arguments.file.display()))
                .hint("`sterna validate` says more about it")
        })?;
    files::write(&arguments.output, text.as_bytes())?;
    Ok(0)
}
