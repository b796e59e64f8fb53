//! Evaluation of operators on constants: the only constant folding that tiers do.
//! Not here: the functions themselves, and which constants a program has.

use std::fmt;
use std::ops::Deref;

use sterna_isa::{Op, TrapCode, ValType};

use crate::V128;

/// A constant. Floats are kept as bits, so that equality and hashing see every NaN.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// Bits of a 32-bit float.
    F32(u32),
    /// Bits of a 64-bit float.
    F64(u64),
    /// Vector.
    V128(V128),
}

impl Value {
    /// The type of the value.
    pub const fn ty(self) -> ValType {
        match self {
            Self::I32(_) => ValType::I32,
            Self::I64(_) => ValType::I64,
            Self::F32(_) => ValType::F32,
            Self::F64(_) => ValType::F64,
            Self::V128(_) => ValType::V128,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::I32(value) => write!(f, "I32({value})"),
            Self::I64(value) => write!(f, "I64({value})"),
            Self::F32(bits) => write!(f, "F32({:?} = {bits:#x})", f32::from_bits(bits)),
            Self::F64(bits) => write!(f, "F64({:?} = {bits:#x})", f64::from_bits(bits)),
            Self::V128(vector) => vector.fmt(f),
        }
    }
}

macro_rules! conversions {
    ($($variant:ident, $ty:ty, $value:ident => $inner:expr, $stored:ident => $outer:expr;)*) => {$(
        impl From<$ty> for Value {
            fn from($value: $ty) -> Self {
                Self::$variant($inner)
            }
        }

        impl TryFrom<Value> for $ty {
            type Error = ();

            fn try_from(value: Value) -> Result<Self, ()> {
                match value {
                    Value::$variant($stored) => Ok($outer),
                    _ => Err(()),
                }
            }
        }
    )*};
}
conversions! {
    I32, i32, value => value, stored => stored;
    I64, i64, value => value, stored => stored;
    F32, f32, value => value.to_bits(), stored => f32::from_bits(stored);
    F64, f64, value => value.to_bits(), stored => f64::from_bits(stored);
    V128, V128, value => value, stored => stored;
}

/// The results of one operator: one value, or two of wide arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Values {
    /// One result.
    One([Value; 1]),
    /// Two results, the first below the second on the operand stack.
    Two([Value; 2]),
}

impl Deref for Values {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        match self {
            Self::One(values) => values,
            Self::Two(values) => values,
        }
    }
}

impl<T: Into<Value>> From<T> for Values {
    fn from(value: T) -> Self {
        Self::One([value.into()])
    }
}

impl From<(i64, i64)> for Values {
    fn from((first, second): (i64, i64)) -> Self {
        Self::Two([first.into(), second.into()])
    }
}

/// Calls a function of the table with constants, one pattern for each number of operands.
macro_rules! call {
    ($name:ident, $args:ident, [$A:ident]) => {{
        let &[a] = $args else { return None };
        crate::$name(a.try_into().ok()?)
    }};
    ($name:ident, $args:ident, [$A:ident $B:ident]) => {{
        let &[a, b] = $args else { return None };
        crate::$name(a.try_into().ok()?, b.try_into().ok()?)
    }};
    ($name:ident, $args:ident, [$A:ident $B:ident $C:ident]) => {{
        let &[a, b, c] = $args else { return None };
        crate::$name(a.try_into().ok()?, b.try_into().ok()?, c.try_into().ok()?)
    }};
    ($name:ident, $args:ident, [$A:ident $B:ident $C:ident $D:ident]) => {{
        let &[a, b, c, d] = $args else { return None };
        let (a, b) = (a.try_into().ok()?, b.try_into().ok()?);
        crate::$name(a, b, c.try_into().ok()?, d.try_into().ok()?)
    }};
}

/// Defines a function from (operator, operands) to its results, over rows of one class.
macro_rules! define_fold {
    ($fold:ident, $result:ident => $wrapped:expr;
     $($op:ident, $name:ident, $encoding:tt, $text:literal, $class:ident,
       $params:tt -> $results:tt, $imm:ident, $feature:ident;)*) => {
        fn $fold(op: Op, args: &[Value]) -> Option<Result<Values, TrapCode>> {
            match op {
                $(Op::$op => {
                    let $result = call!($name, args, $params);
                    Some($wrapped)
                })*
                _ => None,
            }
        }
    };
}
sterna_isa::for_each_pure_scalar! { define_fold [fold_scalar, result => Ok(result.into());] }
sterna_isa::for_each_pure_simd! { define_fold [fold_simd, result => Ok(result.into());] }
sterna_isa::for_each_wide! { define_fold [fold_wide, result => Ok(result.into());] }
sterna_isa::for_each_trapping! { define_fold [fold_trapping, result => result.map(Into::into);] }

/// What the operator gives for these constants: results or a trap.
///
/// `None` when the operator is none of class pure, wide or trapping, or when the number or the
/// types of the constants are not those of its signature.
pub fn fold(op: Op, args: &[Value]) -> Option<Result<Values, TrapCode>> {
    use sterna_isa::Class;
    match op.class() {
        Class::Pure if op.feature() == sterna_isa::Feature::Simd => fold_simd(op, args),
        Class::Pure if op.feature() == sterna_isa::Feature::RelaxedSimd => fold_simd(op, args),
        Class::Pure => fold_scalar(op, args),
        Class::Wide => fold_wide(op, args),
        Class::Trapping => fold_trapping(op, args),
        _ => None,
    }
}

/// What an operator of class lane gives: `lanes` holds its immediate, 16 numbers for a shuffle
/// and otherwise one.
///
/// `None` when the operator is of another class or an operand does not fit.
pub fn fold_lane(op: Op, lanes: &[u8], args: &[Value]) -> Option<Value> {
    macro_rules! extract_or_replace {
        ($name:ident, [$A:ident]) => {{
            let (&[lane], &[a]) = (lanes, args) else { return None };
            crate::$name(a.try_into().ok()?, lane).into()
        }};
        ($name:ident, [$A:ident $B:ident]) => {{
            let (&[lane], &[a, b]) = (lanes, args) else { return None };
            crate::$name(a.try_into().ok()?, b.try_into().ok()?, lane).into()
        }};
    }
    macro_rules! fold_rows {
        (@ $name:ident, $params:tt, Lane) => { extract_or_replace!($name, $params) };
        (@ $name:ident, $params:tt, Shuffle) => {{
            let &[a, b] = args else { return None };
            let (a, b) = (a.try_into().ok()?, b.try_into().ok()?);
            crate::$name(a, b, lanes.try_into().ok()?).into()
        }};
        ($($op:ident, $name:ident, $encoding:tt, $text:literal, $class:ident,
           $params:tt -> $results:tt, $imm:ident, $feature:ident;)*) => {
            match op {
                $(Op::$op => fold_rows!(@ $name, $params, $imm),)*
                _ => return None,
            }
        };
    }
    Some(sterna_isa::for_each_lane! { fold_rows })
}
