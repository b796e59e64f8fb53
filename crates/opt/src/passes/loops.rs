//! Owns the pass that runs several iterations of simple loops at a time, on vectors or, where that cannot be, one after the other.
//! Does not own its parts: what is known of a loop (`linear`, `counted`, `accesses`), its branches (`flatten`), what lanes compute (`pack`), the blocks
//! in front of the loop (`emit`, then `vectors` or `copies`).
//!
//! Rules:
//! 1. Only loops of one block that accesses one memory, which is not shared, and otherwise computes without effects or traps.
//! 2. The loop stays as it is. In front of it come tests at run time (enough iterations, all accesses in bounds, stores disjoint from
//!    everything else as far as that is not known) and, if they succeed, a loop over groups of iterations for all but the last ones. So every trap is
//!    raised by the loop as it was, at its place, after everything before it.
//! 3. Results are the same to the last bit: lanes compute what scalars do, sums of floats are not touched.
//! 4. A poll at the head stays one per group. Loops whose polls record states are left alone, since lanes are no state.

mod accesses;
mod copies;
mod counted;
mod emit;
mod flatten;
mod lanes;
mod linear;
mod pack;
pub(super) mod unused;
mod vectors;

use sterna_module::Module;

use super::{Incoming, fold};
use crate::graph::{Block, Edge, Graph};
use accesses::Accesses;
use copies::Copies;
use counted::Trip;
use emit::Place;
use flatten::{Mark, discard, flatten};
use linear::{Body, Forms};
use pack::Plan;

/// Most loops of a function that are changed.
const MAX_LOOPS: usize = 64;

/// Longest body in instructions.
const MAX_INSTS: usize = 256;

/// Runs the pass; whether it changed anything. Then blocks and edges are others.
pub(super) fn run(graph: &mut Graph, incoming: &Incoming, module: &Module) -> bool {
    if !graph.blocks().any(|block| graph.block(block).is_loop) {
        return false;
    }
    let sources = sources(graph);
    let mut order = Vec::new();
    let mut changed = 0;
    for block in graph.blocks() {
        if graph.block(block).is_loop && changed < MAX_LOOPS {
            let from = graph.num_blocks();
            if vectorize(graph, incoming, &sources, module, block).is_some() {
                // What has no instructions any more stood for the loop only.
                let made = (from as u32..graph.num_blocks() as u32).map(Block::from_u32);
                order.extend(made.filter(|&made| graph.block(made).insts.1.index() > 0));
                changed += 1;
            }
        }
        order.push(block);
    }
    if changed > 0 {
        graph.reorder(&order);
    }
    changed > 0
}

/// The block that each edge comes from.
fn sources(graph: &Graph) -> Vec<Block> {
    let mut sources = vec![Block::from_u32(0); graph.edges.len()];
    for block in graph.blocks() {
        if let Some(inst) = graph.block_insts(block).next_back() {
            for edge in graph.edges(inst) {
                sources[edge.index()] = block;
            }
        }
    }
    sources
}

/// Makes the blocks in front of a loop, if it is one that can run on vectors.
fn vectorize(
    graph: &mut Graph,
    incoming: &Incoming,
    sources: &[Block],
    module: &Module,
    block: Block,
) -> Option<()> {
    let is_entry = |edge: &Edge| sources[edge.index()] < block;
    let entries: Vec<Edge> = incoming.of(block).iter().copied().filter(is_entry).collect();
    if entries.len() + 1 != incoming.of(block).len() {
        return None;
    }
    let mark = Mark::new(graph);
    let body = match Body::of(graph, block) {
        Some(body) => Some(body),
        None => flatten(graph, incoming, sources, block),
    };
    let made = body.and_then(|body| {
        if graph.block_insts(body.block).count() > MAX_INSTS {
            return None;
        }
        let forms = Forms::new(graph, &body);
        let trip = Trip::of(graph, &body, &forms)?;
        let accesses = Accesses::of(graph, module, &body, &forms)?;
        let (accesses, entries) = (&accesses, &entries[..]);
        let place = Place { body: &body, forms: &forms, accesses, entries };
        match Plan::of(graph, &body, &forms, accesses) {
            Some(plan) => vectors::emit(graph, &place, &trip, &plan),
            None => {
                let copies = Copies::of(graph, &body, accesses)?;
                copies::emit(graph, &place, &trip, &copies);
            }
        }
        if body.block != block {
            discard(graph, &body);
        }
        Some(())
    });
    if made.is_none() {
        mark.undo(graph);
    }
    made
}
