//! Owns decoding and validation: bytes in, an immutable [`Module`] out, function bodies readable operator by operator.
//! Does not execute or compile; parsing and validation rules themselves are `wasmparser`'s.
#![forbid(unsafe_code)]

mod body;
mod bytes;
mod compact;
mod const_expr;
mod constant_tables;
mod convert;
mod decode;
mod error;
mod features;
mod hints;
mod items;
mod methods;
mod module;
mod names;
mod operators;
mod validate;

pub use body::{BlockType, Body, BrTable, Catch, Imm, MemArg, Operator, TryTable};
pub use bytes::ModuleBytes;
pub use compact::{Compact, Form};
pub use const_expr::{ConstExpr, ConstOp};
pub use constant_tables::{ConstantTable, MAX_TARGETS};
pub use error::{ModuleError, ReadError};
pub use items::{
    DataSegment, ElemItems, ElemSegment, Export, ExternIndex, ExternType, GlobalType, Import,
    MemoryType, SegmentMode, TableType,
};
pub use methods::MAX_METHODS;
pub use module::Module;
pub use names::{InnerNameKind, NameKind, Names};
pub use operators::{LocalGroups, Operators};
pub use validate::{BodyFacts, PARALLEL_MIN_BYTES};
