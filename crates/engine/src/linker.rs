//! Owns `Linker`: finding imports by name.
//! Does not own instantiation with given imports (`instance`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use sterna_isa::FuncType;
use sterna_runtime as rt;

use crate::caller::Caller;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::func::Func;
use crate::host::{HostBody, HostDef, IntoFunc};
use crate::instance::{Extern, Instance};
use crate::instance_pre::InstancePre;
use crate::module::Module;
use crate::shared_memory::SharedMemory;
use crate::store::{AsContext, AsContextMut, StoreContextMut};
use crate::suggest;
use crate::types::{ExternType, ImportType};
use crate::value::Val;

/// Definitions by module and field name, to instantiate modules with.
///
/// Host functions are defined once, without a store, and come into being in each store that needs them: one linker serves any
/// number of stores with data `T`.
///
/// ```
/// use sterna::{Caller, Engine, Linker, Module, Store};
/// let engine = Engine::default();
/// let mut linker = Linker::<Vec<i32>>::new(&engine);
/// linker.func_wrap("host", "push", |mut caller: Caller<'_, Vec<i32>>, x: i32| caller.data_mut().push(x))?;
///
/// let module = Module::new(&engine, r#"(module
///     (import "host" "push" (func $push (param i32)))
///     (func (export "run") (call $push (i32.const 7))))"#)?;
/// let mut store = Store::new(&engine, Vec::new());
/// let instance = linker.instantiate(&mut store, &module)?;
/// instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
/// assert_eq!(store.data(), &[7]);
/// # Ok::<(), sterna::Error>(())
/// ```
pub struct Linker<T> {
    engine: Engine,
    modules: HashMap<Arc<str>, HashMap<Arc<str>, Definition>>,
    allow_shadowing: bool,
    /// Host functions were made for exactly this type.
    data: PhantomData<fn(T) -> T>,
}

/// What a name stands for.
#[derive(Clone)]
pub(crate) enum Definition {
    /// A host function, made in each store on first use.
    Host(HostDef),
    /// An object of one store.
    Object(Extern),
}

impl<T> Clone for Linker<T> {
    fn clone(&self) -> Self {
        Linker {
            engine: self.engine.clone(),
            modules: self.modules.clone(),
            allow_shadowing: self.allow_shadowing,
            data: PhantomData,
        }
    }
}

/// An import that no definition exists for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown import: {kind} `{module}::{name}` is not defined{hint}")]
pub struct UnknownImportError {
    kind: &'static str,
    module: String,
    name: String,
    hint: String,
}

impl UnknownImportError {
    /// Module name of the import.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Field name of the import.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<T> Linker<T> {
    /// A linker without definitions.
    pub fn new(engine: &Engine) -> Linker<T> {
        Linker {
            engine: engine.clone(),
            modules: HashMap::new(),
            allow_shadowing: false,
            data: PhantomData,
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a later definition may replace an earlier one of the same name. Default: no, it is an error.
    pub fn allow_shadowing(&mut self, allow: bool) -> &mut Linker<T> {
        self.allow_shadowing = allow;
        self
    }

    fn insert(&mut self, module: &str, name: &str, definition: Definition) -> Result<()> {
        // Names that many modules share are kept once.
        let module = match self.modules.get_key_value(module) {
            Some((known, _)) => known.clone(),
            None => Arc::from(module),
        };
        match self.modules.entry(module.clone()).or_default().entry(Arc::from(name)) {
            Entry::Occupied(_) if !self.allow_shadowing => {
                Err(Error::msg(format_args!("`{module}::{name}` is defined already")))
            }
            Entry::Occupied(mut entry) => {
                entry.insert(definition);
                Ok(())
            }
            Entry::Vacant(entry) => {
                entry.insert(definition);
                Ok(())
            }
        }
    }

    fn find(&self, module: &str, name: &str) -> Option<&Definition> {
        self.modules.get(module)?.get(name)
    }

    /// Defines a host function from a closure whose Rust types say its wasm type: see [`IntoFunc`].
    ///
    /// # Errors
    /// If the name is taken.
    pub fn func_wrap<Params, Results>(
        &mut self,
        module: &str,
        name: &str,
        body: impl IntoFunc<T, Params, Results>,
    ) -> Result<&mut Linker<T>> {
        let def = HostDef::new(&self.engine, body.into_host());
        self.insert(module, name, Definition::Host(def))?;
        Ok(self)
    }

    /// Defines a host function of a type that is known only at run time. Results are zero or null until `body` sets them.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        body: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Linker<T>> {
        let def = HostDef::new(&self.engine, HostBody::untyped(ty, body));
        self.insert(module, name, Definition::Host(def))?;
        Ok(self)
    }

    /// Defines an object of a store; from then on only modules in that store can be given it. A shared memory can be given to modules in
    /// any store of its engine.
    ///
    /// # Errors
    /// If the name is taken, or if the object belongs to another store.
    pub fn define(
        &mut self,
        store: impl AsContext<Data = T>,
        module: &str,
        name: &str,
        object: impl Into<Extern>,
    ) -> Result<&mut Linker<T>> {
        let object = object.into();
        object.check(store.as_context())?;
        self.insert(module, name, Definition::Object(object))?;
        Ok(self)
    }

    /// Defines a shared memory, which modules in any store of the linker's engine can be given.
    ///
    /// # Errors
    /// If the name is taken, or if the memory is of another engine.
    pub fn define_shared(
        &mut self,
        module: &str,
        name: &str,
        memory: SharedMemory,
    ) -> Result<&mut Linker<T>> {
        if !Arc::ptr_eq(memory.to_runtime().engine(), &self.engine.inner) {
            return Err(Error::msg("the shared memory is of another engine"));
        }
        self.insert(module, name, Definition::Object(memory.into()))?;
        Ok(self)
    }

    /// Defines all exports of an instance under a module name.
    ///
    /// # Errors
    /// If a name is taken, or if the instance belongs to another store.
    pub fn instance(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        instance: Instance,
    ) -> Result<&mut Linker<T>> {
        instance.check(store.as_context().id())?;
        for export in instance.exports(store.as_context_mut()) {
            let object = Definition::Object(export.value());
            self.insert(module, export.name(), object)?;
        }
        Ok(self)
    }

    /// Instantiates a module, calls its `_initialize` function if it exports one, and defines all its exports under a module name.
    ///
    /// # Errors
    /// As [`Linker::instantiate`] and [`Linker::instance`].
    pub fn module(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        name: &str,
        module: &Module,
    ) -> Result<&mut Linker<T>> {
        let instance = self.instantiate(store.as_context_mut(), module)?;
        if let Some(initialize) = instance.get_func(store.as_context_mut(), "_initialize") {
            initialize.call(store.as_context_mut(), &[], &mut [])?;
        }
        self.instance(store, name, instance)
    }

    /// Defines under a second name what is defined under a first one.
    ///
    /// # Errors
    /// If the first name is not defined, or if the second is taken.
    pub fn alias(
        &mut self,
        module: &str,
        name: &str,
        as_module: &str,
        as_name: &str,
    ) -> Result<&mut Linker<T>> {
        let definition = self.find(module, name).cloned();
        let definition = definition
            .ok_or_else(|| Error::msg(format_args!("`{module}::{name}` is not defined")))?;
        self.insert(as_module, as_name, definition)?;
        Ok(self)
    }

    /// Defines all of a module name's definitions under a second module name.
    ///
    /// # Errors
    /// If the first module name has no definitions, or if a name is taken.
    pub fn alias_module(&mut self, module: &str, as_module: &str) -> Result<&mut Linker<T>> {
        let definitions = self.modules.get(module).cloned();
        let definitions =
            definitions.ok_or_else(|| Error::msg(format_args!("no module `{module}`")))?;
        for (name, definition) in definitions {
            self.insert(as_module, &name, definition)?;
        }
        Ok(self)
    }

    /// Defines every function that the module imports and that is not defined yet: calling it is an error.
    ///
    /// # Errors
    /// If something else than a function is missing.
    pub fn define_unknown_imports_as_traps(&mut self, module: &Module) -> Result<()> {
        for import in module.imports() {
            if self.find(import.module(), import.name()).is_some() {
                continue;
            }
            let unknown = self.unknown(&import);
            let ExternType::Func(ty) = import.ty() else { return Err(unknown.into()) };
            self.func_new(import.module(), import.name(), ty.clone(), move |_, _, _| {
                Err(unknown.clone().into())
            })?;
        }
        Ok(())
    }

    /// What a name stands for in a store; `None` if nothing, or if the store is of another engine.
    pub fn get(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        name: &str,
    ) -> Option<Extern> {
        let mut store = store.as_context_mut();
        if !Engine::same(store.engine(), &self.engine) {
            return None;
        }
        Some(self.find(module, name)?.object(&mut store))
    }

    /// The defined names: module and field, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let modules = self.modules.iter();
        modules.flat_map(|(module, fields)| fields.keys().map(move |name| (&**module, &**name)))
    }

    /// Instantiates a module with the definitions that its imports name, and runs its start function.
    ///
    /// # Errors
    /// [`UnknownImportError`] with the nearest names that exist; otherwise as [`Instance::new`].
    ///
    /// # Panics
    /// As [`Instance::new`].
    pub fn instantiate(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<Instance> {
        let mut store = store.as_context_mut();
        if !Engine::same(store.engine(), &self.engine) {
            return Err(Error::msg("the linker was made for another engine than the store's"));
        }
        let definitions = self.definitions(module);
        let imports = definitions.map(|definition| definition?.resolve(&mut store));
        let imports = imports.collect::<Result<Vec<_>>>()?;
        // SAFETY: `resolve` has checked that the objects are of this store.
        unsafe { Instance::with_runtime(&mut store, module, &imports) }
    }

    /// Looks up a module's imports, for instantiating it many times: only stores and their objects are left to be made then.
    ///
    /// # Errors
    /// [`UnknownImportError`], or a module of another engine than the linker's.
    pub fn instantiate_pre(&self, module: &Module) -> Result<InstancePre<T>> {
        if !Engine::same(&module.engine(), &self.engine) {
            return Err(Error::msg("the module was loaded into another engine than the linker's"));
        }
        let definitions = self.definitions(module).map(|definition| definition.cloned());
        Ok(InstancePre::new(module.clone(), definitions.collect::<Result<_>>()?))
    }

    /// What the imports of a module name, in order.
    fn definitions(&self, module: &Module) -> impl Iterator<Item = Result<&Definition>> {
        let imports = module.loaded.module().imports().iter().enumerate();
        imports.map(|(index, import)| {
            self.find(&import.module, &import.name).ok_or_else(|| {
                let import = module.imports().nth(index).expect("counted along the same list");
                self.unknown(&import).into()
            })
        })
    }

    fn unknown(&self, import: &ImportType<'_>) -> UnknownImportError {
        let (module, name) = (import.module(), import.name());
        let hint = match self.modules.get(module) {
            Some(fields) => suggest::hint(name, fields.keys().map(|name| &**name)),
            None => {
                let others = self.modules.iter().filter(|(_, fields)| fields.contains_key(name));
                let elsewhere = others.map(|(module, _)| &**module).min();
                match elsewhere {
                    Some(elsewhere) => format!("; did you mean `{elsewhere}::{name}`?"),
                    None => {
                        let modules = self.modules.keys().map(|name| &**name);
                        let hint = suggest::hint(module, modules);
                        format!("; nothing is defined in module `{module}`{hint}")
                    }
                }
            }
        };
        let kind = import.ty().kind();
        UnknownImportError { kind, module: module.into(), name: name.into(), hint }
    }
}

impl Definition {
    /// The object in a store of the definition's engine.
    ///
    /// # Errors
    /// If it is an object of another store.
    pub(crate) fn resolve<T>(&self, store: &mut StoreContextMut<'_, T>) -> Result<rt::Extern> {
        match self {
            Definition::Host(def) => Ok(rt::Extern::Func(store.linked(def))),
            Definition::Object(object) => object.to_runtime(store),
        }
    }

    fn object<T>(&self, store: &mut StoreContextMut<'_, T>) -> Extern {
        match self {
            Definition::Host(def) => {
                let func = store.linked(def);
                Extern::Func(Func::from_runtime(store.id(), func))
            }
            Definition::Object(object) => object.clone(),
        }
    }
}

impl<T> fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.names().collect();
        names.sort_unstable();
        f.debug_list().entries(names).finish()
    }
}
