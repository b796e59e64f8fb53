//! Owns `--tier`, which several commands have, and the engine that comes of it.
//! Does not own what a tier is: the engine does.

use crate::failure::Failure;
use clap::ValueEnum;
use sterna::{Config, Engine, Tier};

/// Which tiers run the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// Start in the interpreter and compile what runs often
    Auto,
    /// The interpreter alone
    Interp,
    /// Compile everything first, with the optimizing compiler
    Opt,
}

impl From<Choice> for Tier {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Auto => Self::Auto,
            Choice::Interp => Self::Interp,
            Choice::Opt => Self::Opt,
        }
    }
}

/// An engine with this choice, otherwise as `config` says.
pub fn engine(config: &mut Config, choice: Choice) -> Result<Engine, Failure> {
    config.tier(choice.into());
    Engine::new(config)
        .map_err(|error| Failure::new(format_args!("cannot start the engine: {error:#}")))
}
