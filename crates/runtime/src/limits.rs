//! Owns the resource limits of a store.
//! Does not enforce them: whoever allocates asks.

/// Upper bounds for what the guests of one store may hold. `None` = unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, summed over all memories created in the store.
    pub memory_bytes: Option<u64>,
    /// Elements, summed over all tables created in the store.
    pub table_elements: Option<u64>,
    /// Instances created in the store.
    pub instances: Option<u64>,
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
