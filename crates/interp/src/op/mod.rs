//! Owns the instructions: one type per operation and operand form, whose `run` is the body of a handler.
//! Does not own which form is used when: `translate`.

pub(crate) mod atomic;
pub(crate) mod branch;
pub(crate) mod builtin;
pub(crate) mod call;
pub(crate) mod enter;
pub(crate) mod exception;
pub(crate) mod fused;
pub(crate) mod gc;
pub(crate) mod memory;
pub(crate) mod pure;
pub(crate) mod simd;
pub(crate) mod variable;
