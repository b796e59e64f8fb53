//! Owns `Instance` and `Extern`: instantiating with given imports, and reaching exports.
//! Does not own name resolution (`linker`).

use std::ptr::NonNull;
use std::sync::Arc;

use sterna_runtime as rt;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::func::{Func, TypedFunc};
use crate::global::Global;
use crate::handle::Handle;
use crate::memory::Memory;
use crate::module::Module;
use crate::shared_memory::SharedMemory;
use crate::store::{AsContext, AsContextMut, StoreContext, StoreContextMut, StoreId};
use crate::table::Table;
use crate::tag::Tag;
use crate::typed::WasmList;
use crate::types::ExternType;

/// An object that can be imported or exported.
#[derive(Clone, Debug)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A global.
    Global(Global),
    /// A table.
    Table(Table),
    /// A linear memory.
    Memory(Memory),
    /// A linear memory that other stores may have, too.
    SharedMemory(SharedMemory),
    /// An exception tag.
    Tag(Tag),
}

macro_rules! kinds {
    ($($variant:ident, $into:ident, $doc:literal;)*) => {
        impl Extern {
            $(#[doc = concat!("The ", $doc, ", if it is one.")]
            pub fn $into(self) -> Option<$variant> {
                match self {
                    Extern::$variant(object) => Some(object),
                    _ => None,
                }
            })*
        }

        $(impl From<$variant> for Extern {
            fn from(object: $variant) -> Extern {
                Extern::$variant(object)
            }
        })*
    };
}

kinds! {
    Func, into_func, "function";
    Global, into_global, "global";
    Table, into_table, "table";
    Memory, into_memory, "memory of one store";
    SharedMemory, into_shared_memory, "shared memory";
    Tag, into_tag, "tag";
}

impl Extern {
    /// Its type; for tables and memories with the declared minimum.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> ExternType {
        match self {
            Extern::Func(func) => ExternType::Func(func.ty(store)),
            Extern::Global(global) => ExternType::Global(global.ty(store)),
            Extern::Table(table) => ExternType::Table(table.ty(store)),
            Extern::Memory(memory) => ExternType::Memory(memory.ty(store)),
            Extern::SharedMemory(memory) => ExternType::Memory(memory.ty()),
            Extern::Tag(tag) => ExternType::Tag(tag.ty(store)),
        }
    }

    /// # Safety
    /// The object's store must be borrowed.
    pub(crate) unsafe fn from_runtime(store: StoreId, object: rt::Extern) -> Extern {
        match object {
            rt::Extern::Func(at) => Extern::Func(Func::from_runtime(store, at)),
            rt::Extern::Table(at) => Extern::Table(Table::from_runtime(store, at)),
            rt::Extern::Memory(at) => {
                // SAFETY: the memory lives in the store, which is borrowed.
                match unsafe { at.as_ref() }.shared() {
                    Some(shared) => {
                        Extern::SharedMemory(SharedMemory::from_runtime(shared.clone()))
                    }
                    None => Extern::Memory(Memory::from_runtime(store, at)),
                }
            }
            rt::Extern::Global(at) => Extern::Global(Global::from_runtime(store, at)),
            rt::Extern::Tag(at) => Extern::Tag(Tag::from_runtime(store, at)),
        }
    }

    /// Fails if it cannot be used in a store: because it belongs to another one or, if shared, to another engine.
    pub(crate) fn check<T>(&self, store: StoreContext<'_, T>) -> Result<()> {
        let id = store.id();
        match self {
            Extern::Func(func) => func.to_runtime(id).map(drop),
            Extern::Table(table) => table.to_runtime(id).map(drop),
            Extern::Memory(memory) => memory.to_runtime(id).map(drop),
            Extern::Global(global) => global.to_runtime(id).map(drop),
            Extern::Tag(tag) => tag.to_runtime(id).map(drop),
            Extern::SharedMemory(memory) => {
                match Arc::ptr_eq(memory.to_runtime().engine(), &store.engine().inner) {
                    true => Ok(()),
                    false => Err(Error::msg("the shared memory is of another engine")),
                }
            }
        }
    }

    pub(crate) fn to_runtime<T>(&self, context: &mut StoreContextMut<'_, T>) -> Result<rt::Extern> {
        self.check(context.as_context())?;
        let store = context.id();
        Ok(match self {
            Extern::SharedMemory(memory) => {
                let memory = context.rt_mut().shared_memory(memory.to_runtime());
                rt::Extern::Memory(memory.map_err(Error::from_link)?)
            }
            Extern::Func(func) => rt::Extern::Func(func.to_runtime(store)?),
            Extern::Table(table) => rt::Extern::Table(table.to_runtime(store)?),
            Extern::Memory(memory) => rt::Extern::Memory(memory.to_runtime(store)?),
            Extern::Global(global) => rt::Extern::Global(global.to_runtime(store)?),
            Extern::Tag(tag) => rt::Extern::Tag(tag.to_runtime(store)?),
        })
    }
}

/// An export of an instance.
#[derive(Clone, Debug)]
pub struct Export {
    name: String,
    value: Extern,
}

impl Export {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The object.
    pub fn value(&self) -> Extern {
        self.value.clone()
    }

    /// The object.
    pub fn into_extern(self) -> Extern {
        self.value
    }
}

/// An instance of a module in a store. It lives as long as the store.
#[derive(Clone, Copy, Debug)]
pub struct Instance {
    handle: Handle<rt::Instance>,
}

impl Instance {
    pub(crate) fn from_runtime(store: StoreId, at: NonNull<rt::Instance>) -> Instance {
        Instance { handle: Handle::new(store, at) }
    }

    /// Instantiates a module with imports in the order of `Module::imports`, and runs its start function. A
    /// [`Linker`](crate::Linker) finds imports by name.
    ///
    /// # Errors
    /// Wrong number or types of imports ([`LinkError`](crate::LinkError)), objects of another store or engine, limits of the store,
    /// a [`Trap`](crate::Trap) of a segment or of the start function.
    ///
    /// # Panics
    /// When a host function called by the start function does.
    pub fn new(
        mut store: impl AsContextMut,
        module: &Module,
        imports: &[Extern],
    ) -> Result<Instance> {
        let mut store = store.as_context_mut();
        let imports = imports.iter().map(|import| import.to_runtime(&mut store));
        let imports = imports.collect::<Result<Vec<_>>>()?;
        // SAFETY: the objects are of this store (checked just now).
        unsafe { Instance::with_runtime(&mut store, module, &imports) }
    }

    /// # Safety
    /// The imports must be objects of the store.
    pub(crate) unsafe fn with_runtime<T>(
        store: &mut StoreContextMut<'_, T>,
        module: &Module,
        imports: &[rt::Extern],
    ) -> Result<Instance> {
        if !Engine::same(store.engine(), &module.engine()) {
            return Err(Error::msg("the module was loaded into another engine than the store's"));
        }
        // SAFETY: passed on from the caller.
        let at = unsafe { rt::Store::instantiate(store.rt_ptr(), &module.loaded, imports) };
        Ok(Instance::from_runtime(store.id(), at.map_err(Error::from_link)?))
    }

    /// # Errors
    /// If it lives in another store.
    pub(crate) fn check(&self, store: StoreId) -> Result<()> {
        self.handle.get(store).map(|_| ())
    }

    /// The module.
    ///
    /// # Panics
    /// If the instance belongs to another store; likewise below.
    pub fn module(&self, store: impl AsContext) -> Module {
        let at = self.handle.expect(store.as_context().id());
        // SAFETY: the instance lives in the store that is borrowed.
        Module::from_loaded(unsafe { at.as_ref() }.module().clone())
    }

    /// An export by name.
    pub fn get_export(&self, mut store: impl AsContextMut, name: &str) -> Option<Extern> {
        let id = store.as_context_mut().id();
        let at = self.handle.expect(id);
        // SAFETY: the instance lives in the store that is borrowed.
        let object = unsafe { at.as_ref() }.export(name)?;
        // SAFETY: as above.
        Some(unsafe { Extern::from_runtime(id, object) })
    }

    /// All exports in order.
    pub fn exports(&self, mut store: impl AsContextMut) -> impl ExactSizeIterator<Item = Export> {
        let id = store.as_context_mut().id();
        // SAFETY: the instance lives in the store that is borrowed.
        let instance = unsafe { self.handle.expect(id).as_ref() };
        let exports = instance.module().module().exports().iter().map(|export| Export {
            name: export.name.to_string(),
            // SAFETY: the object lives in the store that is borrowed.
            value: unsafe { Extern::from_runtime(id, instance.object(export.index)) },
        });
        exports.collect::<Vec<_>>().into_iter()
    }

    /// An exported function by name.
    pub fn get_func(&self, store: impl AsContextMut, name: &str) -> Option<Func> {
        self.get_export(store, name)?.into_func()
    }

    /// An exported function by name, with its type checked.
    ///
    /// ```
    /// # use sterna::*;
    /// # fn example(store: &mut Store<()>, instance: Instance) -> Result<()> {
    /// let div_mod = instance.get_typed_func::<(i32, i32), (i32, i32)>(&mut *store, "div_mod")?;
    /// let (quotient, rest) = div_mod.call(store, (17, 5))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there is no such function, or if its type is another one.
    pub fn get_typed_func<P: WasmList, R: WasmList>(
        &self,
        mut store: impl AsContextMut,
        name: &str,
    ) -> Result<TypedFunc<P, R>> {
        let func = self.get_func(store.as_context_mut(), name).ok_or_else(|| {
            let module = self.module(store.as_context_mut());
            let functions = module.exports().filter(|export| export.ty().func().is_some());
            let known = functions.map(|export| export.name().to_owned()).collect::<Vec<_>>();
            let hint = crate::suggest::hint(name, known.iter().map(String::as_str));
            Error::msg(format_args!("there is no exported function `{name}`{hint}"))
        })?;
        func.typed(store.as_context_mut())
            .map_err(|error| Error::msg(format_args!("exported function `{name}`: {error}")))
    }

    /// An exported memory by name, unless it is shared.
    pub fn get_memory(&self, store: impl AsContextMut, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.into_memory()
    }

    /// An exported shared memory by name.
    pub fn get_shared_memory(&self, store: impl AsContextMut, name: &str) -> Option<SharedMemory> {
        self.get_export(store, name)?.into_shared_memory()
    }

    /// An exported table by name.
    pub fn get_table(&self, store: impl AsContextMut, name: &str) -> Option<Table> {
        self.get_export(store, name)?.into_table()
    }

    /// An exported global by name.
    pub fn get_global(&self, store: impl AsContextMut, name: &str) -> Option<Global> {
        self.get_export(store, name)?.into_global()
    }
}
