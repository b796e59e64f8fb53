//! Owns the choice of interpreter and compiler: the only place that names tiers.
//! Does not own when they run: the runtime's policy does.

use sterna_abi::{Compiler, Interpreter};
use sterna_interp::Interp;
use sterna_opt_clif::{ClifCompiler, Options};
use sterna_runtime::{Settings, TierPolicy};

type CompilerFactory = Box<dyn FnOnce() -> Box<dyn Compiler> + Send>;

/// The tiers for these settings. The compiler is made when it is first needed: a short run never needs it.
pub(crate) fn of(settings: &Settings) -> (Box<dyn Interpreter>, Option<CompilerFactory>) {
    let compiler: Option<CompilerFactory> = match settings.tier {
        TierPolicy::Interp => None,
        TierPolicy::Opt | TierPolicy::Auto => Some(Box::new(|| Box::new(compiler()))),
    };
    (Box::new(Interp), compiler)
}

fn compiler() -> ClifCompiler {
    ClifCompiler::native(Options::default())
        .expect("Cranelift supports every processor that `sterna-sys` compiles for")
}
