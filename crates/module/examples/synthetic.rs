//! Owns modules of any size for measuring how a start depends on it: `synthetic BYTES FILE`.
//! Does not make them interesting: one small function, as often as it takes, and a `_start` that does nothing.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (Some(Ok(bytes)), Some(file)) = (words.next().map(|word| word.parse()), words.next())
    else {
        eprintln!("usage: synthetic BYTES FILE");
        return ExitCode::from(2);
    };
    match std::fs::write(&file, module(bytes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A module of about so many bytes.
fn module(bytes: usize) -> Vec<u8> {
    // No locals; sixteen times `local.get 0, i32.const k, i32.add, local.set 0`; then the result.
    let steps = (0..16).flat_map(|k| [0x20, 0x00, 0x41, k, 0x6a, 0x21, 0x00]);
    let body: Vec<u8> = [0x00].into_iter().chain(steps).chain([0x20, 0x00, 0x0b]).collect();
    let body = sized(&body);
    let count = (bytes / (body.len() + 1)).max(1);
    let types = [&[2, 0x60, 1, 0x7f, 1, 0x7f][..], &[0x60, 0, 0]].concat();
    let all = number(count + 1);
    let funcs = [&all[..], &vec![0; count], &[1]].concat();
    let exports = [&[1, 6][..], b"_start", &[0], &number(count)].concat();
    let code = [&all[..], &body.repeat(count), &sized(&[0x00, 0x0b])].concat();
    let sections = [(1, types), (3, funcs), (7, exports), (10, code)];
    let sections = sections
        .into_iter()
        .flat_map(|(id, contents)| [id].into_iter().chain(sized(&contents)).collect::<Vec<u8>>());
    b"\0asm\x01\0\0\0".iter().copied().chain(sections).collect()
}

/// Bytes behind their number.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [&number(bytes.len())[..], bytes].concat()
}

/// A number in LEB128.
fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
