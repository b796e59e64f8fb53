//! Owns the calls that hand over arguments and environment.
//! Does not decide their contents; the builder does.

use crate::{Errno, GuestMemory, WasiCtx};

/// See the specification for what each call does.
impl WasiCtx {
    /// `args_get`
    pub fn args_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        argv: u32,
        argv_buf: u32,
    ) -> Result<(), Errno> {
        write_strings(memory, &self.args, argv, argv_buf)
    }

    /// `args_sizes_get`
    pub fn args_sizes_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        argc: u32,
        size: u32,
    ) -> Result<(), Errno> {
        write_sizes(memory, &self.args, argc, size)
    }

    /// `environ_get`
    pub fn environ_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        environ: u32,
        buf: u32,
    ) -> Result<(), Errno> {
        write_strings(memory, &self.env, environ, buf)
    }

    /// `environ_sizes_get`
    pub fn environ_sizes_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        count: u32,
        size: u32,
    ) -> Result<(), Errno> {
        write_sizes(memory, &self.env, count, size)
    }
}

fn write_sizes(
    memory: &mut GuestMemory<'_>,
    strings: &[Vec<u8>],
    count: u32,
    size: u32,
) -> Result<(), Errno> {
    memory.write_count(count, strings.len())?;
    memory.write_count(size, strings.iter().map(|string| string.len() + 1).sum())
}

/// Writes the strings one after the other, each ended by a zero byte, and pointers to them.
fn write_strings(
    memory: &mut GuestMemory<'_>,
    strings: &[Vec<u8>],
    mut pointer: u32,
    mut buffer: u32,
) -> Result<(), Errno> {
    for string in strings {
        memory.write_u32(pointer, buffer)?;
        memory.write(buffer, string)?;
        buffer = after(buffer, string.len())?;
        memory.write(buffer, &[0])?;
        buffer = after(buffer, 1)?;
        pointer = after(pointer, 4)?;
    }
    Ok(())
}

fn after(ptr: u32, len: usize) -> Result<u32, Errno> {
    u32::try_from(len).ok().and_then(|len| ptr.checked_add(len)).ok_or(Errno::Fault)
}
