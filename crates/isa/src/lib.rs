//! The WebAssembly instruction set as data: operators, types, features and trap codes.
//! Not here: what an operator computes (`eval`) and how a module is decoded (`module`).
//!
//! [`Op`] and every `for_each_*!` macro come from one table, the files of [`table`].

#![forbid(unsafe_code)]

pub mod table;

mod feature;
mod op;
mod trap;
mod types;

pub use feature::{Feature, FeatureSet, Standard};
pub use op::{Class, ImmKind, MemType, Op, RmwOp, Ty};
pub use trap::TrapCode;
pub use types::{
    CompositeType, FieldType, FuncType, HeapType, RefType, StorageType, SubType, ValType,
};
