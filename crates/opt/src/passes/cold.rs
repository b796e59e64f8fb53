//! Owns finding the blocks that are unlikely to run, so that code generation can put them out of the way.
//! Does not change what the graph computes.
//!
//! Rules:
//! 1. A block that ends in `unreachable` is cold.
//! 2. A block is cold if every edge out of it is, or leads to a cold block. (Blocks are visited last to first: through loops, nothing is
//!    known about the header then, and it counts as warm.)
//! 3. A block is cold if every edge into it is, or comes from a cold block; back edges do not count.
//! 4. The entry is not.

use sterna_isa::Op;

use super::Incoming;
use crate::graph::{Block, Graph, Inst, Opcode};

/// Scratch memory of the pass.
#[derive(Default)]
pub struct Cold {
    /// The block that each edge comes from.
    sources: Vec<Block>,
}

impl Cold {
    /// Runs the pass.
    pub fn run(&mut self, graph: &mut Graph, incoming: &Incoming) {
        let entry = Block::from_u32(0);
        self.sources.clear();
        self.sources.resize(graph.edges.len(), entry);
        let mut any = graph.edges.iter().any(|edge| edge.is_cold);
        for block in graph.blocks().rev() {
            let Some(last) = graph.block_insts(block).next_back() else { continue };
            for edge in graph.edges(last) {
                self.sources[edge.index()] = block;
            }
            let is_cold = block != entry && ends_cold(graph, last);
            graph.blocks[block.index()].is_cold = is_cold;
            any |= is_cold;
        }
        if !any {
            return;
        }
        for block in graph.blocks().skip(1) {
            let is_entered_warm = |source: Block, is_cold: bool| {
                source < block && !is_cold && !graph.block(source).is_cold
            };
            let is_warm = incoming
                .of(block)
                .iter()
                .any(|&edge| is_entered_warm(self.sources[edge.index()], graph.edge(edge).is_cold));
            graph.blocks[block.index()].is_cold |= !is_warm;
        }
    }
}

/// Rules 1 and 2.
fn ends_cold(graph: &Graph, last: Inst) -> bool {
    if graph.inst(last).op == Opcode::Wasm(Op::Unreachable) {
        return true;
    }
    let mut edges = graph.edges(last);
    edges.len() > 0
        && edges.all(|edge| {
            let edge = graph.edge(edge);
            edge.is_cold || graph.block(edge.block).is_cold
        })
}
