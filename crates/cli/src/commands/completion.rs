//! Owns `sterna completion`: a completion script for a shell.
//! Does not install it.

use crate::failure::Failure;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;

/// Print a completion script for a shell
#[derive(Parser)]
#[command(after_help = "Examples:
  sterna completion bash > ~/.local/share/bash-completion/completions/sterna
  sterna completion zsh  > \"${fpath[1]}/_sterna\"
  sterna completion fish > ~/.config/fish/completions/sterna.fish")]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

pub fn execute(arguments: &Arguments) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut crate::CommandLine::command(),
        "sterna",
        &mut script,
    );
    crate::files::print(&script)?;
    Ok(0)
}
