//! Owns the instructions on general-purpose registers.
//! Does not own jumps.

use super::{Alu, Asm, Cc, Enc, Gpr, Mem, Rm, Shift, Unary, W, W32, W64};

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

    #[inline(always)]
    pub fn alu(&mut self, op: Alu, w: W, dst: Gpr, src: Rm) {
        self.op_rm(w == W64, &[(op as u8) << 3 | 3], dst.0, src);
    }

    #[inline(always)]
    pub fn alu_i(&mut self, op: Alu, w: W, dst: Rm, imm: i32) {
        let (mut e, op) = (Enc::new(), op as u8);
        let short = i8::try_from(imm).is_ok();
        let opcode = if short { 0x83 } else { 0x81 };
        match dst {
            Rm::Reg(reg) => {
                e.rex(w == W64, 0, 0, reg.0, false);
                e.put(opcode);
                e.modrm_reg(op, reg.0);
            }
            Rm::Mem(mem) => {
                e.rex_mem(w == W64, 0, mem, false);
                e.put(opcode);
                e.modrm_mem(op, mem);
            }
        }
        if short {
            e.put(imm as u8);
        } else {
            e.put32(imm as u32);
        }
        self.commit(e);
    }

    /// `cmp byte [mem], imm`.
    pub fn cmp8_i(&mut self, mem: Mem, imm: u8) {
        let mut e = Enc::new();
        e.rex_mem(false, 0, mem, false);
        e.put(0x80);
        e.modrm_mem(7, mem);
        e.put(imm);
        self.commit(e);
    }

    #[inline(always)]
    pub fn mov(&mut self, w: W, dst: Gpr, src: Gpr) {
        self.op_rm(w == W64, &[0x89], src.0, Rm::Reg(dst));
    }

    #[inline(always)]
    pub fn load(&mut self, w: W, dst: Gpr, src: Mem) {
        self.op_rm(w == W64, &[0x8b], dst.0, Rm::Mem(src));
    }

    #[inline(always)]
    pub fn store(&mut self, w: W, dst: Mem, src: Gpr) {
        self.op_rm(w == W64, &[0x89], src.0, Rm::Mem(dst));
    }

    /// Stores the low byte.
    pub fn store8(&mut self, dst: Mem, src: Gpr) {
        let mut e = Enc::new();
        e.rex_mem(false, src.0, dst, src.0 >= 4);
        e.put(0x88);
        e.modrm_mem(src.0, dst);
        self.commit(e);
    }

    /// Stores the low two bytes.
    pub fn store16(&mut self, dst: Mem, src: Gpr) {
        let mut e = Enc::new();
        e.put(0x66);
        e.rex_mem(false, src.0, dst, false);
        e.put(0x89);
        e.modrm_mem(src.0, dst);
        self.commit(e);
    }

    /// Stores an immediate of 1, 2, 4 bytes, or 8 sign-extended.
    pub fn store_i(&mut self, bytes: u32, dst: Mem, imm: i32) {
        let mut e = Enc::new();
        if bytes == 2 {
            e.put(0x66);
        }
        e.rex_mem(bytes == 8, 0, dst, false);
        e.put(if bytes == 1 { 0xc6 } else { 0xc7 });
        e.modrm_mem(0, dst);
        match bytes {
            1 => e.put(imm as u8),
            2 => {
                e.put(imm as u8);
                e.put((imm >> 8) as u8);
            }
            _ => e.put32(imm as u32),
        }
        self.commit(e);
    }

    /// Any constant in 64 bits, with the shortest `mov`; the flags stay.
    pub fn mov_i(&mut self, dst: Gpr, value: u64) {
        let mut e = Enc::new();
        if let Ok(low) = u32::try_from(value) {
            e.rex(false, 0, 0, dst.0, false);
            e.put(0xb8 | dst.0 & 7);
            e.put32(low);
        } else if let Ok(signed) = i32::try_from(value as i64) {
            e.rex(true, 0, 0, dst.0, false);
            e.put(0xc7);
            e.modrm_reg(0, dst.0);
            e.put32(signed as u32);
        } else {
            e.rex(true, 0, 0, dst.0, false);
            e.put(0xb8 | dst.0 & 7);
            e.put32(value as u32);
            e.put32((value >> 32) as u32);
        }
        self.commit(e);
    }

    pub fn lea(&mut self, w: W, dst: Gpr, mem: Mem) {
        self.op_rm(w == W64, &[0x8d], dst.0, Rm::Mem(mem));
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

    pub fn shift_i(&mut self, op: Shift, w: W, dst: Gpr, by: u8) {
        let mut e = Enc::new();
        e.rex(w == W64, 0, 0, dst.0, false);
        e.put(0xc1);
        e.modrm_reg(op as u8, dst.0);
        e.put(by);
        self.commit(e);
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

    #[inline(always)]
    pub fn test(&mut self, w: W, a: Gpr, b: Gpr) {
        self.op_rm(w == W64, &[0x85], b.0, Rm::Reg(a));
    }

    pub fn test_i(&mut self, w: W, a: Rm, imm: i32) {
        let mut e = Enc::new();
        match a {
            Rm::Reg(reg) => {
                e.rex(w == W64, 0, 0, reg.0, false);
                e.put(0xf7);
                e.modrm_reg(0, reg.0);
            }
            Rm::Mem(mem) => {
                e.rex_mem(w == W64, 0, mem, false);
                e.put(0xf7);
                e.modrm_mem(0, mem);
            }
        }
        e.put32(imm as u32);
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

    pub fn cmov(&mut self, cc: Cc, w: W, dst: Gpr, src: Rm) {
        self.op_rm(w == W64, &[0x0f, 0x40 | cc as u8], dst.0, src);
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
}
