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
use crate::graph::{Graph, Opcode, Type};

/// When a loop goes on.
pub(super) struct Trip {
    pub x: Linear,
    pub y: Linear,
    /// What `x` changes by per iteration.
    pub step: i32,
    /// The comparison of `x` and `y`.
    pub relation: Op,
}

impl Trip {
    /// The condition of a loop, if it is of this kind.
    pub fn of(graph: &Graph, body: &Body, forms: &Forms) -> Option<Trip> {
        let zero = Linear::default();
        let defined = graph.def_inst(body.condition).map(|inst| (inst, graph.inst(inst).op));
        let (relation, x, y) = match defined {
            Some((inst, Opcode::Wasm(op)))
                if negated(op).is_some() && graph.ty(graph.args(inst)[0]) == Type::I32 =>
            {
                let [a, b] = [0, 1].map(|i| forms.of(graph, graph.args(inst)[i]));
                (op, a, b)
            }
            Some((inst, Opcode::Wasm(Op::I32Eqz))) => {
                (Op::I32Eq, forms.of(graph, graph.args(inst)[0]), zero)
            }
            _ if graph.ty(body.condition) == Type::I32 => {
                (Op::I32Ne, forms.of(graph, body.condition), zero)
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
        let step = step as i32;
        let fits = match relation {
            Op::I32Ne => step != 0,
            Op::I32LtS | Op::I32LtU | Op::I32LeS | Op::I32LeU => step > 0,
            Op::I32GtS | Op::I32GtU | Op::I32GeS | Op::I32GeU => step < 0,
            _ => false,
        };
        (fits && step != i32::MIN).then_some(Trip { x, y, step, relation })
    }
}
