//! Tests of the encoder against words of the GNU assembler.
//! Does not test which instructions are chosen: what code computes is tested in every tier together.

mod floats;
mod integers;
mod labels;
mod vectors;

use super::{Asm, W32, W64, imm12, logical_imm};

/// `word "text": instruction;` a line: the instruction is that word, which is what an assembler makes of the text.
macro_rules! check {
    ($($word:literal $text:literal: $method:ident($($arg:expr),*);)*) => {
        let mut wrong = Vec::new();
        $({
            let mut asm = Asm::default();
            let _ = asm.$method($($arg),*);
            let words = words(&asm);
            let expected: u32 = $word;
            if words != [expected] {
                wrong.push(format!("{}: {words:08x?}, not {expected:08x}", $text));
            }
        })*
        assert!(wrong.is_empty(), "{wrong:#?}");
    };
}
use check;

fn words(asm: &Asm) -> Vec<u32> {
    asm.code().chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

/// What a bitmask immediate stands for, by the rule of the architecture's manual.
fn decode(field: u32) -> u64 {
    let (n, immr, imms) = (field >> 22 & 1, field >> 16 & 63, field >> 10 & 63);
    let log2 = 31 - (n << 6 | !imms & 63).leading_zeros();
    let (size, ones, rotate) = (1 << log2, imms & ((1 << log2) - 1), immr & ((1 << log2) - 1));
    let run = u64::MAX >> (63 - ones);
    let mask = u64::MAX >> (64 - size);
    let element = (run >> rotate | run.checked_shl(size - rotate).unwrap_or(0)) & mask;
    (0..64 / size).fold(0, |all, at| all | element << (at * size))
}

#[test]
fn bitmask_immediates() {
    let mut all = Vec::new();
    for log2 in 1..7 {
        let size = 1u32 << log2;
        for ones in 1..size {
            for start in 0..size {
                // A run that leaves its element to the left comes in from the right.
                let mask = u64::MAX >> (64 - size);
                let wide = u128::from(u64::MAX >> (64 - ones)) << start;
                let wrapped = (wide as u64 & mask) | ((wide >> size) as u64 & mask);
                all.push((0..64 / size).fold(0, |all, at| all | wrapped << (at * size)));
            }
        }
    }
    for &value in &all {
        let imm = logical_imm(value, W64).unwrap_or_else(|| panic!("{value:x} is one"));
        assert_eq!(decode(imm.0), value);
        if value >> 32 == value & 0xffff_ffff {
            let narrow = logical_imm(value & 0xffff_ffff, W32).unwrap();
            assert_eq!((decode(narrow.0), narrow.0 >> 22), (value, 0));
        }
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 5334);
    for value in 0..=0x1_0000 {
        assert_eq!(logical_imm(value, W64).is_some(), all.binary_search(&value).is_ok());
    }
    assert_eq!(logical_imm(0xffff_ffff, W32), None);
    assert_eq!(logical_imm(0, W32), None);
}

#[test]
fn immediates_of_additions() {
    for value in [0, 1, 0xfff, 0x1000, 0xfff_000] {
        assert!(imm12(value).is_some());
    }
    for value in [0x1001, 0x1_000_000, u64::MAX, 1 << 32] {
        assert_eq!(imm12(value), None);
    }
}
