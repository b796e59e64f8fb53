//! Owns the garbage-collected heap of a store: object layouts, inline allocation, collection, write barrier, host roots.
//! Does not know WebAssembly types or frames: layouts come through [`Layouts`], roots of guest code through [`Roots`].
//!
//! # References
//! A reference is 32 bits: 0 is null, odd is an `i31`, everything else the byte offset of an object from the heap's base,
//! a multiple of 8. Nothing in the heap is an absolute address, so its bytes can be copied elsewhere and back.
//!
//! # Sandbox
//! Compiled code reaches fields at `base + zero_extend(reference + element offset) + constant`, the sum in parentheses
//! wrapping at 32 bits and the constant at most [`MAX_CONST_OFFSET`]. That never leaves the heap's reservation of
//! `4 GiB + `[`GUARD`] bytes, whatever the reference is. The lowest [`NULL_GUARD`] bytes are never accessible, so an access to a field
//! of null faults. Fields of function type hold indices of a table at [`FUNCS_AT`], masked by [`FUNC_MASK`] when they are used.
//!
//! # Allocation
//! [`AllocArea`] says how compiled code allocates: add the size to `next`, compare with `limit`, write the header, which is
//! the type id as a 64-bit number. The memory is not zero: whoever allocates writes all fields before anything can collect.
//! Objects above [`MAX_INLINE_SIZE`] and everything that does not fit go to [`Heap::alloc`].
//!
//! # Write barrier
//! Before (or after, with no collection in between) a reference is stored into an object that was not allocated since the last
//! point where a collection could run: load the collector word at [`object::OFF_WORD`]; if [`object::LOGGABLE`] is set, call
//! [`Heap::barrier`] with the object and the address of the field. Nothing else is needed, whatever is stored.
//!
//! # Collection
//! Two generations. New objects lie in *eden*; a minor collection copies what is reachable from roots and remembered old
//! objects to a *survivor* space, and on the second survival to the *old* space, which consists of runs of pages. A full
//! collection copies everything reachable into fresh runs and gives the others back. Large objects have runs of their
//! own and never move. Work lists are explicit or implied by the copies: no structure is too deep.

mod access;
mod collect;
mod externs;
mod funcs;
mod heap;
mod large;
mod layout;
mod memory;
pub mod object;
mod pages;
mod reference;
mod remember;
mod roots;
mod stats;
mod verify;
mod young;

pub use externs::HostValue;
pub use heap::{AllocArea, Heap, HeapConfig, OutOfMemory, Stress};
pub use layout::{Kind, Layout, Layouts, Storage, StructLayout};
pub use memory::{
    FUNC_MASK, FUNCS_AT, GUARD, MAX_CONST_OFFSET, NULL_GUARD, RESERVED_FOR_REFERENCES,
};
pub use object::MAX_INLINE_SIZE;
pub use reference::Ref;
pub use roots::{NoRoots, Owned, Roots, ScopeMark, Scoped};
pub use stats::{Collection, PauseHistogram, Stats};
