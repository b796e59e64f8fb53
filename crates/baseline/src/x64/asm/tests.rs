//! Tests of the encoder against a disassembler that knows nothing of it.
//! Does not test which instructions are chosen: what code computes is tested in every tier together.

use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};

use super::*;

/// What the disassembler reads, one instruction a line.
fn read(emit: impl FnOnce(&mut Asm)) -> String {
    let mut asm = Asm::default();
    emit(&mut asm);
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    formatter.options_mut().set_branch_leading_zeros(false);
    formatter.options_mut().set_show_branch_size(false);
    let mut text = String::new();
    for instruction in &mut Decoder::with_ip(64, asm.code(), 0, DecoderOptions::NONE) {
        if !text.is_empty() {
            text.push('\n');
        }
        formatter.format(&instruction, &mut text);
    }
    text
}

const GPRS: [(&str, &str, &str); 16] = [
    ("rax", "eax", "al"),
    ("rcx", "ecx", "cl"),
    ("rdx", "edx", "dl"),
    ("rbx", "ebx", "bl"),
    ("rsp", "esp", "spl"),
    ("rbp", "ebp", "bpl"),
    ("rsi", "esi", "sil"),
    ("rdi", "edi", "dil"),
    ("r8", "r8d", "r8b"),
    ("r9", "r9d", "r9b"),
    ("r10", "r10d", "r10b"),
    ("r11", "r11d", "r11b"),
    ("r12", "r12d", "r12b"),
    ("r13", "r13d", "r13b"),
    ("r14", "r14d", "r14b"),
    ("r15", "r15d", "r15b"),
];

fn gpr(reg: u8, w: W) -> &'static str {
    let (wide, narrow, _) = GPRS[usize::from(reg)];
    if w == W64 { wide } else { narrow }
}

fn byte(reg: u8) -> &'static str {
    GPRS[usize::from(reg)].2
}

/// Memory operands of every form for every register, and how they are written.
fn operands() -> Vec<(Mem, String)> {
    let mut all = Vec::new();
    for base in 0..16 {
        for (disp, text) in [(0, ""), (8, "+8"), (-128, "-80h"), (300, "+12Ch"), (-300, "-12Ch")] {
            let name = gpr(base, W64);
            all.push((Mem::new(Gpr(base), disp), format!("[{name}{text}]")));
            for (index, scale) in [(0, 0), (1, 1), (5, 2), (8, 3), (13, 0), (15, 3)] {
                // As both are the same register, nothing tells base from index but the factor.
                let factor = ["", "*2", "*4", "*8"][scale as usize];
                let mem = Mem::indexed(Gpr(base), Gpr(index), scale, disp);
                all.push((mem, format!("[{name}+{}{factor}{text}]", gpr(index, W64))));
            }
        }
    }
    all
}

#[test]
fn memory_operands() {
    for (mem, text) in operands() {
        for reg in [0, 5, 9] {
            assert_eq!(
                read(|a| a.load(W64, Gpr(reg), mem)),
                format!("mov {}, {text}", gpr(reg, W64))
            );
            assert_eq!(
                read(|a| a.store(W32, mem, Gpr(reg))),
                format!("mov {text}, {}", gpr(reg, W32))
            );
            assert_eq!(read(|a| a.store8(mem, Gpr(reg))), format!("mov {text}, {}", byte(reg)));
            assert_eq!(
                read(|a| a.lea(W64, Gpr(reg), mem)),
                format!("lea {}, {text}", gpr(reg, W64))
            );
            assert_eq!(read(|a| a.load_v(8, Vreg(reg), mem)), format!("movsd xmm{reg}, {text}"));
            let atomic = read(|a| a.atomic(true, 8, &[0x0f, 0xc0], Gpr(reg), mem));
            assert_eq!(atomic, format!("lock xadd {text}, {}", gpr(reg, W64)));
        }
        assert_eq!(read(|a| a.store_i(2, mem, 0x1234)), format!("mov word ptr {text}, 1234h"));
        assert_eq!(
            read(|a| a.store_i(8, mem, -1)),
            format!("mov qword ptr {text}, 0FFFFFFFFFFFFFFFFh")
        );
        assert_eq!(read(|a| a.cmp8_i(mem, 7)), format!("cmp byte ptr {text}, 7"));
        assert_eq!(
            read(|a| a.alu_i(Alu::Sub, W32, Rm::Mem(mem), 1)),
            format!("sub dword ptr {text}, 1")
        );
        assert_eq!(read(|a| a.test_i(W32, Rm::Mem(mem), 6)), format!("test dword ptr {text}, 6"));
        assert_eq!(read(|a| a.call_rm(Rm::Mem(mem))), format!("call qword ptr {text}"));
        assert_eq!(
            read(|a| a.shift_x(Shift::Shr, W64, Gpr(9), Rm::Mem(mem), Gpr(2))),
            format!("shrx r9, {text}, rdx")
        );
    }
}

#[test]
fn registers() {
    for dst in 0..16 {
        for src in 0..16 {
            for w in [W32, W64] {
                let (d, s) = (gpr(dst, w), gpr(src, w));
                let (dst, from) = (Gpr(dst), Rm::Reg(Gpr(src)));
                assert_eq!(read(|a| a.mov(w, dst, Gpr(src))), format!("mov {d}, {s}"));
                assert_eq!(read(|a| a.alu(Alu::Xor, w, dst, from)), format!("xor {d}, {s}"));
                assert_eq!(read(|a| a.imul(w, dst, from)), format!("imul {d}, {s}"));
                let both = if d == s { d.to_owned() } else { format!("{d}, {s}") };
                assert_eq!(read(|a| a.imul_i(w, dst, from, 1000)), format!("imul {both}, 3E8h"));
                assert_eq!(read(|a| a.test(w, dst, Gpr(src))), format!("test {d}, {s}"));
                assert_eq!(read(|a| a.cmov(Cc::Le, w, dst, from)), format!("cmovle {d}, {s}"));
                assert_eq!(read(|a| a.count(0xbd, w, dst, from)), format!("lzcnt {d}, {s}"));
                assert_eq!(read(|a| a.movsx8(w, dst, from)), format!("movsx {d}, {}", byte(src)));
                let shift = read(|a| a.shift_x(Shift::Sar, w, dst, from, Gpr(10)));
                assert_eq!(shift, format!("sarx {d}, {s}, {}", gpr(10, w)));
            }
            let (wide, narrow) = (gpr(dst, W64), gpr(src, W32));
            assert_eq!(
                read(|a| a.movsxd(Gpr(dst), Rm::Reg(Gpr(src)))),
                format!("movsxd {wide}, {narrow}")
            );
            let zero = read(|a| a.movzx8(Gpr(dst), Rm::Reg(Gpr(src))));
            assert_eq!(zero, format!("movzx {}, {}", gpr(dst, W32), byte(src)));
            assert_eq!(
                read(|a| a.mov_v(Vreg(dst), Vreg(src))),
                format!("movaps xmm{dst}, xmm{src}")
            );
            assert_eq!(
                read(|a| a.mov_to_v(W64, Vreg(dst), Gpr(src))),
                format!("movq xmm{dst}, {}", gpr(src, W64))
            );
            assert_eq!(
                read(|a| a.mov_from_v(W32, Gpr(dst), Vreg(src))),
                format!("movd {}, xmm{src}", gpr(dst, W32))
            );
            let convert = read(|a| a.sse_to_gpr(Pre::PF2, 0x2c, W64, Gpr(dst), Xm::Reg(Vreg(src))));
            assert_eq!(convert, format!("cvttsd2si {wide}, xmm{src}"));
            let shuffle = read(|a| {
                a.sse_map(Pre::P66, Map::M0F38, 0x00, Vreg(dst), Xm::Reg(Vreg(src)), None);
                a.sse_gpr((Pre::P66, Map::M0F3A, 0x22), W64, Vreg(dst), Rm::Reg(Gpr(src)), Some(1));
            });
            assert_eq!(
                shuffle,
                format!("pshufb xmm{dst}, xmm{src}\npinsrq xmm{dst}, {}, 1", gpr(src, W64))
            );
        }
    }
}

#[test]
fn one_register() {
    for reg in 0..16 {
        let (wide, narrow) = (gpr(reg, W64), gpr(reg, W32));
        let at = Gpr(reg);
        assert_eq!(read(|a| a.push(at)), format!("push {wide}"));
        assert_eq!(read(|a| a.pop(at)), format!("pop {wide}"));
        assert_eq!(read(|a| a.unary(Unary::IDiv, W64, Rm::Reg(at))), format!("idiv {wide}"));
        assert_eq!(read(|a| a.shift_cl(Shift::Rol, W32, at)), format!("rol {narrow}, cl"));
        assert_eq!(read(|a| a.shift_i(Shift::Sar, W64, at, 63)), format!("sar {wide}, 3Fh"));
        assert_eq!(read(|a| a.setcc(Cc::Np, at)), format!("setnp {}", byte(reg)));
        assert_eq!(read(|a| a.mov_i(at, 5)), format!("mov {narrow}, 5"));
        assert_eq!(read(|a| a.mov_i(at, u64::MAX)), format!("mov {wide}, 0FFFFFFFFFFFFFFFFh"));
        assert_eq!(read(|a| a.mov_i(at, 1 << 40)), format!("mov {wide}, 10000000000h"));
        assert_eq!(
            read(|a| a.alu_i(Alu::Cmp, W64, Rm::Reg(at), -1000)),
            format!("cmp {wide}, 0FFFFFFFFFFFFFC18h")
        );
        assert_eq!(read(|a| a.call_rm(Rm::Reg(at))), format!("call {wide}"));
        assert_eq!(read(|a| a.jmp_rm(Rm::Reg(at))), format!("jmp {wide}"));
    }
}

#[test]
fn jumps() {
    let forward = read(|a| {
        let mut end = Label::NEW;
        a.jcc(Cc::A, &mut end);
        a.jmp(&mut end);
        a.bind(&mut end);
        a.ret(0);
    });
    assert_eq!(forward, "ja 0Bh\njmp 0Bh\nret");
    let back = read(|a| {
        let mut start = Label::NEW;
        a.bind(&mut start);
        a.ud2();
        a.jcc(Cc::B, &mut start);
        (0..200).for_each(|_| a.leave());
        a.jmp(&mut start);
        a.ret(16);
    });
    assert!(back.starts_with("ud2\njb 0\nleave\n"), "{back}");
    assert!(back.ends_with("\nleave\njmp 0\nret 10h"), "{back}");
}
