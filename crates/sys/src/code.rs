//! Owns executable memory: one address range per region, to which code is appended and never removed.
//! Does not own what the code means: relocations, entry tables and unwinding data are the callers'.
//!
//! On Linux the region is a view of an in-memory file, and code is written *through the file*: no page is ever writable
//! where it executes, none is writable anywhere in the address space, and publishing needs no change of protection.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::mm::{MprotectFlags, ProtFlags};

use crate::arch;
use crate::vm::{Reservation, page_size};

/// Default size of a region in bytes: the most that a 32-bit displacement spans comfortably in both directions.
pub const DEFAULT_CAPACITY: usize = 1 << 30;

/// Alignment in bytes of every piece of code.
pub const CODE_ALIGN: usize = 64;

/// Executable memory. Grows from any thread; nothing in it moves or is freed while the region is alive.
#[derive(Debug)]
pub struct CodeRegion {
    space: Reservation,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Bytes handed out so far, from the start of the region.
    used: usize,
    backing: Backing,
}

#[derive(Debug)]
enum Backing {
    /// Nothing published yet, nothing allocated.
    Untouched,
    /// Offsets in the file equal offsets in the region.
    #[cfg(target_os = "linux")]
    File(file::CodeFile),
    /// No such file here: whole pages per piece of code, writable until committed.
    Pages,
}

/// Room for one piece of code at a known address. Dropping it uncommitted wastes the room, no more.
#[derive(Debug)]
pub struct CodeSlot<'r> {
    region: &'r CodeRegion,
    at: usize,
    bytes: Vec<u8>,
}

impl CodeRegion {
    /// Reserves `capacity` bytes of address space. Takes no memory: that comes with the first code.
    ///
    /// # Errors
    /// When the system has no such range left.
    pub fn new(capacity: usize) -> io::Result<CodeRegion> {
        let state = State { used: 0, backing: Backing::Untouched };
        Ok(CodeRegion { space: Reservation::new(capacity)?, state: Mutex::new(state) })
    }

    /// The same region in anonymous memory, whole pages for each piece of code: for profilers, which take code in files for that of
    /// libraries. To be called before there is any code.
    pub fn anonymous(self) -> CodeRegion {
        let anonymous = State { used: 0, backing: Backing::Pages };
        CodeRegion { state: Mutex::new(anonymous), ..self }
    }

    /// The addresses that code of this region can have. Fixed for its life.
    pub fn addresses(&self) -> Range<usize> {
        self.space.addresses()
    }

    /// Bytes handed out so far.
    pub fn used(&self) -> usize {
        self.lock().used
    }

    /// Takes room for `len` bytes at an address that is a multiple of [`CODE_ALIGN`].
    ///
    /// # Errors
    /// `OutOfMemory` when the region is full; else what the system says.
    pub fn reserve(&self, len: usize) -> io::Result<CodeSlot<'_>> {
        let mut state = self.lock();
        state.prepare(&self.space)?;
        let align = match state.backing {
            Backing::Pages => page_size(),
            _ => CODE_ALIGN,
        };
        let range = state.take(&self.space, len, align)?;
        #[cfg(target_os = "linux")]
        if let Backing::File(file) = &mut state.backing {
            file.grow(range.end)?;
        }
        drop(state);
        Ok(CodeSlot { region: self, at: range.start, bytes: vec![0; len] })
    }

    /// Publishes code that is independent of its address; returns that address.
    ///
    /// # Errors
    /// As [`CodeRegion::reserve`].
    pub fn publish(&self, bytes: &[u8]) -> io::Result<*const u8> {
        let mut slot = self.reserve(bytes.len())?;
        slot.bytes().copy_from_slice(bytes);
        slot.commit()
    }

    /// Maps `len` bytes of a file, read-only and executable, within the region. `offset` must be a multiple of the page
    /// size. What the file holds is code: the caller has checked that it may be trusted, and that nobody changes it.
    ///
    /// # Errors
    /// `OutOfMemory` when the region is full, `InvalidInput` for an unaligned offset; else what the system says.
    pub fn map_file(&self, file: &File, offset: u64, len: usize) -> io::Result<*const u8> {
        // Needs no memory of the region's own, so none is set up: code that is appended later starts behind the file.
        let mut state = self.lock();
        let len = len.checked_next_multiple_of(page_size()).ok_or(io::ErrorKind::OutOfMemory)?;
        let range = state.take(&self.space, len, page_size())?;
        let at = self.space.map_private(range, ProtFlags::READ | ProtFlags::EXEC, file, offset)?;
        Ok(at)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every state is consistent: `used` only grows, and a failed step leaves a hole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Sets up the memory behind the region when it is first needed.
    fn prepare(&mut self, space: &Reservation) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        match &self.backing {
            Backing::File(file) if !file.inherited() => {}
            Backing::Pages => {}
            // First use, or the first one in a forked child, which must not write into its parent's file: the rest of the
            // region becomes a view of a new file.
            _ => {
                self.used = self.used.next_multiple_of(page_size());
                self.backing = match file::CodeFile::create(space, self.used) {
                    Some(file) => Backing::File(file),
                    None => Backing::Pages,
                };
            }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = space;
            self.backing = Backing::Pages;
        }
        Ok(())
    }

    fn take(&mut self, space: &Reservation, len: usize, align: usize) -> io::Result<Range<usize>> {
        let start = self.used.checked_next_multiple_of(align);
        let range = start.and_then(|start| Some(start..start.checked_add(len)?));
        match range {
            Some(range) if range.end <= space.len() => {
                self.used = range.end;
                Ok(range)
            }
            _ => Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                format!(
                    "{len} bytes of code do not fit: {} of {} bytes are taken",
                    self.used,
                    space.len()
                ),
            )),
        }
    }
}

impl CodeSlot<'_> {
    /// The address the code will have.
    pub fn address(&self) -> *const u8 {
        self.region.space.base().wrapping_add(self.at)
    }

    /// The code, to be filled in. Initially zero.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Makes the code executable; returns its address. Another thread may call it as soon as it has the address.
    ///
    /// # Errors
    /// What the system says. The room is lost then.
    pub fn commit(self) -> io::Result<*const u8> {
        let address = self.address();
        let space = &self.region.space;
        let state = self.region.lock();
        match &state.backing {
            #[cfg(target_os = "linux")]
            Backing::File(file) => file.write(self.at, &self.bytes)?,
            Backing::Untouched | Backing::Pages => {
                let range = self.at..self.at + self.bytes.len();
                space.commit(range.clone())?;
                // SAFETY: the slot's pages were just made writable and belong to it alone.
                unsafe {
                    std::ptr::copy_nonoverlapping(
                        self.bytes.as_ptr(),
                        address.cast_mut(),
                        self.bytes.len(),
                    )
                };
                space.protect(range, MprotectFlags::READ | MprotectFlags::EXEC)?;
            }
        }
        drop(state);
        arch::synchronize_code(address, self.bytes.len());
        Ok(address)
    }
}

#[cfg(target_os = "linux")]
mod file {
    use super::{ProtFlags, Reservation, io};
    use rustix::fd::OwnedFd;
    use rustix::fs::{self, MemfdFlags};
    use rustix::process::{Pid, getpid};

    /// The file grows in steps of this many bytes; untouched bytes of it take no memory.
    const GROWTH: usize = 1 << 20;

    #[derive(Debug)]
    pub(super) struct CodeFile {
        file: OwnedFd,
        len: usize,
        /// The process that writes to the file.
        owner: Pid,
    }

    impl CodeFile {
        /// A new file that shows in `space` from byte `from` on. `None` where the system has no such files or does not
        /// let them be executed.
        pub(super) fn create(space: &Reservation, from: usize) -> Option<CodeFile> {
            // Kernels before 6.3 do not know EXEC and reject it; later ones may be set up to require it.
            let file = fs::memfd_create(c"sterna-code", MemfdFlags::CLOEXEC | MemfdFlags::EXEC)
                .or_else(|_| fs::memfd_create(c"sterna-code", MemfdFlags::CLOEXEC))
                .ok()?;
            let prot = ProtFlags::READ | ProtFlags::EXEC;
            space.map_shared(from..space.len(), prot, &file, from as u64).ok()?;
            Some(CodeFile { file, len: 0, owner: getpid() })
        }

        /// Whether this process is a child of the one that created the file.
        pub(super) fn inherited(&self) -> bool {
            self.owner != getpid()
        }

        pub(super) fn grow(&mut self, to: usize) -> io::Result<()> {
            if to > self.len {
                let len = to.checked_next_multiple_of(GROWTH).ok_or(io::ErrorKind::OutOfMemory)?;
                fs::ftruncate(&self.file, len as u64)?;
                self.len = len;
            }
            Ok(())
        }

        pub(super) fn write(&self, at: usize, mut bytes: &[u8]) -> io::Result<()> {
            let mut at = at as u64;
            while !bytes.is_empty() {
                let written = rustix::io::pwrite(&self.file, bytes, at)?;
                bytes = &bytes[written..];
                at += written as u64;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What systems without executable in-memory files do.
    #[test]
    fn whole_pages_are_the_fallback() {
        let region = CodeRegion::new(1 << 20).unwrap();
        region.lock().backing = Backing::Pages;
        let mut slots = [1, 2].map(|_| region.reserve(10).unwrap());
        let [first, second] = slots.each_ref().map(|slot| slot.address().addr());
        assert!(first.is_multiple_of(page_size()) && second == first + page_size());
        slots[0].bytes()[9] = 7;
        for slot in slots {
            let code = slot.commit().unwrap();
            // SAFETY: committed code is readable.
            assert_eq!(unsafe { *code.wrapping_add(9) }, if code.addr() == first { 7 } else { 0 });
        }
        assert!(region.reserve(1 << 20).is_err());
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps.lines().find(|line| line.starts_with(&format!("{first:x}-"))).unwrap();
        assert!(line.contains(" r-xp "), "{line}");
    }
}
