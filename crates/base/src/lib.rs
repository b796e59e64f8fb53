//! Owns the vocabulary every crate shares: typed indices, maps keyed by them, bit sets, interning.
//! Does not know WebAssembly beyond the names of its index spaces, and depends on nothing.

#![forbid(unsafe_code)]

mod bitset;
mod entity;
mod index;
mod intern;
mod map;

pub use bitset::BitSet;
pub use entity::Entity;
pub use index::{
    DataIndex, ElemIndex, FuncIndex, GlobalIndex, LocalIndex, MemoryIndex, TableIndex, TagIndex,
    TypeIndex,
};
pub use intern::Interner;
pub use map::{PrimaryMap, SecondaryMap};
