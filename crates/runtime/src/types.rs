//! Owns the engine-wide numbering of function types, so that a type check is one comparison.
//! Does not own subtyping; function types are compared structurally.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use sterna_abi::{Convention, FuncEntry, HOST_CALLEE};
use sterna_isa::FuncType;

use crate::adapters::{self, AdapterSlots};
use crate::engine::Engine;

/// Number of a function type in its engine.
pub type TypeId = u32;

/// A function type with what exists once per type.
pub struct TypeInfo {
    /// Its number.
    pub id: TypeId,
    /// The type.
    pub ty: FuncType,
    /// Slots that an argument or result list needs at most.
    pub slots: usize,
    /// Entry shared by all host functions of this type.
    pub(crate) host_entry: FuncEntry,
    /// Whether a host function of this type exists. Types without one need no stub.
    hosts: AtomicBool,
    /// Adapters between conventions.
    pub(crate) adapters: AdapterSlots,
}

/// All function types of an engine. They live as long as the engine.
#[derive(Default)]
pub(crate) struct TypeRegistry {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    ids: HashMap<FuncType, TypeId>,
    types: Vec<Arc<TypeInfo>>,
}

impl TypeRegistry {
    /// The entry of a type, made if it is new.
    pub(crate) fn intern(&self, engine: &Engine, ty: &FuncType) -> Arc<TypeInfo> {
        if let Some(found) = self.find(ty) {
            return found;
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = inner.ids.get(ty) {
            return inner.types[id as usize].clone();
        }
        let id = inner.types.len() as TypeId;
        let info = Arc::new(new_type(engine, id, ty.clone()));
        inner.types.push(info.clone());
        inner.ids.insert(ty.clone(), id);
        info
    }

    fn find(&self, ty: &FuncType) -> Option<Arc<TypeInfo>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.ids.get(ty).map(|&id| inner.types[id as usize].clone())
    }

    /// The type with a number.
    ///
    /// # Panics
    /// If the number is not from this registry.
    pub(crate) fn get(&self, id: TypeId) -> Arc<TypeInfo> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).types[id as usize].clone()
    }

    /// Called for every new host function: makes those of its type callable from compiled code, if there is any.
    ///
    /// # Panics
    /// When the system has no memory for a stub.
    pub(crate) fn host(&self, engine: &Engine, info: &TypeInfo) {
        // Excludes `announce`: either that sees the type marked, or this sees the convention announced.
        let _inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
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

fn new_type(engine: &Engine, id: TypeId, ty: FuncType) -> TypeInfo {
    let (params, results) = (ty.param_slots(), ty.result_slots());
    TypeInfo {
        id,
        slots: params.max(results),
        host_entry: FuncEntry {
            reg: AtomicPtr::default(),
            tail: AtomicPtr::default(),
            stack: AtomicPtr::new(engine.interp().host_stub()),
            interp: std::ptr::null(),
            budget: AtomicU64::new(0),
            func: HOST_CALLEE,
            param_slots: params as u32,
            result_slots: results as u32,
        },
        hosts: AtomicBool::new(false),
        adapters: AdapterSlots::default(),
        ty,
    }
}
