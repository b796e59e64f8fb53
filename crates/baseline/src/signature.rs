//! Owns where parameters and results of wasm functions are: the same rule as the optimizing tier's, for x86-64.
//! Does not emit code.
//!
//! Parameters: the vmctx; then, if some results do not fit registers, the address of the *result area*; then the wasm parameters in order;
//! six integers and eight floats or vectors in registers, the rest on the stack, aligned to its size.
//! Results: two integers and two floats or vectors in registers; each further one in the result area at a multiple of 8 bytes, in order.
//! The conventions differ in the register of the second integer result, and in who removes the arguments from the stack: in **tail** the callee.

use sterna_abi::Convention;
use sterna_isa::ValType;

use crate::x64::{R8, R9, RAX, RCX, RDI, RDX, RSI};

/// Hardware numbers of the registers of integer parameters.
pub(crate) const INT_PARAMS: [u8; 6] = [RDI.0, RSI.0, RDX.0, RCX.0, R8.0, R9.0];
const FLOAT_PARAMS: u8 = 8;
const RESULTS: u8 = 2;

/// Where a parameter is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// In an integer register.
    Int(u8),
    /// In a vector register.
    Float(u8),
    /// At this offset from the first argument on the stack; or from the beginning of the result area.
    Memory(u32),
}

fn is_float(ty: ValType) -> bool {
    matches!(ty, ValType::F32 | ValType::F64 | ValType::V128)
}

/// Size in bytes of the result area, 0 if there is none.
pub(crate) fn area_size(results: &[ValType]) -> u32 {
    let mut places = Results::new(Convention::Reg);
    results.iter().for_each(|&ty| _ = places.next(ty));
    places.area
}

/// Hands out the places of results in order.
pub(crate) struct Results {
    convention: Convention,
    ints: u8,
    floats: u8,
    /// Bytes of the area so far.
    pub area: u32,
}

impl Results {
    pub fn new(convention: Convention) -> Results {
        Results { convention, ints: 0, floats: 0, area: 0 }
    }

    pub fn next(&mut self, ty: ValType) -> Place {
        let second = if self.convention == Convention::Reg { RDX.0 } else { RCX.0 };
        if is_float(ty) && self.floats < RESULTS {
            self.floats += 1;
            return Place::Float(self.floats - 1);
        }
        if !is_float(ty) && self.ints < RESULTS {
            self.ints += 1;
            return Place::Int([RAX.0, second][usize::from(self.ints) - 1]);
        }
        self.area += ty.slots() as u32 * 8;
        Place::Memory(self.area - ty.slots() as u32 * 8)
    }
}

/// Hands out the places of parameters in order.
pub(crate) struct Params {
    ints: usize,
    floats: u8,
    stack: u32,
}

impl Params {
    /// For a signature with or without result area, whose address is the second parameter then.
    pub fn new(area: bool) -> Params {
        Params { ints: 1 + usize::from(area), floats: 0, stack: 0 }
    }

    pub fn next(&mut self, ty: ValType) -> Place {
        if is_float(ty) && self.floats < FLOAT_PARAMS {
            self.floats += 1;
            return Place::Float(self.floats - 1);
        }
        if !is_float(ty) && self.ints < INT_PARAMS.len() {
            self.ints += 1;
            return Place::Int(INT_PARAMS[self.ints - 1]);
        }
        let size = ty.slots() as u32 * 8;
        self.stack = self.stack.next_multiple_of(size) + size;
        Place::Memory(self.stack - size)
    }

    /// Bytes of arguments on the stack.
    pub fn stack_size(&self) -> u32 {
        self.stack.next_multiple_of(16)
    }
}

/// Bytes of arguments on the stack of a function.
pub(crate) fn stack_size(params: &[ValType], results: &[ValType]) -> u32 {
    let mut places = Params::new(area_size(results) > 0);
    params.iter().for_each(|&ty| _ = places.next(ty));
    places.stack_size()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValType::*;

    #[test]
    fn results_beyond_the_registers_go_to_the_area() {
        let results = [I32, F32, I64, V128, ValType::FUNCREF, V128, F64, I32];
        let mut places = Results::new(Convention::Tail);
        let found: Vec<Place> = results.iter().map(|&ty| places.next(ty)).collect();
        assert_eq!(found[..4], [Place::Int(0), Place::Float(0), Place::Int(1), Place::Float(1)]);
        assert_eq!(found[4..], [0, 8, 24, 32].map(Place::Memory));
        assert_eq!(area_size(&results), 40);
    }

    #[test]
    fn parameters_beyond_the_registers_are_aligned_on_the_stack() {
        let mut places = Params::new(true);
        let ints: Vec<Place> = (0..5).map(|_| places.next(I64)).collect();
        assert_eq!(ints[3..], [Place::Int(R9.0), Place::Memory(0)]);
        for _ in 0..8 {
            places.next(F32);
        }
        assert_eq!(places.next(V128), Place::Memory(16));
        assert_eq!(places.next(I32), Place::Memory(32));
        assert_eq!(places.stack_size(), 48);
    }
}
