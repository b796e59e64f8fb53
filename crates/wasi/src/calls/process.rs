//! Owns the calls about the process itself, its clocks and random bytes.
//! Does not end anything; the embedder acts on the `Halt` it gets.

use crate::{ClockId, Errno, GuestMemory, Halt, Stop, WasiCtx, halt};

/// Random bytes are produced in pieces of this size, with a look at the interrupt hook in between.
const RANDOM_PIECE: usize = 1 << 20;

/// See the specification for what each call does.
impl WasiCtx {
    /// `clock_res_get`
    pub fn clock_res_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        id: u32,
        resolution: u32,
    ) -> Result<(), Errno> {
        memory.write_u64(resolution, self.clocks.resolution(ClockId::from_raw(id)?)?)
    }

    /// `clock_time_get`. The precision is a hint that this host has no use for.
    pub fn clock_time_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        id: u32,
        _precision: u64,
        time: u32,
    ) -> Result<(), Errno> {
        memory.write_u64(time, self.clocks.now(ClockId::from_raw(id)?)?)
    }

    /// `proc_exit`. Never returns to the guest.
    pub fn proc_exit(&mut self, _memory: &mut GuestMemory<'_>, code: u32) -> Result<(), Stop> {
        Err(Halt::Exit(code as i32).into())
    }

    /// `proc_raise`
    pub fn proc_raise(&mut self, _memory: &mut GuestMemory<'_>, signal: u32) -> Result<(), Stop> {
        halt::raise(signal)
    }

    /// `sched_yield`
    pub fn sched_yield(&mut self, _memory: &mut GuestMemory<'_>) -> Result<(), Stop> {
        std::thread::yield_now();
        self.interrupt.check()
    }

    /// `random_get`
    pub fn random_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        buf: u32,
        buf_len: u32,
    ) -> Result<(), Stop> {
        memory.check(buf, buf_len)?;
        for done in (0..buf_len).step_by(RANDOM_PIECE) {
            self.interrupt.check()?;
            let len = (buf_len - done).min(RANDOM_PIECE as u32);
            memory.fill(buf + done, len, |piece| {
                self.random.fill(piece).map(|()| piece.len()).map_err(Stop::from)
            })?;
        }
        Ok(())
    }
}
