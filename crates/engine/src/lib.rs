//! Owns the public Rust API of the Sterna WebAssembly engine.
//! Does not own any behaviour of guests: this crate wires tiers into the runtime and types into slots.

mod caller;
mod config;
mod engine;
mod error;
mod externref;
mod func;
mod global;
mod handle;
mod host;
mod instance;
mod linker;
mod memory;
mod module;
mod source;
mod store;
mod suggest;
mod table;
mod text;
mod tiers;
mod trap;
mod typed;
mod types;
mod value;

pub use caller::Caller;
pub use config::{Config, Tier};
pub use engine::Engine;
pub use error::{Error, Result};
pub use externref::ExternRef;
pub use func::{Func, TypedFunc};
pub use global::Global;
pub use host::{IntoFunc, WasmRet};
pub use instance::{Export, Extern, Instance};
pub use linker::{Linker, UnknownImportError};
pub use memory::{Memory, MemoryAccessError};
pub use module::Module;
pub use source::SourceFrame;
pub use store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};
pub use table::Table;
pub use text::TextError;
pub use trap::{Backtrace, FrameInfo, Trap};
pub use typed::{WasmList, WasmTy};
pub use types::{
    ExportType, ExternType, GlobalType, ImportType, MemoryType, Mutability, TableType,
};
pub use value::{Ref, V128, Val};

pub use sterna_abi::{CapturedFrame, CapturedValue};
pub use sterna_isa::{
    Feature, FeatureSet, FuncType, HeapType, RefType, Standard, TrapCode, ValType,
};
pub use sterna_module::ModuleError;
pub use sterna_runtime::{ArtifactError, ImportMismatch, InterruptHandle, Limits, LinkError};
