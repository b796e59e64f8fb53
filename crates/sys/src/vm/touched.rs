//! Owns the question which pages of a range have memory of their own, put to the system.
//! Does not restore them.
//!
//! Why ask: taking pages back and faulting them in again costs a microsecond or two each, writing over one a tenth of that.

use std::io;
use std::ops::Range;

use super::Reservation;

/// At most this much memory stays with a range that is reset, in bytes.
const KEEP_BYTES: usize = 256 << 10;

/// Returns a committed range to its initial contents: `restore` must write them over the runs of pages that it gets,
/// given as byte ranges of `space`. Takes back the memory of pages beyond [`KEEP_BYTES`].
pub(super) fn reset(
    space: &Reservation,
    range: Range<usize>,
    mut restore: impl FnMut(Range<usize>),
) -> io::Result<()> {
    let base = space.base() as usize;
    let (at, len) = space.pages(range)?;
    let start = at as usize - base;
    // Small ranges are asked about, too: the question costs no more than the discarding would.
    let restored = scan::private_pages(at as usize, len, KEEP_BYTES / super::page_size(), |run| {
        restore(run.start - base..run.end - base);
    });
    let rest = restored.map_or(start, |end| end - base);
    space.discard(rest..start + len)
}

#[cfg(target_os = "linux")]
mod scan {
    use std::ops::Range;
    use std::sync::OnceLock;

    use rustix::fd::{AsRawFd, OwnedFd};
    use rustix::fs::{Mode, OFlags};
    use rustix::process::{Pid, getpid};

    /// Runs of pages fetched with one call, and most pages that a call can ask for.
    const RUNS: usize = 64;

    /// `struct page_region` of the kernel.
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct PageRegion {
        start: u64,
        end: u64,
        categories: u64,
    }

    /// `struct pm_scan_arg` of the kernel.
    #[repr(C)]
    #[derive(Default)]
    struct ScanArguments {
        size: u64,
        flags: u64,
        start: u64,
        end: u64,
        walk_end: u64,
        vec: u64,
        vec_len: u64,
        max_pages: u64,
        category_inverted: u64,
        category_mask: u64,
        category_anyof_mask: u64,
        return_mask: u64,
    }

    /// `_IOWR('f', 16, struct pm_scan_arg)`.
    const PAGEMAP_SCAN: u32 =
        3 << 30 | (size_of::<ScanArguments>() as u32) << 16 | (b'f' as u32) << 8 | 16;
    const PAGE_IS_FILE: u64 = 1 << 2;
    const PAGE_IS_PRESENT: u64 = 1 << 3;
    const PAGE_IS_SWAPPED: u64 = 1 << 4;
    const PAGE_IS_PFNZERO: u64 = 1 << 5;

    /// The page map of this process.
    struct PageMap {
        file: OwnedFd,
        /// It shows the process that opened it, also to forked children.
        owner: Pid,
    }

    fn page_map() -> Option<&'static PageMap> {
        static MAP: OnceLock<Option<PageMap>> = OnceLock::new();
        MAP.get_or_init(|| {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let file = rustix::fs::open(c"/proc/self/pagemap", flags, Mode::empty()).ok()?;
            Some(PageMap { file, owner: getpid() })
        })
        .as_ref()
        .filter(|map| map.owner == getpid())
    }

    /// Visits the runs of pages in `[start, start + len)` that have memory of their own (anonymous pages and private copies of file pages,
    /// swapped out or not), in order, at most `max_pages` pages. Returns the address before which all have been
    /// visited; `None` if the system cannot tell (Linux before 6.7, sandboxes).
    pub(super) fn private_pages(
        start: usize,
        len: usize,
        max_pages: usize,
        mut visit: impl FnMut(Range<usize>),
    ) -> Option<usize> {
        let map = page_map()?;
        let mut runs = [PageRegion::default(); RUNS];
        let mut arguments = ScanArguments {
            size: size_of::<ScanArguments>() as u64,
            start: start as u64,
            end: (start + len) as u64,
            vec: runs.as_mut_ptr() as u64,
            vec_len: RUNS as u64,
            max_pages: max_pages.min(RUNS) as u64,
            // Not a page of a file, not the shared page of zeros; in memory or swapped out.
            category_inverted: PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_mask: PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            return_mask: PAGE_IS_PRESENT,
            ..ScanArguments::default()
        };
        // SAFETY: the arguments are laid out as the kernel expects; it writes at most `vec_len` runs to `vec`.
        let found =
            unsafe { libc::ioctl(map.file.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut arguments) };
        let found = usize::try_from(found).ok()?;
        for run in runs.get(..found)? {
            visit(run.start as usize..run.end as usize);
        }
        Some(arguments.walk_end as usize)
    }
}

#[cfg(not(target_os = "linux"))]
mod scan {
    pub(super) fn private_pages(
        _: usize,
        _: usize,
        _: usize,
        _: impl FnMut(std::ops::Range<usize>),
    ) -> Option<usize> {
        None
    }
}
