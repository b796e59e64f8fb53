//! Owns the hosts of programs that import more than WASI: what their toolchain's JavaScript would give them, over the public API.
//! Does not own the engine's configuration beyond the tier, nor what is compared (`real`).

mod bignum;
mod scheme;

use std::io::Write;
use std::path::Path;

use clap::ValueEnum;
use sterna::{Caller, Config, Engine, Error, Linker, Module, Result, Store, Tier};

/// Which host.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Host {
    /// Guile Hoot: strings, bignums and ports, as its `reflect.js` does; its two helper modules lie in `hoot/` beside the program
    Scheme,
    /// MoonBit: prints one 16-bit unit of a text after the other
    Moonbit,
}

/// Runs a program; its exit code.
///
/// # Errors
/// What stopped it.
pub fn run(host: Host, tier: &str, wasm: &Path) -> std::result::Result<u8, String> {
    let mut config = Config::new();
    config.tier(match tier {
        "interp" => Tier::Interp,
        "opt" => Tier::Opt,
        "baseline" => Tier::Baseline,
        _ => Tier::Auto,
    });
    let engine = Engine::new(&config).map_err(|e| e.to_string())?;
    let ended = match host {
        Host::Scheme => scheme::run(&engine, wasm),
        Host::Moonbit => moonbit(&engine, wasm).map(|()| 0),
    };
    ended.map_err(|e| e.causes().map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

fn moonbit(engine: &Engine, wasm: &Path) -> Result<()> {
    let module = Module::from_file(engine, wasm)?;
    let mut linker = Linker::<Vec<u16>>::new(engine);
    let print = |mut caller: Caller<'_, Vec<u16>>, unit: i32| caller.data_mut().push(unit as u16);
    linker.func_wrap("spectest", "print_char", print)?;
    let mut store = Store::new(engine, Vec::new());
    let instance = linker.instantiate(&mut store, &module)?;
    let ended = instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ());
    std::io::stdout()
        .write_all(String::from_utf16_lossy(store.data()).as_bytes())
        .map_err(Error::new)?;
    ended
}
