//! Owns hardware traps: the process-wide handler that turns a fault in compiled code into a trap of its activation.
//! Does not own the meaning of trap codes, nor any fault outside registered code: those go to whoever handled them before.
//!
//! The handler does little: look up the faulting pc, note what happened in the activation, redirect the pc to the landing
//! pad. That runs after the handler has returned, as ordinary code on the stack that trapped.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::{io, ptr};

use crate::activation::{Activation, TAG_ALL, TAG_EXACT, raise};
use crate::arch::{self, CalleeSaved};

mod altstack;
mod machine;
mod registry;

pub use altstack::prepare_thread;
pub use registry::{CodeHandle, Lookup, TrapInfo, register_code, unregister_code};

/// Called on the stack that trapped, before the segment is abandoned: the place to capture a backtrace. The activation has
/// `trap`, `trap_*` and the exit fields set, so that `CompiledFrames::new` starts at the trap. Must not unwind.
pub type TrapHook = unsafe extern "C" fn(*mut Activation);

/// The signals that hardware faults arrive as.
const SIGNALS: [c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

/// Who handled [`SIGNALS`] before; set before our handler can run.
static PREVIOUS: OnceLock<[libc::sigaction; SIGNALS.len()]> = OnceLock::new();
static HOOK: OnceLock<TrapHook> = OnceLock::new();
static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();

thread_local! {
    /// The activation whose compiled code this thread may be running. Read by the handler: needs no initialization, no drop.
    static CURRENT: Cell<*mut Activation> = const { Cell::new(ptr::null_mut()) };
}

/// Installs the handler, once per process; later calls only check. Handlers that were there before get every fault that
/// is not a registered trap.
///
/// # Errors
/// When the system refuses, when this crate cannot read its register frames, or when `hook` is not that of the first call.
pub fn install(hook: TrapHook) -> io::Result<()> {
    if !machine::SUPPORTED {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "no hardware traps on this system: use explicit checks",
        ));
    }
    if !ptr::fn_addr_eq(*HOOK.get_or_init(|| hook), hook) {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the trap handler is installed with another hook",
        ));
    }
    INSTALLED.get_or_init(install_handlers).map_err(io::Error::from_raw_os_error)
}

fn install_handlers() -> Result<(), i32> {
    fn check(result: c_int) -> Result<(), i32> {
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error().raw_os_error().unwrap_or(0))
        }
    }
    // Ask first, install second: a fault of another thread in between must find where to go.
    let mut previous = [const { MaybeUninit::<libc::sigaction>::zeroed() }; SIGNALS.len()];
    for (signal, previous) in SIGNALS.iter().zip(&mut previous) {
        // SAFETY: queries the action of a valid signal into a writable place.
        check(unsafe { libc::sigaction(*signal, ptr::null(), previous.as_mut_ptr()) })?;
    }
    // SAFETY: the calls have succeeded and filled them in.
    PREVIOUS.get_or_init(|| previous.map(|action| unsafe { action.assume_init() }));
    for signal in SIGNALS {
        // SAFETY: all-zero bytes are a valid `sigaction`.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handle as *const () as usize;
        // On the alternate stack, because the guest's may be exhausted. Re-entrant, because other handlers may fault.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        // SAFETY: `handle` has the signature that SA_SIGINFO asks for and does only what a signal handler may.
        check(unsafe { libc::sigaction(signal, &action, ptr::null_mut()) })?;
    }
    Ok(())
}

/// Makes `activation` the one that traps on this thread belong to; returns the one before, to be restored when its code goes on
/// (null = none). Call [`prepare_thread`] once before compiled code runs on a thread.
///
/// # Safety
/// `activation` must be null or stay valid, and its links true of this thread's running code, until the next call.
pub unsafe fn set_current(activation: *mut Activation) -> *mut Activation {
    CURRENT.replace(activation)
}

/// The activation set by [`set_current`] on this thread, or null.
pub fn current() -> *mut Activation {
    CURRENT.get()
}

/// The handler itself. Calls nothing that allocates, locks or unwinds.
unsafe extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the system passes a valid `siginfo_t` and register frame.
    let redirected = unsafe { redirect(info, context) };
    if !redirected {
        // SAFETY: as above; these are the arguments of the previous handler, too.
        unsafe { chain(signal, info, context) };
    }
}

/// If the fault is a registered trap of this thread's activation: notes it and lets the thread continue at the landing pad.
///
/// # Safety
/// `info` and `context` must be what the system passed to the handler.
unsafe fn redirect(info: *mut libc::siginfo_t, context: *mut c_void) -> bool {
    // SAFETY: the caller vouches for the context.
    let registers = unsafe { machine::registers(context) };
    // SAFETY: points into the live register frame.
    let pc = unsafe { *registers.pc };
    // Only then look at the thread: elsewhere than in compiled code, thread-local storage may not be set up yet.
    let Some(trap) = registry::lookup(pc) else { return false };
    let current = CURRENT.get();
    if current.is_null() {
        return false;
    }
    // SAFETY: `set_current` was promised that it is valid; compiled code, its only other user, is interrupted.
    let activation = unsafe { &mut *current };
    if activation.entry_sp == 0 {
        return false;
    }
    activation.trap = trap.code;
    activation.trap_pc = pc;
    // SAFETY: points into the live register frame.
    activation.trap_fp = unsafe { *registers.fp };
    // SAFETY: the signals handled here are faults; for them the system fills in the address.
    activation.trap_addr = unsafe { machine::fault_address(info) };
    // SAFETY: points into the live register frame.
    let sp = unsafe { *registers.sp };
    // SAFETY: as above. Below the red zone, aligned: what the landing pad expects.
    unsafe { *registers.sp = sp.wrapping_sub(128) & !15 };
    // SAFETY: as above.
    unsafe { *registers.pc = arch::landing_pad as *const () as usize };
    true
}

/// Second half of a hardware trap, called by the landing pad: `saved` ends the registers at the trap.
pub(crate) unsafe extern "C" fn landed(saved: *const CalleeSaved) -> ! {
    let current = CURRENT.get();
    // SAFETY: `redirect` has just found it valid on this thread.
    let activation = unsafe { &mut *current };
    activation.exit_fp = activation.trap_fp;
    activation.exit_pc = activation.trap_pc;
    activation.exit_regs = saved as usize | TAG_EXACT | TAG_ALL;
    if let Some(hook) = HOOK.get() {
        // SAFETY: the hook was installed for this call, with a live activation.
        unsafe { hook(current) };
    }
    // SAFETY: the activation is entered (checked by `redirect`), and this function owns nothing.
    unsafe { raise(current) }
}

/// Passes a fault on to whoever handled the signal before.
///
/// # Safety
/// The arguments must be what the system passed to the handler.
unsafe fn chain(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let at = SIGNALS.iter().position(|&known| known == signal);
    let Some(previous) = at.and_then(|at| PREVIOUS.get().map(|previous| &previous[at])) else {
        return;
    };
    // SAFETY: the system passes a valid `siginfo_t`.
    let sent_by_a_process = unsafe { (*info).si_code } <= 0;
    match previous.sa_sigaction {
        libc::SIG_IGN if sent_by_a_process => {}
        // A fault cannot be ignored. Restore the default action and return: the instruction faults again and ends the process
        // as if we had never been here. A signal that somebody sent does not come again by itself.
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: restores the default action of a valid signal.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
            if sent_by_a_process {
                // SAFETY: sends a valid signal to this thread.
                unsafe { libc::raise(signal) };
            }
        }
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            type Handler = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            // SAFETY: with SA_SIGINFO, a value that is neither default nor ignore is a function of this type.
            let handler = unsafe { std::mem::transmute::<usize, Handler>(handler) };
            // SAFETY: called as the system would have.
            unsafe { handler(signal, info, context) };
        }
        handler => {
            type Handler = unsafe extern "C" fn(c_int);
            // SAFETY: without SA_SIGINFO, a value that is neither default nor ignore is a function of this type.
            let handler = unsafe { std::mem::transmute::<usize, Handler>(handler) };
            // SAFETY: called as the system would have.
            unsafe { handler(signal) };
        }
    }
}
