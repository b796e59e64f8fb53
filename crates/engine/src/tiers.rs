//! Owns the choice of interpreter and compiler: the only place that names tiers.
//! Does not own when they run: the runtime's policy does.

use sterna_abi::{Compiler, Interpreter};
use sterna_opt_clif::{ClifCompiler, Options};
use sterna_runtime::{Settings, TierPolicy};

type CompilerFactory = Box<dyn FnOnce() -> Box<dyn Compiler> + Send>;

/// The tiers for these settings. The compiler is made when it is first needed.
pub(crate) fn of(settings: &Settings) -> (Box<dyn Interpreter>, Option<CompilerFactory>) {
    let compiler: Option<CompilerFactory> = match settings.tier {
        TierPolicy::Interp => None,
        TierPolicy::Auto | TierPolicy::Opt => Some(Box::new(|| Box::new(optimizing()))),
    };
    (Box::new(sterna_interp::Interp), compiler)
}

fn optimizing() -> ClifCompiler {
    ClifCompiler::native(Options::default())
        .expect("Cranelift supports every CPU that `sterna-sys` supports")
}
