//! Owns `InstancePre`: a module whose imports are found already.
//! Does not own finding them (`linker`).

use std::fmt;
use std::marker::PhantomData;

use sterna_runtime as rt;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::linker::Definition;
use crate::module::Module;
use crate::store::AsContextMut;

/// A module with the definitions that its imports name, from [`Linker::instantiate_pre`](crate::Linker::instantiate_pre): the
/// cheapest way to make many instances.
pub struct InstancePre<T> {
    module: Module,
    imports: Box<[Definition]>,
    /// Host functions were made for exactly this type.
    data: PhantomData<fn(T) -> T>,
}

impl<T> InstancePre<T> {
    pub(crate) fn new(module: Module, imports: Box<[Definition]>) -> InstancePre<T> {
        InstancePre { module, imports, data: PhantomData }
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Instantiates the module and runs its start function.
    ///
    /// # Errors
    /// As [`Instance::new`].
    ///
    /// # Panics
    /// As [`Instance::new`].
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>) -> Result<Instance> {
        let mut store = store.as_context_mut();
        // Before host functions are made: they belong to the module's engine.
        if !Engine::same(store.engine(), &self.module.engine()) {
            return Err(Error::msg("the module was loaded into another engine than the store's"));
        }
        let imports = self.imports.iter().map(|definition| definition.resolve(&mut store));
        let imports = imports.collect::<Result<Vec<rt::Extern>>>()?;
        // SAFETY: `resolve` has checked that the objects are of this store.
        unsafe { Instance::with_runtime(&mut store, &self.module, &imports) }
    }
}

impl<T> Clone for InstancePre<T> {
    fn clone(&self) -> Self {
        InstancePre::new(self.module.clone(), self.imports.clone())
    }
}

impl<T> fmt::Debug for InstancePre<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstancePre").field("module", &self.module).finish_non_exhaustive()
    }
}
