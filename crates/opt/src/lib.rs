//! The SSA graph of a wasm function and the passes on it: the mid-end of the optimizing tier.
//! Does not select instructions or know machine code: a backend (`opt-clif`) lowers finished graphs.
//!
//! ```text
//! module.body(func) ── Builder::build ──► Graph ── passes::run ──► Graph ── backend
//! ```
//!
//! [`Graph`] describes the form, [`build`] how it is made in one pass over the body, [`passes`] what is done to it. `Display`
//! prints a graph, [`parse`] reads it back: that is how tests are written.

#![forbid(unsafe_code)]

pub mod build;
mod graph;
mod parse;
pub mod passes;
mod print;
pub mod roots;

pub use build::{BuildError, BuildOptions, Builder};
pub use graph::{
    Block, BlockData, CalleeTest, Def, Edge, EdgeData, Graph, Inst, InstData, LandingData, List,
    MemAccess, Opcode, Origin, State, StateData, Type, Value,
};
pub use parse::{ParseError, parse};
