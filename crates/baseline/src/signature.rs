//! Owns where parameters and results of wasm functions are: the same rule as the optimizing tier's.
//! Does not emit code.
//!
//! Parameters: the vmctx; then, if some results do not fit registers, the address of the *result area*; then the wasm parameters in order;
//! some integers and eight floats or vectors in registers, the rest on the stack, aligned to its size.
//! Results: two integers and two floats or vectors in registers; each further one in the result area at a multiple of 8 bytes, in order.
//! The conventions differ in registers, and in who removes the arguments from the stack: in **tail** the callee.

use sterna_isa::ValType;

/// The registers of a convention, by hardware number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    /// Of integer parameters.
    pub params: &'static [u8],
    /// Of integer results.
    pub results: [u8; RESULTS],
}

const FLOAT_PARAMS: u8 = 8;
const RESULTS: usize = 2;

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
    if results.len() <= RESULTS {
        return 0;
    }
    let mut places = Results::new(Registers { params: &[], results: [0, 0] });
    results.iter().for_each(|&ty| _ = places.next(ty));
    places.area
}

/// Hands out the places of results in order.
pub(crate) struct Results {
    registers: Registers,
    ints: usize,
    floats: u8,
    /// Bytes of the area so far.
    pub area: u32,
}

impl Results {
    pub fn new(registers: Registers) -> Results {
        Results { registers, ints: 0, floats: 0, area: 0 }
    }

    pub fn next(&mut self, ty: ValType) -> Place {
        if is_float(ty) && usize::from(self.floats) < RESULTS {
            self.floats += 1;
            return Place::Float(self.floats - 1);
        }
        if !is_float(ty) && self.ints < RESULTS {
            self.ints += 1;
            return Place::Int(self.registers.results[self.ints - 1]);
        }
        self.area += ty.slots() as u32 * 8;
        Place::Memory(self.area - ty.slots() as u32 * 8)
    }
}

/// Hands out the places of parameters in order.
pub(crate) struct Params {
    registers: &'static [u8],
    ints: usize,
    floats: u8,
    stack: u32,
}

impl Params {
    /// For a signature with or without result area, whose address is the second parameter then.
    pub fn new(registers: Registers, area: bool) -> Params {
        Params { registers: registers.params, ints: 1 + usize::from(area), floats: 0, stack: 0 }
    }

    pub fn next(&mut self, ty: ValType) -> Place {
        if is_float(ty) && self.floats < FLOAT_PARAMS {
            self.floats += 1;
            return Place::Float(self.floats - 1);
        }
        if !is_float(ty) && self.ints < self.registers.len() {
            self.ints += 1;
            return Place::Int(self.registers[self.ints - 1]);
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
pub(crate) fn stack_size(registers: Registers, params: &[ValType], results: &[ValType]) -> u32 {
    let mut places = Params::new(registers, area_size(results) > 0);
    params.iter().for_each(|&ty| _ = places.next(ty));
    places.stack_size()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValType::*;

    const REGISTERS: Registers = Registers { params: &[7, 6, 2, 1, 8, 9], results: [0, 1] };

    #[test]
    fn results_beyond_the_registers_go_to_the_area() {
        let results = [I32, F32, I64, V128, ValType::FUNCREF, V128, F64, I32];
        let mut places = Results::new(REGISTERS);
        let found: Vec<Place> = results.iter().map(|&ty| places.next(ty)).collect();
        assert_eq!(found[..4], [Place::Int(0), Place::Float(0), Place::Int(1), Place::Float(1)]);
        assert_eq!(found[4..], [0, 8, 24, 32].map(Place::Memory));
        assert_eq!(area_size(&results), 40);
    }

    #[test]
    fn parameters_beyond_the_registers_are_aligned_on_the_stack() {
        let mut places = Params::new(REGISTERS, true);
        let ints: Vec<Place> = (0..5).map(|_| places.next(I64)).collect();
        assert_eq!(ints[3..], [Place::Int(9), Place::Memory(0)]);
        for _ in 0..8 {
            places.next(F32);
        }
        assert_eq!(places.next(V128), Place::Memory(16));
        assert_eq!(places.next(I32), Place::Memory(32));
        assert_eq!(places.stack_size(), 48);
    }
}
