//! Owns the form of `jit-PID.dump`, from which `perf inject --jit` makes object files with the code of a process, to be annotated.
//! Does not own what is listed there (`listing`).
//!
//! The form is that of the Linux kernel's `tools/perf/Documentation/jitdump-specification.txt`, version 1: a header, then a record per
//! function, all in the byte order of the machine. `perf` learns of the file from the mapping that `sys` makes of it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// "JiTD", as a number.
const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const HEADER_LEN: u32 = 40;

/// The record of a function's code, and the length of its fixed part.
const CODE_LOAD: u32 = 0;
const CODE_LOAD_LEN: usize = 56;

/// The machine's number in ELF files.
const MACHINE: u32 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };

/// The file.
#[derive(Debug)]
pub(crate) struct Jitdump {
    file: File,
    /// Functions so far.
    count: u64,
}

impl Jitdump {
    /// Makes the file of this process in a folder.
    pub(crate) fn create(folder: &Path) -> io::Result<Jitdump> {
        let mut file = sterna_sys::process::jitdump(folder)?;
        let mut header = Vec::with_capacity(HEADER_LEN as usize);
        for word in [MAGIC, VERSION, HEADER_LEN, MACHINE, 0, std::process::id()] {
            header.extend_from_slice(&word.to_ne_bytes());
        }
        header.extend_from_slice(&sterna_sys::cpu::now_nanos().to_ne_bytes());
        let flags = 0u64;
        header.extend_from_slice(&flags.to_ne_bytes());
        file.write_all(&header)?;
        Ok(Jitdump { file, count: 0 })
    }

    /// Adds a function's code and name, which has no zero byte.
    pub(crate) fn load(&mut self, address: usize, code: &[u8], name: &str) -> io::Result<()> {
        let len = CODE_LOAD_LEN + name.len() + 1 + code.len();
        let Ok(total) = u32::try_from(len) else { return Ok(()) };
        let mut record = Vec::with_capacity(len);
        for word in [CODE_LOAD, total] {
            record.extend_from_slice(&word.to_ne_bytes());
        }
        record.extend_from_slice(&sterna_sys::cpu::now_nanos().to_ne_bytes());
        for id in [std::process::id(), sterna_sys::process::thread_id()] {
            record.extend_from_slice(&id.to_ne_bytes());
        }
        for number in [address as u64, address as u64, code.len() as u64, self.count] {
            record.extend_from_slice(&number.to_ne_bytes());
        }
        record.extend_from_slice(name.as_bytes());
        record.push(0);
        record.extend_from_slice(code);
        self.count += 1;
        self.file.write_all(&record)
    }
}
