//! Owns the instructions on general-purpose registers.
//! Does not own jumps.

use super::{Asm, Assembler, Cc, Enc, Gpr, Mem, Rm, Shift, Unary, W, W32, W64, WithCarry};

impl Asm {
    /// Opcode bytes, then ModRM with `reg` and `rm`.
    #[inline(always)]
    pub fn op_rm(&mut self, w: bool, opcode: &[u8], reg: u8, rm: Rm) {
        let mut e = Enc::new();
        match rm {
            Rm::Reg(rm) => {
                e.rex(w, reg, 0, rm.0, false);
                opcode.iter().for_each(|&byte| e.put(byte));
                e.modrm_reg(reg, rm.0);
            }
            Rm::Mem(mem) => {
                e.rex_mem(w, reg, mem, false);
                opcode.iter().for_each(|&byte| e.put(byte));
                e.modrm_mem(reg, mem);
            }
        }
        self.commit(e);
    }

    /// `lea dst, [rip + disp]`; where the displacement is.
    pub fn lea_rip(&mut self, dst: Gpr) -> u32 {
        let mut e = Enc::new();
        e.rex(true, dst.0, 0, 0, false);
        e.put(0x8d);
        e.put((dst.0 & 7) << 3 | 5);
        e.put32(0);
        self.commit(e);
        self.pos() - 4
    }

    /// Widening move: `opcode` is the second byte (B6, B7, BE, BF).
    fn widen(&mut self, w: W, opcode: u8, dst: Gpr, src: Rm) {
        let mut e = Enc::new();
        match src {
            Rm::Reg(src) => {
                let byte = opcode & 1 == 0;
                e.rex(w == W64, dst.0, 0, src.0, byte && src.0 >= 4);
                e.put(0x0f);
                e.put(opcode);
                e.modrm_reg(dst.0, src.0);
            }
            Rm::Mem(mem) => {
                e.rex_mem(w == W64, dst.0, mem, false);
                e.put(0x0f);
                e.put(opcode);
                e.modrm_mem(dst.0, mem);
            }
        }
        self.commit(e);
    }

    pub fn movzx8(&mut self, dst: Gpr, src: Rm) {
        self.widen(W32, 0xb6, dst, src);
    }

    pub fn movzx16(&mut self, dst: Gpr, src: Rm) {
        self.widen(W32, 0xb7, dst, src);
    }

    pub fn movsx8(&mut self, w: W, dst: Gpr, src: Rm) {
        self.widen(w, 0xbe, dst, src);
    }

    pub fn movsx16(&mut self, w: W, dst: Gpr, src: Rm) {
        self.widen(w, 0xbf, dst, src);
    }

    pub fn movsxd(&mut self, dst: Gpr, src: Rm) {
        self.op_rm(true, &[0x63], dst.0, src);
    }

    pub fn imul(&mut self, w: W, dst: Gpr, src: Rm) {
        self.op_rm(w == W64, &[0x0f, 0xaf], dst.0, src);
    }

    pub fn imul_i(&mut self, w: W, dst: Gpr, src: Rm, imm: i32) {
        let mut e = Enc::new();
        let short = i8::try_from(imm).is_ok();
        let opcode = if short { 0x6b } else { 0x69 };
        match src {
            Rm::Reg(src) => {
                e.rex(w == W64, dst.0, 0, src.0, false);
                e.put(opcode);
                e.modrm_reg(dst.0, src.0);
            }
            Rm::Mem(mem) => {
                e.rex_mem(w == W64, dst.0, mem, false);
                e.put(opcode);
                e.modrm_mem(dst.0, mem);
            }
        }
        if short {
            e.put(imm as u8);
        } else {
            e.put32(imm as u32);
        }
        self.commit(e);
    }

    pub fn unary(&mut self, op: Unary, w: W, rm: Rm) {
        self.op_rm(w == W64, &[0xf7], op as u8, rm);
    }

    /// `cdq` or `cqo`.
    pub fn sign_to_dx(&mut self, w: W) {
        if w == W64 {
            self.byte(0x48);
        }
        self.byte(0x99);
    }

    /// By `cl`.
    pub fn shift_cl(&mut self, op: Shift, w: W, dst: Gpr) {
        self.op_rm(w == W64, &[0xd3], op as u8, Rm::Reg(dst));
    }

    /// `shlx`, `shrx`, `sarx` of BMI2: a shift by any register that leaves the flags alone.
    pub fn shift_x(&mut self, op: Shift, w: W, dst: Gpr, src: Rm, by: Gpr) {
        let pp = match op {
            Shift::Shl => 1,
            Shift::Sar => 2,
            _ => 3,
        };
        let (base, index) = match src {
            Rm::Reg(reg) => (reg.0, 0),
            Rm::Mem(mem) => (mem.base.0, mem.index.map_or(0, |index| index.0)),
        };
        let mut e = Enc::new();
        e.put(0xc4);
        let inverted = |reg: u8, bit: u8| (!reg >> 3 & 1) << bit;
        e.put(inverted(dst.0, 7) | inverted(index, 6) | inverted(base, 5) | 2);
        e.put(u8::from(w == W64) << 7 | (!by.0 & 15) << 3 | pp);
        e.put(0xf7);
        match src {
            Rm::Reg(reg) => e.modrm_reg(dst.0, reg.0),
            Rm::Mem(mem) => e.modrm_mem(dst.0, mem),
        }
        self.commit(e);
    }

    /// Sets the low byte.
    pub fn setcc(&mut self, cc: Cc, dst: Gpr) {
        let mut e = Enc::new();
        e.rex(false, 0, 0, dst.0, dst.0 >= 4);
        e.put(0x0f);
        e.put(0x90 | cc as u8);
        e.modrm_reg(0, dst.0);
        self.commit(e);
    }

    /// Instructions with prefix F3: `lzcnt` (BD), `tzcnt` (BC), `popcnt` (B8).
    pub fn count(&mut self, opcode: u8, w: W, dst: Gpr, src: Rm) {
        let mut e = Enc::new();
        e.put(0xf3);
        match src {
            Rm::Reg(src) => {
                e.rex(w == W64, dst.0, 0, src.0, false);
                e.put(0x0f);
                e.put(opcode);
                e.modrm_reg(dst.0, src.0);
            }
            Rm::Mem(mem) => {
                e.rex_mem(w == W64, dst.0, mem, false);
                e.put(0x0f);
                e.put(opcode);
                e.modrm_mem(dst.0, mem);
            }
        }
        self.commit(e);
    }

    /// Exchanges of a register and memory, by the opcode for bytes.
    pub fn atomic(&mut self, lock: bool, bytes: u32, opcode: &[u8], reg: Gpr, mem: Mem) {
        let mut e = Enc::new();
        if lock {
            e.put(0xf0);
        }
        if bytes == 2 {
            e.put(0x66);
        }
        e.rex_mem(bytes == 8, reg.0, mem, bytes == 1 && reg.0 >= 4);
        let (last, first) = opcode.split_last().expect("an opcode has a byte");
        first.iter().for_each(|&byte| e.put(byte));
        e.put(last | u8::from(bytes > 1));
        e.modrm_mem(reg.0, mem);
        self.commit(e);
    }

    pub fn mfence(&mut self) {
        self.byte(0x0f);
        self.byte(0xae);
        self.byte(0xf0);
    }

    /// Fills `rcx` words of 8 bytes at `rdi` with `rax`.
    pub fn rep_stosq(&mut self) {
        self.byte(0xf3);
        self.byte(0x48);
        self.byte(0xab);
    }

    /// On 64 bits.
    pub fn alu_carry(&mut self, op: WithCarry, dst: Gpr, src: Gpr) {
        self.op_rm(true, &[(op as u8) << 3 | 3], dst.0, Rm::Reg(src));
    }

    /// A move unless it would be to itself.
    pub fn mov_if(&mut self, w: W, dst: Gpr, src: Gpr) {
        if dst != src {
            self.mov(w, dst, src);
        }
    }
}
