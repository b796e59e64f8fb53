//! Owns the hosts of programs that import more than WASI: what their toolchain's JavaScript would give them, over the public API.
//! Does not own the engine's configuration beyond the tier, nor what is compared (`real`).

mod bignum;
mod scheme;

use std::path::Path;

use clap::ValueEnum;
use sterna::{Config, Engine, Tier};

/// Which host.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Host {
    /// Guile Hoot: strings, bignums and ports, as its `reflect.js` does; its two helper modules lie in `hoot/` beside the program
    Scheme,
}

/// Runs a program; its exit code.
///
/// # Errors
/// What stopped it.
pub fn run(host: Host, tier: &str, wasm: &Path) -> Result<u8, String> {
    let mut config = Config::new();
    config.tier(match tier {
        "interp" => Tier::Interp,
        "opt" => Tier::Opt,
        _ => Tier::Auto,
    });
    let engine = Engine::new(&config).map_err(|e| e.to_string())?;
    let ended = match host {
        Host::Scheme => scheme::run(&engine, wasm),
    };
    ended.map_err(|e| e.causes().map(ToString::to_string).collect::<Vec<_>>().join(": "))
}
