//! Owns the choice of interpreter and compiler: the only place that names tiers.
//! Does not own when they run: the runtime's policy does.

use sterna_abi::{Compiler, Interpreter};
use sterna_runtime::Settings;

use crate::error::{Error, Result};

type CompilerFactory = Box<dyn FnOnce() -> Box<dyn Compiler> + Send>;

/// The tiers for these settings. The compiler is made when it is first needed.
///
/// # Errors
/// If there is no tier that the settings ask for.
pub(crate) fn of(_settings: &Settings) -> Result<(Box<dyn Interpreter>, Option<CompilerFactory>)> {
    Err(Error::msg("this build has no interpreter yet"))
}
