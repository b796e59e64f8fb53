//! Owns finding what of a large module's file is worth reading before it runs: everything but debug information.
//! Does not read more than the beginnings of sections, nor check them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// The preamble of a core module.
const PREAMBLE: &[u8; 8] = b"\0asm\x01\0\0\0";
/// Debug information (DWARF) is in custom sections whose names begin like this. Nothing reads it before there is a backtrace.
const DEBUG: &[u8] = b".debug_";
/// Files with more sections than this are read whole: each takes a call of the system.
const MOST_SECTIONS: usize = 1000;
/// Bytes that the beginning of a section has at most, as far as it is looked at: id, size, length of the name, begin of the name.
const HEAD: usize = 24;

/// The parts of a file that remain when debug information is left out, where that moves nothing but custom sections; `None` if there is
/// none, or if this is no module or none that can be told: then it is to be read whole.
pub fn without_debug(file: &File, size: usize) -> Option<Vec<Range<usize>>> {
    let mut preamble = [0; PREAMBLE.len()];
    file.read_exact_at(&mut preamble, 0).ok()?;
    if preamble != *PREAMBLE {
        return None;
    }
    let preamble = 0..PREAMBLE.len();
    let mut kept = vec![preamble];
    let mut at = PREAMBLE.len();
    let mut leaves_out = false;
    for _ in 0..MOST_SECTIONS {
        if at == size {
            return leaves_out.then_some(kept);
        }
        let section = Section::read(file, at).ok()??;
        let end = at.checked_add(section.len).filter(|&end| end <= size)?;
        match section.kind {
            Kind::Debug => leaves_out = true,
            // It would move, and with it the positions of traps.
            Kind::Other if leaves_out => return None,
            Kind::Other | Kind::Custom => match kept.last_mut() {
                Some(last) if last.end == at => last.end = end,
                _ => kept.push(at..end),
            },
        }
        at = end;
    }
    None
}

enum Kind {
    Debug,
    Custom,
    Other,
}

struct Section {
    kind: Kind,
    /// Of all of it, in bytes.
    len: usize,
}

impl Section {
    /// `None` if it cannot be told.
    fn read(file: &File, at: usize) -> io::Result<Option<Section>> {
        let mut head = [0; HEAD];
        let read = file.read_at(&mut head, at as u64)?;
        let parse = || {
            let (&id, rest) = head[..read].split_first()?;
            let (contents, rest) = leb(rest)?;
            let len = read - rest.len() + contents;
            let kind = match id {
                0 if leb(rest)?.1.starts_with(DEBUG) => Kind::Debug,
                0 => Kind::Custom,
                _ => Kind::Other,
            };
            Some(Section { kind, len })
        };
        Ok(parse())
    }
}

/// A number of 32 bits in LEB128, and what follows it.
fn leb(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (shift, (at, &byte)) in (0..32).step_by(7).zip(bytes.iter().enumerate()) {
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section with these contents.
    fn section(id: u8, contents: &[u8]) -> Vec<u8> {
        [&[id, contents.len() as u8][..], contents].concat()
    }

    fn parts(sections: &[Vec<u8>]) -> Option<Vec<Range<usize>>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let bytes = [&PREAMBLE[..], &sections.concat()].concat();
        std::fs::write(&path, &bytes).unwrap();
        without_debug(&File::open(&path).unwrap(), bytes.len())
    }

    #[test]
    fn debug_information_is_left_out_where_nothing_else_moves() {
        let code = section(10, &[0; 20]);
        let name = section(0, b"\x04name\x00\x01\x02");
        let debug = section(0, b"\x0b.debug_info........");
        let all = [code.clone(), debug.clone(), name.clone(), debug.clone()];
        assert_eq!(parts(&all), Some(vec![0..30, 52..62]));
        assert_eq!(parts(&[code.clone(), name]), None);
        assert_eq!(parts(&[code.clone(), debug.clone(), code.clone()]), None);
        let mut cut = section(0, b"\x0b.debug_info........");
        cut.truncate(12);
        assert_eq!(parts(&[code.clone(), cut]), None, "the validator is to find this");
        assert_eq!(parts(&[code, debug, vec![0, 0x80, 0x80, 0x80, 0x80, 0x80]]), None);
        assert_eq!(parts(&[vec![0, 1, 0], vec![0, 1, 0]]), None);
    }
}
