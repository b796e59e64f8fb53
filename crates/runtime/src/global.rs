//! Owns `GlobalRef`, access to a global wherever its cell lives.
//! Does not own the cells: instances and the store do.

use std::ptr::NonNull;

use sterna_abi::{GlobalCell, Slot};
use sterna_module::GlobalType;

/// A global of a live store.
#[derive(Clone, Copy, Debug)]
pub struct GlobalRef {
    pub(crate) cell: NonNull<GlobalCell>,
    /// Its type.
    pub ty: GlobalType,
}

impl GlobalRef {
    /// Reads both slots.
    ///
    /// # Safety
    /// The store must be live and its guest code not running.
    pub unsafe fn get(&self) -> [Slot; 2] {
        // SAFETY: the cell lives as long as the store.
        unsafe { self.cell.read() }.0
    }

    /// Writes both slots.
    ///
    /// # Safety
    /// As [`GlobalRef::get`]; the value must be of the global's type and store.
    pub unsafe fn set(&self, value: [Slot; 2]) {
        // SAFETY: as in `get`.
        unsafe { self.cell.write(GlobalCell(value)) };
    }

    /// Identity: whether both are the same global.
    pub fn same(&self, other: &GlobalRef) -> bool {
        self.cell == other.cell
    }
}
