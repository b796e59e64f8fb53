//! Owns making the blocks of a vector loop: tests, the loop itself, and the way into the loop as it was.
//! Does not own what is computed on lanes (`pack`), nor when that is allowed.
//!
//! ```text
//! count:  how often the loop goes on; too seldom? ─────────────────────┐
//! check:  is memory in bounds, and disjoint where it must be? no? ─────┤
//! start:  first vectors                                                │
//! group:  one group of iterations; another one? ──► group              │
//! rest:   values of the parameters after the groups ───────────────────┴──► the loop
//! ```
//! The loop itself always runs at least one iteration, and is the only way out. In `group` nothing can trap: accesses are in bounds.

use sterna_isa::{Op, Ty};

use super::accesses::Accesses;
use super::counted::{Relation, Trip};
use super::fold;
use super::linear::{Body, Forms, Linear};
use crate::graph::{Block, Edge, Graph, Inst, List, Opcode, Origin, Type, Value};

/// If iterations are counted with 64 bits, so many are not done in groups: counters of 32 bits and sums of indices would wrap.
const MAX_ITERATIONS: u64 = 1 << 31;

/// The size of groups, and what the tests are to find out.
#[derive(Clone, Copy)]
pub(super) struct Groups {
    /// Iterations in a group, a power of two.
    pub iterations: u32,
    /// Groups below which the tests are not worth it.
    pub min: u32,
    /// Whether memory that is written must be disjoint from what else is accessed.
    pub disjoint: bool,
}

/// A loop in front of which blocks are made.
pub(super) struct Place<'a> {
    pub body: &'a Body,
    pub forms: &'a Forms,
    pub accesses: &'a Accesses,
    /// The edges into the loop. They lead to the tests from now on.
    pub entries: &'a [Edge],
}

/// Makes blocks in front of a loop, to be placed there in the order in which they are made: the tests, then what `P` makes.
pub(super) struct Emit<'a, P> {
    pub graph: &'a mut Graph,
    pub body: &'a Body,
    pub forms: &'a Forms,
    pub accesses: &'a Accesses,
    pub plan: &'a P,
    pub groups: Groups,
    pub origin: Origin,
    /// The loop's parameters, and their values in the first iteration.
    pub params: Vec<Value>,
    pub initial: Vec<Value>,
    /// The block being filled.
    open: Block,
}

impl<'a, P> Emit<'a, P> {
    pub fn new(graph: &'a mut Graph, place: &Place<'a>, plan: &'a P, groups: Groups) -> Self {
        let &Place { body, forms, accesses, entries } = place;
        let origin = graph.inst(graph.block(body.header).insts.0).origin;
        let open = graph.push_block();
        let params: Vec<Value> = graph.list(graph.block(body.block).params).to_vec();
        let initial = lead_here(graph, open, &params, entries);
        let mut emit =
            Emit { graph, body, forms, accesses, plan, groups, origin, params, initial, open };
        emit.begin(open);
        emit
    }
}

/// Lets edges lead to a new block instead of the loop; the values of the loop's parameters there.
fn lead_here(graph: &mut Graph, block: Block, params: &[Value], entries: &[Edge]) -> Vec<Value> {
    for &edge in entries {
        graph.edges[edge.index()].block = block;
    }
    if let [edge] = *entries {
        let args = std::mem::take(&mut graph.edges[edge.index()].args);
        return graph.list(args).to_vec();
    }
    let types: Vec<Type> = params.iter().map(|&param| graph.ty(param)).collect();
    types.into_iter().map(|ty| graph.push_param(block, ty)).collect()
}

impl<P> Emit<'_, P> {
    // ------------------------------------------------------------------------------------------ blocks

    pub fn begin(&mut self, block: Block) {
        let next = Inst::from_u32(self.graph.num_insts() as u32);
        self.graph.blocks[block.index()].insts = (next, next);
        self.open = block;
    }

    pub fn end(&mut self, op: Op, args: &[Value], first: Edge, count: u32) {
        let args = self.graph.push_list(args);
        let imm = u64::from(first.as_u32()) | u64::from(count) << 32;
        let inst = self.graph.push_inst(Opcode::Wasm(op), args, imm, self.origin);
        self.graph.blocks[self.open.index()].insts.1 = Inst::from_u32(inst.as_u32() + 1);
    }

    pub fn edge(&mut self, block: Block, args: &[Value]) -> Edge {
        let args = self.graph.push_list(args);
        let edge = self.graph.push_edge(block);
        self.graph.edges[edge.index()].args = args;
        edge
    }

    /// Ends the open block with a jump to a new one, a loop, whose parameters begin with `initial`; those.
    pub fn begin_loop(&mut self, initial: &[Value]) -> (Block, Vec<Value>) {
        let block = self.graph.push_block();
        let edge = self.edge(block, initial);
        self.end(Op::Br, &[], edge, 1);
        let types: Vec<Type> = initial.iter().map(|&value| self.graph.ty(value)).collect();
        let params = types.into_iter().map(|ty| self.graph.push_param(block, ty)).collect();
        self.begin(block);
        self.graph.blocks[block.index()].is_loop = true;
        for poll in self.graph.block_insts(self.body.header).collect::<Vec<_>>() {
            let Opcode::Poll = self.graph.inst(poll).op else { continue };
            let origin = self.graph.inst(poll).origin;
            self.graph.push_inst(Opcode::Poll, List::default(), 0, origin);
        }
        (block, params)
    }

    /// Whether two conditions, 0 or 1, hold.
    fn both(&mut self, a: Value, b: Value) -> Value {
        match self.graph.constant(a) {
            Some(1) => b,
            _ => self.op(Op::I32And, &[a, b]),
        }
    }

    /// The value of a parameter with a constant step after so many iterations.
    pub fn after(&mut self, position: usize, step: u64, iterations: Value) -> Value {
        self.later(self.initial[position], step, iterations)
    }

    /// An integer that changes by `step` so many times.
    fn later(&mut self, from: Value, step: u64, iterations: Value) -> Value {
        if self.graph.ty(from) == Type::I64 {
            let step = self.i64(step);
            let way = self.op(Op::I64Mul, &[iterations, step]);
            return self.op(Op::I64Add, &[from, way]);
        }
        let iterations = self.op(Op::I32WrapI64, &[iterations]);
        let step = self.i32(step as u32);
        let way = self.op(Op::I32Mul, &[iterations, step]);
        self.op(Op::I32Add, &[from, way])
    }

    /// The index `by` bytes behind another one.
    pub fn behind(&mut self, index: Value, by: u32) -> Value {
        if self.accesses.is_64 {
            let by = self.i64(by.into());
            return self.op(Op::I64Add, &[index, by]);
        }
        let by = self.i32(by);
        self.op(Op::I32Add, &[index, by])
    }

    /// Whether two integers differ.
    pub fn differ(&mut self, a: Value, b: Value) -> Value {
        let op = if self.graph.ty(a) == Type::I64 { Op::I64Ne } else { Op::I32Ne };
        self.op(op, &[a, b])
    }

    /// An integer as one of 64 bits.
    fn extend(&mut self, value: Value) -> Value {
        match self.graph.ty(value) {
            Type::I64 => value,
            _ => self.op(Op::I64ExtendI32U, &[value]),
        }
    }

    /// The value of a class's first index behind all groups.
    pub fn end_of(&mut self, class: usize, base: Value, iterations: Value) -> Value {
        self.later(base, self.accesses.classes[class].step.into(), iterations)
    }

    /// Goes on in a new block if a condition holds, else in the loop as it was.
    fn require(&mut self, condition: Value) {
        if self.graph.constant(condition).is_some_and(|bits| bits != 0) {
            return;
        }
        let next = self.graph.push_block();
        let first = self.edge(next, &[]);
        let initial = self.initial.clone();
        self.edge(self.body.header, &initial);
        self.end(Op::BrIf, &[condition], first, 2);
        self.begin(next);
    }

    // ------------------------------------------------------------------------------------------ instructions

    pub fn op_imm(&mut self, op: Op, imm: u64, args: &[Value], ty: Type) -> Value {
        let args = self.graph.push_list(args);
        let inst = self.graph.push_inst(Opcode::Wasm(op), args, imm, self.origin);
        self.graph.push_result(inst, ty)
    }

    /// A pure operator; of constants, a constant.
    pub fn op(&mut self, op: Op, args: &[Value]) -> Value {
        let ty = match op.signature().and_then(|(_, results)| results.first().copied()) {
            Some(Ty::I32) => Type::I32,
            Some(Ty::I64) => Type::I64,
            Some(Ty::F32) => Type::F32,
            Some(Ty::F64) => Type::F64,
            _ => Type::V128,
        };
        let mut args = args.to_vec();
        if let Some(value) = fold::simplify(self.graph, op, 0, ty, &mut args) {
            return value;
        }
        self.op_imm(op, 0, &args, ty)
    }

    pub fn i32(&mut self, value: u32) -> Value {
        self.graph.make_const(Type::I32, u128::from(value))
    }

    pub fn i64(&mut self, value: u64) -> Value {
        self.graph.make_const(Type::I64, u128::from(value))
    }

    pub fn v128(&mut self, bits: u128) -> Value {
        self.graph.make_const(Type::V128, bits)
    }

    pub fn shuffle(&mut self, a: Value, b: Value, from: impl Fn(u8) -> u8) -> Value {
        let lanes = (0..16).fold(0, |all, i| all | u128::from(from(i)) << (8 * i));
        self.graph.consts.push(lanes);
        let imm = self.graph.consts.len() as u64 - 1;
        self.op_imm(Op::I8x16Shuffle, imm, &[a, b], Type::V128)
    }

    /// The value of a form in the first iteration.
    pub fn first_value(&mut self, form: &Linear) -> Value {
        let (add, mul, ty) = match form.is_64 {
            true => (Op::I64Add, Op::I64Mul, Type::I64),
            false => (Op::I32Add, Op::I32Mul, Type::I32),
        };
        let mut sum = self.graph.make_const(ty, 0);
        for &(value, factor) in &form.terms {
            let position = self.params.iter().position(|&param| param == value);
            let value = position.map_or(value, |position| self.initial[position]);
            let factor = self.graph.make_const(ty, factor.into());
            let product = self.op(mul, &[value, factor]);
            sum = self.op(add, &[product, sum]);
        }
        let constant = self.graph.make_const(ty, form.constant.into());
        self.op(add, &[sum, constant])
    }

    // ------------------------------------------------------------------------------------------ tests

    /// Finds how many iterations the groups have together, as an `i64`, and leaves if they are too few.
    pub fn count(&mut self, trip: &Trip) -> Value {
        let by = trip.step.unsigned_abs();
        let (from, to) = if trip.step > 0 { (&trip.x, &trip.y) } else { (&trip.y, &trip.x) };
        let distance = self.first_value(&to.plus(from, u64::MAX));
        let mut distance = self.extend(distance);
        let (step, one) = (self.i64(by), self.i64(1));
        let relation = Relation::of(trip.relation);
        if matches!(relation, Some(Relation::Below | Relation::Above)) {
            distance = self.op(Op::I64Sub, &[distance, one]);
        }
        let mut count = match by.is_power_of_two() {
            true => {
                let log2 = self.i64(u64::from(by.trailing_zeros()));
                self.op(Op::I64ShrU, &[distance, log2])
            }
            // Not by zero: neither traps nor needs an operator for it.
            false => self.op(Op::I64DivU, &[distance, step]),
        };
        let holds = if relation == Some(Relation::Different) {
            let whole = self.op(Op::I64Mul, &[count, step]);
            if by == 1 { self.i32(1) } else { self.op(Op::I64Eq, &[whole, distance]) }
        } else {
            count = self.op(Op::I64Add, &[count, one]);
            let (x, y) = (self.first_value(&trip.x), self.first_value(&trip.y));
            self.op(trip.relation, &[x, y])
        };
        let min = u64::from(self.groups.iterations * self.groups.min);
        let is_enough = if trip.x.is_64 {
            let (min, most) = (self.i64(min), self.i64(MAX_ITERATIONS));
            let more = self.op(Op::I64Sub, &[count, min]);
            self.op(Op::I64LtU, &[more, most])
        } else {
            let min = self.i64(min);
            self.op(Op::I64GeU, &[count, min])
        };
        let both = self.both(holds, is_enough);
        self.require(both);
        let mask = self.i64(!u64::from(self.groups.iterations - 1));
        self.op(Op::I64And, &[count, mask])
    }

    /// Leaves if the groups would access memory out of bounds, or memory of classes that must be disjoint is not. The first indices of the
    /// classes.
    pub fn check(&mut self, iterations: Value) -> Vec<Value> {
        let ty = if self.accesses.is_64 { Type::I64 } else { Type::I32 };
        let pages = self.op_imm(Op::MemorySize, u64::from(self.accesses.memory), &[], ty);
        let pages = self.extend(pages);
        let log2 = self.i64(u64::from(self.accesses.page_size_log2));
        let len = self.op(Op::I64Shl, &[pages, log2]);
        let one = self.i64(1);
        let last = self.op(Op::I64Sub, &[iterations, one]);
        let mut holds = self.i32(1);
        let mut bases = Vec::new();
        let mut ranges = Vec::new();
        let accesses = self.accesses;
        for class in &accesses.classes {
            let base = self.first_value(&class.lowest);
            let first = self.extend(base);
            if accesses.is_64 {
                // Then no sum wraps.
                let is_inside = self.op(Op::I64LeU, &[first, len]);
                holds = self.both(holds, is_inside);
            }
            let (step, start, end) =
                (self.i64(class.step.into()), self.i64(class.start), self.i64(class.end));
            let way = self.op(Op::I64Mul, &[last, step]);
            let last = self.op(Op::I64Add, &[first, way]);
            let (start, end) =
                (self.op(Op::I64Add, &[first, start]), self.op(Op::I64Add, &[last, end]));
            let is_inside = self.op(Op::I64LeU, &[end, len]);
            holds = self.both(holds, is_inside);
            bases.push(base);
            ranges.push((start, end));
        }
        let pairs = if self.groups.disjoint { accesses.pairs() } else { Vec::new() };
        for (a, b) in pairs {
            let is_before = self.op(Op::I64LeU, &[ranges[a].1, ranges[b].0]);
            let is_behind = self.op(Op::I64LeU, &[ranges[b].1, ranges[a].0]);
            let is_disjoint = self.op(Op::I32Or, &[is_before, is_behind]);
            holds = self.both(holds, is_disjoint);
        }
        self.require(holds);
        bases
    }
}
