//! Owns the layout of the engine-wide table of defined types through which subtype checks take constant time.
//! Does not own the numbering of types nor the table's memory: the runtime does.
//!
//! A type's row lists its supertypes by depth (a *display*, after Cohen): `a` is a subtype of `b`, which has `n` proper supertypes, if
//! and only if entry `n` of `a`'s display is `b`. Validation limits `n` to 63.

use core::mem::{offset_of, size_of};

use crate::context::NULL_TYPE;

/// Entries of a display that lie in the row itself.
pub const ROW_DISPLAY: usize = 12;
/// Entries of a display that lie behind [`TypeRow::more`].
pub const ROW_MORE: usize = 64 - ROW_DISPLAY;

/// What kind of objects a defined type describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TypeKind {
    /// Functions.
    Func = 0,
    /// Structures.
    Struct = 1,
    /// Arrays.
    Array = 2,
}

/// The row of a defined type, at index *type id* of the table. Constant once the type has its id.
#[repr(C)]
#[derive(Debug)]
pub struct TypeRow {
    /// Kind of the type.
    pub kind: TypeKind,
    /// Number of its proper supertypes.
    pub depth: u32,
    /// Type ids of its supertypes by their depth, its own last; [`NULL_TYPE`] from there on.
    pub display: [u32; ROW_DISPLAY],
    /// The rest of the display; never null.
    pub more: *const [u32; ROW_MORE],
}

/// [`TypeRow::more`] of types that need none.
pub static NO_MORE: [u32; ROW_MORE] = [NULL_TYPE; ROW_MORE];

impl TypeRow {
    /// Byte offset of [`TypeRow::kind`].
    pub const OFF_KIND: u32 = offset_of!(TypeRow, kind) as u32;
    /// Byte offset of the first entry of [`TypeRow::display`].
    pub const OFF_DISPLAY: u32 = offset_of!(TypeRow, display) as u32;
    /// Byte offset of [`TypeRow::more`].
    pub const OFF_MORE: u32 = offset_of!(TypeRow, more) as u32;
    /// log2 of the size in bytes.
    pub const LOG2_SIZE: u32 = 6;

    /// The supertype at a depth, the type itself at its own; [`NULL_TYPE`] beyond.
    ///
    /// # Panics
    /// If `depth` exceeds 63.
    #[inline]
    pub fn supertype_at(&self, depth: u32) -> u32 {
        let depth = depth as usize;
        match self.display.get(depth) {
            Some(&id) => id,
            // SAFETY: never null, and lives as long as the row.
            None => unsafe { (&*self.more)[depth - ROW_DISPLAY] },
        }
    }

    /// Whether `id` is in the table at `rows` a subtype of `of`, or `of` itself.
    ///
    /// # Safety
    /// `rows` must be the table of a live engine, both ids of that engine.
    #[inline]
    pub unsafe fn is_subtype(rows: *const TypeRow, id: u32, of: u32) -> bool {
        if id == of {
            return true;
        }
        let row = |id: u32| rows.wrapping_add(id as usize);
        // SAFETY: the engine has a row for each of its ids; rows do not change.
        let depth = unsafe { &*row(of) }.depth;
        // SAFETY: as above.
        unsafe { &*row(id) }.supertype_at(depth) == of
    }
}

const _: () = assert!(size_of::<TypeRow>() == 1 << TypeRow::LOG2_SIZE);
