//! Tests of jumps, labels and tables of distances.
//! Does not test what code does with them.

use super::super::*;
use super::{check, words};
use Gpr as R;

const NOP: u32 = 0xd503_201f;

#[test]
fn without_labels() {
    check! {
        0xd63f_03c0 "blr x30": blr(R(30));
        0xd61f_0220 "br x17": br(R(17));
        0xd65f_03c0 "ret": ret();
        0x0000_c11f "udf #0xc11f": udf(0xc11f);
        0x1000_009e "adr x30, .+16": adr(R(30), 16);
        0x1080_001e "adr x30, .-1048576": adr(R(30), -1_048_576);
        0x707f_fffe "adr x30, .+1048575": adr(R(30), 1_048_575);
        0x9400_0000 "bl .": bl();
        0x1400_0000 "b .": b_reloc();
    }
}

#[test]
fn labels() {
    let jumps = |asm: &mut Asm, label: &mut Label| {
        asm.b(label);
        asm.b_cond(Cc::Hi, label);
        asm.cbnz(W32, R(29), label);
        asm.cbnz(W64, R(30), label);
        asm.offset_of(label);
    };
    let mut asm = Asm::default();
    let mut start = Label::NEW;
    asm.bind(&mut start);
    jumps(&mut asm, &mut start);
    let mut end = Label::NEW;
    assert!(!end.is_used());
    jumps(&mut asm, &mut end);
    assert!(end.is_used() && !end.is_bound());
    let short = asm.b_cond_short(Cc::Vs);
    asm.offset_of(&mut end);
    asm.bind_short(short);
    asm.ret();
    asm.bind(&mut end);
    assert!(end.is_bound() && !asm.overflow);
    assert_eq!(words(&asm), LABELS);
}

#[rustfmt::skip]
const LABELS: &[u32] = &[
    0x1400_0000, // b start
    0x54ff_ffe8, // b.hi start
    0x35ff_ffdd, // cbnz w29,start
    0xb5ff_ffbe, // cbnz x30,start
    0xffff_fff0, // .word start-.
    0x1400_0008, // b end
    0x5400_00e8, // b.hi end
    0x3500_00dd, // cbnz w29,end
    0xb500_00be, // cbnz x30,end
    0x0000_0010, // .word end-.
    0x5400_0046, // b.vs short
    0x0000_0008, // .word end-.
    0xd65f_03c0, // ret
];

/// `count` instructions between a label and conditional jumps to it, on both sides.
fn apart(count: usize, far: bool) -> (Asm, u32) {
    let mut asm = Asm { far, ..Asm::default() };
    let (mut start, mut end) = (Label::NEW, Label::NEW);
    asm.bind(&mut start);
    asm.b_cond(Cc::Eq, &mut end);
    asm.cbnz(W32, R(3), &mut end);
    (0..count).for_each(|_| asm.word32(NOP));
    let at = asm.pos();
    asm.b_cond(Cc::Gt, &mut start);
    asm.cbnz(W64, R(3), &mut start);
    asm.offset_of(&mut end);
    asm.bind(&mut end);
    (asm, at)
}

#[test]
fn distances() {
    // In reach: one instruction each.
    let (asm, at) = apart(20_000, false);
    let all = words(&asm);
    assert!(!asm.overflow);
    assert_eq!(at, 4 * 20_002);
    let behind = [
        0x5400_000c | (20_002u32.wrapping_neg() & 0x7_ffff) << 5,
        0xb500_0003 | (20_003u32.wrapping_neg() & 0x7_ffff) << 5,
        4,
    ];
    assert_eq!(all[20_002..], behind);
    assert_eq!(all[..2], [0x5400_0000 | 20_005 << 5, 0x3500_0003 | 20_004 << 5]);

    // Out of reach: what is known is right, what was not is found out.
    let (asm, at) = apart(300_000, false);
    assert!(asm.overflow);
    let back = words(&asm)[at as usize / 4..][..2].to_vec();
    assert_eq!(back, [0x5400_000d | 2 << 5, 0x1400_0000 | 300_003u32.wrapping_neg() & 0x3ff_ffff]);

    // Asked to reach far.
    let (asm, _) = apart(300_000, true);
    assert!(!asm.overflow);
    let target = 300_000 + 4 + 5;
    assert_eq!(
        words(&asm)[..4],
        [
            0x5400_0001 | 2 << 5,
            0x1400_0000 | (target - 1),
            0x3400_0003 | 2 << 5,
            0x1400_0000 | (target - 3)
        ]
    );

    // No list is followed into the void, however long.
    let (mut asm, _) = apart(600_000, false);
    assert!(asm.overflow);
    asm.clear();
    assert!(!asm.overflow);
}
