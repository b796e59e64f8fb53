//! Owns the tests of the public API: every one runs in every tier.
//! Does not own tests of the language: the official suite does that.
#![allow(clippy::unwrap_used)]

mod calls;
mod errors;
mod exceptions;
mod gc;
mod hosts;
mod inlining;
mod limits;
mod linker;
mod modules;
mod objects;
mod profile;
mod references;
mod sizes;
mod structures;
mod threads;
mod tiers;
mod types;

use sterna::{Config, Engine, Instance, Linker, Module, Store, Tier};

/// Runs a test in every tier that there is here; `Auto` compiles after two calls, so that all tiers take part.
fn each_tier(test: impl Fn(&Engine)) {
    each_config(|_| {}, test);
}

/// The same with further settings.
fn each_config(configure: impl Fn(&mut Config), test: impl Fn(&Engine)) {
    let baseline = Engine::new(Config::new().tier(Tier::Baseline)).ok().map(|_| Tier::Baseline);
    for tier in [Tier::Interp, Tier::Opt, Tier::Auto].into_iter().chain(baseline) {
        eprintln!("tier {tier:?}");
        let mut config = Config::new();
        config.tier(tier).threads(2).hot_budget(2);
        configure(&mut config);
        test(&Engine::new(&config).unwrap());
    }
}

/// An instance of a module without imports.
fn instance(engine: &Engine, text: &str) -> (Store<()>, Instance) {
    let module = Module::new(engine, text).unwrap();
    let mut store = Store::new(engine, ());
    let instance = Linker::new(engine).instantiate(&mut store, &module).unwrap();
    (store, instance)
}
