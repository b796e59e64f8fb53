//! Owns running a program that starts threads: it ends, with its exit code, when any of its threads ends it.
//! Does not implement threads; `sterna_wasi` does.

use super::report::Clock;
use super::timer::Expired;
use super::{Arguments, outcome, start_timer};
use crate::failure::Failure;
use sterna::{Error, Limits, Module};
use sterna_wasi::{ThreadOptions, WasiCtx, WasiThreads};

/// As for a program without threads. The others end with the process, also when the first returns from `_start`.
pub fn run(
    arguments: &Arguments,
    module: &Module,
    context: WasiCtx,
    limits: Limits,
    expired: Expired,
    clock: &Clock,
) -> Result<u8, Failure> {
    let options = ThreadOptions { limits, on_end: Some(Box::new(end)), ..ThreadOptions::default() };
    let guest = WasiThreads::new(context, module, options)
        .map_err(|error| Failure::new(format_args!("cannot provide threads: {error:#}")))?;
    let mut store = guest.first_store();
    start_timer(arguments, expired, &mut store)?;
    let result = super::run(arguments, module, guest.linker(), &mut store, clock);
    // Other threads may be running.
    std::mem::forget((store, guest));
    result
}

/// Another thread than the first has failed or has ended the program. The first may be anywhere, so the process ends here.
fn end(error: &Error) {
    let code = outcome::of_error(error).unwrap_or_else(|failure| failure.report());
    std::process::exit(i32::from(code));
}
