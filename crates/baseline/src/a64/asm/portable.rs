//! Owns the instructions that the driver knows, put together from this machine's.
//! Does not own those.
//!
//! `x16` is for addresses and `x15` for values that an instruction needs on its way. The flags are those that x86 would set as far as the driver looks: of
//! sums, differences, comparisons and `and`.

use sterna_isa::MemType;

use super::super::{ADDRESS, TEMP, VALUE};
use super::*;
use crate::machine::{self, Alu, Assembler, Mem, Rm};
use crate::stack::Cond;

/// What the handler of signals knows as a trap.
const TRAP: u16 = 0xc11f;
impl machine::Cc {
    /// The condition by this machine's name.
    pub fn native(self) -> Cc {
        use machine::Cc as From;
        match self {
            From::O | From::P => Cc::Vs,
            From::No | From::Np => Cc::Vc,
            From::B => Cc::Lo,
            From::Ae => Cc::Hs,
            From::E => Cc::Eq,
            From::Ne => Cc::Ne,
            From::Be => Cc::Ls,
            From::A => Cc::Hi,
            From::S => Cc::Mi,
            From::Ns => Cc::Pl,
            From::L => Cc::Lt,
            From::Ge => Cc::Ge,
            From::Le => Cc::Le,
            From::G => Cc::Gt,
        }
    }
}

impl Cond {
    /// The same of what an operator left in the flags.
    pub fn native(self) -> Cc {
        match self {
            Cond::Cc(cc) => cc.native(),
            Cond::FloatEq => Cc::Eq,
            Cond::FloatNe => Cc::Ne,
        }
    }
}

impl Asm {
    /// `src + by`; both may be the stack pointer. Leaves the flags.
    fn add_const(&mut self, w: W, dst: Gpr, src: Gpr, by: i64) {
        let size = by.unsigned_abs();
        let (high, low) = (imm12(size & 0xfff_000), imm12(size & 0xfff));
        let (Some(high), Some(low), true) = (high, low, size >> 24 == 0) else {
            self.mov_i(VALUE, by as u64);
            return self.extended(Rrr::Add, w, dst, src, (VALUE, Extend::Uxtx, 0));
        };
        let mut from = src;
        for (imm, is_wanted) in [(high, size >> 12 != 0), (low, size & 0xfff != 0 || size == 0)] {
            match (is_wanted, by < 0) {
                (false, _) => continue,
                (true, false) => self.add_imm(w, dst, from, imm),
                (true, true) => self.sub_imm(w, dst, from, imm),
            }
            from = dst;
        }
    }

    /// Any access to memory.
    pub fn access(&mut self, access: Access, reg: u8, mem: Mem) {
        let mem = self.direct(mem, 1 << access.log2());
        match mem.index {
            Some(index) => self.ldst_index(access, reg, mem.base, (index, W64), mem.scale > 0),
            None => {
                let fits = self.ldst(access, reg, mem.base, mem.disp.into());
                debug_assert!(fits, "such operands are direct");
            }
        }
    }

    /// An address in a register by itself.
    pub fn address(&mut self, mem: Mem) -> Gpr {
        if mem.index.is_none() && mem.disp == 0 {
            return mem.base;
        }
        self.lea(W64, ADDRESS, mem);
        ADDRESS
    }

    /// A second operand in a register.
    fn source(&mut self, w: W, src: Rm) -> Gpr {
        match src {
            Rm::Reg(reg) => reg,
            Rm::Mem(mem) => {
                self.load(w, VALUE, mem);
                VALUE
            }
        }
    }

    /// `dst = a op imm`, which sets the flags as far as [`Assembler::alu`] does; with a number that is no immediate in [`VALUE`].
    pub fn alu_const(&mut self, op: Alu, w: W, dst: Gpr, a: Gpr, bits: u64) {
        let bits = if w == W32 { bits & 0xffff_ffff } else { bits };
        let negated =
            if w == W32 { u64::from((bits as u32).wrapping_neg()) } else { bits.wrapping_neg() };
        let target = if op == Alu::Cmp { ZR } else { dst };
        match op {
            Alu::Add | Alu::Sub | Alu::Cmp => {
                let is_add = op == Alu::Add;
                if let Some(imm) = imm12(bits) {
                    return match is_add {
                        true => self.adds_imm(w, target, a, imm),
                        false => self.subs_imm(w, target, a, imm),
                    };
                }
                if let Some(imm) = imm12(negated) {
                    return match is_add {
                        true => self.subs_imm(w, target, a, imm),
                        false => self.adds_imm(w, target, a, imm),
                    };
                }
            }
            Alu::And | Alu::Or | Alu::Xor => {
                if let Some(imm) = logical_imm(bits, w) {
                    return match op {
                        Alu::And => self.ands_imm(w, target, a, imm),
                        Alu::Or => self.orr_imm(w, target, a, imm),
                        _ => self.eor_imm(w, target, a, imm),
                    };
                }
            }
        }
        self.mov_i(VALUE, bits);
        self.alu_three(op, w, dst, a, VALUE);
    }

    /// `dst = a op b`, which sets the flags as far as [`Assembler::alu`] does.
    pub fn alu_three(&mut self, op: Alu, w: W, dst: Gpr, a: Gpr, b: Gpr) {
        match op {
            Alu::Add => self.adds(w, dst, a, b),
            Alu::Sub => self.subs(w, dst, a, b),
            Alu::And => self.ands(w, dst, a, b),
            Alu::Or => self.orr(w, dst, a, b),
            Alu::Xor => self.eor(w, dst, a, b),
            Alu::Cmp => self.cmp(w, a, b),
        }
    }
}

impl Assembler for Asm {
    fn begin(&mut self, far: bool) {
        self.clear();
        self.far = far;
    }

    fn pos(&self) -> u32 {
        Asm::pos(self)
    }

    fn code(&self) -> &[u8] {
        Asm::code(self)
    }

    fn is_linked(&self) -> bool {
        !self.overflow
    }

    fn ensure(&mut self, count: usize) {
        Asm::ensure(self, count);
    }

    // ------------------------------------------------------------------------------------------ jumps and calls

    fn bind(&mut self, label: &mut Label) {
        Asm::bind(self, label);
    }

    fn jmp(&mut self, label: &mut Label) {
        self.b(label);
    }

    fn jcc(&mut self, cc: machine::Cc, label: &mut Label) {
        self.b_cond(cc.native(), label);
    }

    fn jump_if(&mut self, cond: Cond, label: &mut Label) {
        self.b_cond(cond.native(), label);
    }

    fn jcc_short(&mut self, cc: machine::Cc) -> Short {
        self.b_cond_short(cc.native())
    }

    fn bind_short(&mut self, short: Short) {
        Asm::bind_short(self, short);
    }

    /// By distances, each from its own place.
    fn jump_by_table(&mut self, index: Gpr) {
        self.adr(TEMP, 20);
        self.shifted(Rrr::Add, W64, index, TEMP, (index, 2));
        self.access(Access::Ldrsw, TEMP.0, Mem::new(index, 0));
        self.add(W64, index, index, TEMP);
        self.br(index);
    }

    fn table_entry(&mut self, label: &mut Label) {
        self.offset_of(label);
    }

    fn call_func(&mut self) -> u32 {
        self.bl()
    }

    fn jmp_func(&mut self) -> u32 {
        self.b_reloc()
    }

    fn call_label(&mut self, label: &mut Label) {
        let at = self.bl();
        self.refer(label, at);
    }

    fn call_rm(&mut self, rm: Rm) {
        let target = self.source(W64, rm);
        self.blr(target);
    }

    fn jmp_rm(&mut self, rm: Rm) {
        let target = self.source(W64, rm);
        self.br(target);
    }

    fn stop(&mut self) {
        self.udf(TRAP);
    }

    // ------------------------------------------------------------------------------------------ frames

    fn enter(&mut self, size: u32) {
        let at = self.enter_unknown();
        self.set_frame_size(at, size);
    }

    fn enter_unknown(&mut self) -> u32 {
        self.stp(W64, FP, LR, (SP, -16, Step::Pre));
        self.mov_sp(FP, SP);
        let at = Asm::pos(self);
        self.word32(0);
        self.word32(0);
        at
    }

    fn set_frame_size(&mut self, at: u32, size: u32) {
        // `sub sp, sp, #high, lsl #12` and `sub sp, sp, #low`: frames are below 16 MiB.
        const SUB: u32 = 0xd100_03ff;
        self.patch32(at, SUB | 1 << 22 | (size >> 12 & 0xfff) << 10);
        self.patch32(at + 4, SUB | (size & 0xfff) << 10);
    }

    fn leave(&mut self) {
        self.mov_sp(SP, FP);
        self.ldp(W64, FP, LR, (SP, 16, Step::Post));
    }

    fn ret(&mut self, pop: u32) {
        if pop > 0 {
            self.add_const(W64, SP, SP, pop.into());
        }
        Asm::ret(self);
    }

    fn lower_stack(&mut self, bytes: u32) {
        self.add_const(W64, SP, SP, -i64::from(bytes));
    }

    fn take_record(&mut self) {
        self.ldp(W64, TEMP, LR, (FP, 0, Step::Offset));
    }

    fn leave_moved(&mut self, up: i32) {
        self.add_const(W64, SP, FP, 16 + i64::from(up));
        Asm::mov(self, W64, FP, TEMP);
    }

    fn push_all(&mut self, registers: &[Gpr]) -> i32 {
        for pair in registers.chunks(2) {
            match *pair {
                [a, b] => self.stp(W64, a, b, (SP, -16, Step::Pre)),
                _ => self.push(pair[0]),
            }
        }
        16 * registers.len().div_ceil(2) as i32
    }

    fn pop_all(&mut self, registers: &[Gpr]) {
        for pair in registers.chunks(2).rev() {
            match *pair {
                [a, b] => self.ldp(W64, a, b, (SP, 16, Step::Post)),
                _ => self.pop(pair[0]),
            }
        }
    }

    fn push(&mut self, reg: Gpr) {
        self.ldst_step(Access::StrX, reg.0, SP, -16, Step::Pre);
    }

    fn pop(&mut self, reg: Gpr) {
        self.ldst_step(Access::LdrX, reg.0, SP, 16, Step::Post);
    }

    // ------------------------------------------------------------------------------------------ integers

    fn mov(&mut self, w: W, dst: Gpr, src: Gpr) {
        Asm::mov(self, w, dst, src);
    }

    fn mov_i(&mut self, dst: Gpr, value: u64) {
        Asm::mov_i(self, dst, value);
    }

    fn load(&mut self, w: W, dst: Gpr, src: Mem) {
        self.access(if w == W64 { Access::LdrX } else { Access::LdrW }, dst.0, src);
    }

    fn direct(&mut self, mem: Mem, bytes: u32) -> Mem {
        let Mem { base, index, scale, disp } = mem;
        let Some(index) = index else {
            let log2 = bytes.trailing_zeros();
            let scaled = disp >> log2;
            let fits = (0..4096).contains(&scaled) && scaled << log2 == disp;
            if fits || (-256..256).contains(&disp) {
                return mem;
            }
            self.add_const(W64, ADDRESS, base, disp.into());
            return Mem::new(ADDRESS, 0);
        };
        if disp == 0 && (scale == 0 || 1 << scale == bytes) {
            return mem;
        }
        let by = (index, u32::from(scale));
        self.shifted(Rrr::Add, W64, ADDRESS, base, by);
        self.direct(Mem::new(ADDRESS, disp), bytes)
    }

    fn is_stored(_bytes: u32, bits: u64) -> bool {
        bits == 0
    }

    fn load_as(&mut self, ty: MemType, w: W, dst: Gpr, src: Mem) {
        let access = match (ty, w) {
            (MemType::I8, W::W32) => Access::LdrsbW,
            (MemType::I8, W::W64) => Access::LdrsbX,
            (MemType::U8, _) => Access::Ldrb,
            (MemType::I16, W::W32) => Access::LdrshW,
            (MemType::I16, W::W64) => Access::LdrshX,
            (MemType::U16, _) => Access::Ldrh,
            (MemType::I32, W::W64) => Access::Ldrsw,
            (MemType::I32 | MemType::U32 | MemType::F32, _) => Access::LdrW,
            (MemType::I64 | MemType::U64 | MemType::F64 | MemType::U128, _) => Access::LdrX,
        };
        self.access(access, dst.0, src);
    }

    fn store(&mut self, w: W, dst: Mem, src: Gpr) {
        self.access(if w == W64 { Access::StrX } else { Access::StrW }, src.0, dst);
    }

    fn store8(&mut self, dst: Mem, src: Gpr) {
        self.access(Access::Strb, src.0, dst);
    }

    fn store16(&mut self, dst: Mem, src: Gpr) {
        self.access(Access::Strh, src.0, dst);
    }

    fn store_i(&mut self, bytes: u32, dst: Mem, imm: i32) {
        let access = match bytes {
            1 => Access::Strb,
            2 => Access::Strh,
            4 => Access::StrW,
            _ => Access::StrX,
        };
        let dst = self.direct(dst, bytes);
        let mut value = ZR;
        if imm != 0 {
            value = VALUE;
            Asm::mov_i(self, VALUE, i64::from(imm) as u64);
        }
        self.access(access, value.0, dst);
    }

    fn lea(&mut self, w: W, dst: Gpr, mem: Mem) {
        let Mem { base, index, scale, disp } = mem;
        let Some(index) = index else {
            return self.add_const(w, dst, base, disp.into());
        };
        self.shifted(Rrr::Add, w, dst, base, (index, u32::from(scale)));
        if disp != 0 {
            self.add_const(w, dst, dst, disp.into());
        }
    }

    fn alu(&mut self, op: Alu, w: W, dst: Gpr, src: Rm) {
        let b = self.source(w, src);
        if dst == SP {
            debug_assert_eq!(op, Alu::Cmp, "the stack pointer is only compared");
            return self.extended(Rrr::Subs, w, ZR, SP, (b, Extend::Uxtx, 0));
        }
        self.alu_three(op, w, dst, dst, b);
    }

    fn alu_i(&mut self, op: Alu, w: W, dst: Rm, imm: i32) {
        let bits = i64::from(imm) as u64;
        let mem = match dst {
            Rm::Reg(reg) => return self.alu_const(op, w, reg, reg, bits),
            Rm::Mem(mem) => self.direct(mem, if w == W64 { 8 } else { 4 }),
        };
        if op == Alu::Cmp {
            // A number that is no immediate needs a register: the address is no longer needed.
            self.load(w, ADDRESS, mem);
            return self.alu_const(op, w, ADDRESS, ADDRESS, bits);
        }
        debug_assert!(
            imm12(imm.unsigned_abs().into()).is_some(),
            "small numbers are added in memory"
        );
        self.load(w, VALUE, mem);
        self.alu_const(op, w, VALUE, VALUE, bits);
        self.store(w, mem, VALUE);
    }

    fn cmp8_i(&mut self, mem: Mem, imm: u8) {
        self.access(Access::Ldrb, VALUE.0, mem);
        self.alu_const(Alu::Cmp, W32, VALUE, VALUE, imm.into());
    }

    fn compare_zero(&mut self, w: W, reg: Gpr) {
        // Not a test, which would clear the carry.
        self.alu_const(Alu::Cmp, w, reg, reg, 0);
    }

    fn test(&mut self, w: W, a: Gpr, b: Gpr) {
        self.tst(w, a, b);
    }

    fn test_i(&mut self, w: W, a: Rm, imm: i32) {
        let a = match a {
            Rm::Reg(reg) => reg,
            Rm::Mem(mem) => {
                self.load(w, ADDRESS, mem);
                ADDRESS
            }
        };
        match logical_imm(i64::from(imm) as u64, w) {
            Some(imm) => self.tst_imm(w, a, imm),
            None => {
                Asm::mov_i(self, VALUE, i64::from(imm) as u64);
                self.tst(w, a, VALUE);
            }
        }
    }

    fn shift_i(&mut self, op: machine::Shift, w: W, dst: Gpr, by: u8) {
        let by = u32::from(by);
        match op {
            machine::Shift::Shl => self.lsl_imm(w, dst, dst, by),
            machine::Shift::Shr => self.lsr_imm(w, dst, dst, by),
            machine::Shift::Sar => self.asr_imm(w, dst, dst, by),
            machine::Shift::Ror => self.ror_imm(w, dst, dst, by),
            machine::Shift::Rol => self.ror_imm(w, dst, dst, by.wrapping_neg()),
        }
    }

    fn multiply(&mut self, dst: Gpr, by: i32) {
        Asm::mov_i(self, VALUE, i64::from(by) as u64);
        self.mul(W64, dst, dst, VALUE);
    }

    fn cmov(&mut self, cc: machine::Cc, w: W, dst: Gpr, src: Rm) {
        let src = self.source(w, src);
        self.csel(w, dst, src, dst, cc.native());
    }

    fn set_bool(&mut self, cond: Cond, dst: Gpr) {
        self.cset(W32, dst, cond.native());
    }

    // ------------------------------------------------------------------------------------------ vectors

    fn mov_v(&mut self, dst: Vreg, src: Vreg) {
        Asm::mov_v(self, dst, src);
    }

    fn zero_v(&mut self, dst: Vreg) {
        Asm::zero_v(self, dst);
    }

    fn load_v(&mut self, bytes: u32, dst: Vreg, src: Mem) {
        let access = match bytes {
            4 => Access::LdrS,
            8 => Access::LdrD,
            _ => Access::LdrQ,
        };
        self.access(access, dst.0, src);
    }

    fn store_v(&mut self, bytes: u32, dst: Mem, src: Vreg) {
        let access = match bytes {
            4 => Access::StrS,
            8 => Access::StrD,
            _ => Access::StrQ,
        };
        self.access(access, src.0, dst);
    }

    fn const_v(&mut self, w: W, dst: Vreg, bits: u64) {
        // What is above does not matter.
        let lane = if w == W32 { bits << 32 | bits } else { bits };
        if let Some(imm) = float_imm(w, bits) {
            self.fmov_imm(w, dst, imm);
        } else if let Some(word) = vector_imm(u128::from(lane) << 64 | u128::from(lane)) {
            self.v_imm(dst, word);
        } else {
            Asm::mov_i(self, TEMP, bits);
            self.fmov_from_gpr(w, dst, TEMP);
        }
    }

    fn mov_from_v(&mut self, w: W, dst: Gpr, src: Vreg) {
        self.fmov_to_gpr(w, dst, src);
    }
}
