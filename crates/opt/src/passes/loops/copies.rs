//! Owns running several iterations of a loop in a row behind one test, as they are.
//! Does not own the tests in front (`emit`).
//!
//! This is for loops that cannot run on vectors, or already do. Everything keeps its order, so memory need not be disjoint; what is gained is
//! that indices do not wrap: an access needs no sum of its own, only a displacement from the first index of its class.

use std::collections::HashMap;

use sterna_isa::{Class, Op};

use super::accesses::Accesses;
use super::counted::Trip;
use super::emit::{Emit, Groups, Place};
use super::linear::Body;
use crate::graph::{Graph, Inst, MemAccess, Opcode, Value};
use crate::passes::fold;

/// Longest bodies of which a group has four and two copies, in instructions.
const FOUR: usize = 12;
const TWO: usize = 40;

/// Groups below which the tests are not worth it.
const MIN_GROUPS: u32 = 4;

/// Several copies of a body.
pub(super) struct Copies {
    count: u32,
    /// The class whose index ends the loop.
    class: usize,
}

impl Copies {
    /// How a loop is to be copied, if it is worth it.
    pub fn of(graph: &Graph, body: &Body, accesses: &Accesses) -> Option<Copies> {
        let count = match graph.block_insts(body.block).count() {
            insts if insts <= FOUR => 4,
            insts if insts <= TWO => 2,
            _ => return None,
        };
        let class = accesses.classes.iter().position(|class| class.step != 0)?;
        (body.header == body.block).then_some(Copies { count, class })
    }
}

/// Makes the tests and the loop of copies.
pub(super) fn emit(graph: &mut Graph, place: &Place<'_>, trip: &Trip, copies: &Copies) {
    let groups = Groups { iterations: copies.count, min: MIN_GROUPS, disjoint: false };
    let mut emit = Emit::new(graph, place, copies, groups);
    let iterations = emit.count(trip);
    let bases = emit.check(iterations);
    emit.group(iterations, &bases);
}

impl Emit<'_, Copies> {
    fn group(&mut self, iterations: Value, bases: &[Value]) {
        let class = self.plan.class;
        let end = self.end_of(class, bases[class], iterations);
        let mut initial = bases.to_vec();
        initial.extend(&self.initial);
        let (block, params) = self.begin_loop(&initial);
        let (bases, params) = params.split_at(bases.len());
        let mut values: HashMap<Value, Value> =
            self.params.iter().copied().zip(params.iter().copied()).collect();
        let next: Vec<(Value, Value)> = self.body.params(self.graph).collect();
        for copy in 0..self.plan.count {
            for inst in self.graph.block_insts(self.body.block).collect::<Vec<_>>() {
                self.copy(inst, copy, bases, &mut values);
            }
            let of = |value: &Value| values.get(value).copied().unwrap_or(*value);
            let new: Vec<(Value, Value)> =
                next.iter().map(|(param, next)| (*param, of(next))).collect();
            values.extend(new);
        }
        let mut args = Vec::new();
        let accesses = self.accesses;
        for (class, &base) in accesses.classes.iter().zip(bases) {
            args.push(self.behind(base, class.step * self.plan.count));
        }
        let more = self.differ(args[class], end);
        let mut finals: Vec<Value> = self.params.iter().map(|param| values[param]).collect();
        args.extend(&finals);
        let behind = self.graph.push_block();
        let first = self.edge(block, &args);
        self.edge(behind, &[]);
        self.end(Op::BrIf, &[more], first, 2);
        self.begin(behind);
        for (position, (param, _)) in next.iter().enumerate() {
            if let Some(step) = self.forms.step_of_param(*param) {
                finals[position] = self.after(position, step, iterations);
            }
        }
        let edge = self.edge(self.body.header, &finals);
        self.end(Op::Br, &[], edge, 1);
    }

    /// Copy `copy` of an instruction.
    fn copy(&mut self, inst: Inst, copy: u32, bases: &[Value], values: &mut HashMap<Value, Value>) {
        let data = *self.graph.inst(inst);
        let Opcode::Wasm(op) = data.op else { return };
        let of = |value: &Value| values.get(value).copied().unwrap_or(*value);
        let mut args: Vec<Value> = self.graph.args(inst).iter().map(of).collect();
        let mut imm = data.imm;
        match op.class() {
            Class::Control => return,
            Class::Load | Class::Store => {
                let access = *self.accesses.at(inst).expect("all accesses are known");
                let step = self.accesses.classes[access.class].step;
                args[0] = bases[access.class];
                let offset = access.at + u64::from(copy * step);
                let memory = self.accesses.memory;
                self.graph.accesses.push(MemAccess {
                    offset,
                    memory,
                    lane: 0,
                    in_bounds: true,
                    is_near: false,
                });
                imm = self.graph.accesses.len() as u64 - 1;
            }
            Class::Pure => {
                let ty = self.graph.ty(data.first_result);
                if let Some(value) = fold::simplify(self.graph, op, imm, ty, &mut args) {
                    values.insert(data.first_result, value);
                    return;
                }
            }
            _ if op == Op::Nop => return,
            _ => {}
        }
        let args = self.graph.push_list(&args);
        let made = self.graph.push_inst(data.op, args, imm, data.origin);
        for result in self.graph.results(inst) {
            let ty = self.graph.ty(result);
            let value = self.graph.push_result(made, ty);
            values.insert(result, value);
        }
    }
}
