//! Owns what identifies a module in a cache: a cryptographic hash of its bytes, and a quick look at some of them.
//! Does not own what is done with it.
//!
//! The hash must be cryptographic: code of one module must never be taken for that of another one that was made to be confused
//! with it. BLAKE3 is used because it is a tree: several threads hash one module.

use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};
use twox_hash::XxHash3_64;

/// A hash of all bytes.
pub(super) type Hash = [u8; 32];

/// What one thread does at once, in bytes.
const PART: u64 = 1 << 20;
/// Below this size threads are not worth starting.
const THREADED: u64 = 4 << 20;
/// How much of a large module [`sample`] looks at: its beginning, its end, and pieces in between.
const EDGE: usize = 64 << 10;
const PIECE: usize = 1 << 10;
const PIECES: usize = 256;

/// BLAKE3 of some bytes, on up to `threads` threads, if they are many.
pub(super) fn hash(bytes: &[u8], threads: impl FnOnce() -> usize) -> Hash {
    let len = bytes.len() as u64;
    let threads = if len < THREADED { 1 } else { threads() };
    if threads < 2 {
        return *blake3::hash(bytes).as_bytes();
    }
    let mut parts = Vec::new();
    split(0, len, &mut parts);
    let (next, values) = (AtomicUsize::new(0), Mutex::new(vec![[0; 32]; parts.len()]));
    let work = || {
        while let Some(&(start, len)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let part = &bytes[start as usize..(start + len) as usize];
            let at = parts.partition_point(|&(before, _)| before < start);
            let mut hasher = Hasher::new();
            let value = hasher.set_input_offset(start).update(part).finalize_non_root();
            values.lock().expect("hashing does not panic")[at] = value;
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // What cannot be started is done here.
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let values = values.into_inner().expect("hashing does not panic");
    let mut values = values.into_iter();
    let left = left_subtree_len(len);
    let (left, right) = (merge(left, &mut values), merge(len - left, &mut values));
    *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
}

/// The parts of a subtree, in order: start and length.
fn split(start: u64, len: u64, parts: &mut Vec<(u64, u64)>) {
    if len <= PART {
        return parts.push((start, len));
    }
    let left = left_subtree_len(len);
    split(start, left, parts);
    split(start + left, len - left, parts);
}

/// The value of a subtree from those of its parts.
fn merge(len: u64, values: &mut impl Iterator<Item = ChainingValue>) -> ChainingValue {
    if len <= PART {
        return values.next().expect("split as here");
    }
    let left = left_subtree_len(len);
    let (left, right) = (merge(left, values), merge(len - left, values));
    merge_subtrees_non_root(&left, &right, Mode::Hash)
}

/// A name for a module and its maker from its length and, if it is large, some of its bytes. Takes at most some 50 µs, for small modules
/// next to nothing. It is a hint, so a fast hash does.
pub(super) fn sample(bytes: &[u8], maker: &[u8]) -> String {
    let start = XxHash3_64::oneshot_with_seed(bytes.len() as u64, maker);
    let add = |before: u64, part: &[u8]| XxHash3_64::oneshot_with_seed(before, part);
    let hash = match bytes.len() <= 2 * EDGE + PIECES * PIECE {
        true => add(start, bytes),
        false => {
            let edges = add(add(start, &bytes[..EDGE]), &bytes[bytes.len() - EDGE..]);
            let step = (bytes.len() - 2 * EDGE) / PIECES;
            let pieces = (0..PIECES).map(|piece| EDGE + piece * step);
            pieces.fold(edges, |before, at| add(before, &bytes[at..at + PIECE]))
        }
    };
    hex(&hash.to_be_bytes())
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_make_no_difference() {
        let bytes: Vec<u8> = (0..9_000_001_u64).map(|at| ((at * at) >> 7) as u8).collect();
        for len in [0, 1, 1024, 1025, 4 << 20, (4 << 20) + 1, 5_000_000, 8 << 20, bytes.len()] {
            for threads in [1, 2, 3, 16] {
                assert_eq!(
                    hash(&bytes[..len], || threads),
                    *blake3::hash(&bytes[..len]).as_bytes()
                );
            }
        }
    }

    #[test]
    fn samples_see_length_maker_and_edges() {
        let mut bytes = vec![7; 3 << 20];
        let first = sample(&bytes, b"a");
        assert_eq!(first.len(), 16);
        assert_ne!(first, sample(&bytes, b"b"));
        assert_ne!(first, sample(&bytes[1..], b"a"));
        for at in [0, EDGE - 1, EDGE, bytes.len() - 1] {
            bytes[at] = 8;
            assert_ne!(first, sample(&bytes, b"a"), "{at}");
            bytes[at] = 7;
        }
        assert_ne!(sample(b"x", b""), sample(b"", b"x"));
    }
}
