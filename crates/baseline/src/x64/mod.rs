//! Owns the machine x86-64: its registers, and operators by its instructions.
//! Does not own the driver.
//!
//! `r14` holds the vmctx, `r15` the base of memory 0, or else of the heap, `r11` and `xmm15` are free in every step. `rbx`, `r12`, `r13` and some others may
//! hold pinned locals.

mod asm;
mod atomic;
mod convert;
mod float;
mod integer;
mod select;
mod simd;
mod simd_codes;
mod simd_float;
mod simd_lane;
mod simd_memory;

use sterna_abi::{Convention, RelocKind};
use sterna_isa::Op;
use sterna_module::{Imm, MemArg};

use crate::driver::values::Val;
use crate::driver::{Done, Gen, refused};
use crate::machine::{Alu, Assembler, Cc, Gpr, Label, Machine, Mem, Rm, Shift, Vreg, W, W32, W64};
use crate::signature::Registers;
use crate::stack::{Cond, Ty};
use asm::*;

const TEMP: Gpr = R11;
const TEMP_V: Vreg = Vreg(15);

/// The machine.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct X64;

/// Instructions beyond the architecture's first version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cpu {
    pub sse41: bool,
    /// All that vectors need: SSE4.2 and what is older.
    pub simd: bool,
    pub popcnt: bool,
    pub lzcnt: bool,
    pub bmi1: bool,
    pub bmi2: bool,
}

impl Machine for X64 {
    type Asm = Asm;
    type Cpu = Cpu;

    fn native() -> Option<Cpu> {
        #[cfg(target_arch = "x86_64")]
        return Some(Cpu {
            sse41: std::arch::is_x86_feature_detected!("sse4.1"),
            simd: std::arch::is_x86_feature_detected!("sse4.2"),
            popcnt: std::arch::is_x86_feature_detected!("popcnt"),
            lzcnt: std::arch::is_x86_feature_detected!("lzcnt"),
            bmi1: std::arch::is_x86_feature_detected!("bmi1"),
            bmi2: std::arch::is_x86_feature_detected!("bmi2"),
        });
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    const FP: Gpr = RBP;
    const SP: Gpr = RSP;
    const VMCTX: Gpr = R14;
    const MEMORY: Gpr = R15;
    const TEMP: Gpr = TEMP;
    const TEMP_V: Vreg = TEMP_V;
    const RESULT: Gpr = RAX;
    const CALLEE: Gpr = RAX;
    const SPARE: Gpr = R10;
    const C_PARAMS: &'static [Gpr] = &[RDI, RSI, RDX, RCX, R8, R9];
    const OPERANDS: [u32; 2] = [0x07c7, 0x7fff];
    const KEPT_PINS: &'static [Gpr] = &[RBX, R12, R13];
    const LOST_PINS: &'static [Gpr] = &[R8, R9, R10];
    const VECTOR_PINS: &'static [Vreg] =
        &[Vreg(8), Vreg(9), Vreg(10), Vreg(11), Vreg(12), Vreg(13), Vreg(14)];
    const SAVES: &'static [Gpr] = &[RBX, R12, R13, R14, R15];
    // The distance counts from the end of the instruction.
    const CALL: (RelocKind, i64) = (RelocKind::PcRel32, -4);
    const CARRY: Cc = Cc::B;

    fn registers(convention: Convention) -> Registers {
        const PARAMS: [u8; 6] = [RDI.0, RSI.0, RDX.0, RCX.0, R8.0, R9.0];
        let second = if convention == Convention::Reg { RDX } else { RCX };
        Registers { params: &PARAMS, results: [RAX.0, second.0] }
    }

    fn zero_slots(asm: &mut Asm, from: Mem, count: u32) {
        asm.lea(W64, RDI, from);
        asm.alu(Alu::Xor, W32, RAX, Rm::Reg(RAX));
        asm.mov_i(RCX, u64::from(count));
        asm.rep_stosq();
    }

    fn integer(code: &mut Gen<'_, X64>, op: Op) -> Done {
        code.integer(op)
    }

    fn float(code: &mut Gen<'_, X64>, op: Op) -> Done {
        code.float(op)
    }

    fn float_compare(code: &mut Gen<'_, X64>, op: Op) -> Done {
        code.float_compare(op)
    }

    fn convert(code: &mut Gen<'_, X64>, op: Op) -> Done {
        code.convert(op)
    }

    fn vector(code: &mut Gen<'_, X64>, op: Op, imm: &Imm<'_>) -> Done {
        code.vector(op, imm)
    }

    fn wide(code: &mut Gen<'_, X64>, op: Op) {
        code.wide(op);
    }

    fn atomic_access(code: &mut Gen<'_, X64>, op: Op, arg: &MemArg) -> Done {
        code.atomic_access(op, arg)
    }

    fn fence(asm: &mut Asm) {
        asm.mfence();
    }

    fn select(code: &mut Gen<'_, X64>, ty: Ty, cond: Cond, dst: u8, b: Val) {
        code.choose(ty, cond, dst, b);
    }
}
