//! Owns the instructions of pure and trapping operators on scalars, and the tables of their forms.
//! Does not own the operators' meaning: `sterna_eval`.

use std::marker::PhantomData;

use sterna_eval::repr;
use sterna_isa::{Op as WasmOp, TrapCode};

use crate::machine::{Handler, Op, Regs, Stop, step};
use crate::value::{A, Dest, I, Pair, S, Scalar, Source, ToAcc, ToSlot};

/// An operator of two operands and one result.
pub(crate) trait Binary {
    /// Left operand.
    type Left;
    /// Right operand.
    type Right;
    /// Result.
    type Result;
    /// Its meaning.
    fn eval(a: Self::Left, b: Self::Right) -> Result<Self::Result, TrapCode>;
}

/// An operator of one operand and one result.
pub(crate) trait Unary {
    /// Operand.
    type Operand;
    /// Result.
    type Result;
    /// Its meaning.
    fn eval(a: Self::Operand) -> Result<Self::Result, TrapCode>;
}

/// `O` on the operands `P` to `D`: destination at 8, operands from 10.
pub(crate) struct BinaryOp<O, P, D>(PhantomData<(O, P, D)>);

impl<O: Binary, P: Pair<O::Left, O::Right>, D: Dest<O::Result>> Op for BinaryOp<O, P, D> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let (a, b) = P::read(r, 10);
        D::write(r, O::eval(a, b).map_err(Stop::Trap)?);
        r.advance(P::size(10));
        Ok(())
    }
}

/// `O` on the operand `X` to `D`: destination at 8, operand at 10.
pub(crate) struct UnaryOp<O, X, D>(PhantomData<(O, X, D)>);

impl<O: Unary, X: Source<O::Operand>, D: Dest<O::Result>> Op for UnaryOp<O, X, D> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let a = X::read(r, 10);
        D::write(r, O::eval(a).map_err(Stop::Trap)?);
        r.advance(16);
        Ok(())
    }
}

/// Handlers of one form: result to the accumulator, to a slot.
#[derive(Clone, Copy)]
pub(crate) struct Dests {
    /// Result to the accumulator only; the same as `slot` for types without one.
    pub acc: Handler,
    /// Result to a slot.
    pub slot: Handler,
}

/// Forms of a unary operator.
pub(crate) struct UnaryForms {
    /// Operand in a slot.
    pub s: Dests,
    /// Operand in the accumulator.
    pub a: Dests,
}

/// Forms of a binary operator; those absent are had by exchanging the operands, see [`flip`].
pub(crate) struct BinaryForms {
    pub ss: Dests,
    pub si: Dests,
    pub as_: Dests,
    pub ai: Dests,
    /// Absent if the operator can be flipped.
    pub rest: Option<Asymmetric>,
}

/// The forms that only an operator has whose operands cannot be exchanged.
pub(crate) struct Asymmetric {
    pub sa: Dests,
    pub is: Dests,
    pub ia: Dests,
}

macro_rules! dests {
    ($kind:ident, $op:ty, $form:ty) => {
        Dests { acc: step::<$kind<$op, $form, ToAcc>>, slot: step::<$kind<$op, $form, ToSlot>> }
    };
}

/// The forms of a unary operator.
pub(crate) const fn unary_forms<O: Unary>() -> UnaryForms
where
    O::Operand: Scalar,
    O::Result: Scalar,
{
    UnaryForms { s: dests!(UnaryOp, O, S), a: dests!(UnaryOp, O, A) }
}

/// The forms of a binary operator whose operands can be exchanged.
pub(crate) const fn flippable_forms<O: Binary>() -> BinaryForms
where
    O::Left: Scalar,
    O::Right: Scalar,
    O::Result: Scalar,
{
    BinaryForms {
        ss: dests!(BinaryOp, O, (S, S)),
        si: dests!(BinaryOp, O, (S, I)),
        as_: dests!(BinaryOp, O, (A, S)),
        ai: dests!(BinaryOp, O, (A, I)),
        rest: None,
    }
}

/// The forms of any binary operator.
pub(crate) const fn binary_forms<O: Binary>() -> BinaryForms
where
    O::Left: Scalar,
    O::Right: Scalar,
    O::Result: Scalar,
{
    BinaryForms {
        rest: Some(Asymmetric {
            sa: dests!(BinaryOp, O, (S, A)),
            is: dests!(BinaryOp, O, (I, S)),
            ia: dests!(BinaryOp, O, (I, A)),
        }),
        ..flippable_forms::<O>()
    }
}

macro_rules! define_unary {
    ($op:ident, $name:ident, $a:ident, $r:ident, $call:expr) => {
        pub(crate) struct $op;
        impl Unary for $op {
            type Operand = repr::$a;
            type Result = repr::$r;
            #[inline(always)]
            fn eval(a: repr::$a) -> Result<repr::$r, TrapCode> {
                let call = $call;
                call(sterna_eval::$name(a))
            }
        }
    };
}

macro_rules! define_binary {
    ($op:ident, $name:ident, $a:ident, $b:ident, $r:ident, $call:expr) => {
        pub(crate) struct $op;
        impl Binary for $op {
            type Left = repr::$a;
            type Right = repr::$b;
            type Result = repr::$r;
            #[inline(always)]
            fn eval(a: repr::$a, b: repr::$b) -> Result<repr::$r, TrapCode> {
                let call = $call;
                call(sterna_eval::$name(a, b))
            }
        }
    };
}

/// Sorts rows by class and number of operands.
macro_rules! define {
    ($($op:ident, $name:ident, $code:tt, $text:literal, $class:ident, [$($p:ident)*] -> [$r:ident], NoImm, $feature:ident;)*) => {
        $(define! { @one $op, $name, $class, [$($p)*], $r })*
    };
    (@one $op:ident, $name:ident, Pure, [$a:ident], $r:ident) => { define_unary! { $op, $name, $a, $r, Ok } };
    (@one $op:ident, $name:ident, Pure, [$a:ident $b:ident], $r:ident) => { define_binary! { $op, $name, $a, $b, $r, Ok } };
    (@one $op:ident, $name:ident, Trapping, [$a:ident], $r:ident) => { define_unary! { $op, $name, $a, $r, |x| x } };
    (@one $op:ident, $name:ident, Trapping, [$a:ident $b:ident], $r:ident) => {
        define_binary! { $op, $name, $a, $b, $r, |x| x }
    };
}

/// The operators' types, named as in the table.
pub(crate) mod ops {
    use super::{Binary, TrapCode, Unary, repr};
    sterna_isa::for_each_pure_scalar! { define }
    sterna_isa::for_each_trapping! { define }
}

/// Forms of a scalar operator.
pub(crate) enum Forms {
    /// One operand.
    Unary(&'static UnaryForms),
    /// Two operands.
    Binary(&'static BinaryForms),
}

/// `match` over all scalar operators.
macro_rules! match_forms {
    ($value:expr; $($op:ident, $name:ident, $code:tt, $text:literal, $class:ident, [$($p:ident)*] -> [$r:ident], NoImm, $feature:ident;)*) => {
        match $value {
            $(WasmOp::$op => Some(match_forms! { @one $op [$($p)*] }),)*
            _ => None,
        }
    };
    (@one $op:ident [$a:ident]) => { Forms::Unary(const { &unary_forms::<ops::$op>() }) };
    (@one $op:ident [$a:ident $b:ident]) => {
        // Only the forms that the constant ends up with become code.
        Forms::Binary(const {
            &match sterna_eval::swapped(WasmOp::$op) {
                Some(_) => flippable_forms::<ops::$op>(),
                None => binary_forms::<ops::$op>(),
            }
        })
    };
}

/// The forms of a scalar operator, `None` for other operators.
pub(crate) fn forms(op: WasmOp) -> Option<Forms> {
    let pure = sterna_isa::for_each_pure_scalar! { match_forms [ op; ] };
    let trapping = || sterna_isa::for_each_trapping! { match_forms [ op; ] };
    pure.or_else(trapping)
}

macro_rules! canon {
    ($($op:ident, $name:ident, $ty:ty;)*) => {$(
        /// Canonical NaNs: follows float arithmetic in deterministic mode.
        pub(crate) struct $op;
        impl Unary for $op {
            type Operand = $ty;
            type Result = $ty;
            #[inline(always)]
            fn eval(a: $ty) -> Result<$ty, TrapCode> {
                Ok(sterna_eval::$name(a))
            }
        }
    )*};
}
canon! {
    CanonF32, canon_f32, f32;
    CanonF64, canon_f64, f64;
}

/// The forms of [`CanonF32`].
pub(crate) static CANON_F32: UnaryForms = unary_forms::<CanonF32>();
/// The forms of [`CanonF64`].
pub(crate) static CANON_F64: UnaryForms = unary_forms::<CanonF64>();
