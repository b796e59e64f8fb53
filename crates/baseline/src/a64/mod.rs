//! Owns the machine AArch64: its registers, and operators by its instructions.
//! Does not own the driver.
//!
//! `x28` holds the vmctx, `x27` the base of memory 0, or else of the heap; `x17` and `v31` are free in every step, `x16` and `x15` belong to the
//! assembler ([`asm`]). `x19` to `x26` and some others may hold pinned locals. `x18` belongs to the platform; `v8` to `v15`, whose lower halves calls preserve, are left
//! alone.

pub(crate) mod asm;
mod atomic;
mod convert;
mod float;
mod integer;
mod select;
mod simd;
mod simd_codes;
mod simd_lane;
mod simd_memory;

use sterna_abi::{Convention, RelocKind};
use sterna_isa::Op;
use sterna_module::{Imm, MemArg};

use crate::driver::values::Val;
use crate::driver::{Done, Gen, refused};
use crate::machine::{Alu, Assembler, Cc, Gpr, Machine, Mem, Vreg, W, W32, W64};
use crate::signature::Registers;
use crate::stack::{Cond, Ty};
use asm::*;

const TEMP: Gpr = Gpr(17);
const TEMP_V: Vreg = Vreg(31);
/// For addresses that the assembler computes.
const ADDRESS: Gpr = Gpr(16);
/// For values that it needs on the way; also free for operators of this machine, between accesses to memory.
const VALUE: Gpr = Gpr(15);

/// The machine.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct A64;

/// Instructions beyond the architecture's first version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cpu {
    /// Atomic modifications of memory.
    pub lse: bool,
}

impl Machine for A64 {
    type Asm = Asm;
    type Cpu = Cpu;

    fn native() -> Option<Cpu> {
        #[cfg(target_arch = "aarch64")]
        return Some(Cpu { lse: std::arch::is_aarch64_feature_detected!("lse") });
        #[cfg(not(target_arch = "aarch64"))]
        None
    }

    const FP: Gpr = FP;
    const SP: Gpr = SP;
    const VMCTX: Gpr = Gpr(28);
    const MEMORY: Gpr = Gpr(27);
    const TEMP: Gpr = TEMP;
    const TEMP_V: Vreg = TEMP_V;
    const RESULT: Gpr = Gpr(0);
    const CALLEE: Gpr = Gpr(8);
    const SPARE: Gpr = Gpr(9);
    const C_PARAMS: &'static [Gpr] =
        &[Gpr(0), Gpr(1), Gpr(2), Gpr(3), Gpr(4), Gpr(5), Gpr(6), Gpr(7)];
    const OPERANDS: [u32; 2] = [0x7fff, 0x7fff_00ff];
    const KEPT_PINS: &'static [Gpr] =
        &[Gpr(19), Gpr(20), Gpr(21), Gpr(22), Gpr(23), Gpr(24), Gpr(25), Gpr(26)];
    const LOST_PINS: &'static [Gpr] = &[Gpr(10), Gpr(11), Gpr(12), Gpr(13), Gpr(14)];
    const VECTOR_PINS: &'static [Vreg] = &[
        Vreg(20),
        Vreg(21),
        Vreg(22),
        Vreg(23),
        Vreg(24),
        Vreg(25),
        Vreg(26),
        Vreg(27),
        Vreg(28),
        Vreg(29),
        Vreg(30),
    ];
    const SAVES: &'static [Gpr] =
        &[Gpr(19), Gpr(20), Gpr(21), Gpr(22), Gpr(23), Gpr(24), Gpr(25), Gpr(26), Gpr(28), Gpr(27)];
    const CALL: (RelocKind, i64) = (RelocKind::Arm64Branch26, 0);
    const CARRY: Cc = Cc::Ae;

    /// The tail convention leaves `x0` and `x1` out.
    fn registers(convention: Convention) -> Registers {
        match convention {
            Convention::Reg => Registers { params: &[0, 1, 2, 3, 4, 5, 6, 7], results: [0, 1] },
            Convention::Tail => Registers { params: &[2, 3, 4, 5, 6, 7], results: [2, 3] },
        }
    }

    fn zero_slots(asm: &mut Asm, from: Mem, count: u32) {
        asm.lea(W64, TEMP, from);
        asm.mov_i(VALUE, count.into());
        let mut again = Label::NEW;
        asm.bind(&mut again);
        asm.ldst_step(Access::StrX, ZR.0, TEMP, 8, Step::Post);
        asm.alu_const(Alu::Sub, W32, VALUE, VALUE, 1);
        asm.b_cond(asm::Cc::Ne, &mut again);
    }

    fn integer(code: &mut Gen<'_, A64>, op: Op) -> Done {
        code.integer(op)
    }

    fn float(code: &mut Gen<'_, A64>, op: Op) -> Done {
        code.float(op)
    }

    fn float_compare(code: &mut Gen<'_, A64>, op: Op) -> Done {
        code.float_compare(op)
    }

    fn convert(code: &mut Gen<'_, A64>, op: Op) -> Done {
        code.convert(op)
    }

    fn vector(code: &mut Gen<'_, A64>, op: Op, imm: &Imm<'_>) -> Done {
        code.vector(op, imm)
    }

    fn wide(code: &mut Gen<'_, A64>, op: Op) {
        code.wide(op);
    }

    fn atomic_access(code: &mut Gen<'_, A64>, op: Op, arg: &MemArg) -> Done {
        code.atomic_access(op, arg)
    }

    fn fence(asm: &mut Asm) {
        asm.dmb_ish();
    }

    fn select(code: &mut Gen<'_, A64>, ty: Ty, cond: Cond, dst: u8, b: Val) {
        code.choose(ty, cond, dst, b);
    }
}
