//! Owns the tier-independent description of a suspended guest frame.
//! Does not know how a tier finds it.

use sterna_base::FuncIndex;
use sterna_isa::ValType;

/// A guest frame as every tier describes it: equal for the same program point in all tiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedFrame {
    /// Index of the function in its module.
    pub func: FuncIndex,
    /// Byte offset in the module of the operator being executed (for an outer frame: the call).
    pub wasm_offset: u32,
    /// All locals in order, if the frame's code records state.
    pub locals: Vec<CapturedValue>,
    /// The operand stack below the operands consumed by the current operator, bottom first.
    pub stack: Vec<CapturedValue>,
}

/// A raw value with its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturedValue {
    /// Its type.
    pub ty: ValType,
    /// Its bits, zero-extended.
    pub bits: u128,
}
