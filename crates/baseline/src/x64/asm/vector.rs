//! Owns the instructions on vector registers: floats and vectors, by prefix, map and opcode.
//! Does not name them: whoever uses them knows their opcodes.

use super::{Asm, Code, Enc, Gpr, Map, Mem, Pre, Rm, Vreg, W, W64, Xm};

impl Asm {
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
        let prefix: &[u8] = match prefix {
            Pre::None => &[],
            Pre::P66 => &[0x66],
            Pre::PF2 => &[0xf2],
            Pre::PF3 => &[0xf3],
        };
        let opcode: &[u8] = match map {
            Map::M0F => &[0x0f, opcode],
            Map::M0F38 => &[0x0f, 0x38, opcode],
            Map::M0F3A => &[0x0f, 0x3a, opcode],
        };
        let code = Code::new(w, opcode).prefix(prefix);
        let e = match rm {
            Ok(rm) => Enc::reg(code, reg, rm),
            Err(mem) => Enc::mem(code, reg, mem),
        };
        self.commit(match imm {
            Some(imm) => e.imm(imm.into(), 1),
            None => e,
        });
    }

    /// Destination and source vectors, or memory.
    #[inline(always)]
    pub fn sse(&mut self, prefix: Pre, opcode: u8, dst: Vreg, src: Xm) {
        self.sse_map(prefix, Map::M0F, opcode, dst, src, None);
    }

    #[inline(always)]
    pub fn sse_map(
        &mut self,
        prefix: Pre,
        map: Map,
        opcode: u8,
        dst: Vreg,
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
        xmm: Vreg,
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

    /// Bits of an integer register to a vector register.
    pub fn mov_to_v(&mut self, w: W, dst: Vreg, src: Gpr) {
        self.sse_gpr((Pre::P66, Map::M0F, 0x6e), w, dst, Rm::Reg(src), None);
    }
}
