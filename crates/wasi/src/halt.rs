//! Owns the ways in which a call ends other than by returning to the guest.
//! Does not turn them into the engine's errors; `link` does.

use crate::Errno;

/// Why the guest does not continue after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// `proc_exit`: the guest ended with this code, which is the exit code of the process.
    #[error("the program exited with code {0}")]
    Exit(i32),
    /// `proc_raise` of a signal whose default action ends the program; preview 1's number.
    #[error("the program raised the signal {}", signal_name(*.0))]
    Signal(u8),
    /// The interrupt hook said so while the call was waiting.
    #[error("interrupted while waiting in a WASI call")]
    Interrupted,
}

/// How a call that has to do more than report an error ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The guest continues and sees this error.
    Errno(Errno),
    /// The guest does not continue.
    Halt(Halt),
    /// The call, of a guest with threads, would have to wait: it has had no effect and can be made again.
    Blocked,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Stop {
        Stop::Errno(errno)
    }
}

impl From<rustix::io::Errno> for Stop {
    fn from(errno: rustix::io::Errno) -> Stop {
        Stop::Errno(errno.into())
    }
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Stop {
        Stop::Halt(halt)
    }
}

/// The result of any call as the guest sees it: zero or an error number, or no return at all.
pub fn returned<E: Into<Stop>>(result: Result<(), E>) -> Result<i32, Halt> {
    match result.map_err(Into::into) {
        Ok(()) => Ok(0),
        Err(Stop::Errno(errno)) => Ok(errno as i32),
        Err(Stop::Halt(halt)) => Err(halt),
        Err(Stop::Blocked) => {
            unreachable!("only calls of guests with threads do not wait, and they are repeated")
        }
    }
}

/// The signals of preview 1 by number; number 0 is "none".
const SIGNALS: [&str; 31] = [
    "none", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
    "USR2", "PIPE", "ALRM", "TERM", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU",
    "XFSZ", "VTALRM", "PROF", "WINCH", "POLL", "PWR", "SYS",
];

fn signal_name(signal: u8) -> &'static str {
    SIGNALS.get(usize::from(signal)).copied().unwrap_or("unknown")
}

/// What raising a signal does to a program that handles none.
pub(crate) fn raise(signal: u32) -> Result<(), Stop> {
    let signal = u8::try_from(signal).map_err(|_| Errno::Inval)?;
    match signal {
        // None, and those whose default action is to be ignored: CHLD, CONT, URG, WINCH.
        0 | 16 | 17 | 22 | 27 => Ok(()),
        // There is nobody who could continue a stopped guest: STOP, TSTP, TTIN, TTOU.
        18..=21 => Err(Errno::Notsup.into()),
        1..=30 => Err(Halt::Signal(signal).into()),
        _ => Err(Errno::Inval.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising() {
        assert_eq!(raise(0), Ok(()));
        assert_eq!(raise(27), Ok(()));
        assert_eq!(raise(6), Err(Stop::Halt(Halt::Signal(6))));
        assert_eq!(raise(18), Err(Stop::Errno(Errno::Notsup)));
        assert_eq!(raise(31), Err(Stop::Errno(Errno::Inval)));
        assert_eq!(raise(6 + 256), Err(Stop::Errno(Errno::Inval)));
        assert_eq!(Halt::Signal(6).to_string(), "the program raised the signal ABRT");
    }

    #[test]
    fn results() {
        assert_eq!(returned(Ok::<(), Errno>(())), Ok(0));
        assert_eq!(returned(Err(Errno::Badf)), Ok(8));
        assert_eq!(returned(Err(Stop::Halt(Halt::Exit(3)))), Err(Halt::Exit(3)));
    }
}
