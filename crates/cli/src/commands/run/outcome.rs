//! Owns what happens after a run: exit codes, and traps and link errors in words.
//! Does not print; `main` reports failures.

use crate::failure::{Failure, exit};
use crate::suggest::nearest;
use sterna::{Error, FrameInfo, Linker, Module, Store, Trap, TrapCode};
use sterna_wasi::Halt;

/// The exit code of a call that did not return, or what to say about it.
pub fn of_error(error: &Error) -> Result<u8, Failure> {
    match error.downcast_ref::<Halt>() {
        // Only the low byte reaches the parent process, as for any program.
        Some(Halt::Exit(code)) => return Ok(*code as u8),
        Some(Halt::Signal(signal)) => {
            let failure =
                Failure::new(Halt::Signal(*signal)).code(exit::SIGNAL.saturating_add(*signal));
            return Err(with_frames(failure, error));
        }
        Some(Halt::Interrupted) => return Err(timed_out()),
        None => {}
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        return Err(with_frames(Failure::new(format_args!("{error:#}")), error));
    };
    if trap.code() == TrapCode::Timeout {
        return Err(timed_out());
    }
    let failure = match trap.exception() {
        Some(exception) => Failure::new(format_args!("nothing caught the {exception}")),
        None => Failure::new(format_args!("the program trapped: {}", trap.code())),
    };
    let failure = failure.code(exit::TRAP);
    Err(with_frames(failure, error).maybe_hint(hint(trap.code())))
}

fn timed_out() -> Failure {
    Failure::new("the program was stopped: --timeout ran out").code(exit::TIMEOUT)
}

fn with_frames(failure: Failure, error: &Error) -> Failure {
    let frames = error.backtrace().map(|backtrace| backtrace.frames()).unwrap_or_default();
    frames.iter().enumerate().fold(failure, |failure, (at, frame)| {
        let failure =
            failure.detail(format_args!("{at:>2}: {} at {:#x}", name(frame), frame.wasm_offset()));
        frame
            .sources()
            .iter()
            .fold(failure, |failure, source| failure.detail(format_args!("      {source}")))
    })
}

fn name(frame: &FrameInfo) -> String {
    frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), str::to_owned)
}

fn hint(code: TrapCode) -> Option<&'static str> {
    match code {
        TrapCode::Unreachable => {
            Some("`unreachable` is how compiled programs abort; what they printed before says why")
        }
        TrapCode::StackOverflow => Some("the recursion is endless or too deep"),
        TrapCode::Unsupported => Some("`sterna inspect` lists the features that the module uses"),
        _ => None,
    }
}

/// Why a module could not be instantiated: all missing imports at once, with the nearest names there are.
pub fn of_link_error<T>(
    error: &Error,
    module: &Module,
    linker: &Linker<T>,
    store: &mut Store<T>,
) -> Result<u8, Failure> {
    if error.is::<Halt>() || error.is::<Trap>() {
        return of_error(error);
    }
    let is_missing =
        |module: &str, name: &str, store: &mut Store<T>| linker.get(store, module, name).is_none();
    let missing: Vec<_> =
        module.imports().filter(|i| is_missing(i.module(), i.name(), store)).collect();
    if missing.is_empty() {
        return Err(Failure::new(format_args!("cannot link: {error:#}")));
    }
    let plural = if missing.len() == 1 { "" } else { "s" };
    let failure =
        Failure::new(format_args!("cannot link: {} missing import{plural}", missing.len()));
    let failure = missing.iter().fold(failure, |failure, import| {
        let line = format!("{}::{} ({})", import.module(), import.name(), import.ty().kind());
        match nearest(import.name(), sterna_wasi::FUNCTION_NAMES.iter().copied()).as_slice() {
            [] => failure.detail(line),
            near => failure.detail(format_args!("{line}; there is {}", near.join(", "))),
        }
    });
    Err(failure.hint("only WASI preview 1 is provided: wasi_snapshot_preview1 and wasi_unstable"))
}
