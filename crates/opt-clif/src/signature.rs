//! Owns how wasm signatures become machine signatures, the same way for bodies, adapters and all kinds of calls.
//! Does not emit code.
//!
//! # The rule
//! Parameters: the vmctx; then, if some results do not fit registers, the address of the *result area*; then the wasm
//! parameters in order (Cranelift's convention decides on registers and stack).
//! Results: the first two integers (or references) and the first two floats (or vectors) return in registers; each further one is
//! stored to the result area at a multiple of 8 bytes, in order, vectors taking 16. The caller owns the area; a tail
//! call passes on the one that its function got.

use cranelift_codegen::ir::{AbiParam, ArgumentPurpose, Signature, types};
use cranelift_codegen::isa::CallConv;
use sterna_abi::Convention;
use sterna_isa::ValType;

/// Results of either kind that return in registers.
const REGISTERS_PER_KIND: u32 = 2;

/// Where a result is returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ResultPlace {
    /// In the next register result.
    Register,
    /// At this offset in the result area.
    Area(u32),
}

/// Cranelift's calling convention for a convention of the engine.
pub(crate) fn call_conv(convention: Convention) -> CallConv {
    match convention {
        Convention::Reg => CallConv::SystemV,
        Convention::Tail => CallConv::Tail,
    }
}

/// The type in which CLIF passes a value.
pub(crate) fn clif_type(ty: ValType) -> types::Type {
    match ty {
        ValType::I32 => types::I32,
        ValType::I64 | ValType::Ref(_) => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::V128 => types::I8X16,
    }
}

/// Places of all results, and the size of the area in bytes (0 = none).
pub(crate) fn result_places(results: &[ValType], places: &mut Vec<ResultPlace>) -> u32 {
    places.clear();
    let (mut integers, mut floats, mut area) = (0, 0, 0);
    for &ty in results {
        let used = match ty {
            ValType::I32 | ValType::I64 | ValType::Ref(_) => &mut integers,
            ValType::F32 | ValType::F64 | ValType::V128 => &mut floats,
        };
        *used += 1;
        if *used <= REGISTERS_PER_KIND {
            places.push(ResultPlace::Register);
        } else {
            places.push(ResultPlace::Area(area));
            area += ty.slots() as u32 * 8;
        }
    }
    area
}

/// The machine signature of a wasm function.
pub(crate) fn signature(
    params: &[ValType],
    results: &[ValType],
    convention: Convention,
) -> Signature {
    let mut places = Vec::new();
    let area = result_places(results, &mut places);
    let mut signature = Signature::new(call_conv(convention));
    signature.params.push(AbiParam::special(types::I64, ArgumentPurpose::VMContext));
    if area > 0 {
        signature.params.push(AbiParam::new(types::I64));
    }
    signature.params.extend(params.iter().map(|&ty| AbiParam::new(clif_type(ty))));
    let in_registers =
        results.iter().zip(&places).filter(|(_, place)| **place == ResultPlace::Register);
    signature.returns.extend(in_registers.map(|(&ty, _)| AbiParam::new(clif_type(ty))));
    signature
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_beyond_the_registers_go_to_the_area() {
        use ValType::*;
        let results = [I32, F32, I64, V128, ValType::FUNCREF, V128, F64, I32];
        let mut places = Vec::new();
        let area = result_places(&results, &mut places);
        let r = ResultPlace::Register;
        let a = ResultPlace::Area;
        assert_eq!((area, &places[..]), (40, &[r, r, r, r, a(0), a(8), a(24), a(32)][..]));
        let signature = signature(&[I32], &results, Convention::Reg);
        assert_eq!((signature.params.len(), signature.returns.len()), (3, 4));
    }
}
