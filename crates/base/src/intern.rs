//! Owns `Interner`, which gives equal values one key.
//! Does not free values: an interner lives as long as what it describes.

use crate::{Entity, PrimaryMap};
use core::hash::Hash;
use core::ops::Index;
use std::collections::HashMap;

/// Equal values get the same key; a key leads back to its value.
#[derive(Clone, Debug)]
pub struct Interner<K: Entity, V: Clone + Eq + Hash> {
    values: PrimaryMap<K, V>,
    keys: HashMap<V, K>,
}

impl<K: Entity, V: Clone + Eq + Hash> Interner<K, V> {
    /// An interner without values. Does not allocate.
    pub fn new() -> Self {
        Self { values: PrimaryMap::new(), keys: HashMap::new() }
    }

    /// The key of `value`, allocated on first sight.
    ///
    /// # Panics
    /// When 2^32 different values were interned.
    pub fn intern(&mut self, value: V) -> K {
        if let Some(&key) = self.keys.get(&value) {
            return key;
        }
        let key = self.values.push(value.clone());
        self.keys.insert(value, key);
        key
    }

    /// The key of `value` if it was interned.
    pub fn lookup(&self, value: &V) -> Option<K> {
        self.keys.get(value).copied()
    }

    /// The values in the order they were first seen.
    pub fn values(&self) -> &PrimaryMap<K, V> {
        &self.values
    }
}

impl<K: Entity, V: Clone + Eq + Hash> Default for Interner<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Entity, V: Clone + Eq + Hash> Index<K> for Interner<K, V> {
    type Output = V;

    fn index(&self, key: K) -> &V {
        &self.values[key]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TypeIndex;

    #[test]
    fn equal_values_share_a_key() {
        let mut types = Interner::<TypeIndex, &str>::new();
        let a = types.intern("a");
        let b = types.intern("b");
        assert_eq!(types.intern("a"), a);
        assert_ne!(a, b);
        assert_eq!((types[b], types.lookup(&"c"), types.values().len()), ("b", None, 2));
    }
}
