//! Owns the removal of trivial block parameters, those that always hold the same value.
//! Does not remove unused ones (`dead`).
//!
//! Rules:
//! 1. A parameter whose arguments on all edges are one value `v`, or the parameter itself, is replaced by `v`.
//! 2. Replacing one parameter can make others trivial: repeat until nothing changes, at most [`ROUNDS`] times.
//! 3. Afterwards every list of the graph names replacements instead of replaced values.

use super::Incoming;
use crate::graph::{Block, Def, Graph, Value};

/// Rounds after which leftover trivial parameters are left alone.
const ROUNDS: usize = 4;

/// Scratch memory of the pass.
#[derive(Default)]
pub struct Params {
    /// Blocks with parameters.
    blocks: Vec<Block>,
}

impl Params {
    /// Runs the pass.
    pub fn run(&mut self, graph: &mut Graph, incoming: &Incoming) {
        self.blocks.clear();
        self.blocks
            .extend(graph.blocks().skip(1).filter(|&block| !graph.block(block).params.is_empty()));
        let mut replaced = false;
        for _ in 0..ROUNDS {
            let mut changed = false;
            for &block in &self.blocks {
                for i in 0..graph.block(block).params.len() {
                    changed |= replace_if_trivial(graph, incoming, block, i);
                }
            }
            replaced |= changed;
            if !changed {
                break;
            }
        }
        if replaced {
            for i in 0..graph.pool.len() {
                graph.pool[i] = graph.resolve(graph.pool[i]);
            }
            remove_replaced(graph, incoming, &self.blocks);
        }
    }
}

/// Rule 1 for parameter `i` of `block`.
fn replace_if_trivial(graph: &mut Graph, incoming: &Incoming, block: Block, i: usize) -> bool {
    let param = graph.list(graph.block(block).params)[i];
    if let Def::Alias(_) = graph.def(param) {
        return false;
    }
    let mut only: Option<Value> = None;
    for &edge in incoming.of(block) {
        let arg = graph.resolve(graph.list(graph.edge(edge).args)[i]);
        if arg == param || only == Some(arg) {
            continue;
        }
        if only.is_some() {
            return false;
        }
        only = Some(arg);
    }
    let Some(value) = only else { return false };
    graph.values[param.index()].def = Def::Alias(value);
    true
}

/// Drops replaced parameters from their blocks, and the arguments for them.
fn remove_replaced(graph: &mut Graph, incoming: &Incoming, blocks: &[Block]) {
    for &block in blocks {
        retain_params(graph, incoming, block, |graph, param| {
            graph.values[param.index()].def == Def::Param(block)
        });
    }
}

/// Keeps the parameters of `block` that `keep` wants. A dropped parameter's entry in the pool may meanwhile name another value, so
/// parameters are identified by position.
pub(super) fn retain_params(
    graph: &mut Graph,
    incoming: &Incoming,
    block: Block,
    mut keep: impl FnMut(&Graph, Value) -> bool,
) {
    let params = graph.block(block).params;
    let mut kept = 0;
    for i in 0..params.len() {
        let param = graph.list(params)[i];
        if !(graph.def(param) == Def::Param(block)
            && usize::from(graph.values[param.index()].index) == i
            && keep(graph, param))
        {
            continue;
        }
        if kept != i {
            graph.values[param.index()].index = kept as u16;
            graph.list_mut(params)[kept] = param;
            for &edge in incoming.of(block) {
                let args = graph.edge(edge).args;
                let arg = graph.list(args)[i];
                graph.list_mut(args)[kept] = arg;
            }
        }
        kept += 1;
    }
    if kept != params.len() {
        graph.blocks[block.index()].params.len = kept as u32;
        for &edge in incoming.of(block) {
            graph.edges[edge.index()].args.len = kept as u32;
        }
    }
}
