//! Owns loads and stores of vectors and of single lanes.
//! Does not own addresses and bounds (`memory`).

use sterna_isa::Op;
use sterna_module::MemArg;

use super::simd_codes::insert;
use super::{Assembler, Gen, Map, Mem, Pre, Rm, TEMP, Vreg, W32, W64, X64, Xm};
use crate::stack::Bank;

impl Gen<'_, X64> {
    /// A load with a vector as its result.
    pub(super) fn load_vector(&mut self, op: Op, arg: &MemArg) {
        let bytes = op.mem_type().expect("memory accesses have a width").bytes();
        let address = self.address(arg, bytes, true);
        self.release_address(&address);
        let dst = self.alloc_vreg();
        self.access(&address);
        let mem = address.mem;
        let extended = |opcode| (Pre::P66, Map::M0F38, opcode);
        let (prefix, map, opcode) = match op {
            Op::V128Load8x8S => extended(0x20),
            Op::V128Load8x8U => extended(0x30),
            Op::V128Load16x4S => extended(0x23),
            Op::V128Load16x4U => extended(0x33),
            Op::V128Load32x2S => extended(0x25),
            Op::V128Load32x2U => extended(0x35),
            Op::V128Load8Splat
            | Op::V128Load16Splat
            | Op::V128Load32Splat
            | Op::V128Load64Splat => {
                self.load_splat(dst, mem, bytes);
                return self.push_vector(dst);
            }
            // All of it, or the low 4 or 8 bytes.
            _ => {
                self.asm().load_v(bytes, dst, mem);
                return self.push_vector(dst);
            }
        };
        self.asm().sse_map(prefix, map, opcode, dst, Xm::Mem(mem), None);
        self.push_vector(dst);
    }

    fn load_splat(&mut self, dst: Vreg, mem: Mem, bytes: u32) {
        match bytes {
            1 => self.asm().movzx8(TEMP, Rm::Mem(mem)),
            2 => self.asm().movzx16(TEMP, Rm::Mem(mem)),
            _ => {
                self.asm().load_v(bytes, dst, mem);
                return self.splat(dst, bytes);
            }
        }
        self.asm().mov_to_v(W32, dst, TEMP);
        self.splat(dst, bytes);
    }

    pub(super) fn store_vector(&mut self, arg: &MemArg) {
        let value = self.pop_reg();
        let address = self.address(arg, 16, true);
        self.access(&address);
        self.asm().store_v(16, address.mem, value.vreg());
        self.release_address(&address);
        self.release(Bank::Float, value);
    }

    pub(super) fn load_lane(&mut self, op: Op, arg: &MemArg, lane: u8) {
        let bytes = op.mem_type().expect("memory accesses have a width").bytes();
        let vector = self.pop_vector();
        let address = self.address(arg, bytes, true);
        self.access(&address);
        let (code, width) = insert(op);
        self.asm().sse_gpr(code, width, vector, Rm::Mem(address.mem), Some(lane));
        self.release_address(&address);
        self.push_vector(vector);
    }

    pub(super) fn store_lane(&mut self, op: Op, arg: &MemArg, lane: u8) {
        let bytes = op.mem_type().expect("memory accesses have a width").bytes();
        let vector = self.pop_reg();
        let address = self.address(arg, bytes, true);
        self.access(&address);
        let (opcode, width) = match bytes {
            1 => (0x14, W32),
            2 => (0x15, W32),
            4 => (0x16, W32),
            _ => (0x16, W64),
        };
        let code = (Pre::P66, Map::M0F3A, opcode);
        self.asm().sse_gpr(code, width, vector.vreg(), Rm::Mem(address.mem), Some(lane));
        self.release_address(&address);
        self.release(Bank::Float, vector);
    }
}
