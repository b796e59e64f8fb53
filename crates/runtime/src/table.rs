//! Owns tables: storage of both element kinds, growth, reading and writing references.
//! Does not own the operators on them (`builtins`).

use sterna_abi::{FuncRef, Slot, TableDef};
use sterna_module::TableType;

/// Most elements of any table: what fits in memory is far less, but a length is never refused for a reason other than
/// memory or limits below this.
const MAX_ELEMENTS: u64 = 10_000_000;

enum Elements {
    Funcs(Vec<FuncRef>),
    Refs(Vec<Slot>),
}

/// A table.
pub struct Table {
    pub(crate) def: TableDef,
    elements: Elements,
    ty: TableType,
}

/// The table element for a `funcref`.
///
/// # Safety
/// `reference` must be null or the address of a live [`FuncRef`].
unsafe fn load(reference: Slot) -> FuncRef {
    let at = reference as *const FuncRef;
    match at.is_null() {
        true => FuncRef::NULL,
        // SAFETY: not null, so live by the caller's promise.
        false => unsafe { *at },
    }
}

impl Table {
    /// A table of its initial size, all elements `init`. `funcs` says whether its elements are references to functions, which tables
    /// hold by value. Indices in its type are type ids.
    ///
    /// # Errors
    /// When it would be larger than memory allows.
    ///
    /// # Safety
    /// `init` must be a reference of the table's type and of the store the table is for.
    pub(crate) unsafe fn new(
        ty: TableType,
        funcs: bool,
        init: Slot,
    ) -> Result<Table, std::collections::TryReserveError> {
        let elements = match funcs {
            true => Elements::Funcs(Vec::new()),
            false => Elements::Refs(Vec::new()),
        };
        let min = usize::try_from(ty.min).unwrap_or(usize::MAX);
        let mut table =
            Table { def: TableDef { base: std::ptr::null_mut(), len: 0 }, elements, ty };
        // SAFETY: passed on from the caller.
        unsafe { table.resize(min, init) }?;
        Ok(table)
    }

    /// # Safety
    /// As [`Table::new`].
    unsafe fn resize(
        &mut self,
        len: usize,
        init: Slot,
    ) -> Result<(), std::collections::TryReserveError> {
        match &mut self.elements {
            Elements::Funcs(funcs) => {
                funcs.try_reserve(len - funcs.len())?;
                // SAFETY: passed on from the caller.
                funcs.resize(len, unsafe { load(init) });
                self.def.base = funcs.as_mut_ptr().cast();
            }
            Elements::Refs(refs) => {
                refs.try_reserve(len - refs.len())?;
                refs.resize(len, init);
                self.def.base = refs.as_mut_ptr().cast();
            }
        }
        self.def.len = len as u64;
        Ok(())
    }

    /// Visits every element of a table that holds slots.
    pub(crate) fn for_each_slot(&mut self, visit: &mut dyn FnMut(*mut Slot)) {
        if let Elements::Refs(refs) = &mut self.elements {
            refs.iter_mut().for_each(|slot| visit(slot));
        }
    }

    /// Its type, with the declared minimum.
    pub fn ty(&self) -> &TableType {
        &self.ty
    }

    /// Current number of elements.
    pub fn len(&self) -> u64 {
        self.def.len
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.def.len == 0
    }

    /// Reads an element.
    pub fn get(&self, index: u64) -> Option<Slot> {
        let index = usize::try_from(index).ok()?;
        match &self.elements {
            Elements::Funcs(funcs) => funcs.get(index).map(|func| func.this as Slot),
            Elements::Refs(refs) => refs.get(index).copied(),
        }
    }

    /// Writes an element; `None` if there is none at `index`.
    ///
    /// # Safety
    /// `value` must be a reference of the table's type and store.
    pub unsafe fn set(&mut self, index: u64, value: Slot) -> Option<()> {
        // SAFETY: passed on from the caller.
        unsafe { self.fill(index, value, 1) }
    }

    /// Writes `len` elements from `start`; nothing, and `None`, if they are not all there.
    ///
    /// # Safety
    /// As [`Table::set`].
    pub unsafe fn fill(&mut self, start: u64, value: Slot, len: u64) -> Option<()> {
        let range = range(start, len)?;
        match &mut self.elements {
            // SAFETY: passed on from the caller.
            Elements::Funcs(funcs) => funcs.get_mut(range)?.fill(unsafe { load(value) }),
            Elements::Refs(refs) => refs.get_mut(range)?.fill(value),
        }
        Some(())
    }

    /// Grows by `delta` elements; the old length, or `None` if type, `budget` or memory forbid it.
    ///
    /// # Safety
    /// As [`Table::set`] for `init`.
    pub unsafe fn grow(&mut self, delta: u64, init: Slot, budget: u64) -> Option<u64> {
        let old = self.def.len;
        let len = old.checked_add(delta)?;
        let addressable = if self.ty.is_64 { u64::MAX } else { u64::from(u32::MAX) };
        if delta > budget || len > self.ty.max.unwrap_or(addressable) || len > MAX_ELEMENTS {
            return None;
        }
        // SAFETY: passed on from the caller.
        unsafe { self.resize(usize::try_from(len).ok()?, init) }.ok()?;
        Some(old)
    }

    /// Copies `len` elements of `source` (null = this table) here; nothing, and `None`, if out of bounds.
    pub fn copy(&mut self, dst: u64, source: Option<&Table>, src: u64, len: u64) -> Option<()> {
        let (from, to) = (range(src, len)?, range(dst, len)?);
        match (&mut self.elements, source.map(|source| &source.elements)) {
            (Elements::Funcs(own), None) => copy_within(own, from, to),
            (Elements::Refs(own), None) => copy_within(own, from, to),
            (Elements::Funcs(own), Some(Elements::Funcs(other))) => {
                copy_between(own, to, other, from)
            }
            (Elements::Refs(own), Some(Elements::Refs(other))) => {
                copy_between(own, to, other, from)
            }
            _ => unreachable!("validation: both tables have the same element type"),
        }
    }

    /// Writes references to `[start, start + values.len())`; nothing, and `None`, if out of bounds.
    ///
    /// # Safety
    /// As [`Table::set`] for every value.
    pub(crate) unsafe fn write(
        &mut self,
        start: u64,
        values: impl ExactSizeIterator<Item = Slot>,
    ) -> Option<()> {
        let range = range(start, values.len() as u64)?;
        match &mut self.elements {
            Elements::Funcs(funcs) => {
                for (element, value) in funcs.get_mut(range)?.iter_mut().zip(values) {
                    // SAFETY: passed on from the caller.
                    *element = unsafe { load(value) };
                }
            }
            Elements::Refs(refs) => {
                refs.get_mut(range)?.iter_mut().zip(values).for_each(|(to, from)| *to = from)
            }
        }
        Some(())
    }
}

fn range(start: u64, len: u64) -> Option<std::ops::Range<usize>> {
    let end = usize::try_from(start.checked_add(len)?).ok()?;
    Some(usize::try_from(start).ok()?..end)
}

fn copy_within<T: Copy>(
    own: &mut [T],
    from: std::ops::Range<usize>,
    to: std::ops::Range<usize>,
) -> Option<()> {
    if from.end > own.len() || to.end > own.len() {
        return None;
    }
    own.copy_within(from, to.start);
    Some(())
}

fn copy_between<T: Copy>(
    own: &mut [T],
    to: std::ops::Range<usize>,
    other: &[T],
    from: std::ops::Range<usize>,
) -> Option<()> {
    own.get_mut(to)?.copy_from_slice(other.get(from)?);
    Some(())
}
