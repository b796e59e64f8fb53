//! Owns `StructType` and `StructRef`: structures as the host makes and uses them.
//! Does not own arrays (`arrayref`) nor how fields are stored (the runtime).

use std::fmt;
use std::sync::Arc;

use sterna_abi::Slot;
use sterna_isa::{CompositeType, FieldType, HeapType, ValType};
use sterna_runtime as rt;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::rooted::{Rooted, reference};
use crate::store::{AsContext, AsContextMut, Home};
use crate::value::Val;

/// Most fields of a structure type, as in modules.
const MAX_FIELDS: usize = 10_000;

/// A structure type of an engine.
#[derive(Clone)]
pub struct StructType(Arc<rt::TypeInfo>);

impl StructType {
    /// The type `(type (struct …))`, final and in a recursion group of its own. Fields may refer to other types of the engine; types
    /// with supertypes, and such that refer to each other, come from modules: see [`StructType::from_heap_type`].
    ///
    /// # Errors
    /// If a field has an index that is not the engine's, if there are more than 10,000, or if the engine has about a million types.
    pub fn new(engine: &Engine, fields: impl IntoIterator<Item = FieldType>) -> Result<StructType> {
        let fields: Box<[FieldType]> = fields.into_iter().collect();
        if fields.len() > MAX_FIELDS {
            return Err(Error::msg(format_args!("a structure has at most {MAX_FIELDS} fields")));
        }
        fields.iter().try_for_each(|field| check_field(engine, *field))?;
        let info = engine.inner.intern_object(CompositeType::Struct(fields));
        Ok(StructType(info.map_err(Error::new)?))
    }

    /// The type that a heap type of the engine is, if it is a structure type. The types of a module's functions and globals name those
    /// that the module defines.
    pub fn from_heap_type(engine: &Engine, ty: HeapType) -> Option<StructType> {
        let info = defined(engine, ty)?;
        info.def.as_struct().is_some().then_some(StructType(info))
    }

    /// As a heap type.
    pub fn heap_type(&self) -> HeapType {
        HeapType::Concrete(self.0.id)
    }

    /// The types of its fields.
    pub fn fields(&self) -> &[FieldType] {
        self.0.def.as_struct().expect("checked when it was made")
    }
}

impl PartialEq for StructType {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for StructType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.def.composite, f)
    }
}

/// The definition that a heap type names, if there is one.
pub(crate) fn defined(engine: &Engine, ty: HeapType) -> Option<Arc<rt::TypeInfo>> {
    let HeapType::Concrete(id) = ty else { return None };
    ((id as usize) < engine.inner.type_count()).then(|| engine.inner.type_info(id))
}

/// Refuses a field whose type the engine does not have.
pub(crate) fn check_field(engine: &Engine, field: FieldType) -> Result<()> {
    if let ValType::Ref(ty) = field.storage.unpacked()
        && let HeapType::Concrete(id) = ty.heap
        && defined(engine, ty.heap).is_none()
    {
        return Err(Error::msg(format_args!("the engine has no type {id}")));
    }
    Ok(())
}

/// Refuses a type of another engine.
pub(crate) fn check_engine(home: Home<'_>, info: &Arc<rt::TypeInfo>) -> Result<()> {
    match home.rt.engine().has_type(info) {
        true => Ok(()),
        false => Err(Error::msg("the type belongs to another engine")),
    }
}

/// The slots of a value for a field or an element.
pub(crate) fn storable(
    home: Home<'_>,
    ty: FieldType,
    value: Val,
    place: impl FnOnce() -> String,
) -> Result<[Slot; 2]> {
    let slots = value.to_slots(ty.storage.unpacked(), home);
    slots.map_err(|error| Error::msg(format_args!("{}: {error}", place())))
}

/// A reference to a structure.
///
/// Good in the scope in which it was made: see [`Reference`](crate::Reference).
///
/// ```
/// use sterna::{Engine, FieldType, StorageType, Store, StructRef, StructType, Val, ValType};
/// let engine = Engine::default();
/// let field = |storage, mutable| FieldType { storage, mutable };
/// let fields = [field(StorageType::I8, true), field(StorageType::Val(ValType::I64), false)];
/// let ty = StructType::new(&engine, fields)?;
///
/// let mut store = Store::new(&engine, ());
/// let pair = StructRef::new(&mut store, &ty, &[Val::I32(-1), Val::I64(7)])?;
/// assert_eq!(pair.field(&store, 0)?.unwrap_i32(), 255);
/// pair.set_field(&mut store, 0, Val::I32(2))?;
/// assert_eq!(pair.field(&store, 0)?.unwrap_i32(), 2);
/// assert!(pair.set_field(&mut store, 1, Val::I64(8)).is_err(), "it cannot be set");
/// # Ok::<(), sterna::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StructRef {
    rooted: Rooted,
}

reference!(StructRef);

impl StructRef {
    /// A structure with its fields: `struct.new`. Packed fields take the low bits of an `i32`.
    ///
    /// # Errors
    /// Wrong number or types of values; a type of another engine, references of other stores; [`TrapCode`](crate::TrapCode)
    /// `HeapExhausted` if there is no room even after a full collection.
    pub fn new(mut store: impl AsContextMut, ty: &StructType, fields: &[Val]) -> Result<StructRef> {
        let mut store = store.as_context_mut();
        let home = store.home();
        check_engine(home, &ty.0)?;
        let types = ty.fields();
        if types.len() != fields.len() {
            let (expected, given) = (types.len(), fields.len());
            return Err(Error::msg(format_args!("expected {expected} fields, got {given}")));
        }
        let values = types.iter().zip(fields).enumerate();
        let values = values
            .map(|(index, (&ty, &value))| storable(home, ty, value, || format!("field {index}")));
        let mut values = values.collect::<Result<Vec<_>>>()?;
        let slot = store.rt_mut().new_struct(&ty.0, &mut values).map_err(Error::new)?;
        Ok(StructRef { rooted: Rooted::new(store.home(), slot) })
    }

    fn info(&self, home: Home<'_>) -> Result<(Slot, StructType)> {
        let slot = self.slot(home)?;
        let info = home.rt.object_info(slot).filter(|info| info.def.as_struct().is_some());
        // Of another kind only if numbers of scopes were used up and began again.
        let info = info.ok_or_else(|| Error::msg("the reference is to something else now"))?;
        Ok((slot, StructType(info)))
    }

    /// Its type.
    ///
    /// # Errors
    /// If it is of another store, or if its scope has ended.
    pub fn ty(&self, store: impl AsContext) -> Result<StructType> {
        Ok(self.info(store.as_context().home())?.1)
    }

    /// A field: `struct.get`, for packed fields `struct.get_u`.
    ///
    /// # Errors
    /// If it has no such field; if it is of another store, or if its scope has ended.
    pub fn field(&self, store: impl AsContext, index: usize) -> Result<Val> {
        let home = store.as_context().home();
        let (slot, ty) = self.info(home)?;
        let field = field_of(&ty, index)?;
        Ok(load(home, slot, &ty, index, field))
    }

    /// All fields.
    ///
    /// # Errors
    /// If it is of another store, or if its scope has ended.
    pub fn fields(&self, store: impl AsContext) -> Result<Vec<Val>> {
        let home = store.as_context().home();
        let (slot, ty) = self.info(home)?;
        let fields = ty.fields().iter().enumerate();
        Ok(fields.map(|(index, field)| load(home, slot, &ty, index, *field)).collect())
    }

    /// Sets a field: `struct.set`. Packed fields take the low bits of an `i32`.
    ///
    /// # Errors
    /// If it has no such field, or one that cannot be set; a value of another type or store; if it is of another store, or if its
    /// scope has ended.
    pub fn set_field(&self, mut store: impl AsContextMut, index: usize, value: Val) -> Result<()> {
        let mut store = store.as_context_mut();
        let home = store.home();
        let (slot, ty) = self.info(home)?;
        let field = field_of(&ty, index)?;
        if !field.mutable {
            return Err(Error::msg(format_args!("field {index} is immutable")));
        }
        let value = storable(home, field, value, || format!("field {index}"))?;
        store.rt_mut().set_field(slot, &ty.0, index, value).map_err(Error::new)
    }
}

fn field_of(ty: &StructType, index: usize) -> Result<FieldType> {
    let fields = ty.fields();
    fields.get(index).copied().ok_or_else(|| {
        Error::msg(format_args!("no field {index}: the structure has {}", fields.len()))
    })
}

fn load(home: Home<'_>, slot: Slot, ty: &StructType, index: usize, field: FieldType) -> Val {
    let slots = home.rt.field(slot, &ty.0, index);
    // SAFETY: fields hold values of their types, and references of their store.
    unsafe { Val::from_slots(field.storage.unpacked(), home, &slots) }
}
