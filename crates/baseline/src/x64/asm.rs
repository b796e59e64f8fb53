//! Owns the encoding of x86-64 instructions into one growing buffer, and jumps whose targets are not known yet.
//! Does not choose instructions.
//!
//! An instruction is put together in an array of 16 bytes and copied to the buffer whole, of which [`Asm::ensure`] has made sure that it
//! has room. Jumps to an unbound [`Label`] form a list in the code itself: each one's displacement field holds the position of the one
//! before it.

/// A general-purpose register by its hardware number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gpr(pub u8);

/// A vector register by its hardware number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Xmm(pub u8);

pub(crate) const RAX: Gpr = Gpr(0);
pub(crate) const RCX: Gpr = Gpr(1);
pub(crate) const RDX: Gpr = Gpr(2);
pub(crate) const RBX: Gpr = Gpr(3);
pub(crate) const RSP: Gpr = Gpr(4);
pub(crate) const RBP: Gpr = Gpr(5);
pub(crate) const RSI: Gpr = Gpr(6);
pub(crate) const RDI: Gpr = Gpr(7);
pub(crate) const R8: Gpr = Gpr(8);
pub(crate) const R9: Gpr = Gpr(9);
pub(crate) const R10: Gpr = Gpr(10);
pub(crate) const R11: Gpr = Gpr(11);
pub(crate) const R12: Gpr = Gpr(12);
pub(crate) const R13: Gpr = Gpr(13);
pub(crate) const R14: Gpr = Gpr(14);
pub(crate) const R15: Gpr = Gpr(15);

/// A memory operand: `base + (index << scale) + disp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mem {
    pub base: Gpr,
    pub index: Option<Gpr>,
    /// log2 of the factor.
    pub scale: u8,
    pub disp: i32,
}

impl Mem {
    pub fn new(base: Gpr, disp: i32) -> Mem {
        Mem { base, index: None, scale: 0, disp }
    }

    pub fn indexed(base: Gpr, index: Gpr, scale: u8, disp: i32) -> Mem {
        Mem { base, index: Some(index), scale, disp }
    }

    pub fn plus(self, disp: i32) -> Mem {
        Mem { disp: self.disp + disp, ..self }
    }
}

/// A register or memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rm {
    Reg(Gpr),
    Mem(Mem),
}

/// A vector register or memory operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Xm {
    Reg(Xmm),
    Mem(Mem),
}

/// Operand width of an integer instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum W {
    W32,
    W64,
}
pub(crate) use W::{W32, W64};

/// Two-operand arithmetic by its number in the encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Alu {
    Add = 0,
    Or = 1,
    Adc = 2,
    Sbb = 3,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts by their number in the encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Shift {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// One-operand arithmetic of group 3 by its number in the encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Unary {
    Neg = 3,
    Mul = 4,
    IMul = 5,
    Div = 6,
    IDiv = 7,
}

/// A condition by its number in the encoding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Cc {
    O = 0,
    No = 1,
    B = 2,
    Ae = 3,
    E = 4,
    Ne = 5,
    Be = 6,
    A = 7,
    S = 8,
    Ns = 9,
    P = 10,
    Np = 11,
    L = 12,
    Ge = 13,
    Le = 14,
    G = 15,
}

impl Cc {
    /// True exactly when this one is false.
    pub fn inverted(self) -> Cc {
        const ALL: [Cc; 16] = [
            Cc::O,
            Cc::No,
            Cc::B,
            Cc::Ae,
            Cc::E,
            Cc::Ne,
            Cc::Be,
            Cc::A,
            Cc::S,
            Cc::Ns,
            Cc::P,
            Cc::Np,
            Cc::L,
            Cc::Ge,
            Cc::Le,
            Cc::G,
        ];
        ALL[self as usize ^ 1]
    }

    /// The condition after the operands of the comparison were exchanged.
    pub fn swapped(self) -> Cc {
        match self {
            Cc::B => Cc::A,
            Cc::A => Cc::B,
            Cc::Ae => Cc::Be,
            Cc::Be => Cc::Ae,
            Cc::L => Cc::G,
            Cc::G => Cc::L,
            Cc::Le => Cc::Ge,
            Cc::Ge => Cc::Le,
            other => other,
        }
    }
}

/// Mandatory prefix of a vector instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pre {
    None,
    P66,
    PF2,
    PF3,
}

/// Opcode map of a vector instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Map {
    M0F,
    M0F38,
    M0F3A,
}

/// A place in the code that jumps lead to, before or after it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Label {
    /// Where it is, if bound; else the last jump's displacement field, or `u32::MAX`.
    at: u32,
    bound: bool,
}

impl Label {
    pub const NEW: Label = Label { at: u32::MAX, bound: false };

    /// Whether its place is known.
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// Whether anything jumps here, not being bound.
    pub fn is_used(&self) -> bool {
        self.at != u32::MAX
    }
}

/// A short forward jump to be bound by [`Asm::bind_short`].
#[derive(Clone, Copy)]
#[must_use]
pub(crate) struct Short(usize);

/// One instruction being put together.
struct Enc {
    bytes: [u8; 16],
    len: usize,
}

impl Enc {
    #[inline(always)]
    fn new() -> Enc {
        Enc { bytes: [0; 16], len: 0 }
    }

    #[inline(always)]
    fn put(&mut self, byte: u8) {
        self.bytes[self.len & 15] = byte;
        self.len += 1;
    }

    #[inline(always)]
    fn put32(&mut self, value: u32) {
        let at = self.len.min(12);
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self.len += 4;
    }

    #[inline(always)]
    fn rex(&mut self, w: bool, reg: u8, index: u8, base: u8, force: bool) {
        let rex = u8::from(w) << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
        if rex != 0 || force {
            self.put(0x40 | rex);
        }
    }

    #[inline(always)]
    fn modrm_reg(&mut self, reg: u8, rm: u8) {
        self.put(0xc0 | (reg & 7) << 3 | rm & 7);
    }

    #[inline(always)]
    fn modrm_mem(&mut self, reg: u8, mem: Mem) {
        let base = mem.base.0 & 7;
        let short = i8::try_from(mem.disp).is_ok();
        let mode = match mem.disp {
            0 if base != 5 => 0,
            _ if short => 0x40,
            _ => 0x80,
        };
        let reg = (reg & 7) << 3;
        match mem.index {
            None if base != 4 => self.put(mode | reg | base),
            index => {
                self.put(mode | reg | 4);
                let index = index.map_or(4, |index| index.0 & 7);
                self.put(mem.scale << 6 | index << 3 | base);
            }
        }
        match mode {
            0 => {}
            0x40 => self.put(mem.disp as u8),
            _ => self.put32(mem.disp as u32),
        }
    }

    #[inline(always)]
    fn rex_mem(&mut self, w: bool, reg: u8, mem: Mem, force: bool) {
        self.rex(w, reg, mem.index.map_or(0, |index| index.0), mem.base.0, force);
    }
}

/// The code of a function as it grows.
#[derive(Default)]
pub(crate) struct Asm {
    bytes: Vec<u8>,
    len: usize,
}

impl Asm {
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Bytes so far.
    pub fn pos(&self) -> u32 {
        self.len as u32
    }

    pub fn code(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Makes room for `count` bytes and one instruction.
    #[inline(always)]
    pub fn ensure(&mut self, count: usize) {
        if self.bytes.len() < self.len + count + 16 {
            let len = (self.len + count + 16).max(self.bytes.len() * 2).max(4096);
            self.bytes.resize(len, 0);
        }
    }

    #[inline(always)]
    fn commit(&mut self, enc: Enc) {
        self.ensure(0);
        self.bytes[self.len..self.len + 16].copy_from_slice(&enc.bytes);
        self.len += enc.len;
    }

    pub fn patch32(&mut self, at: u32, value: u32) {
        self.bytes[at as usize..at as usize + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn read32(&self, at: u32) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.bytes[at as usize..at as usize + 4]);
        u32::from_le_bytes(word)
    }

    pub fn byte(&mut self, byte: u8) {
        let mut e = Enc::new();
        e.put(byte);
        self.commit(e);
    }

    pub fn word32(&mut self, word: u32) {
        let mut e = Enc::new();
        e.put32(word);
        self.commit(e);
    }

    // ------------------------------------------------------------------------------------------ labels and jumps

    /// Makes the 4 bytes at `at`, which hold a displacement relative to their end, refer to a label.
    pub fn refer(&mut self, label: &mut Label, at: u32) {
        if label.bound {
            self.patch32(at, label.at.wrapping_sub(at + 4));
        } else {
            self.patch32(at, label.at);
            label.at = at;
        }
    }

    /// Makes a label the current place.
    pub fn bind(&mut self, label: &mut Label) {
        let here = self.pos();
        let mut at = label.at;
        while at != u32::MAX {
            let next = self.read32(at);
            self.patch32(at, here.wrapping_sub(at + 4));
            at = next;
        }
        *label = Label { at: here, bound: true };
    }

    pub fn jmp(&mut self, label: &mut Label) {
        if label.bound {
            let distance = i64::from(label.at) - i64::from(self.pos() + 2);
            if let Ok(distance) = i8::try_from(distance) {
                self.byte(0xeb);
                self.byte(distance as u8);
                return;
            }
        }
        self.byte(0xe9);
        self.word32(0);
        self.refer(label, self.pos() - 4);
    }

    pub fn jcc(&mut self, cc: Cc, label: &mut Label) {
        if label.bound {
            let distance = i64::from(label.at) - i64::from(self.pos() + 2);
            if let Ok(distance) = i8::try_from(distance) {
                self.byte(0x70 | cc as u8);
                self.byte(distance as u8);
                return;
            }
        }
        let mut e = Enc::new();
        e.put(0x0f);
        e.put(0x80 | cc as u8);
        e.put32(0);
        self.commit(e);
        self.refer(label, self.pos() - 4);
    }

    /// A conditional jump over at most 127 bytes.
    pub fn jcc_short(&mut self, cc: Cc) -> Short {
        self.byte(0x70 | cc as u8);
        self.byte(0);
        Short(self.len)
    }

    pub fn jmp_short(&mut self) -> Short {
        self.byte(0xeb);
        self.byte(0);
        Short(self.len)
    }

    pub fn bind_short(&mut self, short: Short) {
        let distance = i8::try_from(self.len - short.0).expect("short jumps skip few instructions");
        self.bytes[short.0 - 1] = distance as u8;
    }

    /// `call rel32`; where its displacement is.
    pub fn call_rel(&mut self) -> u32 {
        self.byte(0xe8);
        self.word32(0);
        self.pos() - 4
    }

    /// `jmp rel32`; where its displacement is.
    pub fn jmp_rel(&mut self) -> u32 {
        self.byte(0xe9);
        self.word32(0);
        self.pos() - 4
    }

    pub fn call_rm(&mut self, rm: Rm) {
        self.op_rm(false, &[0xff], 2, rm);
    }

    pub fn jmp_rm(&mut self, rm: Rm) {
        self.op_rm(false, &[0xff], 4, rm);
    }

    pub fn ret(&mut self, pop: u16) {
        match pop {
            0 => self.byte(0xc3),
            _ => {
                self.byte(0xc2);
                self.byte(pop as u8);
                self.byte((pop >> 8) as u8);
            }
        }
    }

    pub fn leave(&mut self) {
        self.byte(0xc9);
    }

    pub fn ud2(&mut self) {
        self.byte(0x0f);
        self.byte(0x0b);
    }

    pub fn push(&mut self, reg: Gpr) {
        let mut e = Enc::new();
        e.rex(false, 0, 0, reg.0, false);
        e.put(0x50 | reg.0 & 7);
        self.commit(e);
    }

    pub fn pop(&mut self, reg: Gpr) {
        let mut e = Enc::new();
        e.rex(false, 0, 0, reg.0, false);
        e.put(0x58 | reg.0 & 7);
        self.commit(e);
    }

    // ------------------------------------------------------------------------------------------ integers

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

    // ------------------------------------------------------------------------------------------ vectors and floats

    /// Any SSE instruction: `reg` and `rm` are hardware numbers, an immediate may follow.
    #[inline(always)]
    fn sse_any(
        &mut self,
        (prefix, map, opcode): (Pre, Map, u8),
        w: bool,
        reg: u8,
        rm: Result<u8, Mem>,
        imm: Option<u8>,
    ) {
        let mut e = Enc::new();
        match prefix {
            Pre::None => {}
            Pre::P66 => e.put(0x66),
            Pre::PF2 => e.put(0xf2),
            Pre::PF3 => e.put(0xf3),
        }
        match rm {
            Ok(rm) => e.rex(w, reg, 0, rm, false),
            Err(mem) => e.rex_mem(w, reg, mem, false),
        }
        e.put(0x0f);
        match map {
            Map::M0F => {}
            Map::M0F38 => e.put(0x38),
            Map::M0F3A => e.put(0x3a),
        }
        e.put(opcode);
        match rm {
            Ok(rm) => e.modrm_reg(reg, rm),
            Err(mem) => e.modrm_mem(reg, mem),
        }
        if let Some(imm) = imm {
            e.put(imm);
        }
        self.commit(e);
    }

    /// Destination and source vectors, or memory.
    #[inline(always)]
    pub fn sse(&mut self, prefix: Pre, opcode: u8, dst: Xmm, src: Xm) {
        self.sse_map(prefix, Map::M0F, opcode, dst, src, None);
    }

    #[inline(always)]
    pub fn sse_map(
        &mut self,
        prefix: Pre,
        map: Map,
        opcode: u8,
        dst: Xmm,
        src: Xm,
        imm: Option<u8>,
    ) {
        let rm = match src {
            Xm::Reg(src) => Ok(src.0),
            Xm::Mem(mem) => Err(mem),
        };
        self.sse_any((prefix, map, opcode), false, dst.0, rm, imm);
    }

    /// With a general-purpose register or memory as `rm` (`movd`, `cvtsi2sd`, `pinsr`, …); `xmm` is `reg`.
    pub fn sse_gpr(
        &mut self,
        (prefix, map, opcode): (Pre, Map, u8),
        w: W,
        xmm: Xmm,
        rm: Rm,
        imm: Option<u8>,
    ) {
        let rm = match rm {
            Rm::Reg(reg) => Ok(reg.0),
            Rm::Mem(mem) => Err(mem),
        };
        self.sse_any((prefix, map, opcode), w == W64, xmm.0, rm, imm);
    }

    /// With a general-purpose register as `reg` and a vector register or memory as `rm` (`cvttsd2si`, `pmovmskb`, …).
    pub fn sse_to_gpr(&mut self, prefix: Pre, opcode: u8, w: W, dst: Gpr, src: Xm) {
        let rm = match src {
            Xm::Reg(src) => Ok(src.0),
            Xm::Mem(mem) => Err(mem),
        };
        self.sse_any((prefix, Map::M0F, opcode), w == W64, dst.0, rm, None);
    }

    /// A whole register.
    #[inline(always)]
    pub fn movaps(&mut self, dst: Xmm, src: Xmm) {
        self.sse(Pre::None, 0x28, dst, Xm::Reg(src));
    }

    /// Loads 4, 8 or 16 bytes, the rest becomes zero.
    #[inline(always)]
    pub fn load_x(&mut self, bytes: u32, dst: Xmm, src: Mem) {
        let prefix = match bytes {
            4 => Pre::PF3,
            8 => Pre::PF2,
            _ => Pre::None,
        };
        self.sse(prefix, 0x10, dst, Xm::Mem(src));
    }

    /// Stores 4, 8 or 16 bytes.
    #[inline(always)]
    pub fn store_x(&mut self, bytes: u32, dst: Mem, src: Xmm) {
        let prefix = match bytes {
            4 => Pre::PF3,
            8 => Pre::PF2,
            _ => Pre::None,
        };
        self.sse(prefix, 0x11, src, Xm::Mem(dst));
    }

    /// Bits of an integer register to a vector register.
    pub fn mov_to_x(&mut self, w: W, dst: Xmm, src: Gpr) {
        self.sse_gpr((Pre::P66, Map::M0F, 0x6e), w, dst, Rm::Reg(src), None);
    }

    /// Bits of a vector register to an integer register.
    pub fn mov_from_x(&mut self, w: W, dst: Gpr, src: Xmm) {
        self.sse_gpr((Pre::P66, Map::M0F, 0x7e), w, src, Rm::Reg(dst), None);
    }
}
