//! Tests of jumps, labels and tables of distances.
//! Does not test what code does with them.

use super::super::*;
use super::{check, words};
use Gpr as R;

#[test]
fn without_labels() {
    check! {
        0xd63f_03c0 "blr x30": blr(R(30));
        0xd61f_0220 "br x17": br(R(17));
        0xd65f_03c0 "ret": ret();
        0xd43f_ffe0 "brk #0xffff": brk(0xffff);
        0x0000_c11f "udf #0xc11f": udf(0xc11f);
        0xd503_201f "nop": nop();
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
        asm.cbz(W64, R(30), label);
        asm.cbnz(W32, R(29), label);
        asm.adr_label(R(26), label);
    };
    let mut asm = Asm::default();
    let mut start = Label::NEW;
    asm.bind(&mut start);
    asm.nop();
    jumps(&mut asm, &mut start);
    asm.tbz(R(28), 63, &mut start);
    asm.tbnz(R(27), 0, &mut start);
    asm.offset_of(&mut start);
    let mut end = Label::NEW;
    assert!(!end.is_used());
    jumps(&mut asm, &mut end);
    asm.offset_of(&mut end);
    asm.offset_of(&mut end);
    assert!(end.is_used() && !end.is_bound());
    let bit = asm.tbnz_short(R(28), 63);
    let shorts = [
        asm.tbz_short(R(27), 0),
        asm.b_short(),
        asm.b_cond_short(Cc::Vs),
        asm.cbz_short(W64, R(1)),
        asm.cbnz_short(W32, R(2)),
    ];
    asm.bind_short(bit);
    asm.bind(&mut end);
    for short in shorts {
        asm.bind_short(short);
    }
    assert!(end.is_bound() && !asm.overflow);
    assert_eq!(words(&asm), LABELS);
}

#[rustfmt::skip]
const LABELS: &[u32] = &[
    0xd503_201f, // nop
    0x17ff_ffff, // b start
    0x54ff_ffc8, // b.hi start
    0xb4ff_ffbe, // cbz x30,start
    0x35ff_ff9d, // cbnz w29,start
    0x10ff_ff7a, // adr x26,start
    0xb6ff_ff5c, // tbz x28,#63,start
    0x3707_ff3b, // tbnz x27,#0,start
    0xffff_ffe0, // .word start-.
    0x1400_000d, // b end
    0x5400_0188, // b.hi end
    0xb400_017e, // cbz x30,end
    0x3500_015d, // cbnz w29,end
    0x1000_013a, // adr x26,end
    0x0000_0020, // .word end-.
    0x0000_001c, // .word end-.
    0xb7f8_00dc, // tbnz x28,#63,bit
    0x3600_00bb, // tbz x27,#0,end
    0x1400_0004, // b end
    0x5400_0066, // b.vs end
    0xb400_0041, // cbz x1,end
    0x3500_0022, // cbnz w2,end
];

/// `count` instructions between a label and conditional jumps to it, on both sides.
fn apart(count: usize, far: bool) -> (Asm, u32) {
    let mut asm = Asm { far, ..Asm::default() };
    let (mut start, mut end) = (Label::NEW, Label::NEW);
    asm.bind(&mut start);
    asm.b_cond(Cc::Eq, &mut end);
    asm.cbz(W32, R(3), &mut end);
    (0..count).for_each(|_| asm.nop());
    let at = asm.pos();
    asm.b_cond(Cc::Gt, &mut start);
    asm.cbnz(W64, R(3), &mut start);
    asm.tbz(R(3), 3, &mut start);
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
    // The bit's test is inverted: its field is smaller.
    let behind = [
        0x5400_000c | (20_002u32.wrapping_neg() & 0x7_ffff) << 5,
        0xb500_0003 | (20_003u32.wrapping_neg() & 0x7_ffff) << 5,
        0x3718_0003 | 2 << 5,
        0x1400_0000 | 20_005u32.wrapping_neg() & 0x3ff_ffff,
        4,
    ];
    assert_eq!(all[20_002..], behind);
    assert_eq!(all[..2], [0x5400_0000 | 20_007 << 5, 0x3400_0003 | 20_006 << 5]);

    // Out of reach: what is known is right, what was not is found out.
    let (asm, at) = apart(300_000, false);
    assert!(asm.overflow);
    let back = words(&asm)[at as usize / 4..][..2].to_vec();
    assert_eq!(back, [0x5400_000d | 2 << 5, 0x1400_0000 | 300_003u32.wrapping_neg() & 0x3ff_ffff]);

    // Asked to reach far.
    let (asm, _) = apart(300_000, true);
    assert!(!asm.overflow);
    let target = 300_000 + 4 + 7;
    assert_eq!(
        words(&asm)[..4],
        [
            0x5400_0001 | 2 << 5,
            0x1400_0000 | (target - 1),
            0x3500_0003 | 2 << 5,
            0x1400_0000 | (target - 3)
        ]
    );

    // No list is followed into the void, however long.
    let (asm, _) = apart(600_000, false);
    assert!(asm.overflow);
    let mut asm = Asm::default();
    let mut label = Label::NEW;
    asm.adr_label(R(1), &mut label);
    (0..600_000).for_each(|_| asm.nop());
    asm.adr_label(R(1), &mut label);
    asm.bind(&mut label);
    assert!(asm.overflow);
    asm.clear();
    assert!(!asm.overflow);
}
