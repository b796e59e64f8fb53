//! Owns copy-on-write images: initial memory contents that many reservations share until they write.
//! Does not own the reservations they are mapped into.

use std::io;
use std::ops::Range;

use super::{Reservation, page_size};

/// The initial bytes of a memory, page-granular, mapped into any number of [`Reservation`]s without copying.
#[derive(Debug)]
pub struct MemoryImage {
    len: usize,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// A sealed in-memory file; mapped privately, so that the first write to a page copies it.
    #[cfg(target_os = "linux")]
    Shared(rustix::fd::OwnedFd),
    /// Where there is no such file: copied in at every map and reset.
    Copied(Box<[u8]>),
}

impl MemoryImage {
    /// An image of `bytes`; its last page is filled up with zeros.
    ///
    /// # Errors
    /// When the system has no memory or file descriptor left.
    pub fn new(bytes: &[u8]) -> io::Result<MemoryImage> {
        MemoryImage::from_segments(bytes.len(), [(0, bytes)])
    }

    /// An image of `len` bytes, zero except for the segments `(offset, bytes)`; later segments win. Runs of zeros
    /// between segments take no memory.
    ///
    /// # Errors
    /// When a segment lies outside `len`, or the system has no memory or file descriptor left.
    pub fn from_segments<'a>(
        len: usize,
        segments: impl IntoIterator<Item = (usize, &'a [u8])>,
    ) -> io::Result<MemoryImage> {
        let len = len.checked_next_multiple_of(page_size()).ok_or(io::ErrorKind::OutOfMemory)?;
        let segments = segments.into_iter();
        #[cfg(target_os = "linux")]
        if let Some(file) = sealed::create(len) {
            for (at, bytes) in segments {
                sealed::write(&file, len, at, bytes)?;
            }
            sealed::seal(&file)?;
            return Ok(MemoryImage { len, source: Source::Shared(file) });
        }
        MemoryImage::copied(len, segments)
    }

    fn copied<'a>(
        len: usize,
        segments: impl Iterator<Item = (usize, &'a [u8])>,
    ) -> io::Result<MemoryImage> {
        let mut copy = vec![0; len].into_boxed_slice();
        for (at, bytes) in segments {
            let range = segment_range(len, at, bytes)?;
            copy[range].copy_from_slice(bytes);
        }
        Ok(MemoryImage { len, source: Source::Copied(copy) })
    }

    /// Length in bytes, a multiple of the page size.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the image has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes `[at, at + len())` of `into` readable, writable and equal to the image. `at` must be page-aligned.
    ///
    /// # Errors
    /// When the range is out of bounds or the system refuses.
    pub fn map_at(&self, into: &Reservation, at: usize) -> io::Result<()> {
        if !at.is_multiple_of(page_size()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an image starts at a page boundary",
            ));
        }
        let end = at.checked_add(self.len).ok_or(io::ErrorKind::InvalidInput)?;
        match &self.source {
            #[cfg(target_os = "linux")]
            Source::Shared(file) => {
                let prot = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
                into.map_private(at..end, prot, file, 0)?;
            }
            Source::Copied(bytes) => {
                into.commit(at..end)?;
                // SAFETY: the range was just committed, so it is in bounds and writable; the image is a separate allocation.
                unsafe {
                    std::ptr::copy_nonoverlapping(
                        bytes.as_ptr(),
                        into.base().wrapping_add(at),
                        bytes.len(),
                    )
                };
            }
        }
        Ok(())
    }

    /// Returns the committed range `[at, at + len)` of `slot`, which starts with this image as [`MemoryImage::map_at`] left it
    /// there, to its first state: the image, then zeros. One system call.
    ///
    /// # Errors
    /// When the range is out of bounds.
    pub fn reset(&self, slot: &Reservation, at: usize, len: usize) -> io::Result<()> {
        let end = at.checked_add(len.max(self.len)).ok_or(io::ErrorKind::InvalidInput)?;
        slot.discard(at..end)?;
        match &self.source {
            #[cfg(target_os = "linux")]
            Source::Shared(_) => Ok(()),
            Source::Copied(_) => self.map_at(slot, at),
        }
    }
}

fn segment_range(len: usize, at: usize, bytes: &[u8]) -> io::Result<Range<usize>> {
    match at.checked_add(bytes.len()) {
        Some(end) if end <= len => Ok(at..end),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "a segment of {} bytes at {at} is outside an image of {len} bytes",
                bytes.len()
            ),
        )),
    }
}

#[cfg(target_os = "linux")]
mod sealed {
    use super::{io, segment_range};
    use rustix::fd::OwnedFd;
    use rustix::fs::{self, MemfdFlags, SealFlags};

    /// A new file of `len` zero bytes in memory; `None` where the system has no such files.
    pub(super) fn create(len: usize) -> Option<OwnedFd> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = fs::memfd_create(c"sterna-image", flags).ok()?;
        fs::ftruncate(&file, len as u64).ok()?;
        Some(file)
    }

    pub(super) fn write(file: &OwnedFd, len: usize, at: usize, mut bytes: &[u8]) -> io::Result<()> {
        let mut at = segment_range(len, at, bytes)?.start as u64;
        while !bytes.is_empty() {
            let written = rustix::io::pwrite(file, bytes, at)?;
            bytes = &bytes[written..];
            at += written as u64;
        }
        Ok(())
    }

    /// No one can change the image any more, whoever gets hold of the descriptor.
    pub(super) fn seal(file: &OwnedFd) -> io::Result<()> {
        fs::fcntl_add_seals(
            file,
            SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
        )?;
        Ok(())
    }
}
