//! Owns the guest's clocks: the host's, or virtual ones for reproducible runs.
//! Does not wait; `poll_oneoff` does.

use crate::{ClockId, Errno};
use rustix::time::Timespec;

/// Where a guest's time comes from.
#[derive(Clone, Debug)]
pub enum Clocks {
    /// The host's clocks.
    Host,
    /// A clock that shows `now` (nanoseconds) and moves on by `tick` at each reading; waiting moves
    /// it on instead of taking time. All four clocks show the same.
    Virtual {
        /// The time of the next reading, in nanoseconds.
        now: u64,
        /// How far one reading moves the clock, in nanoseconds.
        tick: u64,
    },
}

impl Clocks {
    /// The time in nanoseconds.
    pub(crate) fn now(&mut self, clock: ClockId) -> Result<u64, Errno> {
        match self {
            Clocks::Host => nanoseconds(rustix::time::clock_gettime(host_clock(clock))),
            Clocks::Virtual { now, tick } => {
                let time = *now;
                *now = time.saturating_add(*tick);
                Ok(time)
            }
        }
    }

    /// The resolution in nanoseconds.
    pub(crate) fn resolution(&self, clock: ClockId) -> Result<u64, Errno> {
        match self {
            Clocks::Host => nanoseconds(rustix::time::clock_getres(host_clock(clock))),
            Clocks::Virtual { tick, .. } => Ok((*tick).max(1)),
        }
    }

    /// Moves a virtual clock on by `duration` nanoseconds. False if time has to pass by itself.
    pub(crate) fn skip(&mut self, duration: u64) -> bool {
        match self {
            Clocks::Host => false,
            Clocks::Virtual { now, .. } => {
                *now = now.saturating_add(duration);
                true
            }
        }
    }
}

fn host_clock(clock: ClockId) -> rustix::time::ClockId {
    match clock {
        ClockId::Realtime => rustix::time::ClockId::Realtime,
        ClockId::Monotonic => rustix::time::ClockId::Monotonic,
        ClockId::ProcessCputime => rustix::time::ClockId::ProcessCPUTime,
        ClockId::ThreadCputime => rustix::time::ClockId::ThreadCPUTime,
    }
}

/// Times before 1970 and after 2554 do not fit and are `Overflow`.
fn nanoseconds(time: Timespec) -> Result<u64, Errno> {
    let seconds = u64::try_from(time.tv_sec).map_err(|_| Errno::Overflow)?;
    let nanoseconds = u64::try_from(time.tv_nsec).map_err(|_| Errno::Overflow)?;
    seconds
        .checked_mul(1_000_000_000)
        .and_then(|total| total.checked_add(nanoseconds))
        .ok_or(Errno::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_moves_only_when_told() {
        let mut clocks = Clocks::Virtual { now: 100, tick: 7 };
        assert_eq!(clocks.now(ClockId::Monotonic), Ok(100));
        assert_eq!(clocks.now(ClockId::Realtime), Ok(107));
        assert!(clocks.skip(1000));
        assert_eq!(clocks.now(ClockId::ThreadCputime), Ok(1114));
        assert_eq!(clocks.resolution(ClockId::Monotonic), Ok(7));
    }

    #[test]
    fn host_time() {
        let mut clocks = Clocks::Host;
        let first = clocks.now(ClockId::Monotonic).unwrap();
        assert!(clocks.now(ClockId::Monotonic).unwrap() >= first);
        assert!(clocks.now(ClockId::Realtime).unwrap() > 1_600_000_000_000_000_000);
        assert!(clocks.now(ClockId::ProcessCputime).is_ok());
        assert!(clocks.resolution(ClockId::Monotonic).unwrap() > 0);
        assert!(!clocks.skip(1));
    }
}
