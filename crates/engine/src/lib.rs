//! Owns the public Rust API of the Sterna WebAssembly engine.
//! Does not own any behaviour of guests: this crate wires tiers into the runtime and types into slots.
//!
//! ```
//! use sterna::{Caller, Engine, Linker, Module, Store};
//!
//! // One engine per process. Modules are loaded for it, from the binary or the text format.
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"
//!     (module
//!         (import "host" "log" (func $log (param i32)))
//!         (func (export "sum") (param $n i32) (result i32) (local $sum i32)
//!             (loop $next
//!                 (local.set $sum (i32.add (local.get $sum) (local.get $n)))
//!                 (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
//!             (call $log (local.get $sum))
//!             (local.get $sum)))
//! "#)?;
//!
//! // What modules may import. The closure's Rust types are its WebAssembly type.
//! let mut linker = Linker::<Vec<i32>>::new(&engine);
//! linker.func_wrap("host", "log", |mut caller: Caller<'_, Vec<i32>>, value: i32| {
//!     caller.data_mut().push(value);
//! })?;
//!
//! // A store holds instances, and the host's own data: here the log.
//! let mut store = Store::new(&engine, Vec::new());
//! let instance = linker.instantiate(&mut store, &module)?;
//! let sum = instance.get_typed_func::<i32, i32>(&mut store, "sum")?;
//! assert_eq!(sum.call(&mut store, 100)?, 5050);
//! assert_eq!(store.data(), &[5050]);
//! # Ok::<(), sterna::Error>(())
//! ```
//!
//! # The pieces
//! | type | what it is | lives |
//! |---|---|---|
//! | [`Engine`] | configuration ([`Config`]), tiers, shared caches | once per process |
//! | [`Module`] | a valid module with its code; cheap to clone | as long as you like, on any thread |
//! | [`Linker`] | definitions for imports, independent of stores | once per set of host functions |
//! | [`Store`] | a world of instances with the host's data `T` | as long as its guests: a request, a plugin, a program |
//! | [`Instance`], [`Func`], [`Memory`], [`Table`], [`Global`] | handles to objects of a store | as long as the store |
//! | [`AnyRef`], [`StructRef`], [`ArrayRef`], [`ExternRef`] | references to what the guest's collector frees | as long as their scope: see [`Reference`] |
//! | [`Owned`] | the same, kept | as long as you like, on any thread |
//!
//! Handles are small and `Copy`. Whoever uses one passes the store, by anything that is [`AsContext`] or [`AsContextMut`]:
//! `&mut Store<T>` outside, `&mut Caller<'_, T>` in a host function. A handle of another store is refused with an error,
//! or with a panic by methods that return none.
//!
//! # Calling
//! [`Instance::get_typed_func`] checks a function's type once and gives a [`TypedFunc`], whose calls allocate and check nothing;
//! [`Func::call`] takes and returns [`Val`]s when types are known only at run time. The Rust types of WebAssembly values are those
//! of [`WasmTy`].
//!
//! # Objects
//! Structures, arrays and values of the host that guests refer to are freed by a garbage collector. [`StructRef`], [`ArrayRef`], [`AnyRef`] and
//! [`ExternRef`] are the host's references to them; how long they last is said at [`Reference`].
//!
//! # Errors
//! Everything returns [`Error`], which carries any `std` error: a [`Trap`] with its backtrace if the guest went wrong, a
//! [`ModuleError`] or [`TextError`] if a module did, an [`UnknownImportError`] or [`LinkError`] in between, and the error of a
//! host function as itself.
//!
//! ```
//! use sterna::{Engine, Linker, Module, Store, Trap, TrapCode};
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"
//!     (module $calc
//!         (func $div (export "div") (param i32 i32) (result i32)
//!             (i32.div_s (local.get 0) (local.get 1))))
//! "#)?;
//! let mut store = Store::new(&engine, ());
//! let instance = Linker::new(&engine).instantiate(&mut store, &module)?;
//! let div = instance.get_typed_func::<(i32, i32), i32>(&mut store, "div")?;
//! assert_eq!(div.call(&mut store, (7, 2))?, 3);
//!
//! let error = div.call(&mut store, (7, 0)).unwrap_err();
//! let trap = error.downcast_ref::<Trap>().expect("division by zero is a trap");
//! assert_eq!(trap.code(), TrapCode::IntegerDivideByZero);
//! assert_eq!(trap.frames()[0].func_name(), Some("div"));
//! # Ok::<(), sterna::Error>(())
//! ```
//!
//! # Tiers
//! By default functions start in the interpreter, at once, and are compiled in the background when they have earned it
//! ([`Tier::Auto`]). [`Tier::Interp`] generates no machine code; [`Tier::Opt`] compiles everything when a module is loaded,
//! and [`Module::serialize`] keeps the result for other processes. Programs behave the same in every tier.
//!
//! # Guests that cannot be trusted
//! A guest reaches what its imports give it, and nothing else. [`Store::limits`] bounds its memory, tables, objects and instances,
//! [`Config::max_native_stack`] and [`Config::max_value_stack`] its recursion, and [`Store::interrupt_handle`] stops it from
//! another thread.
//!
//! # Features of this crate
//! `wat` (default): [`Module::new`] accepts the text format.
//!
//! Not there yet: async host functions.

mod anyref;
mod arrayref;
mod cache;
mod caller;
mod config;
mod engine;
mod error;
mod exception;
mod execution_profile;
mod externref;
mod func;
mod global;
mod handle;
mod host;
mod instance;
mod instance_pre;
mod linker;
mod memory;
mod module;
mod profile;
mod rooted;
mod shared_memory;
mod source;
mod store;
mod structref;
mod suggest;
mod table;
mod tag;
mod text;
mod tiers;
mod trap;
mod typed;
mod types;
mod value;

pub use anyref::{AnyRef, I31};
pub use arrayref::{ArrayRef, ArrayType};
pub use cache::{CacheEntry, CacheUsage, CodeCache};
pub use caller::Caller;
pub use config::{Config, Tier};
pub use engine::Engine;
pub use error::{Error, Result};
pub use exception::{Exception, ExnRef};
pub use execution_profile::{ExecutionProfile, ProfileError};
pub use externref::ExternRef;
pub use func::{Func, TypedFunc};
pub use global::Global;
pub use host::{HostBody, IntoFunc, WasmRet};
pub use instance::{Export, Extern, Instance};
pub use instance_pre::InstancePre;
pub use linker::{Linker, UnknownImportError};
pub use memory::{Memory, MemoryAccessError};
pub use module::Module;
pub use profile::{GuestProfile, ProfiledFunction, ProfiledSample};
pub use rooted::{Owned, Reference};
pub use shared_memory::SharedMemory;
pub use source::SourceFrame;
pub use sterna_runtime::CodeTier;
#[doc(hidden)]
pub use sterna_runtime::Stress as GcStress;
pub use sterna_runtime::{CompilerStats, GcStats, PauseHistogram, Stats};
pub use store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};
pub use structref::{StructRef, StructType};
pub use table::Table;
pub use tag::Tag;
pub use text::TextError;
pub use trap::{Backtrace, FrameInfo, Trap};
pub use typed::{WasmList, WasmTy};
pub use types::{
    ExportType, ExternType, GlobalType, ImportType, MemoryType, Mutability, TableType,
};
pub use value::{Ref, V128, Val};

pub use sterna_abi::{CapturedFrame, CapturedValue};
pub use sterna_isa::{
    CompositeType, Feature, FeatureSet, FieldType, FuncType, HeapType, RefType, Standard,
    StorageType, SubType, TrapCode, ValType,
};
pub use sterna_module::{InnerNameKind, ModuleError, NameKind};
pub use sterna_runtime::{ArtifactError, ImportMismatch, InterruptHandle, Limits, LinkError};
