//! Owns `GuestMemory`, the only way by which calls reach the guest's linear memory.
//! Does not know what the calls mean; it checks bounds and moves bytes.

use crate::types::Filestat;
use crate::{Abi, Errno};
use std::ffi::OsStr;
use std::io::{IoSlice, IoSliceMut};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The most buffers one host call takes; further ones make a short read or write.
const IOV_MAX: usize = 1024;

/// The most bytes one transfer moves, so that counts fit the guest's 32 bits (Linux's own limit).
const TRANSFER_MAX: usize = 0x7fff_f000;

/// The longest path in bytes, terminator excluded.
const PATH_MAX: u32 = 4095;

/// A guest's linear memory during one call, and the binary form that the guest uses.
///
/// Every access is checked; one outside the memory is [`Errno::Fault`].
/// Unaligned addresses are accepted.
#[derive(Debug)]
pub struct GuestMemory<'m> {
    bytes: &'m mut [u8],
    abi: Abi,
}

/// A guest buffer: first byte and length.
type Buffer = (usize, usize);

impl<'m> GuestMemory<'m> {
    /// Views `bytes`, the whole linear memory of a guest that was compiled against `abi`.
    pub fn new(bytes: &'m mut [u8], abi: Abi) -> GuestMemory<'m> {
        GuestMemory { bytes, abi }
    }

    /// The binary form of records.
    pub(crate) fn abi(&self) -> Abi {
        self.abi
    }

    /// The `len` bytes at `ptr`.
    pub fn slice(&self, ptr: u32, len: u32) -> Result<&[u8], Errno> {
        let start = ptr as usize;
        self.bytes.get(start..start + len as usize).ok_or(Errno::Fault)
    }

    /// The `len` bytes at `ptr`, to write.
    pub fn slice_mut(&mut self, ptr: u32, len: u32) -> Result<&mut [u8], Errno> {
        let start = ptr as usize;
        self.bytes.get_mut(start..start + len as usize).ok_or(Errno::Fault)
    }

    /// Fails if `len` bytes at `ptr` are not all inside. For results, before the call has effects.
    pub fn check(&self, ptr: u32, len: u32) -> Result<(), Errno> {
        self.slice(ptr, len).map(|_| ())
    }

    /// Writes `bytes` at `ptr`.
    pub fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), Errno> {
        let len = u32::try_from(bytes.len()).map_err(|_| Errno::Fault)?;
        self.slice_mut(ptr, len)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Reads a little-endian `u32`.
    pub fn read_u32(&self, ptr: u32) -> Result<u32, Errno> {
        let bytes = self.slice(ptr, 4)?.try_into().expect("the slice has 4 bytes");
        Ok(u32::from_le_bytes(bytes))
    }

    /// Writes a little-endian `u16`.
    pub fn write_u16(&mut self, ptr: u32, value: u16) -> Result<(), Errno> {
        self.write(ptr, &value.to_le_bytes())
    }

    /// Writes a little-endian `u32`.
    pub fn write_u32(&mut self, ptr: u32, value: u32) -> Result<(), Errno> {
        self.write(ptr, &value.to_le_bytes())
    }

    /// Writes a little-endian `u64`.
    pub fn write_u64(&mut self, ptr: u32, value: u64) -> Result<(), Errno> {
        self.write(ptr, &value.to_le_bytes())
    }

    /// Writes a count that `transfer` limits have kept within 32 bits.
    pub(crate) fn write_count(&mut self, ptr: u32, count: usize) -> Result<(), Errno> {
        self.write_u32(ptr, u32::try_from(count).map_err(|_| Errno::Overflow)?)
    }

    pub(crate) fn write_filestat(&mut self, ptr: u32, stat: &Filestat) -> Result<(), Errno> {
        let (record, size) = stat.encode(self.abi);
        self.write(ptr, &record[..size])
    }

    /// A path as the host's bytes, not copied. Paths are not required to be UTF-8, so that files
    /// with any name can be listed and opened.
    pub(crate) fn path(&self, ptr: u32, len: u32) -> Result<&Path, Errno> {
        if len > PATH_MAX {
            return Err(Errno::Nametoolong);
        }
        let bytes = self.slice(ptr, len)?;
        if bytes.is_empty() {
            return Err(Errno::Noent);
        }
        if bytes.contains(&0) {
            return Err(Errno::Inval);
        }
        Ok(Path::new(OsStr::from_bytes(bytes)))
    }

    /// The buffers of an `iovec` array, to write from.
    pub(crate) fn gather(&self, iovs: u32, count: u32) -> Result<Vec<IoSlice<'_>>, Errno> {
        self.buffers(iovs, count, |start, len| IoSlice::new(&self.bytes[start..start + len]))
    }

    /// The buffers of an `iovec` array, to read into. If buffers overlap, only the first one.
    pub(crate) fn scatter(&mut self, iovs: u32, count: u32) -> Result<Vec<IoSliceMut<'_>>, Errno> {
        let mut buffers: Vec<Buffer> = self.buffers(iovs, count, |start, len| (start, len))?;
        if buffers.len() > 1 && !disjoint(&buffers) {
            buffers.truncate(1);
        }
        if let [(start, len)] = buffers[..] {
            return Ok(vec![IoSliceMut::new(&mut self.bytes[start..start + len])]);
        }
        // Cut the memory at each buffer in address order, then restore the guest's order.
        let mut order: Vec<usize> = (0..buffers.len()).collect();
        order.sort_by_key(|&index| buffers[index].0);
        let mut cut: Vec<(usize, IoSliceMut<'_>)> = Vec::with_capacity(buffers.len());
        let mut rest = &mut self.bytes[..];
        let mut rest_start = 0;
        for index in order {
            let (start, len) = buffers[index];
            let (_, tail) = rest.split_at_mut(start - rest_start);
            let (buffer, tail) = tail.split_at_mut(len);
            cut.push((index, IoSliceMut::new(buffer)));
            rest = tail;
            rest_start = start + len;
        }
        cut.sort_by_key(|&(index, _)| index);
        Ok(cut.into_iter().map(|(_, buffer)| buffer).collect())
    }

    /// Reads an `iovec` array: the non-empty buffers, each checked, at most `IOV_MAX` of them and
    /// `TRANSFER_MAX` bytes. `make` gets the first byte and the length of each.
    fn buffers<T>(
        &self,
        iovs: u32,
        count: u32,
        mut make: impl FnMut(usize, usize) -> T,
    ) -> Result<Vec<T>, Errno> {
        let size = count.checked_mul(8).ok_or(Errno::Fault)?;
        let array = self.slice(iovs, size)?;
        let mut buffers = Vec::with_capacity((count as usize).min(IOV_MAX));
        let mut room = TRANSFER_MAX;
        for record in array.chunks_exact(8) {
            let word = |at: usize| {
                u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]])
            };
            let (ptr, len) = (word(0), word(4));
            self.check(ptr, len)?;
            if len == 0 {
                continue;
            }
            let len = (len as usize).min(room);
            room -= len;
            buffers.push(make(ptr as usize, len));
            if room == 0 || buffers.len() == IOV_MAX {
                break;
            }
        }
        Ok(buffers)
    }
}

/// Whether no two of the (non-empty) buffers share a byte.
fn disjoint(buffers: &[Buffer]) -> bool {
    let mut sorted = buffers.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory_with_iovecs(bytes: &mut [u8], at: usize, iovecs: &[(u32, u32)]) {
        for (index, (ptr, len)) in iovecs.iter().enumerate() {
            bytes[at + 8 * index..][..4].copy_from_slice(&ptr.to_le_bytes());
            bytes[at + 8 * index + 4..][..4].copy_from_slice(&len.to_le_bytes());
        }
    }

    #[test]
    fn bounds() {
        let mut bytes = [0; 16];
        let mut memory = GuestMemory::new(&mut bytes, Abi::Preview1);
        let table: &[(u32, u32, bool)] = &[
            (0, 16, true),
            (16, 0, true),
            (17, 0, false),
            (15, 2, false),
            (u32::MAX, u32::MAX, false),
            (0, u32::MAX, false),
        ];
        for &(ptr, len, inside) in table {
            assert_eq!(memory.check(ptr, len).is_ok(), inside, "{ptr}+{len}");
            assert_eq!(memory.slice_mut(ptr, len).is_ok(), inside, "{ptr}+{len}");
        }
        assert_eq!(memory.write_u64(9, 0), Err(Errno::Fault));
        assert_eq!(memory.write_u64(8, 7), Ok(()));
        assert_eq!(memory.read_u32(8), Ok(7));
    }

    #[test]
    fn paths() {
        let mut bytes = *b"a/b\0c\xff";
        let memory = GuestMemory::new(&mut bytes, Abi::Preview1);
        assert_eq!(memory.path(0, 3), Ok(Path::new("a/b")));
        assert_eq!(memory.path(0, 4), Err(Errno::Inval));
        assert_eq!(memory.path(0, 0), Err(Errno::Noent));
        assert_eq!(memory.path(5, 2), Err(Errno::Fault));
        assert_eq!(memory.path(0, 5000), Err(Errno::Nametoolong));
        assert!(memory.path(4, 2).is_ok(), "names need not be UTF-8");
    }

    #[test]
    fn scatter_keeps_the_guests_order() {
        let mut bytes = [0; 64];
        memory_with_iovecs(&mut bytes, 0, &[(40, 4), (0, 0), (32, 2), (50, 1)]);
        let mut memory = GuestMemory::new(&mut bytes, Abi::Preview1);
        let mut buffers = memory.scatter(0, 4).unwrap();
        assert_eq!(buffers.iter().map(|b| b.len()).collect::<Vec<_>>(), [4, 2, 1]);
        buffers[0].fill(1);
        buffers[1].fill(2);
        buffers[2].fill(3);
        assert_eq!(bytes[40..44], [1; 4]);
        assert_eq!(bytes[32..35], [2, 2, 0]);
        assert_eq!(bytes[50], 3);
    }

    #[test]
    fn scatter_of_overlapping_buffers_takes_the_first() {
        let mut bytes = [0; 64];
        memory_with_iovecs(&mut bytes, 0, &[(40, 4), (42, 4)]);
        let mut memory = GuestMemory::new(&mut bytes, Abi::Preview1);
        let lens: Vec<_> = memory.scatter(0, 2).unwrap().iter().map(|b| b.len()).collect();
        assert_eq!(lens, [4]);
    }

    #[test]
    fn hostile_iovecs() {
        let mut bytes = [0; 64];
        memory_with_iovecs(&mut bytes, 0, &[(60, 8)]);
        let memory = GuestMemory::new(&mut bytes, Abi::Preview1);
        assert_eq!(memory.gather(0, 1).err(), Some(Errno::Fault));
        assert_eq!(memory.gather(0, u32::MAX).err(), Some(Errno::Fault));
        assert_eq!(memory.gather(0, 9).err(), Some(Errno::Fault));
        assert_eq!(memory.gather(64, 0).map(|b| b.len()).ok(), Some(0));
    }
}
