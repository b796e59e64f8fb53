//! Owns `--disable-pass`, which several commands have.
//! Does not know the passes: the optimizing tier lists them.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use sterna::Config;
use sterna_opt::passes::{Pass, PassSet};

/// The passes to leave out.
#[derive(clap::Args)]
pub struct Disabled {
    /// Leave out a pass of the optimizing compiler, to see what it is good for; can be given more than once
    #[arg(long = "disable-pass", value_name = "NAME", value_parser = names())]
    disabled: Vec<Pass>,
}

fn names() -> impl TypedValueParser<Value = Pass> {
    let values = Pass::ALL.iter().map(|pass| PossibleValue::new(pass.name()).help(pass.about()));
    PossibleValuesParser::new(values)
        .map(|name| Pass::named(&name).expect("one of the names just listed"))
}

impl Disabled {
    /// As the compiler takes it.
    pub fn set(&self) -> PassSet {
        self.disabled.iter().fold(PassSet::default(), |set, &pass| set.with(pass))
    }

    /// Configures an engine.
    pub fn apply(&self, config: &mut Config) {
        for pass in &self.disabled {
            config.disable_pass(pass.name()).expect("the compiler lists it");
        }
    }
}
