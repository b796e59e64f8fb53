//! Owns the removal of loops that do nothing.
//! Does not own how often a loop goes on (`counted`).
//!
//! Rules. A loop goes, and what led to it leads to where it ends, if
//! 1. it is one block, whose instructions have no effects and cannot trap; a poll does not count, as there is nothing to interrupt;
//! 2. what it computes is used in it only;
//! 3. it ends: it counts by one until a number is met, or by more, and the distance is a constant that this divides.

use sterna_base::BitSet;

use super::counted::{Relation, Trip};
use super::linear::{Body, Forms, Linear};
use crate::graph::{Block, Edge, Graph, Inst, List, Opcode, Value};
use crate::passes::Incoming;
use crate::passes::dead::has_effect;

/// Most loops of a function that are looked at for rule 2: each takes a look at all of the function.
const MAX_LOOPS: u32 = 32;

/// Runs the pass; whether it removed any. Then blocks and edges are others.
pub(in crate::passes) fn run(graph: &mut Graph, incoming: &mut Incoming) -> bool {
    let (mut removed, mut rest) = (false, MAX_LOOPS);
    while let Some(unused) = find(graph, incoming, &mut rest) {
        remove(graph, &unused);
        incoming.compute(graph);
        removed = true;
    }
    removed
}

struct Unused {
    body: Body,
    /// Into the loop, and out of it.
    entries: Vec<Edge>,
    exit: Edge,
}

/// The next loop to remove; `rest` is how many more may be looked at.
fn find(graph: &Graph, incoming: &Incoming, rest: &mut u32) -> Option<Unused> {
    let is_loop = |&block: &Block| graph.block(block).is_loop;
    graph.blocks().filter(is_loop).find_map(|block| {
        let body = Body::of(graph, block)?;
        let last = graph.block_insts(block).next_back()?;
        let is_idle = |inst: Inst| {
            inst == last || graph.inst(inst).op == Opcode::Poll || !has_effect(graph.inst(inst).op)
        };
        if !graph.block_insts(block).all(is_idle) {
            return None;
        }
        let exit = graph.edges(last).find(|&edge| edge != body.back)?;
        let entries: Vec<Edge> =
            incoming.of(block).iter().copied().filter(|&edge| edge != body.back).collect();
        let unused = Unused { body, entries, exit };
        if *rest == 0 || !ends(graph, &unused) {
            return None;
        }
        *rest -= 1;
        (!is_used(graph, &unused)).then_some(unused)
    })
}

/// Rule 3.
fn ends(graph: &Graph, unused: &Unused) -> bool {
    let body = &unused.body;
    let forms = Forms::new(graph, body);
    let Some(trip) = Trip::of(graph, body, &forms) else { return false };
    match Relation::of(trip.relation) {
        Some(Relation::Below | Relation::Above) => trip.step.unsigned_abs() == 1,
        Some(Relation::Different) => {
            let distance = trip.x.plus(&trip.y, u64::MAX);
            trip.step.unsigned_abs() == 1
                || unused.entries.iter().all(|&edge| {
                    let distance = first(graph, body, &distance, edge);
                    let distance = distance.map(|number| distance_of(&trip, number));
                    distance
                        .is_some_and(|distance| distance.is_multiple_of(trip.step.unsigned_abs()))
                })
        }
        _ => false,
    }
}

/// How far `x` is from `y` in the direction in which it goes, if `x - y` is `number`.
fn distance_of(trip: &Trip, number: u64) -> u64 {
    trip.x.wrap(if trip.step < 0 { number } else { number.wrapping_neg() })
}

/// The value of a form in the first iteration behind an edge, if it is a constant.
fn first(graph: &Graph, body: &Body, form: &Linear, edge: Edge) -> Option<u64> {
    let mut sum = form.constant;
    for &(value, factor) in &form.terms {
        let position = body.params(graph).position(|(param, _)| param == value)?;
        let initial = *graph.list(graph.edge(edge).args).get(position)?;
        sum = sum.wrapping_add(factor.wrapping_mul(graph.constant(initial)? as u64));
    }
    Some(form.wrap(sum))
}

/// Whether rule 2 does not hold.
fn is_used(graph: &Graph, unused: &Unused) -> bool {
    let block = unused.body.block;
    let mut inside: BitSet<Value> = BitSet::default();
    for &param in graph.list(graph.block(block).params) {
        inside.insert(param);
    }
    for inst in graph.block_insts(block) {
        for result in graph.results(inst) {
            inside.insert(result);
        }
    }
    let any = |list: List| graph.list(list).iter().any(|&value| inside.contains(value));
    let mut edges = (0..graph.edges.len() as u32).map(Edge::from_u32);
    let mut others = graph.blocks().filter(|&other| other != block);
    let is_outside = |inst: Inst| {
        let (first, end) = graph.block(block).insts;
        !(first..end).contains(&inst)
    };
    edges.any(|edge| edge != unused.body.back && any(graph.edge(edge).args))
        || others.any(|other| graph.block_insts(other).any(|inst| any(graph.inst(inst).args)))
        || graph.states.iter().any(|state| is_outside(state.inst) && any(state.values))
}

fn remove(graph: &mut Graph, unused: &Unused) {
    let Unused { body, entries, exit } = unused;
    let block = body.block;
    let to = graph.edge(*exit).block;
    let args = graph.list(graph.edge(*exit).args).to_vec();
    for edge in entries {
        let args = graph.push_list(&args);
        let data = &mut graph.edges[edge.index()];
        (data.block, data.args) = (to, args);
    }
    let (first, end) = graph.block(block).insts;
    graph.states.retain(|state| !(first..end).contains(&state.inst));
    for inst in &mut graph.insts[first.index()..end.index()] {
        (inst.op, inst.args) = (Opcode::Wasm(sterna_isa::Op::Nop), List::default());
    }
    // Edges to the entry are edges that were removed.
    for edge in [body.back, *exit] {
        let data = &mut graph.edges[edge.index()];
        (data.block, data.args) = (Block::from_u32(0), List::default());
    }
    let order: Vec<Block> = graph.blocks().filter(|&other| other != block).collect();
    graph.reorder(&order);
}
