//! Owns the instructions on general-purpose registers.
//! Does not own jumps.

use super::{Asm, Assembler, Cc, Code, Enc, Gpr, Mem, Rm, Shift, Unary, W, W32, W64, WithCarry};

impl Asm {
    /// Opcode bytes, then ModRM with `reg` and `rm`.
    #[inline(always)]
    pub fn op_rm(&mut self, w: bool, opcode: &[u8], reg: u8, rm: Rm) {
        self.commit(Enc::rm(Code::new(w, opcode), reg, rm));
    }

    /// `lea dst, [rip + disp]`; where the displacement is.
    pub fn lea_rip(&mut self, dst: Gpr) -> u32 {
        let lea = [0x48 | dst.0 >> 3 << 2, 0x8d, (dst.0 & 7) << 3 | 5];
        self.commit(Enc::bytes(&lea).imm(0, 4));
        self.pos() - 4
    }

    /// Widening move: `opcode` is the second byte (B6, B7, BE, BF).
    fn widen(&mut self, w: W, opcode: u8, dst: Gpr, src: Rm) {
        // A byte of a register.
        let force = matches!(src, Rm::Reg(src) if opcode & 1 == 0 && src.0 >= 4);
        self.commit(Enc::rm(Code::new(w == W64, &[0x0f, opcode]).force(force), dst.0, src));
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
        let short = i8::try_from(imm).is_ok();
        let (opcode, bytes) = if short { (0x6b, 1) } else { (0x69, 4) };
        let e = Enc::rm(Code::new(w == W64, &[opcode]), dst.0, src);
        self.commit(e.imm(u64::from(imm as u32), bytes));
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
        let third = u8::from(w == W64) << 7 | (!by.0 & 15) << 3 | pp;
        self.commit(Enc::vex([0xc4, 2, third], 0xf7, dst.0, src));
    }

    /// Sets the low byte.
    pub fn setcc(&mut self, cc: Cc, dst: Gpr) {
        let code = [0x0f, 0x90 | cc as u8];
        self.commit(Enc::reg(Code::new(false, &code).force(dst.0 >= 4), 0, dst.0));
    }

    /// Instructions with prefix F3: `lzcnt` (BD), `tzcnt` (BC), `popcnt` (B8).
    pub fn count(&mut self, opcode: u8, w: W, dst: Gpr, src: Rm) {
        self.commit(Enc::rm(Code::new(w == W64, &[0x0f, opcode]).prefix(&[0xf3]), dst.0, src));
    }

    /// Exchanges of a register and memory, by the opcode for bytes.
    pub fn atomic(&mut self, lock: bool, bytes: u32, opcode: &[u8], reg: Gpr, mem: Mem) {
        let prefix: &[u8] = match (lock, bytes) {
            (true, 2) => &[0xf0, 0x66],
            (true, _) => &[0xf0],
            (false, 2) => &[0x66],
            (false, _) => &[],
        };
        let mut code = [0; 2];
        let code = &mut code[..opcode.len()];
        code.copy_from_slice(opcode);
        *code.last_mut().expect("an opcode has a byte") |= u8::from(bytes > 1);
        let code = Code::new(bytes == 8, code).prefix(prefix).force(bytes == 1 && reg.0 >= 4);
        self.commit(Enc::mem(code, reg.0, mem));
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
