//! Owns the alternate signal stack of threads that have none: the handler cannot run on an exhausted guest stack.
//! Does not touch threads that have one, as those started by Rust do.

use std::cell::{Cell, OnceCell};
use std::mem::MaybeUninit;
use std::{io, ptr};

use crate::vm::{Reservation, page_size};

/// Size in bytes of the stacks made here.
const SIZE: usize = 64 * 1024;
/// What the handlers need besides the register frame that the system pushes, in bytes.
const HANDLER_BYTES: usize = 4096;

thread_local! {
    static PREPARED: Cell<bool> = const { Cell::new(false) };
    static OWN: OnceCell<AltStack> = const { OnceCell::new() };
}

/// A guard page, then the stack.
struct AltStack(Reservation);

/// Makes sure that this thread has an alternate signal stack. Cheap after the first call.
///
/// # Errors
/// What the system says.
pub fn prepare_thread() -> io::Result<()> {
    if !PREPARED.get() {
        if !has_altstack()? {
            let stack = AltStack::install()?;
            // A second one cannot be there: the flag would be set.
            let _ = OWN.with(|own| own.set(stack));
        }
        PREPARED.set(true);
    }
    Ok(())
}

/// The alternate stack the system has noted for this thread.
fn noted() -> io::Result<libc::stack_t> {
    let mut stack = MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: queries into a writable place.
    if unsafe { libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded and filled it in.
    Ok(unsafe { stack.assume_init() })
}

fn has_altstack() -> io::Result<bool> {
    let noted = noted()?;
    Ok(noted.ss_flags & libc::SS_DISABLE == 0
        && noted.ss_size >= register_frame_bytes() + HANDLER_BYTES)
}

/// Bytes that the system pushes to deliver a signal: depends on the CPU's vector registers.
fn register_frame_bytes() -> usize {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // SAFETY: reads a number from the auxiliary vector; 0 if it is not there.
        let bytes = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
        bytes.max(libc::MINSIGSTKSZ)
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        libc::MINSIGSTKSZ
    }
}

impl AltStack {
    fn install() -> io::Result<AltStack> {
        let guard = page_size();
        let size = SIZE.max(2 * register_frame_bytes());
        let space = Reservation::new(guard + size)?;
        space.commit(guard..space.len())?;
        let base = space.base().wrapping_add(guard);
        let stack = libc::stack_t { ss_sp: base.cast(), ss_flags: 0, ss_size: space.len() - guard };
        // SAFETY: the memory stays mapped until `drop` has taken it back from the system.
        if unsafe { libc::sigaltstack(&stack, ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(AltStack(space))
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        // Not ours any more if somebody has set another one since.
        if noted().is_ok_and(|noted| self.0.addresses().contains(&(noted.ss_sp as usize))) {
            // SAFETY: all-zero bytes are a valid `stack_t`.
            let mut none: libc::stack_t = unsafe { std::mem::zeroed() };
            none.ss_flags = libc::SS_DISABLE;
            none.ss_size = SIZE;
            // SAFETY: disables the alternate stack of this thread, which no handler is running on.
            unsafe { libc::sigaltstack(&none, ptr::null_mut()) };
        }
        PREPARED.set(false);
    }
}
