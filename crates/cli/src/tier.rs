//! Owns `--tier`, which several commands have.
//! Does not own what a tier is: the engine does.

use clap::ValueEnum;
use sterna::Tier;

/// Which tiers run the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// Start in the interpreter and compile what runs often
    Auto,
    /// The interpreter alone
    Interp,
    /// Compile everything first, with the optimizing compiler
    Opt,
    /// Compile everything first, with the fast compiler
    Baseline,
}

impl From<Choice> for Tier {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Auto => Self::Auto,
            Choice::Interp => Self::Interp,
            Choice::Opt => Self::Opt,
            Choice::Baseline => Self::Baseline,
        }
    }
}
