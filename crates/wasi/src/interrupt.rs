//! Owns waiting on host descriptors so that a hook can end the wait.
//! Does not interrupt running code; the engine does.

use crate::{Errno, Halt, Stop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::BorrowedFd;

/// How long a wait goes on before the hook is asked again, in nanoseconds.
const SLICE: u64 = 20_000_000;

type Hook = Box<dyn Fn() -> bool + Send + Sync>;

/// The hook that says whether the guest is to stop, if there is one, and whether calls wait at all.
#[derive(Default)]
pub(crate) struct Interrupt {
    hook: Option<Hook>,
    never_block: bool,
    /// When the call in progress was made first, in nanoseconds of the monotonic clock: if it is one that was blocked and is made again.
    pub since: Option<u64>,
}

impl Interrupt {
    pub(crate) fn new(hook: Hook) -> Interrupt {
        Interrupt { hook: Some(hook), ..Interrupt::default() }
    }

    /// Has calls return [`Stop::Blocked`] instead of waiting.
    pub(crate) fn never_block(&mut self) {
        self.never_block = true;
    }

    /// Fails if calls must not wait.
    pub(crate) fn may_wait(&self) -> Result<(), Stop> {
        if self.never_block { Err(Stop::Blocked) } else { Ok(()) }
    }

    /// Asks the hook.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        match &self.hook {
            Some(requested) if requested() => Err(Halt::Interrupted.into()),
            _ => Ok(()),
        }
    }

    /// Waits until `fd` is ready, if there is a hook. Without one the blocking call itself waits.
    pub(crate) fn wait(&self, fd: BorrowedFd<'_>, events: PollFlags) -> Result<(), Stop> {
        if self.never_block {
            self.check()?;
            return if ready(fd, events)? { Ok(()) } else { Err(Stop::Blocked) };
        }
        if self.hook.is_none() {
            return Ok(());
        }
        while self.poll(&mut [PollFd::from_borrowed_fd(fd, events)], None)? == 0 {}
        Ok(())
    }

    /// Waits for a descriptor or for `timeout` nanoseconds (`None`: no limit), at most one slice if
    /// there is a hook. Returns the number of ready descriptors; it may be zero early.
    pub(crate) fn poll(&self, fds: &mut [PollFd<'_>], timeout: Option<u64>) -> Result<usize, Stop> {
        self.check()?;
        let timeout = match (&self.hook, timeout) {
            _ if self.never_block => Some(0),
            (None, timeout) => timeout,
            (Some(_), timeout) => Some(timeout.unwrap_or(SLICE).min(SLICE)),
        };
        let timeout = timeout.map(|nanoseconds| Timespec {
            tv_sec: (nanoseconds / 1_000_000_000) as i64,
            tv_nsec: (nanoseconds % 1_000_000_000) as i64,
        });
        match poll(fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => Ok(0),
            other => Ok(other?),
        }
    }
}

/// Whether `fd` is ready now.
pub(crate) fn ready(fd: BorrowedFd<'_>, events: PollFlags) -> Result<bool, Errno> {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut [PollFd::from_borrowed_fd(fd, events)], Some(&now)) {
        Err(rustix::io::Errno::INTR) => Ok(false),
        other => Ok(other? > 0),
    }
}
