//! Owns address space: page arithmetic, reservations whose base never moves, copy-on-write images, file views.
//! Does not own executable memory (`code`) or the layout of stacks (`stack`).

use std::io;
use std::ops::Range;
use std::ptr::NonNull;

use rustix::mm::{self, Advice, MapFlags, MprotectFlags, ProtFlags};

mod file;
mod image;
mod touched;

pub use file::FileMap;
pub use image::MemoryImage;

/// Size of a page in bytes, a power of two.
pub fn page_size() -> usize {
    rustix::param::page_size()
}

/// `bytes` rounded up to whole pages; `None` if that overflows.
pub fn round_up_to_pages(bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(page_size())
}

/// Asks for large pages behind memory that is about to be filled: each saves hundreds of page faults. A hint.
pub fn prefer_large_pages(bytes: &[u8]) {
    #[cfg(target_os = "linux")]
    {
        let page = page_size();
        let start = bytes.as_ptr().align_offset(page);
        let Some(len) = bytes.len().checked_sub(start) else { return };
        let at = bytes.as_ptr().wrapping_add(start).cast_mut();
        // SAFETY: whole pages of a live slice; the advice does not change what they hold.
        let _ = unsafe { mm::madvise(at.cast(), len / page * page, Advice::LinuxHugepage) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = bytes;
}

/// A range of address space that belongs to nobody else. Its base never moves and its pages start inaccessible.
///
/// Only raw pointers are handed out: whoever dereferences one must know that the page is committed, and for how long.
/// All ranges are in bytes from the base and are widened to whole pages.
#[derive(Debug)]
pub struct Reservation {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a reservation is a range of numbers; access to the bytes goes through raw pointers, whose users synchronize.
unsafe impl Send for Reservation {}
// SAFETY: as above; the system calls made through `&self` are atomic with respect to each other.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Reserves `len` bytes (rounded up to pages, at least one) without any memory behind them.
    ///
    /// # Errors
    /// When the system has no such range left, or too many mappings.
    pub fn new(len: usize) -> io::Result<Reservation> {
        let len = round_up_to_pages(len.max(1)).ok_or(io::ErrorKind::OutOfMemory)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: without MAP_FIXED the kernel picks a range that is in nobody's use.
        let base =
            unsafe { mm::mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::empty(), flags) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Reservation { base, len })
    }

    /// First byte.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// Length in bytes, a multiple of the page size.
    #[allow(clippy::len_without_is_empty, reason = "a reservation is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The addresses reserved.
    pub fn addresses(&self) -> Range<usize> {
        let base = self.base() as usize;
        base..base + self.len
    }

    /// Makes a range readable and writable. Pages not committed before read as zero; others keep their contents.
    ///
    /// # Errors
    /// When the range is out of bounds or the system refuses.
    pub fn commit(&self, range: Range<usize>) -> io::Result<()> {
        self.protect(range, MprotectFlags::READ | MprotectFlags::WRITE)
    }

    /// Makes a range inaccessible again and gives its memory (and any image mapped there) back.
    ///
    /// # Errors
    /// When the range is out of bounds or the system has too many mappings.
    pub fn decommit(&self, range: Range<usize>) -> io::Result<()> {
        let (at, len) = self.pages(range)?;
        if len == 0 {
            return Ok(());
        }
        // One call that replaces the mapping; discarding pages and protecting them would be two.
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: `pages` has checked that the range lies in this reservation, which nobody else maps into.
        unsafe { mm::mmap_anonymous(at.cast(), len, ProtFlags::empty(), flags) }?;
        Ok(())
    }

    /// Drops what was written to a committed range: anonymous pages read as zero again, pages of a mapped image as
    /// the image. Protection stays.
    ///
    /// # Errors
    /// When the range is out of bounds.
    pub fn discard(&self, range: Range<usize>) -> io::Result<()> {
        let (at, len) = self.pages(range)?;
        if len == 0 {
            return Ok(());
        }
        self.discard_pages(at, len)
    }

    /// Returns a committed range without an image to zeros, like [`Reservation::discard`], but lets a little memory stay
    /// with it: for ranges that are soon used again.
    ///
    /// # Errors
    /// When the range is out of bounds.
    pub fn zero(&self, range: Range<usize>) -> io::Result<()> {
        touched::reset(self, range, |run| {
            // SAFETY: `run` is a part of the range, which is committed and to which no reference is live.
            unsafe { self.base().wrapping_add(run.start).write_bytes(0, run.len()) };
        })
    }

    #[cfg(target_os = "linux")]
    fn discard_pages(&self, at: *mut u8, len: usize) -> io::Result<()> {
        // SAFETY: callers pass a range of this reservation; no reference into it is live, by the type's contract.
        unsafe { mm::madvise(at.cast(), len, Advice::LinuxDontNeed) }?;
        Ok(())
    }

    /// Elsewhere `madvise` does not promise zeros: map fresh pages (images are plain copies there, see `MemoryImage`).
    #[cfg(not(target_os = "linux"))]
    fn discard_pages(&self, at: *mut u8, len: usize) -> io::Result<()> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: callers pass a range of this reservation, which nobody else maps into.
        unsafe { mm::mmap_anonymous(at.cast(), len, ProtFlags::READ | ProtFlags::WRITE, flags) }?;
        Ok(())
    }

    /// Asks for small pages in a range, so that touching one byte never costs 2 MiB. A hint: failure is ignored.
    pub fn prefer_small_pages(&self, range: Range<usize>) {
        #[cfg(target_os = "linux")]
        if let Ok((at, len)) = self.pages(range) {
            // SAFETY: a hint about pages of this reservation; contents and protection are unaffected.
            let _ = unsafe { mm::madvise(at.cast(), len, Advice::LinuxNoHugepage) };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }

    /// Asks for large pages in a range that will be used densely: fewer faults and fewer misses of the TLB. A hint.
    pub fn prefer_large_pages(&self, range: Range<usize>) {
        #[cfg(target_os = "linux")]
        if let Ok((at, len)) = self.pages(range) {
            // SAFETY: a hint about pages of this reservation; contents and protection are unaffected.
            let _ = unsafe { mm::madvise(at.cast(), len, Advice::LinuxHugepage) };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }

    /// Changes the protection of a range.
    pub(crate) fn protect(&self, range: Range<usize>, flags: MprotectFlags) -> io::Result<()> {
        let (at, len) = self.pages(range)?;
        if len == 0 {
            return Ok(());
        }
        // SAFETY: `pages` has checked that the range lies in this reservation; users hold raw pointers only.
        unsafe { mm::mprotect(at.cast(), len, flags) }?;
        Ok(())
    }

    /// Maps part of a file over a range, private to this process. `offset` must be a multiple of the page size.
    pub(crate) fn map_private(
        &self,
        range: Range<usize>,
        prot: ProtFlags,
        file: impl rustix::fd::AsFd,
        offset: u64,
    ) -> io::Result<*mut u8> {
        self.map(range, prot, MapFlags::PRIVATE | MapFlags::FIXED, file, offset)
    }

    /// Maps part of a file over a range; later writes to the file show.
    pub(crate) fn map_shared(
        &self,
        range: Range<usize>,
        prot: ProtFlags,
        file: impl rustix::fd::AsFd,
        offset: u64,
    ) -> io::Result<*mut u8> {
        self.map(range, prot, MapFlags::SHARED | MapFlags::FIXED, file, offset)
    }

    fn map(
        &self,
        range: Range<usize>,
        prot: ProtFlags,
        flags: MapFlags,
        file: impl rustix::fd::AsFd,
        offset: u64,
    ) -> io::Result<*mut u8> {
        let (at, len) = self.pages(range)?;
        if len == 0 {
            return Ok(at);
        }
        // SAFETY: `pages` has checked that the range lies in this reservation, which nobody else maps into.
        unsafe { mm::mmap(at.cast(), len, prot, flags, file, offset) }?;
        Ok(at)
    }

    /// Widens a range to pages: first byte and length. Checks bounds.
    fn pages(&self, range: Range<usize>) -> io::Result<(*mut u8, usize)> {
        if range.start > range.end || range.end > self.len {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("range {range:?} is outside the {} bytes reserved", self.len),
            ));
        }
        let start = range.start & !(page_size() - 1);
        let len =
            if range.is_empty() { 0 } else { (range.end - start).next_multiple_of(page_size()) };
        Ok((self.base().wrapping_add(start), len))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: base and length come from our own mmap; pointers into the range are dead by the type's contract.
        let unmapped = unsafe { mm::munmap(self.base().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "unmapping an own range cannot fail: {unmapped:?}");
    }
}
