//! Owns copy-on-write images: initial memory contents that many reservations share until they write.
//! Does not own the reservations they are mapped into.

use std::io;
use std::ops::Range;

#[cfg(target_os = "linux")]
use rustix::mm::ProtFlags;

use super::{Reservation, page_size, touched};

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
    Shared {
        file: rustix::fd::OwnedFd,
        /// The file mapped readable.
        view: Reservation,
    },
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
            let view = Reservation::new(len)?;
            view.map_private(0..len, ProtFlags::READ, &file, 0)?;
            return Ok(MemoryImage { len, source: Source::Shared { file, view } });
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
            Source::Shared { file, .. } => {
                into.map_private(at..end, ProtFlags::READ | ProtFlags::WRITE, file, 0)?;
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
    /// there, to its first state: the image, then zeros. A little memory stays with the slot.
    ///
    /// # Errors
    /// When the range is out of bounds or the system refuses.
    pub fn reset(&self, slot: &Reservation, at: usize, len: usize) -> io::Result<()> {
        let end = at.checked_add(len.max(self.len)).ok_or(io::ErrorKind::InvalidInput)?;
        let contents = self.contents();
        touched::reset(slot, at..end, |run| {
            let to = slot.base().wrapping_add(run.start);
            let from = contents.get(run.start - at..).unwrap_or_default();
            let (copied, zeroed) =
                (from.len().min(run.len()), run.len().saturating_sub(from.len()));
            // SAFETY: `run` is a part of the range, which is committed and to which no reference is live; the
            // image's contents are elsewhere.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, copied) };
            // SAFETY: the rest of the run, as above.
            unsafe { to.wrapping_add(copied).write_bytes(0, zeroed) };
        })?;
        match &self.source {
            #[cfg(target_os = "linux")]
            Source::Shared { .. } => Ok(()),
            // What was discarded is zero now.
            Source::Copied(_) => self.map_at(slot, at),
        }
    }

    /// The image's bytes.
    fn contents(&self) -> &[u8] {
        match &self.source {
            // SAFETY: `from_segments` has mapped the file there, readable, for as long as the reservation lives; the file is
            // sealed, so nobody changes it.
            #[cfg(target_os = "linux")]
            Source::Shared { view, .. } => unsafe {
                std::slice::from_raw_parts(view.base(), self.len)
            },
            Source::Copied(bytes) => bytes,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What systems without sealed in-memory files do.
    #[test]
    fn copies_are_the_fallback() {
        let page = page_size();
        let image = MemoryImage::copied(2 * page, [(page - 1, &b"ab"[..])].into_iter()).unwrap();
        let slot = Reservation::new(200 * page).unwrap();
        slot.commit(0..200 * page).unwrap();
        image.map_at(&slot, page).unwrap();
        // SAFETY: committed, and the only reference.
        let bytes = || unsafe { std::slice::from_raw_parts_mut(slot.base(), slot.len()) };
        for stride in [1, 1000, page, 50 * page] {
            bytes()[page..].iter_mut().step_by(stride).for_each(|byte| *byte = 9);
            image.reset(&slot, page, 199 * page).unwrap();
            assert_eq!(bytes()[2 * page - 2..][..4], *b"\0ab\0");
            assert_eq!(bytes().iter().filter(|&&byte| byte != 0).count(), 2, "stride {stride}");
        }
        assert!(MemoryImage::copied(page, [(page, &b"a"[..])].into_iter()).is_err());
    }
}
