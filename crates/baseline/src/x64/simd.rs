//! Owns operators on vectors: loads and stores of them, lanes, arithmetic, relaxed operators.
//! Does not own moves of vectors between registers and homes (`values`).
//!
//! A vector is in one vector register, or in 16 bytes of memory that need not be aligned. A constant entry of type V128 stands for its bits with zeros above.

use sterna_isa::Op;
use sterna_module::Imm;

use super::{Done, Gen, refused};

impl Gen<'_> {
    /// An operator that has vectors among its operands or results.
    pub(super) fn vector(&mut self, op: Op, _imm: &Imm<'_>) -> Done {
        Err(refused(op))
    }
}
