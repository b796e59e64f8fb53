//! Owns the shape of objects: header, reserved type ids, sizes.
//! Does not own the layout of fields: that is `layout`.

use crate::layout::{Kind, Layout};

/// Size in bytes of the header: type id, then collector word.
pub const HEADER: u32 = 8;
/// Byte offset of the type id (`u32`).
pub const OFF_TYPE: u32 = 0;
/// Byte offset of the collector word (`u32`), which is 0 in a new object.
pub const OFF_WORD: u32 = 4;
/// Byte offset of an array's length (`u32`).
pub const OFF_LEN: u32 = 8;
/// Byte offset of an extern box's handle (`u32`).
pub const OFF_HANDLE: u32 = 8;
/// Byte offset of an exception's tag (`u32`, a number of the embedder's); its payload follows as the fields of a structure.
pub const OFF_TAG: u32 = 8;
/// Size in bytes of an extern box.
pub const EXTERN_BOX_SIZE: u32 = 16;

/// Type id of boxes around host values. [`crate::Layouts`] is never asked about it. Other ids are below, but for those of exceptions.
pub const TYPE_EXTERN_BOX: u32 = 1 << 20;
/// Set in the type ids of exceptions; the other bits are the id of the tag's function type. [`crate::Layouts`] is asked with
/// the bit set, and answers with a structure that begins with the tag (`I32`).
pub const EXCEPTION_BIT: u32 = 1 << 31;

/// Collector word: old object whose next store of a reference must go to the write barrier.
pub const LOGGABLE: u32 = 1 << 1;
/// Collector word: while a collection runs, the object was copied; the other bits are its new offset.
pub(crate) const FORWARDED: u32 = 1 << 0;
/// Collector word of a large object: reached by the collection that runs.
pub(crate) const MARKED: u32 = 1 << 2;
/// Collector word of a large array of references: cards say which parts to look at.
pub(crate) const CARDS: u32 = 1 << 3;
/// Collector word of such an array: it is in the remembered set already.
pub(crate) const REMEMBERED: u32 = 1 << 4;

/// Largest object, in bytes, that may be allocated inline. Larger ones do not move.
pub const MAX_INLINE_SIZE: u32 = 8 * 1024;

/// Byte offset of an array's first element, for elements of `size` bytes.
#[inline(always)]
pub const fn elements_offset(size: u32) -> u32 {
    if size <= 4 { 12 } else { 16 }
}

/// Size in bytes of an array of `len` elements, a multiple of 8; may exceed the address space.
#[inline(always)]
pub const fn array_size(element: u32, len: u32) -> u64 {
    (elements_offset(element) as u64 + element as u64 * len as u64 + 7) & !7
}

/// The layout of boxes: no references.
pub(crate) static EXTERN_BOX: Layout = Layout::opaque(Kind::Struct, EXTERN_BOX_SIZE);
