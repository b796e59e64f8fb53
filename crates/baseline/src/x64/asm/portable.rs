//! Owns the instructions that the driver knows.
//! Does not own those that only this machine's operators use (`integer`, `vector`, `jumps`).

use sterna_isa::MemType;

use super::*;
use crate::stack::Cond;

impl Assembler for Asm {
    fn begin(&mut self, _far: bool) {
        self.len = 0;
    }

    fn pos(&self) -> u32 {
        self.len as u32
    }

    fn code(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    #[inline(always)]
    fn ensure(&mut self, count: usize) {
        if self.bytes.len() < self.len + count + 16 {
            let len = (self.len + count + 16).max(self.bytes.len() * 2).max(4096);
            self.bytes.resize(len, 0);
        }
    }

    // ------------------------------------------------------------------------------------------ jumps and calls

    fn bind(&mut self, label: &mut Label) {
        let here = self.pos();
        let mut at = label.at;
        while at != u32::MAX {
            let next = self.read32(at);
            self.patch32(at, here.wrapping_sub(at + 4));
            at = next;
        }
        *label = Label { at: here, bound: true };
    }

    fn jmp(&mut self, label: &mut Label) {
        if label.bound {
            let distance = i64::from(label.at) - i64::from(self.pos() + 2);
            if let Ok(distance) = i8::try_from(distance) {
                return self.commit(Enc::bytes(&[0xeb, distance as u8]));
            }
        }
        self.commit(Enc::bytes(&[0xe9]).imm(0, 4));
        self.refer(label, self.pos() - 4);
    }

    fn jcc(&mut self, cc: Cc, label: &mut Label) {
        if label.bound {
            let distance = i64::from(label.at) - i64::from(self.pos() + 2);
            if let Ok(distance) = i8::try_from(distance) {
                return self.commit(Enc::bytes(&[0x70 | cc as u8, distance as u8]));
            }
        }
        self.commit(Enc::bytes(&[0x0f, 0x80 | cc as u8]).imm(0, 4));
        self.refer(label, self.pos() - 4);
    }

    fn jump_if(&mut self, cond: Cond, label: &mut Label) {
        match cond {
            Cond::Cc(cc) => self.jcc(cc, label),
            Cond::FloatEq => {
                let unordered = self.jcc_short(Cc::P);
                self.jcc(Cc::E, label);
                self.bind_short(unordered);
            }
            Cond::FloatNe => {
                self.jcc(Cc::P, label);
                self.jcc(Cc::Ne, label);
            }
        }
    }

    fn jcc_short(&mut self, cc: Cc) -> Short {
        self.commit(Enc::bytes(&[0x70 | cc as u8, 0]));
        Short(self.pos())
    }

    fn bind_short(&mut self, short: Short) {
        let distance =
            i8::try_from(self.len - short.0 as usize).expect("short jumps skip few instructions");
        self.bytes[short.0 as usize - 1] = distance as u8;
    }

    /// By displacements, each relative to its own end.
    fn jump_by_table(&mut self, index: Gpr) {
        let at_table = self.lea_rip(TEMP);
        self.lea(W64, index, Mem::indexed(TEMP, index, 2, 0));
        self.movsxd(TEMP, Rm::Mem(Mem::new(index, 0)));
        self.lea(W64, index, Mem::indexed(index, TEMP, 0, 4));
        self.jmp_rm(Rm::Reg(index));
        let here = self.pos();
        self.patch32(at_table, here - (at_table + 4));
    }

    fn table_entry(&mut self, label: &mut Label) {
        self.word32(0);
        self.refer(label, self.pos() - 4);
    }

    fn call_func(&mut self) -> u32 {
        self.commit(Enc::bytes(&[0xe8]).imm(0, 4));
        self.pos() - 4
    }

    fn jmp_func(&mut self) -> u32 {
        self.commit(Enc::bytes(&[0xe9]).imm(0, 4));
        self.pos() - 4
    }

    fn call_label(&mut self, label: &mut Label) {
        let at = self.call_func();
        self.refer(label, at);
    }

    fn call_rm(&mut self, rm: Rm) {
        self.op_rm(false, &[0xff], 2, rm);
    }

    fn jmp_rm(&mut self, rm: Rm) {
        self.op_rm(false, &[0xff], 4, rm);
    }

    fn stop(&mut self) {
        self.ud2();
    }

    // ------------------------------------------------------------------------------------------ frames

    fn enter(&mut self, size: u32) {
        self.push(RBP);
        self.mov(W64, RBP, RSP);
        self.alu_i(Alu::Sub, W64, Rm::Reg(RSP), size as i32);
    }

    fn enter_unknown(&mut self) -> u32 {
        // Not a short one.
        self.enter(i32::MAX as u32);
        self.pos() - 4
    }

    fn set_frame_size(&mut self, at: u32, size: u32) {
        self.patch32(at, size);
    }

    fn leave(&mut self) {
        self.byte(0xc9);
    }

    fn ret(&mut self, pop: u32) {
        match pop {
            0 => self.byte(0xc3),
            _ => {
                self.byte(0xc2);
                self.byte(pop as u8);
                self.byte((pop >> 8) as u8);
            }
        }
    }

    fn lower_stack(&mut self, bytes: u32) {
        self.alu_i(Alu::Sub, W64, Rm::Reg(RSP), bytes as i32);
    }

    fn take_record(&mut self) {
        self.load(W64, R10, Mem::new(RBP, 8));
        self.load(W64, TEMP, Mem::new(RBP, 0));
    }

    fn leave_moved(&mut self, up: i32) {
        self.lea(W64, RSP, Mem::new(RBP, 8 + up));
        self.store(W64, Mem::new(RSP, 0), R10);
        self.mov(W64, RBP, TEMP);
    }

    fn push_all(&mut self, registers: &[Gpr]) -> i32 {
        let padding = registers.len() % 2;
        if padding != 0 {
            self.push(RAX);
        }
        registers.iter().for_each(|&reg| self.push(reg));
        8 * (registers.len() + padding) as i32
    }

    fn pop_all(&mut self, registers: &[Gpr]) {
        registers.iter().rev().for_each(|&reg| self.pop(reg));
        if !registers.len().is_multiple_of(2) {
            self.pop(RAX);
        }
    }

    fn push(&mut self, reg: Gpr) {
        self.commit(Enc::in_opcode(false, 0x50, reg.0));
    }

    fn pop(&mut self, reg: Gpr) {
        self.commit(Enc::in_opcode(false, 0x58, reg.0));
    }

    // ------------------------------------------------------------------------------------------ integers

    #[inline(always)]
    fn mov(&mut self, w: W, dst: Gpr, src: Gpr) {
        self.op_rm(w == W64, &[0x89], src.0, Rm::Reg(dst));
    }

    fn mov_i(&mut self, dst: Gpr, value: u64) {
        if let Ok(low) = u32::try_from(value) {
            self.commit(Enc::in_opcode(false, 0xb8, dst.0).imm(low.into(), 4));
        } else if let Ok(signed) = i32::try_from(value as i64) {
            let e = Enc::reg(Code::new(true, &[0xc7]), 0, dst.0);
            self.commit(e.imm(u64::from(signed as u32), 4));
        } else {
            self.commit(Enc::in_opcode(true, 0xb8, dst.0).imm(value, 8));
        }
    }

    #[inline(always)]
    fn load(&mut self, w: W, dst: Gpr, src: Mem) {
        self.op_rm(w == W64, &[0x8b], dst.0, Rm::Mem(src));
    }

    /// All have a memory operand.
    #[inline(always)]
    fn direct(&mut self, mem: Mem, _bytes: u32) -> Mem {
        mem
    }

    fn is_stored(bytes: u32, bits: u64) -> bool {
        bytes < 8 || i32::try_from(bits as i64).is_ok()
    }

    fn load_as(&mut self, ty: MemType, w: W, dst: Gpr, src: Mem) {
        match ty {
            MemType::I8 => self.movsx8(w, dst, Rm::Mem(src)),
            MemType::U8 => self.movzx8(dst, Rm::Mem(src)),
            MemType::I16 => self.movsx16(w, dst, Rm::Mem(src)),
            MemType::U16 => self.movzx16(dst, Rm::Mem(src)),
            MemType::I32 if w == W64 => self.movsxd(dst, Rm::Mem(src)),
            MemType::I32 | MemType::U32 | MemType::F32 => self.load(W32, dst, src),
            MemType::I64 | MemType::U64 | MemType::F64 | MemType::U128 => self.load(W64, dst, src),
        }
    }

    #[inline(always)]
    fn store(&mut self, w: W, dst: Mem, src: Gpr) {
        self.op_rm(w == W64, &[0x89], src.0, Rm::Mem(dst));
    }

    fn store8(&mut self, dst: Mem, src: Gpr) {
        self.commit(Enc::mem(Code::new(false, &[0x88]).force(src.0 >= 4), src.0, dst));
    }

    fn store16(&mut self, dst: Mem, src: Gpr) {
        self.commit(Enc::mem(Code::new(false, &[0x89]).prefix(&[0x66]), src.0, dst));
    }

    fn store_i(&mut self, bytes: u32, dst: Mem, imm: i32) {
        let imm = u64::from(imm as u32);
        let e = match bytes {
            1 => Enc::mem(Code::new(false, &[0xc6]), 0, dst).imm(imm & 0xff, 1),
            2 => Enc::mem(Code::new(false, &[0xc7]).prefix(&[0x66]), 0, dst).imm(imm & 0xffff, 2),
            _ => Enc::mem(Code::new(bytes == 8, &[0xc7]), 0, dst).imm(imm, 4),
        };
        self.commit(e);
    }

    fn lea(&mut self, w: W, dst: Gpr, mem: Mem) {
        self.op_rm(w == W64, &[0x8d], dst.0, Rm::Mem(mem));
    }

    #[inline(always)]
    fn alu(&mut self, op: Alu, w: W, dst: Gpr, src: Rm) {
        self.op_rm(w == W64, &[(op as u8) << 3 | 3], dst.0, src);
    }

    #[inline(always)]
    fn alu_i(&mut self, op: Alu, w: W, dst: Rm, imm: i32) {
        let short = i8::try_from(imm).is_ok();
        let (opcode, bytes) = if short { (0x83, 1) } else { (0x81, 4) };
        let e = Enc::rm(Code::new(w == W64, &[opcode]), op as u8, dst);
        self.commit(e.imm(u64::from(imm as u32), bytes));
    }

    fn cmp8_i(&mut self, mem: Mem, imm: u8) {
        self.commit(Enc::mem(Code::new(false, &[0x80]), 7, mem).imm(imm.into(), 1));
    }

    #[inline(always)]
    fn test(&mut self, w: W, a: Gpr, b: Gpr) {
        self.op_rm(w == W64, &[0x85], b.0, Rm::Reg(a));
    }

    fn compare_zero(&mut self, w: W, reg: Gpr) {
        self.test(w, reg, reg);
    }

    fn test_i(&mut self, w: W, a: Rm, imm: i32) {
        let e = Enc::rm(Code::new(w == W64, &[0xf7]), 0, a);
        self.commit(e.imm(u64::from(imm as u32), 4));
    }

    fn shift_i(&mut self, op: Shift, w: W, dst: Gpr, by: u8) {
        let e = Enc::reg(Code::new(w == W64, &[0xc1]), op as u8, dst.0);
        self.commit(e.imm(by.into(), 1));
    }

    fn multiply(&mut self, dst: Gpr, by: i32) {
        self.imul_i(W64, dst, Rm::Reg(dst), by);
    }

    fn cmov(&mut self, cc: Cc, w: W, dst: Gpr, src: Rm) {
        self.op_rm(w == W64, &[0x0f, 0x40 | cc as u8], dst.0, src);
    }

    fn set_bool(&mut self, cond: Cond, dst: Gpr) {
        match cond {
            Cond::Cc(cc) => self.setcc(cc, dst),
            Cond::FloatEq => {
                self.setcc(Cc::Np, dst);
                self.setcc(Cc::E, TEMP);
                self.alu(Alu::And, W32, dst, Rm::Reg(TEMP));
            }
            Cond::FloatNe => {
                self.setcc(Cc::P, dst);
                self.setcc(Cc::Ne, TEMP);
                self.alu(Alu::Or, W32, dst, Rm::Reg(TEMP));
            }
        }
        self.movzx8(dst, Rm::Reg(dst));
    }

    // ------------------------------------------------------------------------------------------ vectors

    #[inline(always)]
    fn mov_v(&mut self, dst: Vreg, src: Vreg) {
        self.sse(Pre::None, 0x28, dst, Xm::Reg(src));
    }

    fn zero_v(&mut self, dst: Vreg) {
        self.sse(Pre::None, 0x57, dst, Xm::Reg(dst));
    }

    #[inline(always)]
    fn load_v(&mut self, bytes: u32, dst: Vreg, src: Mem) {
        let prefix = match bytes {
            4 => Pre::PF3,
            8 => Pre::PF2,
            _ => Pre::None,
        };
        self.sse(prefix, 0x10, dst, Xm::Mem(src));
    }

    #[inline(always)]
    fn store_v(&mut self, bytes: u32, dst: Mem, src: Vreg) {
        let prefix = match bytes {
            4 => Pre::PF3,
            8 => Pre::PF2,
            _ => Pre::None,
        };
        self.sse(prefix, 0x11, src, Xm::Mem(dst));
    }

    fn const_v(&mut self, _w: W, dst: Vreg, bits: u64) {
        self.mov_i(TEMP, bits);
        self.mov_to_v(W64, dst, TEMP);
    }

    fn mov_from_v(&mut self, w: W, dst: Gpr, src: Vreg) {
        self.sse_gpr((Pre::P66, Map::M0F, 0x7e), w, src, Rm::Reg(dst), None);
    }
}
