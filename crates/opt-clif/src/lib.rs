//! Lowers the graphs of the optimizing tier to machine code through Cranelift: the tier's implementation of `abi`'s [`Compiler`].
//! Does not optimize by itself: `opt` does on the graph, Cranelift on its own form.
//!
//! ```text
//! Graph ── lower ──► CLIF ── Cranelift ──► CompiledCode ── artifact ──► FunctionCode
//! ```
//!
//! [`Compiler`]: sterna_abi::Compiler

#![forbid(unsafe_code)]

mod adapters;
mod artifact;
mod compiler;
mod lower;
mod positions;
mod signature;
mod target;

pub use compiler::{ClifCompiler, Options};
pub use target::TargetError;
