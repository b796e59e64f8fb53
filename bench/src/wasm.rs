//! Owns the one thing the runner asks of a module's bytes: how long its code section is.
//! Does not validate; a module that is not one is an error.

use std::path::Path;

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
const CODE_SECTION: u8 = 10;

/// Bytes of the code section of the module at `path`; 0 if it has none.
pub fn code_bytes(path: &Path) -> Result<u64, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    code_section(&bytes).ok_or_else(|| format!("{}: not a WebAssembly module", path.display()))
}

fn code_section(bytes: &[u8]) -> Option<u64> {
    let mut rest = bytes.strip_prefix(HEADER)?;
    let mut total = 0;
    while let Some((&id, after)) = rest.split_first() {
        let (size, body) = leb_u32(after)?;
        rest = body.get(size as usize..)?;
        if id == CODE_SECTION {
            total += u64::from(size);
        }
    }
    Some(total)
}

/// An unsigned LEB128 number of at most 32 bits, and what follows it.
fn leb_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0_u32;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f).checked_shl(7 * index as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_code_section() {
        let module = [HEADER, &[0, 2, 1, b'x', 10, 0x83, 0, 1, 2, 3]].concat();
        assert_eq!(code_section(&module), Some(3));
        assert_eq!(code_section(HEADER), Some(0));
        assert_eq!(code_section(b"\0asm"), None);
        assert_eq!(code_section(&module[..module.len() - 1]), None);
    }
}
