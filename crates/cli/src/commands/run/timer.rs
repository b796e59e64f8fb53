//! Owns `--timeout`: a thread that stops the guest, wherever it is, when the time is over.
//! Does not exist without the option.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use sterna::InterruptHandle;

/// Whether the time is over; for calls that wait in the host.
#[derive(Clone, Default)]
pub struct Expired(Arc<AtomicBool>);

impl Expired {
    /// Whether it is.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Starts the clock. The thread ends with the process.
///
/// # Errors
/// When the system has no thread left.
pub fn start(timeout: Duration, expired: Expired, guest: InterruptHandle) -> std::io::Result<()> {
    let wait = move || {
        std::thread::sleep(timeout);
        expired.0.store(true, Ordering::Release);
        guest.time_out();
    };
    std::thread::Builder::new().name("timeout".into()).spawn(wait).map(drop)
}
