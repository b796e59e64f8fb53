//! Owns how guest values lie in slots, accumulators and immediates, and the operand forms of instructions.
//! Does not own what is computed with them.

use sterna_eval::V128;

use crate::machine::Regs;

/// A guest value.
pub(crate) trait Value: Copy {
    /// Reads it from a slot.
    fn get(r: &Regs, slot: usize) -> Self;
    /// Writes it to a slot and, if its type has an accumulator, there too.
    fn put(self, r: &mut Regs, slot: usize);
}

/// A value of a type with an accumulator.
pub(crate) trait Scalar: Copy {
    /// Bytes of an immediate: 4 or 8.
    const IMMEDIATE: usize;
    /// The value of a slot.
    fn from_slot(bits: u64) -> Self;
    /// What to write to a slot.
    fn to_slot(self) -> u64;
    /// Reads the accumulator.
    fn accumulator(r: &Regs) -> Self;
    /// Writes the accumulator.
    fn accumulate(self, r: &mut Regs);
    /// Reads an immediate.
    fn immediate(r: &Regs, at: usize) -> Self;
}

impl<T: Scalar> Value for T {
    #[inline(always)]
    fn get(r: &Regs, slot: usize) -> Self {
        T::from_slot(r.slot(slot))
    }
    #[inline(always)]
    fn put(self, r: &mut Regs, slot: usize) {
        self.accumulate(r);
        r.set_slot(slot, self.to_slot());
    }
}

macro_rules! scalars {
    ($($ty:ty, $size:literal, from $bits:ident => $from:expr, to $value:ident => $to:expr,
       accumulator $r:ident.$register:ident => $read:expr, $write:expr, immediate $at:ident => $immediate:expr;)*) => {$(
        impl Scalar for $ty {
            const IMMEDIATE: usize = $size;
            #[inline(always)]
            fn from_slot($bits: u64) -> Self {
                $from
            }
            #[inline(always)]
            fn to_slot(self) -> u64 {
                let $value = self;
                $to
            }
            #[inline(always)]
            fn accumulator($r: &Regs) -> Self {
                $read
            }
            #[inline(always)]
            fn accumulate(self, $r: &mut Regs) {
                let $value = self;
                $r.$register = $write;
            }
            #[inline(always)]
            fn immediate($r: &Regs, $at: usize) -> Self {
                $immediate
            }
        }
    )*};
}

scalars! {
    i32, 4, from bits => bits as i32, to value => u64::from(value as u32),
        accumulator r.acc => r.acc as i32, u64::from(value as u32), immediate at => r.u32(at) as i32;
    i64, 8, from bits => bits as i64, to value => value as u64,
        accumulator r.acc => r.acc as i64, value as u64, immediate at => r.u64(at) as i64;
    f32, 4, from bits => f32::from_bits(bits as u32), to value => u64::from(value.to_bits()),
        accumulator r.f32 => r.f32, value, immediate at => f32::from_bits(r.u32(at));
    f64, 8, from bits => f64::from_bits(bits), to value => value.to_bits(),
        accumulator r.f64 => r.f64, value, immediate at => f64::from_bits(r.u64(at));
}

impl Value for V128 {
    #[inline(always)]
    fn get(r: &Regs, slot: usize) -> Self {
        V128(r.slot(slot))
    }
    #[inline(always)]
    fn put(self, r: &mut Regs, slot: usize) {
        r.set_slot(slot, self.0);
    }
}

/// Where a result goes: [`ToSlot`] or [`ToAcc`]. The slot is the 16-bit operand at 8 in every instruction with a result, also where it is unused, so
/// that the translator can turn one form into the other afterwards.
pub(crate) trait Dest<T> {
    /// Writes the result.
    fn write(r: &mut Regs, value: T);
}

/// Result to a slot, and to the accumulator of its class.
pub(crate) struct ToSlot;
/// Result to the accumulator of its class only.
pub(crate) struct ToAcc;

impl<T: Value> Dest<T> for ToSlot {
    #[inline(always)]
    fn write(r: &mut Regs, value: T) {
        let slot = r.u16(8);
        value.put(r, slot);
    }
}

impl<T: Scalar> Dest<T> for ToAcc {
    #[inline(always)]
    fn write(r: &mut Regs, value: T) {
        value.accumulate(r);
    }
}

/// One source operand: a slot number at `at`, or an immediate aligned after it.
pub(crate) trait Source<T> {
    /// Whether there is an immediate.
    const IMMEDIATE: bool;
    /// Reads the operand.
    fn read(r: &Regs, at: usize) -> T;
}

/// In a slot.
pub(crate) struct S;
/// In the accumulator.
pub(crate) struct A;
/// Immediate.
pub(crate) struct I;

impl<T: Value> Source<T> for S {
    const IMMEDIATE: bool = false;
    #[inline(always)]
    fn read(r: &Regs, at: usize) -> T {
        T::get(r, r.u16(at))
    }
}

impl<T: Scalar> Source<T> for A {
    const IMMEDIATE: bool = false;
    #[inline(always)]
    fn read(r: &Regs, _at: usize) -> T {
        T::accumulator(r)
    }
}

impl<T: Scalar> Source<T> for I {
    const IMMEDIATE: bool = true;
    #[inline(always)]
    fn read(r: &Regs, at: usize) -> T {
        T::immediate(r, immediate_at(at, T::IMMEDIATE))
    }
}

/// Two source operands: slot numbers at `at` and `at + 2`, an immediate aligned after `at + 2`.
pub(crate) trait Pair<T, U> {
    /// Bytes of the instruction whose operands begin at `at`.
    fn size(at: usize) -> usize;
    /// Reads the operands.
    fn read(r: &Regs, at: usize) -> (T, U);
}

/// Where the immediate of `size` bytes of a pair at `at` is.
pub(crate) const fn immediate_at(at: usize, size: usize) -> usize {
    (at + 2).next_multiple_of(size)
}

macro_rules! pairs {
    ($($pair:ty, $T:ident: $bound_t:ident, $U:ident: $bound_u:ident, $r:ident, $at:ident,
       $a:expr, $b:expr, $end:expr;)*) => {$(
        impl<$T: $bound_t, $U: $bound_u> Pair<$T, $U> for $pair {
            #[inline(always)]
            fn size($at: usize) -> usize {
                usize::next_multiple_of($end, 8)
            }
            #[inline(always)]
            fn read($r: &Regs, $at: usize) -> ($T, $U) {
                ($a, $b)
            }
        }
    )*};
}

pairs! {
    (S, S), T: Value, U: Value, r, at, T::get(r, r.u16(at)), U::get(r, r.u16(at + 2)), at + 4;
    (A, S), T: Scalar, U: Value, r, at, T::accumulator(r), U::get(r, r.u16(at + 2)), at + 4;
    (S, A), T: Value, U: Scalar, r, at, T::get(r, r.u16(at)), U::accumulator(r), at + 4;
    (S, I), T: Value, U: Scalar, r, at, T::get(r, r.u16(at)), U::immediate(r, immediate_at(at, U::IMMEDIATE)),
        immediate_at(at, U::IMMEDIATE) + U::IMMEDIATE;
    (A, I), T: Scalar, U: Scalar, r, at, T::accumulator(r), U::immediate(r, immediate_at(at, U::IMMEDIATE)),
        immediate_at(at, U::IMMEDIATE) + U::IMMEDIATE;
    (I, S), T: Scalar, U: Value, r, at, T::immediate(r, immediate_at(at, T::IMMEDIATE)), U::get(r, r.u16(at)),
        immediate_at(at, T::IMMEDIATE) + T::IMMEDIATE;
    (I, A), T: Scalar, U: Scalar, r, at, T::immediate(r, immediate_at(at, T::IMMEDIATE)), U::accumulator(r),
        immediate_at(at, T::IMMEDIATE) + T::IMMEDIATE;
}
