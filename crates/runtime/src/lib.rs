//! Owns running modules: store, instances, memories, tables, globals, host functions, builtin bodies, traps, code linking, tier policy.
//! Names no tier: interpreter and compiler come in through the traits of `abi`.

mod adapters;
mod artifact;
mod artifact_module;
mod atomics;
mod builtins;
mod call;
mod code;
mod consts;
mod controller;
mod debug_info;
mod engine;
mod error;
mod exception;
mod frames;
mod gc;
mod global;
mod host;
mod instance;
mod instantiate;
mod interrupt;
mod jitdump;
mod landing;
mod leave;
mod limits;
mod linking;
mod listing;
mod loaded;
mod memory;
mod objects;
mod partial;
mod sampling;
mod shared_memory;
mod sites;
mod stats;
mod store;
mod table;
mod tag;
mod tiering;
mod trap;
mod type_table;
mod types;
mod wait;

pub use artifact::{ArtifactError, is_artifact};
pub use code::CodeTier;
pub use engine::{Engine, Settings, TierPolicy, TierUp};
pub use error::{ImportMismatch, LinkError};
pub use exception::Exception;
pub use global::GlobalRef;
pub use host::{HostCall, HostClosure};
pub use instance::Instance;
pub use interrupt::InterruptHandle;
pub use limits::Limits;
pub use loaded::{LoadError, LoadedModule};
pub use memory::Memory;
pub use objects::Extern;
pub use sampling::{SampledFrame, Samples};
pub use shared_memory::SharedMemory;
pub use stats::{CompilerStats, Stats};
pub use store::Store;
pub use table::Table;
pub use tag::Tag;
pub use trap::{FrameInfo, HostError, Trap};
pub use types::{TypeId, TypeInfo, TypesError};

pub use gc::Held;
pub use sterna_gc::{
    Collection, HostValue, Owned as OwnedObject, PauseHistogram, ScopeMark, Stats as GcStats,
    Stress,
};

pub use sterna_abi::{CapturedFrame, CapturedValue, FuncRef, Slot};
