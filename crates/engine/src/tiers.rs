//! Owns the choice of interpreter and compiler: the only place that names tiers.
//! Does not own when they run: the runtime's policy does.

use sterna_abi::{Compiler, Interpreter};
use sterna_runtime::{Settings, TierPolicy};

use crate::error::{Error, Result};

type CompilerFactory = Box<dyn FnOnce() -> Box<dyn Compiler> + Send>;

/// The tiers for these settings. The compiler is made when it is first needed.
///
/// # Errors
/// If there is no tier that the settings ask for.
pub(crate) fn of(settings: &Settings) -> Result<(Box<dyn Interpreter>, Option<CompilerFactory>)> {
    let compiler = match settings.tier {
        TierPolicy::Interp => None,
        TierPolicy::Auto => compiler(),
        TierPolicy::Opt => {
            let missing = || Error::msg("this build has no optimizing tier yet");
            Some(compiler().ok_or_else(missing)?)
        }
    };
    Ok((Box::new(sterna_interp::Interp), compiler))
}

fn compiler() -> Option<CompilerFactory> {
    None
}
