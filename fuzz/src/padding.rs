//! Owns writing numbers in code with more bytes than they need, which the format allows: whoever reads code for speed must know it, too.
//! Does not change what a module means.

use wasmparser::{BinaryReader, FunctionBody};

use crate::random::Random;

/// Most bytes of a number of 32 bits.
const MAX_BYTES: usize = 5;

/// The section of code.
const CODE: u8 = 10;

/// A valid module with some numbers in its code written longer.
pub(crate) fn pad(wasm: &[u8], random: &mut Random) -> Vec<u8> {
    let (header, mut rest) = wasm.split_at(8);
    let mut out = header.to_vec();
    while let [id, sized @ ..] = rest {
        let (size, contents) = unsigned(sized);
        let (contents, after) = contents.split_at(size);
        let contents = if *id == CODE { code(contents, random) } else { contents.to_vec() };
        out.push(*id);
        push_sized(&mut out, &contents);
        rest = after;
    }
    out
}

/// The section of code.
fn code(contents: &[u8], random: &mut Random) -> Vec<u8> {
    let (count, mut rest) = unsigned(contents);
    let mut out = contents[..contents.len() - rest.len()].to_vec();
    for _ in 0..count {
        let (size, bodies) = unsigned(rest);
        let (bytes, after) = bodies.split_at(size);
        push_sized(&mut out, &body(bytes, random));
        rest = after;
    }
    out
}

fn body(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let reader = FunctionBody::new(BinaryReader::new(bytes, 0)).get_operators_reader();
    let mut reader = reader.expect("the generator's bodies can be read");
    let mut at = reader.original_position() as usize;
    let mut out = bytes[..at].to_vec();
    while at < bytes.len() {
        reader.read().expect("the generator's bodies can be read");
        let end = reader.original_position() as usize;
        operator(&bytes[at..end], random, &mut out);
        at = end;
    }
    out
}

/// Writes an operator.
fn operator(bytes: &[u8], random: &mut Random, out: &mut Vec<u8>) {
    let (&first, mut rest) = bytes.split_first().expect("an operator has a byte");
    out.push(first);
    // How many of the numbers behind the first byte may be longer, and whether they have a sign.
    let (mut numbers, signed) = match first {
        // Branches, calls, locals, globals, tables, accesses to memory, functions.
        0x08 | 0x0c..=0x0e | 0x10..=0x15 | 0x20..=0x26 | 0x28..=0x40 | 0xd2 => (usize::MAX, false),
        0x41 | 0x42 => (1, true),
        // Objects whose immediates are indices; accesses to memory of whole vectors, and atomic ones.
        0xfb if bytes[1] <= 0x13 => (usize::MAX, false),
        0xfd if bytes[1] <= 0x0b => (usize::MAX, false),
        0xfe if bytes[1] != 0x03 => (usize::MAX, false),
        // Of others with a prefix, the code.
        0xfb..=0xfe => (1, false),
        _ => (0, false),
    };
    while numbers > 0 && !rest.is_empty() {
        let len = 1 + rest.iter().take_while(|&&byte| byte >= 0x80).count();
        let (number, after) = rest.split_at(len);
        out.extend(number);
        if random.one_in(4) && len < MAX_BYTES {
            let is_negative = signed && number[len - 1] & 0x40 != 0;
            let more = random.below((MAX_BYTES - len) as u64) as usize;
            *out.last_mut().expect("a number has a byte") |= 0x80;
            out.extend(std::iter::repeat_n(if is_negative { 0xff } else { 0x80 }, more));
            out.push(if is_negative { 0x7f } else { 0 });
        }
        rest = after;
        numbers -= 1;
    }
    out.extend(rest);
}

/// A number in LEB128, and what is behind it.
fn unsigned(bytes: &[u8]) -> (usize, &[u8]) {
    let len = 1 + bytes.iter().take_while(|&&byte| byte >= 0x80).count();
    let number = bytes[..len].iter().rev();
    (number.fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f)), &bytes[len..])
}

/// Adds bytes with their number in front.
fn push_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut size = bytes.len();
    while size >= 0x80 {
        out.push(size as u8 | 0x80);
        size >>= 7;
    }
    out.push(size as u8);
    out.extend(bytes);
}
