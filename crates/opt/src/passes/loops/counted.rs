//! Owns how often a loop goes on: its condition as a distance that shrinks by the same amount per iteration.
//! Does not own the code that computes it at run time (`emit`).
//!
//! Rules. The loop goes on while `x` stands in a relation to `y`; `x` changes by a constant `s` per iteration, `y` does not change. With the
//! values of the first iteration, the number of iterations after which the loop certainly goes on is
//! 1. `x != y`: `(y - x) / s`, if that has no remainder; the subtraction wraps as `x` would.
//! 2. `x < y`, `s > 0`: `(y - x - 1) / s + 1` if it is true at the beginning. As `x` stays at most `y`, it does not wrap.
//! 3. `x <= y`, `s > 0`: `(y - x) / s + 1`, likewise.
//! 4. `x > y` and `x >= y`, `s < 0`: the same with the signs changed.

use sterna_eval::{negated, swapped};
use sterna_isa::Op;

use super::linear::{Body, Forms, Linear};
use crate::graph::{Graph, Inst, Opcode, Type};

/// When a loop goes on.
pub(super) struct Trip {
    pub x: Linear,
    pub y: Linear,
    /// What `x` changes by per iteration.
    pub step: i64,
    /// The comparison of `x` and `y`.
    pub relation: Op,
}

impl Trip {
    /// The condition of a loop, if it is of this kind.
    pub fn of(graph: &Graph, body: &Body, forms: &Forms) -> Option<Trip> {
        let zero = |is_64| Linear::constant(0, is_64);
        let defined = graph.def_inst(body.condition).map(|inst| (inst, graph.inst(inst).op));
        let (relation, x, y) = match defined {
            Some((inst, Opcode::Wasm(op))) if Relation::of(op).is_some() => {
                let [a, b] = [0, 1].map(|i| forms.of(graph, graph.args(inst)[i]));
                (op, a, b)
            }
            Some((inst, Opcode::Wasm(Op::I32Eqz))) if let Some(inner) = eqz64(graph, inst) => {
                (Op::I64Ne, forms.of(graph, graph.args(inner)[0]), zero(true))
            }
            Some((inst, Opcode::Wasm(Op::I32Eqz))) => {
                (Op::I32Eq, forms.of(graph, graph.args(inst)[0]), zero(false))
            }
            Some((inst, Opcode::Wasm(Op::I64Eqz))) => {
                (Op::I64Eq, forms.of(graph, graph.args(inst)[0]), zero(true))
            }
            _ if graph.ty(body.condition) == Type::I32 => {
                (Op::I32Ne, forms.of(graph, body.condition), zero(false))
            }
            _ => return None,
        };
        let relation = if body.on_true { relation } else { negated(relation)? };
        let step = |form| forms.step(graph, body, form);
        let (x, y, step, relation) = match (step(&x)?, step(&y)?) {
            (step, 0) => (x, y, step, relation),
            (0, step) => (y, x, step, swapped(relation)?),
            _ => return None,
        };
        let step = x.signed(step);
        let fits = match Relation::of(relation)? {
            Relation::Different => step != 0,
            Relation::Below | Relation::AtMost => step > 0,
            Relation::Above | Relation::AtLeast => step < 0,
            Relation::Equal => false,
        };
        // The number without its sign has to be one, too.
        let fits = fits && step != x.signed(if x.is_64 { 1 << 63 } else { 1 << 31 });
        fits.then_some(Trip { x, y, step, relation })
    }
}

/// The `i64.eqz` that an `i32.eqz` negates: how compilers say that a number of 64 bits is not zero.
fn eqz64(graph: &Graph, inst: Inst) -> Option<Inst> {
    let inner = graph.def_inst(graph.args(inst)[0])?;
    (graph.inst(inner).op == Opcode::Wasm(Op::I64Eqz)).then_some(inner)
}

/// What a comparison of integers asks of its operands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Different,
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Relation {
    /// That of a comparison; `None` if it is none of integers.
    pub fn of(op: Op) -> Option<Relation> {
        use Op::*;
        Some(match op {
            I32Eq | I64Eq => Relation::Equal,
            I32Ne | I64Ne => Relation::Different,
            I32LtS | I32LtU | I64LtS | I64LtU => Relation::Below,
            I32LeS | I32LeU | I64LeS | I64LeU => Relation::AtMost,
            I32GtS | I32GtU | I64GtS | I64GtU => Relation::Above,
            I32GeS | I32GeU | I64GeS | I64GeU => Relation::AtLeast,
            _ => return None,
        })
    }
}
