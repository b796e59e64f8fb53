//! Owns `GuestMemory`, the only way by which calls reach the guest's linear memory.
//! Does not know what the calls mean; it checks bounds and moves bytes.

use crate::types::Filestat;
use crate::{Abi, Errno};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io::{IoSlice, IoSliceMut};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use sterna::SharedMemory;

/// The most buffers one host call takes; further ones make a short read or write.
const IOV_MAX: usize = 1024;

/// The most bytes one transfer moves, so that counts fit the guest's 32 bits (Linux's own limit).
const TRANSFER_MAX: usize = 0x7fff_f000;

/// The longest path in bytes, terminator excluded.
const PATH_MAX: u32 = 4095;

/// The most bytes one transfer moves through a buffer of the host's, for memories that threads share.
const STAGED_MAX: usize = 1 << 20;

/// A guest's linear memory during one call, and the binary form that the guest uses.
///
/// Every access is checked; one outside the memory is [`Errno::Fault`].
/// Unaligned addresses are accepted.
#[derive(Debug)]
pub struct GuestMemory<'m> {
    bytes: Bytes<'m>,
    abi: Abi,
}

#[derive(Debug)]
enum Bytes<'m> {
    /// The guest does not run during the call.
    Own(&'m mut [u8]),
    /// Other threads of the guest run: bytes are copied, and may have changed when they are read again.
    Shared(&'m SharedMemory),
}

/// A guest buffer: first byte and length.
type Buffer = (usize, usize);

impl<'m> GuestMemory<'m> {
    /// Views `bytes`, the whole linear memory of a guest that was compiled against `abi`.
    pub fn new(bytes: &'m mut [u8], abi: Abi) -> GuestMemory<'m> {
        GuestMemory { bytes: Bytes::Own(bytes), abi }
    }

    /// Views the memory of a guest with threads.
    pub fn shared(memory: &'m SharedMemory, abi: Abi) -> GuestMemory<'m> {
        GuestMemory { bytes: Bytes::Shared(memory), abi }
    }

    /// The binary form of records.
    pub(crate) fn abi(&self) -> Abi {
        self.abi
    }

    /// The `len` bytes at `ptr`.
    pub fn slice(&self, ptr: u32, len: u32) -> Result<Cow<'_, [u8]>, Errno> {
        self.check(ptr, len)?;
        let (start, len) = (ptr as usize, len as usize);
        match &self.bytes {
            Bytes::Own(bytes) => Ok(Cow::Borrowed(&bytes[start..start + len])),
            Bytes::Shared(memory) => {
                let mut bytes = vec![0; len];
                memory.read(start, &mut bytes).map_err(|_| Errno::Fault)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Has `fill` write results to the `len` bytes at `ptr`, from the first on, and say how many it has written.
    pub fn fill<E: From<Errno>>(
        &mut self,
        ptr: u32,
        len: u32,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        self.check(ptr, len)?;
        let (start, len) = (ptr as usize, len as usize);
        match &mut self.bytes {
            Bytes::Own(bytes) => fill(&mut bytes[start..start + len]),
            Bytes::Shared(memory) => {
                let mut bytes = vec![0; len];
                let count = fill(&mut bytes)?;
                memory.write(start, &bytes[..count.min(len)]).map_err(|_| Errno::Fault)?;
                Ok(count)
            }
        }
    }

    /// Fails if `len` bytes at `ptr` are not all inside. For results, before the call has effects.
    pub fn check(&self, ptr: u32, len: u32) -> Result<(), Errno> {
        let size = match &self.bytes {
            Bytes::Own(bytes) => bytes.len(),
            Bytes::Shared(memory) => memory.data_size(),
        };
        if ptr as usize + len as usize <= size { Ok(()) } else { Err(Errno::Fault) }
    }

    /// Writes `bytes` at `ptr`.
    pub fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), Errno> {
        let start = ptr as usize;
        match &mut self.bytes {
            Bytes::Own(own) => {
                own.get_mut(start..start + bytes.len()).ok_or(Errno::Fault)?.copy_from_slice(bytes);
                Ok(())
            }
            Bytes::Shared(memory) => memory.write(start, bytes).map_err(|_| Errno::Fault),
        }
    }

    /// Reads a little-endian `u32`.
    pub fn read_u32(&self, ptr: u32) -> Result<u32, Errno> {
        let bytes = self.slice(ptr, 4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
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

    /// A path as the host's bytes, copied only if other threads could change it meanwhile. Paths are not required to be UTF-8, so that files
    /// with any name can be listed and opened.
    pub(crate) fn path(&self, ptr: u32, len: u32) -> Result<Cow<'_, Path>, Errno> {
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
        Ok(match bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(Path::new(OsStr::from_bytes(bytes))),
            Cow::Owned(bytes) => Cow::Owned(PathBuf::from(OsString::from_vec(bytes))),
        })
    }

    /// Has `write` write from the buffers of an `iovec` array.
    pub(crate) fn gather<R, E: From<Errno>>(
        &self,
        iovs: u32,
        count: u32,
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<R, E>,
    ) -> Result<R, E> {
        let buffers = self.buffers(iovs, count)?;
        match &self.bytes {
            Bytes::Own(bytes) => {
                let slice = |&(start, len): &Buffer| IoSlice::new(&bytes[start..start + len]);
                write(&buffers.iter().map(slice).collect::<Vec<_>>())
            }
            Bytes::Shared(memory) => {
                let mut staged = vec![0; buffers.iter().map(|buffer| buffer.1).sum()];
                let mut rest = &mut staged[..];
                for (start, len) in buffers {
                    let (piece, tail) = rest.split_at_mut(len);
                    memory.read(start, piece).map_err(|_| Errno::Fault)?;
                    rest = tail;
                }
                write(&[IoSlice::new(&staged)])
            }
        }
    }

    /// Has `read` read into the buffers of an `iovec` array, and say how many bytes. If buffers overlap, only into the first one.
    pub(crate) fn scatter<E: From<Errno>>(
        &mut self,
        iovs: u32,
        count: u32,
        read: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let mut buffers: Vec<Buffer> = self.buffers(iovs, count)?;
        if buffers.len() > 1 && !disjoint(&buffers) {
            buffers.truncate(1);
        }
        match &mut self.bytes {
            Bytes::Own(bytes) => read(&mut cut(bytes, &buffers)),
            Bytes::Shared(memory) => {
                let mut staged = vec![0; buffers.iter().map(|buffer| buffer.1).sum()];
                let count = read(&mut [IoSliceMut::new(&mut staged)])?;
                let mut rest = &staged[..count.min(staged.len())];
                for (start, len) in buffers {
                    let (piece, tail) = rest.split_at(len.min(rest.len()));
                    memory.write(start, piece).map_err(|_| Errno::Fault)?;
                    rest = tail;
                }
                Ok(count)
            }
        }
    }

    /// Reads an `iovec` array: the non-empty buffers, each checked, at most `IOV_MAX` of them and
    /// `TRANSFER_MAX` bytes, fewer if they have to be copied.
    fn buffers(&self, iovs: u32, count: u32) -> Result<Vec<Buffer>, Errno> {
        let size = count.checked_mul(8).ok_or(Errno::Fault)?;
        let array = self.slice(iovs, size)?;
        let mut buffers = Vec::with_capacity((count as usize).min(IOV_MAX));
        let mut room = match self.bytes {
            Bytes::Own(_) => TRANSFER_MAX,
            Bytes::Shared(_) => STAGED_MAX,
        };
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
            buffers.push((ptr as usize, len));
            if room == 0 || buffers.len() == IOV_MAX {
                break;
            }
        }
        Ok(buffers)
    }
}

/// The buffers, which do not overlap, in their order.
fn cut<'b>(bytes: &'b mut [u8], buffers: &[Buffer]) -> Vec<IoSliceMut<'b>> {
    if let [(start, len)] = *buffers {
        return vec![IoSliceMut::new(&mut bytes[start..start + len])];
    }
    // Cut the memory at each buffer in address order, then restore the guest's order.
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|&index| buffers[index].0);
    let mut cut: Vec<(usize, IoSliceMut<'_>)> = Vec::with_capacity(buffers.len());
    let (mut rest, mut rest_start) = (bytes, 0);
    for index in order {
        let (start, len) = buffers[index];
        let (_, tail) = rest.split_at_mut(start - rest_start);
        let (buffer, tail) = tail.split_at_mut(len);
        cut.push((index, IoSliceMut::new(buffer)));
        rest = tail;
        rest_start = start + len;
    }
    cut.sort_by_key(|&(index, _)| index);
    cut.into_iter().map(|(_, buffer)| buffer).collect()
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
            let filled = memory.fill(ptr, len, |bytes| Ok::<_, Errno>(bytes.len()));
            assert_eq!(filled.is_ok(), inside, "{ptr}+{len}");
        }
        assert_eq!(memory.write_u64(9, 0), Err(Errno::Fault));
        assert_eq!(memory.write_u64(8, 7), Ok(()));
        assert_eq!(memory.read_u32(8), Ok(7));
    }

    #[test]
    fn paths() {
        let mut bytes = *b"a/b\0c\xff";
        let memory = GuestMemory::new(&mut bytes, Abi::Preview1);
        assert_eq!(memory.path(0, 3), Ok(Cow::Borrowed(Path::new("a/b"))));
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
        let read = |buffers: &mut [IoSliceMut<'_>]| {
            assert_eq!(buffers.iter().map(|b| b.len()).collect::<Vec<_>>(), [4, 2, 1]);
            buffers[0].fill(1);
            buffers[1].fill(2);
            buffers[2].fill(3);
            Ok::<_, Errno>(7)
        };
        assert_eq!(memory.scatter(0, 4, read), Ok(7));
        assert_eq!(bytes[40..44], [1; 4]);
        assert_eq!(bytes[32..35], [2, 2, 0]);
        assert_eq!(bytes[50], 3);
    }

    #[test]
    fn scatter_of_overlapping_buffers_takes_the_first() {
        let mut bytes = [0; 64];
        memory_with_iovecs(&mut bytes, 0, &[(40, 4), (42, 4)]);
        let mut memory = GuestMemory::new(&mut bytes, Abi::Preview1);
        let read = |buffers: &mut [IoSliceMut<'_>]| {
            assert_eq!(buffers.iter().map(|b| b.len()).collect::<Vec<_>>(), [4]);
            Ok::<_, Errno>(0)
        };
        assert_eq!(memory.scatter(0, 2, read), Ok(0));
    }

    #[test]
    fn hostile_iovecs() {
        let mut bytes = [0; 64];
        memory_with_iovecs(&mut bytes, 0, &[(60, 8)]);
        let memory = GuestMemory::new(&mut bytes, Abi::Preview1);
        let count =
            |iovs, count| memory.gather(iovs, count, |buffers| Ok::<_, Errno>(buffers.len()));
        assert_eq!(count(0, 1), Err(Errno::Fault));
        assert_eq!(count(0, u32::MAX), Err(Errno::Fault));
        assert_eq!(count(0, 9), Err(Errno::Fault));
        assert_eq!(count(64, 0), Ok(0));
    }

    #[test]
    fn a_shared_memory_is_seen_like_any_other() {
        let engine = sterna::Engine::default();
        let ty = sterna::MemoryType::new(1, Some(1)).shared();
        let memory = SharedMemory::new(&engine, ty).unwrap();
        let mut guest = GuestMemory::shared(&memory, Abi::Preview1);
        for (index, word) in [40, 4, 32, 2, 65535, 2].into_iter().enumerate() {
            guest.write_u32(4 * index as u32, word).unwrap();
        }
        let read = |buffers: &mut [IoSliceMut<'_>]| {
            buffers[0][..5].copy_from_slice(b"abcde");
            Ok::<_, Errno>(5)
        };
        assert_eq!(guest.scatter(0, 2, read), Ok(5));
        assert_eq!(*guest.slice(32, 12).unwrap(), *b"e\0\0\0\0\0\0\0abcd");
        let bytes = guest.gather(0, 2, |buffers| Ok::<_, Errno>(buffers[0].to_vec()));
        assert_eq!(bytes.unwrap(), b"abcde\0");
        assert_eq!(guest.gather(0, 3, |_| Ok::<_, Errno>(())), Err(Errno::Fault));
        assert_eq!(guest.path(40, 4), Ok(Cow::Borrowed(Path::new("abcd"))));
        assert_eq!(guest.fill(40, 4, |_| Ok::<_, Errno>(1)), Ok(1));
        assert_eq!(*guest.slice(40, 2).unwrap(), *b"\0b", "only what was filled is written");
        assert_eq!(guest.write_u64(65529, 0), Err(Errno::Fault));
    }
}
