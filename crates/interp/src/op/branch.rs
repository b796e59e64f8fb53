//! Owns branches: unconditional, on a comparison, on zero, by a table.
//! Does not own returns (`call`).

use std::marker::PhantomData;

use sterna_isa::Op as WasmOp;

use super::pure::{Binary, ops};
use crate::exit::interrupted;
use crate::machine::{Branch, Handler, Op, Regs, Stop, branch, step};
use crate::value::{A, I, Pair, S, Scalar, Source};

/// Distance at 8.
pub(crate) struct Jump<const BACK: bool>;

impl<const BACK: bool> Branch for Jump<BACK> {
    const TARGET: usize = 8;
    const BACK: bool = BACK;
    #[inline(always)]
    fn size() -> usize {
        16
    }
    #[inline(always)]
    fn test(_: &mut Regs) -> bool {
        true
    }
}

/// Distance at 8, operands from 12: branches if `O` gives nonzero, or zero if `NOT`.
pub(crate) struct CompareBranch<O, P, const NOT: bool, const BACK: bool>(PhantomData<(O, P)>);

impl<O: Binary<Result = i32>, P: Pair<O::Left, O::Right>, const NOT: bool, const BACK: bool> Branch
    for CompareBranch<O, P, NOT, BACK>
{
    const TARGET: usize = 8;
    const BACK: bool = BACK;
    #[inline(always)]
    fn size() -> usize {
        P::size(12)
    }
    #[inline(always)]
    fn test(r: &mut Regs) -> bool {
        let (a, b) = P::read(r, 12);
        matches!(O::eval(a, b), Ok(value) if (value != 0) != NOT)
    }
}

/// Distance at 8, operand at 12: branches if it is zero, or nonzero if `NOT`.
pub(crate) struct ZeroBranch<T, X, const NOT: bool, const BACK: bool>(PhantomData<(T, X)>);

impl<T: Scalar, X: Source<T>, const NOT: bool, const BACK: bool> Branch
    for ZeroBranch<T, X, NOT, BACK>
{
    const TARGET: usize = 8;
    const BACK: bool = BACK;
    #[inline(always)]
    fn size() -> usize {
        16
    }
    #[inline(always)]
    fn test(r: &mut Regs) -> bool {
        (X::read(r, 12).to_slot() == 0) != NOT
    }
}

/// Index at 8, number of entries less one at 12, then a distance per entry; the last is for greater indices.
pub(crate) struct TableBranch<X>(PhantomData<X>);

impl<X: Source<i32>> Op for TableBranch<X> {
    #[inline(always)]
    fn run(r: &mut Regs) -> Result<(), Stop> {
        let index = (X::read(r, 8) as u32).min(r.u32(12));
        r.jump(16 + 4 * index as usize);
        if interrupted(r) { Err(Stop::Poll) } else { Ok(()) }
    }
}

/// Handlers by direction.
#[derive(Clone, Copy)]
pub(crate) struct Directions {
    /// To a label further on.
    pub forward: Handler,
    /// To a loop's start.
    pub back: Handler,
}

impl Directions {
    /// The handler for a direction.
    pub fn of(self, back: bool) -> Handler {
        if back { self.back } else { self.forward }
    }
}

/// Unconditional branches.
pub(crate) static JUMP: Directions =
    Directions { forward: branch::<Jump<false>>, back: branch::<Jump<true>> };

/// Table branches with the index in a slot, in the accumulator.
pub(crate) static TABLE: [Handler; 2] = [step::<TableBranch<S>>, step::<TableBranch<A>>];

/// Branches on a comparison, by operand form.
pub(crate) struct CompareForms {
    pub ss: Directions,
    pub si: Directions,
    pub as_: Directions,
    pub ai: Directions,
}

/// Branches on zero, by operand form.
pub(crate) struct ZeroForms {
    pub s: Directions,
    pub a: Directions,
}

const fn compare<O: Binary<Result = i32>, const NOT: bool>() -> CompareForms
where
    O::Left: Scalar,
    O::Right: Scalar,
{
    macro_rules! directions {
        ($pair:ty) => {
            Directions {
                forward: branch::<CompareBranch<O, $pair, NOT, false>>,
                back: branch::<CompareBranch<O, $pair, NOT, true>>,
            }
        };
    }
    CompareForms {
        ss: directions!((S, S)),
        si: directions!((S, I)),
        as_: directions!((A, S)),
        ai: directions!((A, I)),
    }
}

const fn zero<T: Scalar, const NOT: bool>() -> ZeroForms {
    macro_rules! directions {
        ($source:ty) => {
            Directions {
                forward: branch::<ZeroBranch<T, $source, NOT, false>>,
                back: branch::<ZeroBranch<T, $source, NOT, true>>,
            }
        };
    }
    ZeroForms { s: directions!(S), a: directions!(A) }
}

macro_rules! match_compare {
    ($op:expr, $not:expr; both $($both:ident)*; plain $($plain:ident)*) => {
        match ($op, $not) {
            $((WasmOp::$both, false) => const { &compare::<ops::$both, false>() },)*
            $((WasmOp::$both, true) => const { &compare::<ops::$both, true>() },)*
            $((WasmOp::$plain, false) => const { &compare::<ops::$plain, false>() },)*
            _ => return None,
        }
    };
}

/// Branches if `op` (a comparison, or `i32.and`) gives nonzero, or zero if `not`. Integer comparisons have no `not` form: see
/// [`inverse`].
pub(crate) fn compare_forms(op: WasmOp, not: bool) -> Option<&'static CompareForms> {
    Some(match_compare! { op, not;
        both I32And F32Eq F32Ne F32Lt F32Gt F32Le F32Ge F64Eq F64Ne F64Lt F64Gt F64Le F64Ge;
        plain I32Eq I32Ne I32LtS I32LtU I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU
            I64Eq I64Ne I64LtS I64LtU I64GtS I64GtU I64LeS I64LeU I64GeS I64GeU
    })
}

/// Branches if an operand is zero, or nonzero if `not`.
pub(crate) fn zero_forms(wide: bool, not: bool) -> &'static ZeroForms {
    match (wide, not) {
        (false, false) => const { &zero::<i32, false>() },
        (false, true) => const { &zero::<i32, true>() },
        (true, false) => const { &zero::<i64, false>() },
        (true, true) => const { &zero::<i64, true>() },
    }
}
