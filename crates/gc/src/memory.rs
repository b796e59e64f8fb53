//! Owns the heap's address space and every access to its bytes.
//! Does not know objects: offsets in, numbers out.

use std::io;
use std::ops::Range;

use sterna_sys::cpu::prefetch;
use sterna_sys::vm::{Reservation, page_size};

/// Bytes that a reference can address.
pub const RESERVED_FOR_REFERENCES: u64 = 1 << 32;
/// Largest constant that compiled code may add to a reference: more than the last field of the widest structure needs
/// (10 000 vectors).
pub const MAX_CONST_OFFSET: u32 = 256 * 1024 - 64;
/// Bytes reserved behind what references address, so that the widest access at the largest offset stays inside.
pub const GUARD: u64 = MAX_CONST_OFFSET as u64 + 64;
/// Bytes at the bottom that are never accessible: an access at null plus a constant below this faults.
pub const NULL_GUARD: u32 = 64 * 1024;

/// Bytes that one card stands for, as a power of two.
pub(crate) const LOG2_CARD: u32 = 9;
const CARDS_AT: usize = (RESERVED_FOR_REFERENCES + GUARD) as usize;
const CARDS: usize = (RESERVED_FOR_REFERENCES >> LOG2_CARD) as usize;
/// Behind the last reference, for accesses that begin below and end above it.
const TAIL: usize = 64 * 1024;

/// Most functions that fields may refer to.
pub(crate) const MAX_FUNCS: usize = 1 << 24;
/// What an index of a function is masked with before it is used, so that no number leads out of the table.
pub const FUNC_MASK: u32 = MAX_FUNCS as u32 - 1;
const FUNCS: usize = 8 * MAX_FUNCS;
/// Where the table of functions is from the heap's base: 8 bytes per index, 0 where there is no function.
pub const FUNCS_AT: i32 = -(FUNCS as i32);

/// One reservation: table of functions, references (from the base on), guard, card table. Everything from [`NULL_GUARD`] to the end of what references address is
/// readable and writable from the start; the system provides pages when they are touched.
#[derive(Debug)]
pub(crate) struct Memory {
    reservation: Reservation,
    base: *mut u8,
}

// SAFETY: `base` is the base of the owned reservation, a fixed address; access goes through `&self` methods of a type that
// is not `Sync`, so one thread at a time.
unsafe impl Send for Memory {}

impl Memory {
    pub fn new() -> io::Result<Memory> {
        let reservation = Reservation::new(FUNCS + CARDS_AT + CARDS)?;
        let from_base = |range: Range<usize>| FUNCS + range.start..FUNCS + range.end;
        reservation.commit(0..FUNCS)?;
        reservation.commit(from_base(
            NULL_GUARD as usize..RESERVED_FOR_REFERENCES as usize + TAIL.min(GUARD as usize),
        ))?;
        reservation.commit(from_base(CARDS_AT..CARDS_AT + CARDS))?;
        let base = reservation.base().wrapping_add(FUNCS);
        Ok(Memory { reservation, base })
    }

    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// Gives the memory of whole system pages inside the range back; they read as zero.
    pub fn discard(&self, range: Range<usize>) {
        let page = page_size();
        let inner = range.start.next_multiple_of(page)..range.end & !(page - 1);
        if inner.start < inner.end {
            // Without the call the memory merely stays resident.
            let _ = self.reservation.discard(FUNCS + inner.start..FUNCS + inner.end);
        }
    }

    /// Expects dense use of the range from now on.
    pub fn prefer_large_pages(&self, range: Range<usize>) {
        self.reservation.prefer_large_pages(FUNCS + range.start..FUNCS + range.end);
    }

    /// The function of an index; other bits than those of [`FUNC_MASK`] are ignored.
    #[inline(always)]
    pub fn func(&self, index: u32) -> u64 {
        // SAFETY: masked, so an entry of the committed table.
        unsafe { self.func_entry(index).read() }
    }

    /// Sets the function of an index; other bits than those of [`FUNC_MASK`] are ignored.
    pub fn set_func(&self, index: u32, pointer: u64) {
        // SAFETY: as `func`.
        unsafe { self.func_entry(index).write(pointer) }
    }

    fn func_entry(&self, index: u32) -> *mut u64 {
        self.reservation.base().cast::<u64>().wrapping_add((index & FUNC_MASK) as usize)
    }

    /// Expects an access soon; any number will do.
    #[inline(always)]
    pub fn prefetch(&self, at: u32) {
        prefetch(self.base.wrapping_add(at as usize));
    }

    /// The address of `at`, which must not be in the null guard.
    #[inline(always)]
    fn address(&self, at: u32) -> *mut u8 {
        if at < NULL_GUARD {
            null_access();
        }
        self.base.wrapping_add(at as usize)
    }

    #[inline(always)]
    pub fn load8(&self, at: u32) -> u8 {
        // SAFETY: `address` yields committed bytes of the reservation, which live as long as `self`.
        unsafe { self.address(at).read() }
    }

    #[inline(always)]
    pub fn load16(&self, at: u32) -> u16 {
        // SAFETY: as `load8`; `TAIL` bytes behind the last reference are committed too.
        unsafe { self.address(at).cast::<u16>().read_unaligned() }
    }

    #[inline(always)]
    pub fn load32(&self, at: u32) -> u32 {
        // SAFETY: as `load16`.
        unsafe { self.address(at).cast::<u32>().read_unaligned() }
    }

    #[inline(always)]
    pub fn load64(&self, at: u32) -> u64 {
        // SAFETY: as `load16`.
        unsafe { self.address(at).cast::<u64>().read_unaligned() }
    }

    #[inline(always)]
    pub fn load128(&self, at: u32) -> u128 {
        // SAFETY: as `load16`.
        unsafe { self.address(at).cast::<u128>().read_unaligned() }
    }

    #[inline(always)]
    pub fn store8(&self, at: u32, value: u8) {
        // SAFETY: as `load8`; the bytes are only ever accessed through raw pointers, by one thread.
        unsafe { self.address(at).write(value) }
    }

    #[inline(always)]
    pub fn store16(&self, at: u32, value: u16) {
        // SAFETY: as `store8` and `load16`.
        unsafe { self.address(at).cast::<u16>().write_unaligned(value) }
    }

    #[inline(always)]
    pub fn store32(&self, at: u32, value: u32) {
        // SAFETY: as `store8` and `load16`.
        unsafe { self.address(at).cast::<u32>().write_unaligned(value) }
    }

    #[inline(always)]
    pub fn store64(&self, at: u32, value: u64) {
        // SAFETY: as `store8` and `load16`.
        unsafe { self.address(at).cast::<u64>().write_unaligned(value) }
    }

    #[inline(always)]
    pub fn store128(&self, at: u32, value: u128) {
        // SAFETY: as `store8` and `load16`.
        unsafe { self.address(at).cast::<u128>().write_unaligned(value) }
    }

    /// Copies `len` bytes, a multiple of 8, between ranges that do not overlap.
    #[inline(always)]
    pub fn copy_words(&self, from: u32, to: u32, len: u32) {
        if len > 128 {
            return self.copy(from, to, len);
        }
        let mut at = 0;
        while at < len {
            self.store64(to.wrapping_add(at), self.load64(from.wrapping_add(at)));
            at += 8;
        }
    }

    /// Copies `len` bytes between ranges that may overlap (`memmove`).
    pub fn copy(&self, from: u32, to: u32, len: u32) {
        let (from, to) = (self.range(from, len), self.range(to, len));
        // SAFETY: `range` has checked that both ranges are committed bytes of the reservation.
        unsafe { from.copy_to(to, len as usize) }
    }

    /// Sets `len` bytes to `byte`.
    pub fn fill(&self, at: u32, byte: u8, len: u32) {
        // SAFETY: `range` has checked that the range is committed.
        unsafe { self.range(at, len).write_bytes(byte, len as usize) }
    }

    /// Copies bytes into the heap.
    pub fn write(&self, at: u32, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).unwrap_or_else(|_| null_access());
        let to = self.range(at, len);
        // SAFETY: `range` has checked that the range is committed; no slice borrows from the heap.
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    /// The address of a range that lies inside what references address.
    fn range(&self, at: u32, len: u32) -> *mut u8 {
        if u64::from(at) + u64::from(len) > RESERVED_FOR_REFERENCES {
            null_access();
        }
        self.address(at)
    }

    /// Whether the card of `at` is dirty.
    #[inline(always)]
    pub fn card(&self, at: u32) -> bool {
        // SAFETY: there is a committed card for each offset of 32 bits.
        unsafe { self.card_of(at).read() != 0 }
    }

    #[inline(always)]
    pub fn set_card(&self, at: u32, dirty: bool) {
        // SAFETY: as `card`.
        unsafe { self.card_of(at).write(u8::from(dirty)) }
    }

    /// Whether any of the eight cards of the 4 KiB at `page` is dirty.
    pub fn any_card(&self, page: u32) -> bool {
        let eight = self.card_of(page).cast::<u64>();
        // SAFETY: as `card`; a page is a multiple of eight cards.
        unsafe { eight.read_unaligned() != 0 }
    }

    #[inline(always)]
    fn card_of(&self, at: u32) -> *mut u8 {
        self.base.wrapping_add(CARDS_AT + (at >> LOG2_CARD) as usize)
    }
}

#[cold]
#[inline(never)]
fn null_access() -> ! {
    panic!("heap access through null or beyond the heap: the caller checks references and ranges")
}
