//! Owns `ArrayType` and `ArrayRef`: arrays as the host makes and uses them.
//! Does not own structures (`structref`) nor how elements are stored (the runtime).

use std::fmt;
use std::sync::Arc;

use sterna_abi::Slot;
use sterna_isa::{CompositeType, FieldType, HeapType};
use sterna_runtime as rt;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::rooted::{Rooted, reference};
use crate::store::{AsContext, AsContextMut, Home};
use crate::structref::{check_engine, check_field, defined, storable};
use crate::value::Val;

/// An array type of an engine.
#[derive(Clone)]
pub struct ArrayType(Arc<rt::TypeInfo>);

impl ArrayType {
    /// The type `(type (array …))`, final and in a recursion group of its own. Other types come from modules: see
    /// [`ArrayType::from_heap_type`].
    ///
    /// # Errors
    /// If the element has an index that is not the engine's, or if that has about a million types.
    pub fn new(engine: &Engine, element: FieldType) -> Result<ArrayType> {
        check_field(engine, element)?;
        let info = engine.inner.intern_object(CompositeType::Array(element));
        Ok(ArrayType(info.map_err(Error::new)?))
    }

    /// The type that a heap type of the engine is, if it is an array type. The types of a module's functions and globals name those
    /// that the module defines.
    pub fn from_heap_type(engine: &Engine, ty: HeapType) -> Option<ArrayType> {
        let info = defined(engine, ty)?;
        info.def.as_array().is_some().then_some(ArrayType(info))
    }

    /// As a heap type.
    pub fn heap_type(&self) -> HeapType {
        HeapType::Concrete(self.0.id)
    }

    /// The type of its elements.
    pub fn element(&self) -> FieldType {
        self.0.def.as_array().expect("checked when it was made")
    }
}

impl PartialEq for ArrayType {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for ArrayType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.def.composite, f)
    }
}

/// A reference to an array.
///
/// Good in the scope in which it was made: see [`Reference`](crate::Reference).
///
/// ```
/// use sterna::{ArrayRef, ArrayType, Engine, FieldType, StorageType, Store, Val};
/// let engine = Engine::default();
/// let ty = ArrayType::new(&engine, FieldType { storage: StorageType::I16, mutable: true })?;
///
/// let mut store = Store::new(&engine, ());
/// let array = ArrayRef::new(&mut store, &ty, 3, Val::I32(7))?;
/// array.set(&mut store, 1, Val::I32(0x1_0008))?;
/// let elements: Vec<i32> = array.elements(&store)?.iter().map(Val::unwrap_i32).collect();
/// assert_eq!(elements, [7, 8, 7]);
/// assert!(array.get(&store, array.len(&store)?).is_err(), "out of bounds");
/// # Ok::<(), sterna::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ArrayRef {
    rooted: Rooted,
}

reference!(ArrayRef);

impl ArrayRef {
    /// An array of `len` elements that are all `value`: `array.new`. Packed elements take the low bits of an `i32`.
    ///
    /// # Errors
    /// A value of another type or store, a type of another engine; [`TrapCode`](crate::TrapCode) `HeapExhausted` if there is no room
    /// even after a full collection.
    pub fn new(
        mut store: impl AsContextMut,
        ty: &ArrayType,
        len: u32,
        value: Val,
    ) -> Result<ArrayRef> {
        let mut store = store.as_context_mut();
        let home = store.home();
        check_engine(home, &ty.0)?;
        let value = storable(home, ty.element(), value, || "the elements".to_owned())?;
        let slot = store.rt_mut().new_array_of(&ty.0, len, value).map_err(Error::new)?;
        Ok(ArrayRef { rooted: Rooted::new(store.home(), slot) })
    }

    /// An array with its elements: `array.new_fixed`. Packed elements take the low bits of an `i32`.
    ///
    /// # Errors
    /// As [`ArrayRef::new`].
    pub fn new_fixed(
        mut store: impl AsContextMut,
        ty: &ArrayType,
        elements: &[Val],
    ) -> Result<ArrayRef> {
        let mut store = store.as_context_mut();
        let home = store.home();
        check_engine(home, &ty.0)?;
        let values = elements.iter().enumerate().map(|(index, &value)| {
            storable(home, ty.element(), value, || format!("element {index}"))
        });
        let mut values = values.collect::<Result<Vec<_>>>()?;
        let slot = store.rt_mut().new_array(&ty.0, &mut values).map_err(Error::new)?;
        Ok(ArrayRef { rooted: Rooted::new(store.home(), slot) })
    }

    fn info(&self, home: Home<'_>) -> Result<(Slot, ArrayType)> {
        let slot = self.slot(home)?;
        let info = home.rt.object_info(slot).filter(|info| info.def.as_array().is_some());
        // Of another kind only if numbers of scopes were used up and began again.
        let info = info.ok_or_else(|| Error::msg("the reference is to something else now"))?;
        Ok((slot, ArrayType(info)))
    }

    /// Its type.
    ///
    /// # Errors
    /// If it is of another store, or if its scope has ended.
    pub fn ty(&self, store: impl AsContext) -> Result<ArrayType> {
        Ok(self.info(store.as_context().home())?.1)
    }

    /// The number of elements.
    ///
    /// # Errors
    /// If it is of another store, or if its scope has ended.
    pub fn len(&self, store: impl AsContext) -> Result<u32> {
        let home = store.as_context().home();
        let (slot, _) = self.info(home)?;
        Ok(home.rt.array_len(slot))
    }

    /// An element: `array.get`, for packed elements `array.get_u`.
    ///
    /// # Errors
    /// If it is out of bounds; if the array is of another store, or if its scope has ended.
    pub fn get(&self, store: impl AsContext, index: u32) -> Result<Val> {
        let home = store.as_context().home();
        let (slot, ty) = self.info(home)?;
        check_bounds(home, slot, index)?;
        Ok(load(home, slot, &ty, index))
    }

    /// All elements.
    ///
    /// # Errors
    /// If it is of another store, or if its scope has ended.
    pub fn elements(&self, store: impl AsContext) -> Result<Vec<Val>> {
        let home = store.as_context().home();
        let (slot, ty) = self.info(home)?;
        Ok((0..home.rt.array_len(slot)).map(|index| load(home, slot, &ty, index)).collect())
    }

    /// Sets an element: `array.set`. Packed elements take the low bits of an `i32`.
    ///
    /// # Errors
    /// If it is out of bounds, or cannot be set; a value of another type or store; if the array is of another store, or if its scope has
    /// ended.
    pub fn set(&self, mut store: impl AsContextMut, index: u32, value: Val) -> Result<()> {
        let mut store = store.as_context_mut();
        let home = store.home();
        let (slot, ty) = self.info(home)?;
        check_bounds(home, slot, index)?;
        if !ty.element().mutable {
            return Err(Error::msg("the elements are immutable"));
        }
        let value = storable(home, ty.element(), value, || format!("element {index}"))?;
        store.rt_mut().set_element(slot, &ty.0, index, value).map_err(Error::new)
    }
}

fn check_bounds(home: Home<'_>, slot: Slot, index: u32) -> Result<()> {
    let len = home.rt.array_len(slot);
    match index < len {
        true => Ok(()),
        false => Err(Error::msg(format_args!("out of bounds: element {index} of {len}"))),
    }
}

fn load(home: Home<'_>, slot: Slot, ty: &ArrayType, index: u32) -> Val {
    let slots = home.rt.element(slot, &ty.0, index);
    // SAFETY: elements are values of their type, and references of their store.
    unsafe { Val::from_slots(ty.element().storage.unpacked(), home, &slots) }
}
