//! Owns `BitSet`, a dense growable set of entities.
//! Does not offer sparse or atomic sets: nothing has needed them yet.

use crate::Entity;
use core::fmt;
use core::marker::PhantomData;

const BITS: usize = u64::BITS as usize;

/// A set of entities, one bit each. Grows on insertion; absent words read as empty.
#[derive(Clone)]
pub struct BitSet<K> {
    words: Vec<u64>,
    key: PhantomData<fn(K) -> K>,
}

impl<K: Entity> BitSet<K> {
    /// An empty set.
    pub const fn new() -> Self {
        Self { words: Vec::new(), key: PhantomData }
    }

    /// An empty set that holds the first `len` entities without allocating again.
    pub fn with_capacity(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(BITS)], key: PhantomData }
    }

    /// Whether the set holds `key`.
    #[inline]
    pub fn contains(&self, key: K) -> bool {
        let (word, bit) = locate(key.index());
        self.words.get(word).is_some_and(|w| w & bit != 0)
    }

    /// Adds `key`; true when it was not there before.
    #[inline]
    pub fn insert(&mut self, key: K) -> bool {
        let (word, bit) = locate(key.index());
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let fresh = self.words[word] & bit == 0;
        self.words[word] |= bit;
        fresh
    }

    /// Removes `key`; true when it was there.
    #[inline]
    pub fn remove(&mut self, key: K) -> bool {
        let (word, bit) = locate(key.index());
        let Some(w) = self.words.get_mut(word) else { return false };
        let present = *w & bit != 0;
        *w &= !bit;
        present
    }

    /// Adds every member of `other`; true when that changed the set.
    pub fn union_with(&mut self, other: &Self) -> bool {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        let mut changed = false;
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            changed |= theirs & !*mine != 0;
            *mine |= theirs;
        }
        changed
    }

    /// Keeps only what `other` holds too.
    pub fn intersect_with(&mut self, other: &Self) {
        for (i, mine) in self.words.iter_mut().enumerate() {
            *mine &= other.words.get(i).copied().unwrap_or(0);
        }
    }

    /// Removes every member of `other`.
    pub fn subtract(&mut self, other: &Self) {
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine &= !theirs;
        }
    }

    /// Removes everything, keeping the allocation.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|w| *w == 0)
    }

    /// Number of members, by counting bits.
    pub fn len(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// The members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = K> + '_ {
        self.words.iter().enumerate().flat_map(|(i, &word)| {
            let rest = core::iter::successors((word != 0).then_some(word), |w| {
                let w = w & (w - 1);
                (w != 0).then_some(w)
            });
            rest.map(move |w| K::from_index(i * BITS + w.trailing_zeros() as usize))
        })
    }
}

fn locate(index: usize) -> (usize, u64) {
    (index / BITS, 1 << (index % BITS))
}

impl<K: Entity> Default for BitSet<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Entity> PartialEq for BitSet<K> {
    fn eq(&self, other: &Self) -> bool {
        let (short, long) = match self.words.len() <= other.words.len() {
            true => (&self.words, &other.words),
            false => (&other.words, &self.words),
        };
        long.starts_with(short) && long[short.len()..].iter().all(|w| *w == 0)
    }
}

impl<K: Entity> Eq for BitSet<K> {}

impl<K: Entity> Extend<K> for BitSet<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        for key in keys {
            self.insert(key);
        }
    }
}

impl<K: Entity> FromIterator<K> for BitSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut set = Self::new();
        set.extend(keys);
        set
    }
}

impl<K: Entity> fmt::Debug for BitSet<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocalIndex;

    fn set(members: &[u32]) -> BitSet<LocalIndex> {
        members.iter().copied().map(LocalIndex::from_u32).collect()
    }

    #[test]
    fn insert_remove_contains() {
        let mut s = set(&[]);
        let key = LocalIndex::from_u32(130);
        assert!(!s.contains(key) && !s.remove(key));
        assert!(s.insert(key) && !s.insert(key) && s.contains(key));
        assert!(s.remove(key) && s.is_empty());
    }

    #[test]
    fn iterates_ascending_across_words() {
        let members: Vec<u32> = set(&[200, 0, 63, 64, 1]).iter().map(u32::from).collect();
        assert_eq!(members, [0, 1, 63, 64, 200]);
        assert_eq!(set(&[3, 70]).len(), 2);
    }

    #[test]
    fn set_algebra() {
        let mut s = set(&[1, 2]);
        assert!(s.union_with(&set(&[2, 100])) && !s.union_with(&set(&[100])));
        s.intersect_with(&set(&[2, 100, 5]));
        assert_eq!(s, set(&[2, 100]));
        s.subtract(&set(&[100]));
        assert_eq!(s, set(&[2]));
        assert_ne!(s, set(&[2, 100]));
    }
}
