//! Owns the engine-wide numbering of defined types, and what exists once per type.
//! Does not own the table for subtype checks in guest code (`type_table`).
//!
//! Types are equal if their recursion groups are (core spec 3.2, "Type equivalence is iso-recursive"): a group is known by its
//! definitions with references inside the group made relative and those to earlier groups replaced by their ids. So equal ids mean
//! equal types, across all modules of an engine.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use sterna_abi::gc::ObjectLayout;
use sterna_abi::{Convention, FuncEntry, HOST_CALLEE, TypeKind, TypeRow};
use sterna_gc::{Layout, Layouts, object};
use sterna_isa::{CompositeType, FuncType, HeapType, RefType, SubType, ValType};
use sterna_module::Module;

use crate::adapters::{self, AdapterSlots};
use crate::engine::Engine;
use crate::type_table::TypeTable;

/// Number of a type in its engine.
pub type TypeId = u32;

/// Marks an index as a position in the group itself.
const RELATIVE: u32 = 1 << 31;

/// Most types of modules in one engine. The table has room for more: guests cannot keep the host from making functions.
const MODULE_TYPES: usize = TypeTable::CAPACITY - (1 << 16);

/// Why an engine cannot take more types.
#[derive(Debug, thiserror::Error)]
pub enum TypesError {
    /// There are too many.
    #[error("the modules of one engine can have at most {MODULE_TYPES} different types")]
    TooMany,
    /// No memory.
    #[error("no room for a table of types: {0}")]
    System(#[from] std::io::Error),
}

/// A type with what exists once per type.
pub struct TypeInfo {
    /// Its number.
    pub id: TypeId,
    /// The type; indices in it are type ids.
    pub def: SubType,
    /// The layout of its objects, if it is a structure or array type.
    pub(crate) object: Option<ObjectLayout>,
    /// The layout of exceptions, if a tag of this function type was ever made.
    pub(crate) exception: OnceLock<ObjectLayout>,
    /// Slots that an argument or result list needs at most; 0 if it is no function type.
    pub slots: usize,
    /// Entry shared by all host functions of this type.
    pub(crate) host_entry: FuncEntry,
    /// Whether a host function of this type exists. Types without one need no stub.
    hosts: AtomicBool,
    /// Adapters between conventions.
    pub(crate) adapters: AdapterSlots,
}

impl TypeInfo {
    /// The function type.
    ///
    /// # Panics
    /// If it is not one.
    pub fn func(&self) -> &FuncType {
        self.def.as_func().expect("functions have function types")
    }
}

/// All types of an engine. They live as long as the engine.
#[derive(Default)]
pub(crate) struct TypeRegistry {
    inner: RwLock<Inner>,
    table: TypeTable,
}

#[derive(Default)]
struct Inner {
    /// The id of a group's first type; the others follow.
    groups: HashMap<Box<[SubType]>, TypeId>,
    types: Vec<Arc<TypeInfo>>,
}

impl TypeRegistry {
    /// The types of a module, by type index.
    pub(crate) fn intern_module(
        &self,
        engine: &Engine,
        module: &Module,
    ) -> Result<Box<[Arc<TypeInfo>]>, TypesError> {
        let mut types: Vec<Arc<TypeInfo>> = Vec::with_capacity(module.types().len());
        for group in module.rec_groups() {
            let key = key(module.types(), &group, &types);
            self.intern_group(engine, key, MODULE_TYPES, &mut types)?;
        }
        Ok(types.into())
    }

    /// The entry of a final function type of its own group, made if it is new.
    ///
    /// # Panics
    /// See [`Engine::intern`].
    pub(crate) fn intern(&self, engine: &Engine, ty: &FuncType) -> Arc<TypeInfo> {
        let known = self.read().types.len() as u32;
        let check = |id: u32| {
            assert!(id < known, "a type refers to type {id}, which the engine does not have");
            id
        };
        let group = [SubType::final_(CompositeType::Func(ty.map(check)))];
        let mut types = Vec::with_capacity(1);
        let made =
            self.intern_group(engine, Cow::Borrowed(&group), TypeTable::CAPACITY, &mut types);
        made.expect("the engine has room for types of host functions");
        types.remove(0)
    }

    /// See [`Engine::intern_object`].
    pub(crate) fn intern_object(
        &self,
        engine: &Engine,
        ty: CompositeType,
    ) -> Result<Arc<TypeInfo>, TypesError> {
        let group = [SubType::final_(ty)];
        let mut types = Vec::with_capacity(1);
        self.intern_group(engine, Cow::Borrowed(&group), MODULE_TYPES, &mut types)?;
        Ok(types.remove(0))
    }

    pub(crate) fn len(&self) -> usize {
        self.read().types.len()
    }

    /// Appends the types of a group to `types`.
    fn intern_group(
        &self,
        engine: &Engine,
        key: Cow<'_, [SubType]>,
        most: usize,
        types: &mut Vec<Arc<TypeInfo>>,
    ) -> Result<(), TypesError> {
        if self.read().append(&key, types) {
            return Ok(());
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if inner.append(&key, types) {
            return Ok(());
        }
        let first = inner.types.len();
        if first + key.len() > most {
            return Err(TypesError::TooMany);
        }
        self.table.reserve(first + key.len())?;
        let first = first as TypeId;
        let absolute = |index| match index & RELATIVE {
            0 => index,
            _ => first + (index & !RELATIVE),
        };
        let defs: Vec<SubType> = key.iter().map(|def| def.map(absolute)).collect();
        for (id, def) in (first..).zip(&defs) {
            self.table.add(id, kind(def), def.supertype);
        }
        for (id, def) in (first..).zip(defs) {
            // Types of one group refer to each other, so the table has them all now.
            let object = ObjectLayout::of(&def, |ty| self.heap_matches(ty, HeapType::Func));
            inner.types.push(Arc::new(new_type(engine, id, def, object)));
        }
        types.extend_from_slice(&inner.types[first as usize..]);
        inner.groups.insert(key.into(), first);
        Ok(())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The type with a number.
    ///
    /// # Panics
    /// If the number is not from this registry.
    pub(crate) fn get(&self, id: TypeId) -> Arc<TypeInfo> {
        self.read().types[id as usize].clone()
    }

    /// The kind of a type.
    pub(crate) fn row_kind(&self, id: TypeId) -> TypeKind {
        self.table.row(id).kind
    }

    /// Computes the layout of exceptions whose tags have a function type, unless that was done before.
    pub(crate) fn lay_out_exceptions(&self, ty: &TypeInfo) {
        ty.exception.get_or_init(|| {
            let is_func = |ty| self.heap_matches(ty, HeapType::Func);
            ObjectLayout::of_exception(&ty.func().params, is_func)
        });
    }

    /// The layouts of all types, for allocations and a collection. Types cannot be added meanwhile.
    pub(crate) fn layouts(&self) -> TypeLayouts<'_> {
        TypeLayouts(self.read())
    }

    /// The table of types for guest code.
    pub(crate) fn rows(&self) -> *const TypeRow {
        self.table.rows()
    }

    /// Whether a type is a subtype of another one, or equal to it.
    ///
    /// # Panics
    /// If a number is not from this registry; likewise below.
    pub(crate) fn is_subtype(&self, id: TypeId, of: TypeId) -> bool {
        id == of || self.table.row(id).supertype_at(self.table.row(of).depth) == of
    }

    /// Whether a heap type matches another one (core spec 3.3).
    pub(crate) fn heap_matches(&self, ty: HeapType, of: HeapType) -> bool {
        use HeapType::*;
        let kind = |id| self.table.row(id).kind;
        match (ty, of) {
            (Concrete(ty), Concrete(of)) => self.is_subtype(ty, of),
            (Concrete(id), Func) | (NoFunc, Concrete(id)) => kind(id) == TypeKind::Func,
            (Concrete(id), Struct) => kind(id) == TypeKind::Struct,
            (Concrete(id), Array) => kind(id) == TypeKind::Array,
            (Concrete(id), Any | Eq) | (None, Concrete(id)) => kind(id) != TypeKind::Func,
            (None, Any | Eq | I31 | Struct | Array)
            | (Eq | I31 | Struct | Array, Any)
            | (I31 | Struct | Array, Eq)
            | (NoFunc, Func)
            | (NoExtern, Extern)
            | (NoExn, Exn) => true,
            _ => ty == of,
        }
    }

    /// Whether a reference type matches another one.
    pub(crate) fn ref_matches(&self, ty: RefType, of: RefType) -> bool {
        (of.nullable || !ty.nullable) && self.heap_matches(ty.heap, of.heap)
    }

    /// Whether a value type matches another one.
    pub(crate) fn val_matches(&self, ty: ValType, of: ValType) -> bool {
        match (ty, of) {
            (ValType::Ref(ty), ValType::Ref(of)) => self.ref_matches(ty, of),
            _ => ty == of,
        }
    }

    /// Called for every new host function: makes those of its type callable from compiled code, if there is any.
    ///
    /// # Panics
    /// When the system has no memory for a stub.
    pub(crate) fn host(&self, engine: &Engine, info: &TypeInfo) {
        // Excludes `announce`: either that sees the type marked, or this sees the convention announced.
        let _inner = self.read();
        info.hosts.store(true, Ordering::Relaxed);
        for convention in engine.announced() {
            let made = adapters::set_host_stub(engine, info, convention);
            made.expect("without memory for a stub there is none for a host function");
        }
    }

    /// Makes host functions callable from compiled code of a convention, then sets the flag of that convention.
    pub(crate) fn announce(
        &self,
        engine: &Engine,
        convention: Convention,
        announced: &AtomicBool,
    ) -> std::io::Result<()> {
        let inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let mut hosts = inner.types.iter().filter(|info| info.hosts.load(Ordering::Relaxed));
        hosts.try_for_each(|info| adapters::set_host_stub(engine, info, convention))?;
        announced.store(true, Ordering::Release);
        Ok(())
    }
}

/// See [`TypeRegistry::layouts`].
pub(crate) struct TypeLayouts<'a>(std::sync::RwLockReadGuard<'a, Inner>);

impl Layouts for TypeLayouts<'_> {
    #[inline]
    fn layout(&self, type_id: u32) -> &Layout {
        let ty = &self.0.types[(type_id & !object::EXCEPTION_BIT) as usize];
        let layout = match type_id & object::EXCEPTION_BIT {
            0 => ty.object.as_ref(),
            _ => ty.exception.get(),
        };
        &layout.expect("of structures, arrays, and exceptions with tags").layout
    }
}

impl Inner {
    /// Appends the types of a known group; whether it is known.
    fn append(&self, key: &[SubType], types: &mut Vec<Arc<TypeInfo>>) -> bool {
        let Some(&first) = self.groups.get(key) else { return false };
        types.extend_from_slice(&self.types[first as usize..first as usize + key.len()]);
        true
    }
}

/// What a group of a module is known by; `earlier` are the module's types before it.
fn key<'a>(
    types: &'a [SubType],
    group: &Range<u32>,
    earlier: &[Arc<TypeInfo>],
) -> Cow<'a, [SubType]> {
    let defs = &types[group.start as usize..group.end as usize];
    if let [SubType { supertype: None, composite: CompositeType::Func(ty), .. }] = defs
        && ty.params.iter().chain(&*ty.results).all(|ty| ty.map(|_| u32::MAX) == *ty)
    {
        // Nothing to replace.
        return Cow::Borrowed(defs);
    }
    let replace = |index: u32| match index.checked_sub(group.start) {
        Some(position) => position | RELATIVE,
        None => earlier[index as usize].id,
    };
    defs.iter().map(|def| def.map(replace)).collect()
}

fn kind(def: &SubType) -> TypeKind {
    match def.composite {
        CompositeType::Func(_) => TypeKind::Func,
        CompositeType::Struct(_) => TypeKind::Struct,
        CompositeType::Array(_) => TypeKind::Array,
    }
}

fn new_type(engine: &Engine, id: TypeId, def: SubType, object: Option<ObjectLayout>) -> TypeInfo {
    let (params, results) =
        def.as_func().map_or((0, 0), |ty| (ty.param_slots(), ty.result_slots()));
    TypeInfo {
        id,
        slots: params.max(results),
        host_entry: FuncEntry {
            reg: AtomicPtr::default(),
            tail: AtomicPtr::default(),
            stack: AtomicPtr::new(engine.interp().host_stub()),
            interp: std::ptr::null(),
            budget: AtomicU32::new(0),
            calls: AtomicU32::new(0),
            func: HOST_CALLEE,
            param_slots: params as u32,
            result_slots: results as u32,
        },
        hosts: AtomicBool::new(false),
        adapters: AdapterSlots::default(),
        object,
        exception: OnceLock::new(),
        def,
    }
}
