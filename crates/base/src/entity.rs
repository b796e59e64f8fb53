//! Owns the `Entity` trait and the `entity!` macro that declares a typed `u32` index.
//! Does not store anything: the maps keyed by entities live in `map`.

/// A typed index: a `u32` that cannot be confused with an index into another space.
pub trait Entity: Copy + Eq + Ord + core::hash::Hash + core::fmt::Debug {
    /// The entity with this position.
    ///
    /// # Panics
    /// When `index` does not fit a `u32`. Every index space of a valid module does.
    fn from_index(index: usize) -> Self;

    /// The position, for indexing a slice.
    fn index(self) -> usize;
}

/// Declares typed `u32` indices. The string is the prefix of the `Debug` and `Display` form.
///
/// ```
/// sterna_base::entity! {
///     /// A basic block.
///     pub struct Block("block");
/// }
/// use sterna_base::Entity;
/// let block = Block::from_u32(3);
/// assert_eq!(format!("{block:?}"), "block3");
/// assert_eq!(block.index(), 3);
/// ```
#[macro_export]
macro_rules! entity {
    ($($(#[$attr:meta])* $vis:vis struct $name:ident($prefix:literal);)*) => {$(
        $(#[$attr])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        $vis struct $name(u32);

        #[allow(dead_code, reason = "a private entity need not use the whole interface")]
        impl $name {
            /// The index with this number.
            #[inline]
            pub const fn from_u32(index: u32) -> Self {
                Self(index)
            }

            /// The number of this index.
            #[inline]
            pub const fn as_u32(self) -> u32 {
                self.0
            }

            /// The number of this index, for indexing a slice.
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl $crate::Entity for $name {
            #[inline]
            fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("an index space holds at most 2^32 entities"))
            }

            #[inline]
            fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl From<u32> for $name {
            #[inline]
            fn from(index: u32) -> Self {
                Self(index)
            }
        }

        impl From<$name> for u32 {
            #[inline]
            fn from(entity: $name) -> u32 {
                entity.0
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Debug::fmt(self, f)
            }
        }
    )*};
}
