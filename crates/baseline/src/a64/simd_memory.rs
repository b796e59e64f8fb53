//! Owns loads and stores of vectors and of single lanes.
//! Does not own addresses and bounds (the driver's `memory`).
//!
//! Lanes go through the free register: loads and stores of single lanes take nothing but a register as address.

use sterna_isa::Op;
use sterna_module::MemArg;

use super::A64;
use super::asm::{Access, Lanes, Vreg, vector_codes as v};
use crate::driver::Gen;
use crate::machine::Machine;
use crate::stack::{Bank, Ty};

/// Loads a vector register with so many bytes and zeros above.
fn load(bytes: u32) -> Access {
    match bytes {
        1 => Access::LdrB,
        2 => Access::LdrH,
        4 => Access::LdrS,
        8 => Access::LdrD,
        _ => Access::LdrQ,
    }
}

fn store(bytes: u32) -> Access {
    match bytes {
        1 => Access::StrB,
        2 => Access::StrH,
        4 => Access::StrS,
        8 => Access::StrD,
        _ => Access::StrQ,
    }
}

/// Lanes of a width in bytes.
fn lanes(bytes: u32) -> Lanes {
    match bytes {
        1 => Lanes::B16,
        2 => Lanes::H8,
        4 => Lanes::S4,
        _ => Lanes::D2,
    }
}

impl Gen<'_, A64> {
    /// A load with a vector as its result.
    pub(super) fn load_vector(&mut self, op: Op, arg: &MemArg) {
        let bytes = op.mem_type().expect("memory accesses have a width").bytes();
        let address = self.address(arg, bytes, true);
        self.release_address(&address);
        let dst = Vreg(self.result(Bank::Float));
        let mem = self.access(&address);
        self.asm().access(load(bytes), dst.0, mem);
        let extended = match op {
            Op::V128Load8x8S => Some((v::SSHLL, Lanes::B16)),
            Op::V128Load8x8U => Some((v::USHLL, Lanes::B16)),
            Op::V128Load16x4S => Some((v::SSHLL, Lanes::H8)),
            Op::V128Load16x4U => Some((v::USHLL, Lanes::H8)),
            Op::V128Load32x2S => Some((v::SSHLL, Lanes::S4)),
            Op::V128Load32x2U => Some((v::USHLL, Lanes::S4)),
            _ => None,
        };
        if let Some((code, lanes)) = extended {
            self.asm().v_shift(code, lanes, dst, dst, 0);
        }
        use Op::{V128Load8Splat, V128Load16Splat, V128Load32Splat, V128Load64Splat};
        if matches!(op, V128Load8Splat | V128Load16Splat | V128Load32Splat | V128Load64Splat) {
            self.asm().dup(lanes(bytes), dst, dst, 0);
        }
        self.push_result(Ty::V128, dst.0);
    }

    pub(super) fn store_vector(&mut self, arg: &MemArg) {
        let value = self.pop_reg();
        let address = self.address(arg, 16, true);
        let mem = self.access(&address);
        self.asm().access(Access::StrQ, value.reg, mem);
        self.release_address(&address);
        self.release(Bank::Float, value);
    }

    pub(super) fn load_lane(&mut self, op: Op, arg: &MemArg, lane: u8) {
        let bytes = op.mem_type().expect("memory accesses have a width").bytes();
        let vector = Vreg(self.pop_own());
        let address = self.address(arg, bytes, true);
        let mem = self.access(&address);
        self.asm().access(load(bytes), A64::TEMP_V.0, mem);
        self.asm().ins(lanes(bytes), (vector, lane), (A64::TEMP_V, 0));
        self.release_address(&address);
        self.push_vector(vector);
    }

    pub(super) fn store_lane(&mut self, op: Op, arg: &MemArg, lane: u8) {
        let bytes = op.mem_type().expect("memory accesses have a width").bytes();
        let vector = self.pop_reg();
        let address = self.address(arg, bytes, true);
        let mut source = vector.vreg();
        if lane != 0 {
            source = A64::TEMP_V;
            self.asm().mov_lane(lanes(bytes), source, vector.vreg(), lane);
        }
        let mem = self.access(&address);
        self.asm().access(store(bytes), source.0, mem);
        self.release_address(&address);
        self.release(Bank::Float, vector);
    }
}
