//! Owns the two maps keyed by an entity: `PrimaryMap` allocates keys, `SecondaryMap` annotates them.
//! Does not hash or sort: both are a `Vec` whose index is typed.

use crate::Entity;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Index, IndexMut};

/// A vector that owns its entities: pushing a value creates the key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PrimaryMap<K, V> {
    values: Vec<V>,
    key: PhantomData<fn(K) -> K>,
}

impl<K: Entity, V> PrimaryMap<K, V> {
    /// An empty map.
    pub const fn new() -> Self {
        Self { values: Vec::new(), key: PhantomData }
    }

    /// An empty map with room for `capacity` values.
    pub fn with_capacity(capacity: usize) -> Self {
        Self::from(Vec::with_capacity(capacity))
    }

    /// Appends a value and returns its key.
    ///
    /// # Panics
    /// When the map already holds 2^32 values.
    #[inline]
    pub fn push(&mut self, value: V) -> K {
        let key = self.next_key();
        self.values.push(value);
        key
    }

    /// The key the next `push` will return.
    #[inline]
    pub fn next_key(&self) -> K {
        K::from_index(self.values.len())
    }

    /// Number of values.
    #[inline]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether no value was pushed yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of a key, or `None` when the key was never allocated here.
    #[inline]
    pub fn get(&self, key: K) -> Option<&V> {
        self.values.get(key.index())
    }

    /// Like [`get`](Self::get), mutable.
    #[inline]
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.values.get_mut(key.index())
    }

    /// All keys, ascending.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = K> + ExactSizeIterator + use<K, V> {
        (0..self.values.len()).map(K::from_index)
    }

    /// All values in key order.
    pub fn values(&self) -> core::slice::Iter<'_, V> {
        self.values.iter()
    }

    /// All values in key order, mutable.
    pub fn values_mut(&mut self) -> core::slice::IterMut<'_, V> {
        self.values.iter_mut()
    }

    /// All pairs in key order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> + ExactSizeIterator {
        self.values.iter().enumerate().map(|(i, v)| (K::from_index(i), v))
    }

    /// All pairs in key order, values mutable.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (K, &mut V)> + ExactSizeIterator {
        self.values.iter_mut().enumerate().map(|(i, v)| (K::from_index(i), v))
    }

    /// Makes room for `additional` more values.
    pub fn reserve(&mut self, additional: usize) {
        self.values.reserve(additional);
    }

    /// Removes every value, keeping the allocation.
    pub fn clear(&mut self) {
        self.values.clear();
    }

    /// Gives back memory that is not needed.
    pub fn shrink_to_fit(&mut self) {
        self.values.shrink_to_fit();
    }

    /// The values as a slice.
    #[inline]
    pub fn as_slice(&self) -> &[V] {
        &self.values
    }

    /// The values as a vector.
    pub fn into_vec(self) -> Vec<V> {
        self.values
    }
}

impl<K: Entity, V> Default for PrimaryMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> From<Vec<V>> for PrimaryMap<K, V> {
    fn from(values: Vec<V>) -> Self {
        Self { values, key: PhantomData }
    }
}

impl<K: Entity, V> FromIterator<V> for PrimaryMap<K, V> {
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Self {
        Self::from(Vec::from_iter(values))
    }
}

impl<K: Entity, V> Index<K> for PrimaryMap<K, V> {
    type Output = V;

    #[inline]
    fn index(&self, key: K) -> &V {
        &self.values[key.index()]
    }
}

impl<K: Entity, V> IndexMut<K> for PrimaryMap<K, V> {
    #[inline]
    fn index_mut(&mut self, key: K) -> &mut V {
        &mut self.values[key.index()]
    }
}

impl<K: Entity, V: fmt::Debug> fmt::Debug for PrimaryMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A dense annotation of entities that another map allocated. Keys not set read as the default.
#[derive(Clone)]
pub struct SecondaryMap<K, V> {
    values: Vec<V>,
    default: V,
    key: PhantomData<fn(K) -> K>,
}

impl<K: Entity, V: Clone> SecondaryMap<K, V> {
    /// A map where every key has the value `default`.
    pub const fn with_default(default: V) -> Self {
        Self { values: Vec::new(), default, key: PhantomData }
    }

    /// A map where every key has the value `V::default()`.
    pub fn new() -> Self
    where
        V: Default,
    {
        Self::with_default(V::default())
    }

    /// Makes the first `len` keys resident, so that writing them does not allocate.
    pub fn resize(&mut self, len: usize) {
        self.values.resize(len, self.default.clone());
    }

    /// Number of resident keys: every key beyond it still has the default.
    pub fn resident(&self) -> usize {
        self.values.len()
    }

    /// Sets every key back to the default, keeping the allocation.
    pub fn clear(&mut self) {
        self.values.clear();
    }

    /// All resident pairs in key order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (K, &V)> + ExactSizeIterator {
        self.values.iter().enumerate().map(|(i, v)| (K::from_index(i), v))
    }
}

impl<K: Entity, V: Clone + Default> Default for SecondaryMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Entity, V: Clone> Index<K> for SecondaryMap<K, V> {
    type Output = V;

    #[inline]
    fn index(&self, key: K) -> &V {
        self.values.get(key.index()).unwrap_or(&self.default)
    }
}

impl<K: Entity, V: Clone> IndexMut<K> for SecondaryMap<K, V> {
    #[inline]
    fn index_mut(&mut self, key: K) -> &mut V {
        let index = key.index();
        if index >= self.values.len() {
            self.resize(index + 1);
        }
        &mut self.values[index]
    }
}

impl<K: Entity, V: Clone + fmt::Debug> fmt::Debug for SecondaryMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FuncIndex, GlobalIndex};

    #[test]
    fn push_allocates_ascending_keys() {
        let mut map = PrimaryMap::<FuncIndex, &str>::new();
        assert_eq!(map.next_key(), FuncIndex::from_u32(0));
        let a = map.push("a");
        let b = map.push("b");
        assert_eq!((map[a], map[b], map.len()), ("a", "b", 2));
        assert_eq!(map.get(FuncIndex::from_u32(2)), None);
        assert_eq!(map.keys().collect::<Vec<_>>(), [a, b]);
        assert_eq!(format!("{map:?}"), r#"{func0: "a", func1: "b"}"#);
    }

    #[test]
    fn secondary_reads_default_and_grows_on_write() {
        let mut map = SecondaryMap::<GlobalIndex, u8>::with_default(9);
        let key = GlobalIndex::from_u32(4);
        assert_eq!((map[key], map.resident()), (9, 0));
        map[key] = 1;
        assert_eq!((map[key], map[GlobalIndex::from_u32(3)], map.resident()), (1, 9, 5));
        map.clear();
        assert_eq!(map[key], 9);
    }
}
