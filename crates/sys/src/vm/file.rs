//! Owns read-only views of whole files.
//! Does not own executable views: those are parts of a code region (`code`).

use std::fs::File;
use std::io;
use std::ptr::NonNull;

use rustix::mm::{self, MapFlags, ProtFlags};

/// The contents of a file, read on demand and shared with every other view of it.
#[derive(Debug)]
pub struct FileMap {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the bytes are only read, and do not change by the promise given to `FileMap::new`.
unsafe impl Send for FileMap {}
// SAFETY: as above.
unsafe impl Sync for FileMap {}

impl FileMap {
    /// Maps a file from its first byte to the end that it has now.
    ///
    /// # Errors
    /// When the file is no regular one, or what the system says.
    ///
    /// # Safety
    /// Nobody may change the file while the view exists; cutting it short would moreover end the process at the next
    /// access to the part cut off. (To replace a file, write another one and rename it.)
    pub unsafe fn new(file: &File) -> io::Result<FileMap> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let len = usize::try_from(meta.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if len == 0 {
            // The system does not map nothing.
            return Ok(FileMap { base: NonNull::dangling(), len });
        }
        let null = std::ptr::null_mut();
        // SAFETY: without MAP_FIXED the kernel picks a range that is in nobody's use.
        let base = unsafe { mm::mmap(null, len, ProtFlags::READ, MapFlags::PRIVATE, file, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(FileMap { base, len })
    }
}

impl AsRef<[u8]> for FileMap {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `base..base + len` is mapped readable until the drop; the bytes do not change by the promise given to `new`.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }
}

impl Drop for FileMap {
    fn drop(&mut self) {
        if self.len == 0 {
            return;
        }
        // SAFETY: base and length come from our own mmap; slices of it borrow `self`.
        let unmapped = unsafe { mm::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "unmapping an own range cannot fail: {unmapped:?}");
    }
}
