//! Owns access to bytes that other threads may read and write at the same time: linear memories shared by guests.
//! Does not own atomic operators; these are the plain accesses and copies.
//!
//! A guest's data race must not become one of Rust's. So nobody makes a reference to such bytes, and every access here is atomic
//! with relaxed ordering, which compiles to the plain instruction. Accesses of different sizes overlap; Rust leaves that
//! undefined for its own objects, but these bytes are none of them: they are mapped memory that compiled guests access in any size
//! too, and what happens is what the machine does with the single instruction that each access is.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// Bytes moved through a buffer on the stack at a time.
const PIECE: usize = 512;
const WORD: usize = size_of::<u64>();

macro_rules! accesses {
    ($($load:ident, $store:ident, $ty:ty, $atomic:ty;)*) => {$(
        /// Reads an integer in the machine's byte order, whole if it is aligned, else byte by byte.
        ///
        /// # Safety
        /// The bytes must be mapped for reading and writing, and accessed by atomic operations or by guests only.
        #[inline(always)]
        pub unsafe fn $load(at: *const u8) -> $ty {
            if at.addr().is_multiple_of(size_of::<$ty>()) {
                // SAFETY: mapped (caller), aligned (just checked).
                let cell = unsafe { &*at.cast::<$atomic>() };
                return cell.load(Ordering::Relaxed);
            }
            // A function of its own: the interpreter's handlers, which this is inlined into, could not end in a tail call if an address
            // of theirs were passed on.
            #[cold]
            #[inline(never)]
            unsafe fn unaligned(at: *const u8) -> $ty {
                let mut bytes = [0; size_of::<$ty>()];
                // SAFETY: passed on from the caller.
                unsafe { read(at, &mut bytes) };
                <$ty>::from_ne_bytes(bytes)
            }
            // SAFETY: passed on from the caller.
            unsafe { unaligned(at) }
        }

        /// Writes an integer in the machine's byte order, whole if it is aligned, else byte by byte.
        ///
        /// # Safety
        /// As for reading.
        #[inline(always)]
        pub unsafe fn $store(at: *mut u8, value: $ty) {
            if at.addr().is_multiple_of(size_of::<$ty>()) {
                // SAFETY: mapped (caller), aligned (just checked).
                let cell = unsafe { &*at.cast::<$atomic>() };
                return cell.store(value, Ordering::Relaxed);
            }
            // As for reading.
            #[cold]
            #[inline(never)]
            unsafe fn unaligned(at: *mut u8, value: $ty) {
                // SAFETY: passed on from the caller.
                unsafe { write(at, &value.to_ne_bytes()) }
            }
            // SAFETY: passed on from the caller.
            unsafe { unaligned(at, value) }
        }
    )*};
}

accesses! {
    load_u8, store_u8, u8, AtomicU8;
    load_u16, store_u16, u16, AtomicU16;
    load_u32, store_u32, u32, AtomicU32;
    load_u64, store_u64, u64, AtomicU64;
}

/// Reads 16 bytes in the machine's byte order, in two halves.
///
/// # Safety
/// As for [`load_u8`], for all of them.
#[inline(always)]
pub unsafe fn load_u128(at: *const u8) -> u128 {
    // SAFETY: passed on from the caller.
    let first = unsafe { load_u64(at) }.to_ne_bytes();
    // SAFETY: as above.
    let second = unsafe { load_u64(at.wrapping_add(WORD)) }.to_ne_bytes();
    let mut bytes = [0; 2 * WORD];
    bytes[..WORD].copy_from_slice(&first);
    bytes[WORD..].copy_from_slice(&second);
    u128::from_ne_bytes(bytes)
}

/// Writes 16 bytes in the machine's byte order, in two halves.
///
/// # Safety
/// As for [`load_u8`], for all of them.
#[inline(always)]
pub unsafe fn store_u128(at: *mut u8, value: u128) {
    let bytes = value.to_ne_bytes();
    let halves = bytes.as_chunks::<WORD>().0;
    // SAFETY: passed on from the caller.
    unsafe { store_u64(at, u64::from_ne_bytes(halves[0])) };
    // SAFETY: as above.
    unsafe { store_u64(at.wrapping_add(WORD), u64::from_ne_bytes(halves[1])) };
}

/// Bytes before the first aligned word, at most `len`.
fn head(at: *const u8, len: usize) -> usize {
    (at.addr().wrapping_neg() % WORD).min(len)
}

/// Copies racy bytes into `to`.
///
/// # Safety
/// As for [`load_u8`], for all of them; `to` must not be among them.
pub unsafe fn read(from: *const u8, to: &mut [u8]) {
    let (head, rest) = to.split_at_mut(head(from, to.len()));
    let (words, tail) = rest.as_chunks_mut::<WORD>();
    let mut at = from;
    for byte in head {
        // SAFETY: within the caller's range, like the others.
        *byte = unsafe { load_u8(at) };
        at = at.wrapping_add(1);
    }
    for word in words {
        // SAFETY: as above.
        *word = unsafe { load_u64(at) }.to_ne_bytes();
        at = at.wrapping_add(WORD);
    }
    for byte in tail {
        // SAFETY: as above.
        *byte = unsafe { load_u8(at) };
        at = at.wrapping_add(1);
    }
}

/// Copies `from` to racy bytes.
///
/// # Safety
/// As for [`load_u8`], for all of them; `from` must not be among them.
pub unsafe fn write(to: *mut u8, from: &[u8]) {
    let (head, rest) = from.split_at(head(to, from.len()));
    let (words, tail) = rest.as_chunks::<WORD>();
    let mut at = to;
    for &byte in head {
        // SAFETY: within the caller's range, like the others.
        unsafe { store_u8(at, byte) };
        at = at.wrapping_add(1);
    }
    for &word in words {
        // SAFETY: as above.
        unsafe { store_u64(at, u64::from_ne_bytes(word)) };
        at = at.wrapping_add(WORD);
    }
    for &byte in tail {
        // SAFETY: as above.
        unsafe { store_u8(at, byte) };
        at = at.wrapping_add(1);
    }
}

/// Sets `len` racy bytes to `value`.
///
/// # Safety
/// As for [`load_u8`], for all of them.
pub unsafe fn fill(to: *mut u8, value: u8, len: usize) {
    let piece = [value; PIECE];
    let mut done = 0;
    while done < len {
        let step = (len - done).min(PIECE);
        // SAFETY: within the caller's range.
        unsafe { write(to.wrapping_add(done), &piece[..step]) };
        done += step;
    }
}

/// Copies `len` racy bytes, as if through a buffer: the ranges may overlap.
///
/// # Safety
/// As for [`load_u8`], for all bytes of both ranges.
pub unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    let mut piece = [0; PIECE];
    let backwards = to.addr() > from.addr();
    let mut done = 0;
    while done < len {
        let step = (len - done).min(PIECE);
        // Pieces that are overwritten are read before.
        let at = if backwards { len - done - step } else { done };
        // SAFETY: within the caller's range.
        unsafe { read(from.wrapping_add(at), &mut piece[..step]) };
        // SAFETY: as above.
        unsafe { write(to.wrapping_add(at), &piece[..step]) };
        done += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    #[test]
    fn copies_do_what_slices_do_at_every_alignment() {
        for from in 0..9 {
            for to in 0..9 {
                for len in [0, 1, 7, 8, 9, 40, PIECE - 1, PIECE + 9, 3 * PIECE + 5] {
                    let mut bytes = pattern(4 * PIECE + 64);
                    let mut expected = bytes.clone();
                    expected.copy_within(from..from + len, to);
                    let base = bytes.as_mut_ptr();
                    // SAFETY: both ranges are within the vector, which nobody else uses.
                    unsafe { copy(base.wrapping_add(from), base.wrapping_add(to), len) };
                    assert!(bytes == expected, "{from} {to} {len}");
                    expected[to..to + len].fill(3);
                    let base = bytes.as_mut_ptr();
                    // SAFETY: as above.
                    unsafe { fill(base.wrapping_add(to), 3, len) };
                    assert!(bytes == expected, "{to} {len}");
                }
            }
        }
    }

    #[test]
    fn integers_are_read_and_written_at_every_alignment() {
        let mut bytes = pattern(32);
        for at in 0..9 {
            let place = bytes.as_mut_ptr().wrapping_add(at);
            // SAFETY: within the vector, which nobody else uses.
            unsafe { store_u64(place, 0x0102_0304_0506_0708) };
            // SAFETY: as above.
            assert_eq!(unsafe { load_u64(place) }, 0x0102_0304_0506_0708);
            // SAFETY: as above.
            let low = unsafe { load_u16(place) };
            assert_eq!(low.to_ne_bytes(), bytes[at..at + 2]);
        }
    }
}
