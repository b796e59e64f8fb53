//! Owns the memory of the engine-wide table of types that subtype checks of guest code read.
//! Does not own ids (`types`) nor the layout of a row (`abi`).

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use sterna_abi::gc::object::TYPE_EXTERN_BOX;
use sterna_abi::{NO_MORE, NULL_TYPE, ROW_DISPLAY, ROW_MORE, TypeKind, TypeRow};
use sterna_sys::vm::Reservation;

use crate::store::Pinned;

/// Bytes that are made accessible at a time.
const CHUNK: usize = 64 << 10;

/// The rows of types `0..len`, in one reservation that never moves. Nothing is reserved before the first type.
///
/// One row more, behind those of all types, is that of boxes around host values, which are of no type: guest code may ask for it when it
/// tests a reference of type `any`.
///
/// Writers are serialized by the registry; a row does not change once `len` covers it.
#[derive(Default)]
pub(crate) struct TypeTable {
    rows: OnceLock<Reservation>,
    len: AtomicUsize,
    /// Ends of displays that exceed a row. Pinned: rows point to them.
    more: Mutex<Pinned<[u32; ROW_MORE]>>,
}

impl TypeTable {
    /// Most types it has room for.
    pub(crate) const CAPACITY: usize = 1 << 20;

    /// Makes room for the rows of types `0..len`.
    pub(crate) fn reserve(&self, len: usize) -> io::Result<()> {
        let rows = match self.rows.get() {
            Some(rows) => rows,
            None => {
                let made = reserve_rows()?;
                self.rows.get_or_init(|| made)
            }
        };
        let committed = |len: usize| (len << TypeRow::LOG2_SIZE).next_multiple_of(CHUNK);
        let (old, new) = (committed(self.len.load(Ordering::Relaxed)), committed(len));
        if new > old { rows.commit(old..new.min(BOXES)) } else { Ok(()) }
    }

    /// Writes the row of the next type, for which [`TypeTable::reserve`] has made room.
    pub(crate) fn add(&self, id: u32, kind: TypeKind, supertype: Option<u32>) {
        assert_eq!(id as usize, self.len.load(Ordering::Relaxed), "ids are given out in order");
        let mut row =
            TypeRow { kind, depth: 0, display: [NULL_TYPE; ROW_DISPLAY], more: &raw const NO_MORE };
        let mut more = NO_MORE;
        if let Some(supertype) = supertype {
            let above = self.row(supertype);
            row.depth = above.depth + 1;
            row.display = above.display;
            // SAFETY: rows point to `NO_MORE` or to arrays that live as long as the table.
            more = unsafe { *above.more };
        }
        match row.display.get_mut(row.depth as usize) {
            Some(own) => *own = id,
            None => {
                more[row.depth as usize - ROW_DISPLAY] = id;
                let more = Box::new(more);
                row.more = &raw const *more;
                self.more.lock().unwrap_or_else(PoisonError::into_inner).push(more);
            }
        }
        let at = self.rows().cast_mut().wrapping_add(id as usize);
        // SAFETY: committed by `reserve`, and behind all rows that anybody reads.
        unsafe { at.write(row) };
        self.len.store(id as usize + 1, Ordering::Release);
    }

    /// Row 0; null as long as there are no types.
    pub(crate) fn rows(&self) -> *const TypeRow {
        self.rows.get().map_or(std::ptr::null(), |rows| rows.base().cast())
    }

    /// The row of a type.
    ///
    /// # Panics
    /// If there is no such type.
    pub(crate) fn row(&self, id: u32) -> &TypeRow {
        assert!((id as usize) < self.len.load(Ordering::Acquire), "there is no type {id}");
        // SAFETY: written before `len` covered it, and constant from then on.
        unsafe { &*self.rows().wrapping_add(id as usize) }
    }
}

/// Byte offset of the row of boxes.
const BOXES: usize = TypeTable::CAPACITY << TypeRow::LOG2_SIZE;

const _: () = assert!(TypeTable::CAPACITY == TYPE_EXTERN_BOX as usize);

fn reserve_rows() -> io::Result<Reservation> {
    let rows = Reservation::new(BOXES + CHUNK)?;
    rows.commit(BOXES..BOXES + CHUNK)?;
    let row = TypeRow {
        kind: TypeKind::Struct,
        depth: 0,
        display: [NULL_TYPE; ROW_DISPLAY],
        more: &raw const NO_MORE,
    };
    // SAFETY: committed just now, and known to nobody else.
    unsafe { rows.base().cast::<TypeRow>().wrapping_add(TypeTable::CAPACITY).write(row) };
    Ok(rows)
}

// SAFETY: rows are written once, before others know of them, and point to constant arrays that the table owns.
unsafe impl Send for TypeTable {}
// SAFETY: as above.
unsafe impl Sync for TypeTable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_hold_all_supertypes_at_any_depth() {
        let table = TypeTable::default();
        // Two chains of 64 types each, and one type that is alone.
        table.reserve(129).unwrap();
        for chain in 0..2 {
            for depth in 0..64 {
                let id = chain * 64 + depth;
                table.add(id, TypeKind::Struct, (depth > 0).then(|| id - 1));
                assert_eq!(table.row(id).depth, depth);
            }
        }
        table.add(128, TypeKind::Array, None);
        // SAFETY: both are in the table.
        let box_is = |of| unsafe { TypeRow::is_subtype(table.rows(), TYPE_EXTERN_BOX, of) };
        assert!(!(0..129).any(box_is));
        for id in 0..129 {
            for of in 0..129 {
                let expected = id == of || id / 64 == of / 64 && of < id;
                // SAFETY: both are in the table.
                let found = unsafe { TypeRow::is_subtype(table.rows(), id, of) };
                assert_eq!(found, expected, "{id} and {of}");
            }
        }
    }

    #[test]
    fn rows_stay_where_they_are() {
        let table = TypeTable::default();
        assert!(table.rows().is_null());
        table.reserve(1).unwrap();
        table.add(0, TypeKind::Func, None);
        let first = table.rows();
        for id in 1..5000 {
            table.reserve(id as usize + 1).unwrap();
            table.add(id, TypeKind::Func, None);
        }
        assert_eq!(table.rows(), first);
        assert_eq!(table.row(0).display[0], 0);
    }
}
