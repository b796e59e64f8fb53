//! Owns `sterna wat`: text to binary.
//! Does not validate: an invalid module can be assembled, to be looked at or tested with.

use crate::failure::Failure;
use crate::files;
use clap::Parser;
use std::path::PathBuf;

/// Assemble the text format into the binary format
#[derive(Parser)]
#[command(after_help = "The result is not validated; `sterna validate` does that.")]
pub struct Arguments {
    /// A .wat file, or - for standard input
    file: PathBuf,
    /// Where to write [default: the file with the extension .wasm; - is standard output]
    #[arg(short, long)]
    output: Option<PathBuf>,
}

pub fn execute(arguments: &Arguments) -> Result<u8, Failure> {
    let text = files::read(&arguments.file)?;
    if files::format_of(&text) == files::Format::Binary {
        return Err(Failure::new(format_args!(
            "{}: this is a binary module already",
            arguments.file.display()
        ))
        .hint("`sterna print` turns it into text"));
    }
    let binary = files::assemble(&arguments.file, &text)?;
    let output =
        arguments.output.clone().unwrap_or_else(|| files::output_beside(&arguments.file, "wasm"));
    files::write(&output, &binary)?;
    Ok(0)
}
