//! Owns the resource limits of a store.
//! Does not enforce them: whoever allocates asks.

/// Upper bounds for what the guests of one store may hold. `None` = unlimited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, summed over all memories created in the store.
    pub memory_bytes: Option<u64>,
    /// Elements, summed over all tables created in the store. Unlike memory, they take up memory before they are used, so
    /// the default is not unlimited.
    pub table_elements: Option<u64>,
    /// Bytes of the garbage-collected heap and of the host's values in it.
    pub heap_bytes: Option<u64>,
    /// Instances created in the store.
    pub instances: Option<u64>,
}

impl Default for Limits {
    /// No limit on memory, heap and instances; ten million table elements (320 MB).
    fn default() -> Limits {
        Limits {
            memory_bytes: None,
            table_elements: Some(10_000_000),
            heap_bytes: None,
            instances: None,
        }
    }
}

/// What a store's guests hold now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) memory_bytes: u64,
    pub(crate) table_elements: u64,
    pub(crate) instances: u64,
}

/// Adds `more` to `used` if that stays within `limit`.
pub(crate) fn take(used: &mut u64, more: u64, limit: Option<u64>) -> bool {
    let sum = used.saturating_add(more);
    let fits = limit.is_none_or(|limit| sum <= limit);
    if fits {
        *used = sum;
    }
    fits
}
