//! Owns the instructions that throw.
//! Does not own finding the handler: `catch`.

use crate::exit::{bodies_of, is_trapping, suspend};
use crate::machine::{Handler, Op, Regs, Stop, step};

/// First slot of the payload at 8, first free slot at 10, tag at 12.
struct Throw;

impl Op for Throw {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        suspend(r, r.u16(10));
        let bodies = bodies_of(r.vmctx);
        let payload = r.slot_ptr(r.u16(8)) as u64;
        // SAFETY: the frame is suspended, the tag is one of the instance, and the payload lies in the frame (validated).
        let exn = unsafe { (bodies.exn_new)(r.vmctx, r.u32(12), payload) };
        if !is_trapping(r.vmctx) {
            // SAFETY: as above; the exception was just made.
            unsafe { (bodies.exn_throw)(r.vmctx, exn) };
        }
        Err(Stop::Unwind)
    }
}

/// Slot of the reference at 8, first free slot at 10.
struct ThrowRef;

impl Op for ThrowRef {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        suspend(r, r.u16(10));
        // SAFETY: the frame is suspended, and the slot holds an `exnref` (validated).
        unsafe { (bodies_of(r.vmctx).exn_throw)(r.vmctx, r.slot(r.u16(8))) };
        Err(Stop::Unwind)
    }
}

/// `throw`.
pub(crate) static THROW: Handler = step::<Throw>;
/// `throw_ref`.
pub(crate) static THROW_REF: Handler = step::<ThrowRef>;
