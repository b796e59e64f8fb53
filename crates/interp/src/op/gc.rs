//! Owns the instruction that has the runtime carry out an operator on objects.
//! Does not own what the operators do: the runtime does.

use crate::exit::{bodies_of, is_trapping, suspend};
use crate::machine::{Handler, Op, Regs, Stop, step};

/// First operand (and result) slot at 8, first free slot at 10, operator at 12, immediates at 16 and 20.
struct Object;

impl Op for Object {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        suspend(r, r.u16(10));
        let gc = bodies_of(r.vmctx).gc;
        let operands = r.slot_ptr(r.u16(8)) as u64;
        // SAFETY: the frame is suspended, the operands have the types that the operator takes.
        unsafe { gc(r.vmctx, r.u32(12), r.u32(16), r.u32(20), operands) };
        if is_trapping(r.vmctx) {
            return Err(Stop::Unwind);
        }
        r.advance(24);
        Ok(())
    }
}

/// An operator on objects.
pub(crate) static OBJECT: Handler = step::<Object>;
