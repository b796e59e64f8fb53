//! Owns where each system keeps the registers of a thread interrupted by a signal.
//! Does not decide what to do with them.

use std::ffi::c_void;

/// Places of the registers that trap handling reads and changes, in the frame that the system restores.
pub(super) struct Registers {
    pub(super) pc: *mut usize,
    pub(super) sp: *mut usize,
    pub(super) fp: *mut usize,
}

/// Whether [`registers`] knows this system's frame.
pub(super) const SUPPORTED: bool = cfg!(any(target_os = "linux", target_os = "macos"));

/// # Safety
/// `context` must be the third argument of a signal handler.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(super) unsafe fn registers(context: *mut c_void) -> Registers {
    // SAFETY: the caller vouches for the type; nobody else refers to the frame.
    let gregs = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let mut place = |index: libc::c_int| (&raw mut gregs[index as usize]).cast();
    Registers { pc: place(libc::REG_RIP), sp: place(libc::REG_RSP), fp: place(libc::REG_RBP) }
}

/// # Safety
/// `context` must be the third argument of a signal handler.
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
pub(super) unsafe fn registers(context: *mut c_void) -> Registers {
    // SAFETY: the caller vouches for the type; nobody else refers to the frame.
    let machine = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext };
    Registers {
        pc: (&raw mut machine.pc).cast(),
        sp: (&raw mut machine.sp).cast(),
        fp: (&raw mut machine.regs[29]).cast(),
    }
}

/// # Safety
/// `context` must be the third argument of a signal handler.
#[cfg(target_os = "macos")]
pub(super) unsafe fn registers(context: *mut c_void) -> Registers {
    // SAFETY: the caller vouches for the type.
    let machine = unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext };
    // SAFETY: the system points it at the live register frame, to which nobody else refers.
    let state = unsafe { &mut (*machine).__ss };
    #[cfg(target_arch = "x86_64")]
    let places = (&raw mut state.__rip, &raw mut state.__rsp, &raw mut state.__rbp);
    #[cfg(target_arch = "aarch64")]
    let places = (&raw mut state.__pc, &raw mut state.__sp, &raw mut state.__fp);
    Registers { pc: places.0.cast(), sp: places.1.cast(), fp: places.2.cast() }
}

/// Never called: [`SUPPORTED`] is false and no handler is installed.
///
/// # Safety
/// None needed.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(super) unsafe fn registers(_context: *mut c_void) -> Registers {
    unreachable!("no handler is installed on this system")
}

/// The address that could not be accessed.
///
/// # Safety
/// `info` must be the second argument of the handler of a fault.
pub(super) unsafe fn fault_address(info: *mut libc::siginfo_t) -> usize {
    // SAFETY: the caller vouches for `info`.
    let info = unsafe { &*info };
    #[cfg(not(target_os = "macos"))]
    // SAFETY: the caller vouches for the kind of signal, whose information has an address.
    let address = unsafe { info.si_addr() };
    #[cfg(target_os = "macos")]
    let address = info.si_addr;
    address as usize
}
