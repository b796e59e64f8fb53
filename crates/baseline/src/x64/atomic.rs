//! Owns atomic accesses, waiting and notifying.
//! Does not own plain accesses (`memory`).

use sterna_isa::Op;
use sterna_module::Imm;

use super::{Done, Gen, refused};

impl Gen<'_> {
    /// An atomic operator.
    pub(super) fn atomic(&mut self, op: Op, _imm: &Imm<'_>) -> Done {
        Err(refused(op))
    }
}
