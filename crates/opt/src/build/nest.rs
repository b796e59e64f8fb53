//! Owns copying parts of the loops around the loop at which a graph is to begin, so that they stay natural loops.
//! Does not own the values that are defined in several copies then (`enter`).
//!
//! The entry is the header of loop L1, which lies in L2, that in L3, and so on. Where control went from L1 into the middle of L2, that
//! would have two entries, and what makes loops fast would leave it alone, here and in Cranelift. So
//! 1. the entry leads into a copy of L1;
//! 2. what leaves the copy of Li for L(i+1) goes on in a copy of the rest of that loop's iteration, up to its header or out of it;
//! 3. the header is that of a copy of all of L(i+1), which is so entered as it should be. The copy of the last loop is the loop itself.
//! 4. Loops from which on that would take more than [`MAX_INSTS`] are not copied; they are then entered in the middle.

use std::collections::HashMap;

use sterna_isa::Op;

use super::enter::edges_out;
use crate::graph::{
    Block, BlockData, Def, Edge, EdgeData, Graph, Inst, LandingData, List, Opcode, StateData,
    Switch, Value,
};

/// Most instructions that are copied.
const MAX_INSTS: usize = 4096;

/// Most loops that are looked at.
const MAX_DEPTH: usize = 16;

/// The copies made of parts of a loop nest.
pub(super) struct Copies {
    /// The copy of the header, at which the graph is to begin.
    pub header: Block,
    /// By value: what stands for it in copies of the block that defines it. All that a copy uses of its own block is such a value, all
    /// that it uses of others bears the name that it had before.
    pub values: HashMap<Value, Vec<Value>>,
}

impl Copies {
    /// Copies what rules 1 to 4 say. `headers` are those of the loops around the entry and its own, the innermost first.
    pub fn make(graph: &mut Graph, headers: &[Block]) -> Copies {
        let entry = headers[0];
        let nest = Nest::new(graph, &headers[..headers.len().min(MAX_DEPTH)]);
        let mut copies = Copies { header: entry, values: HashMap::new() };
        if nest.loops.len() < 2 {
            return copies;
        }
        let mut made = HashMap::new();
        let mut work = Vec::new();
        copies.header = copied(graph, &mut made, &mut work, (entry, Place::In(0)));
        while let Some((block, place, copy)) = work.pop() {
            for edge in copies.fill(graph, block, copy) {
                let target = graph.edge(edge).block;
                let to = nest.place(place, target);
                if to != nest.original() {
                    graph.edges[edge.index()].block =
                        copied(graph, &mut made, &mut work, (target, to));
                }
            }
        }
        copies
    }

    /// Gives the copy of a block parameters and instructions; the edges out of it, which lead where those of the block do.
    fn fill(&mut self, graph: &mut Graph, block: Block, copy: Block) -> Vec<Edge> {
        let mut local = HashMap::new();
        let params = graph.list(graph.block(block).params).to_vec();
        let mut new_params = Vec::with_capacity(params.len());
        for (at, &param) in params.iter().enumerate() {
            let new = graph.push_value(Def::Param(copy), graph.ty(param), at);
            new_params.push(new);
            local.insert(param, new);
        }
        let new_params = graph.push_list(&new_params);
        let first = Inst::from_u32(graph.num_insts() as u32);
        for inst in graph.block_insts(block) {
            copy_inst(graph, inst, &mut local);
        }
        let end = Inst::from_u32(graph.num_insts() as u32);
        let data = graph.blocks[block.index()];
        graph.blocks[copy.index()] = BlockData { params: new_params, insts: (first, end), ..data };
        for (value, new) in local {
            self.values.entry(value).or_default().push(new);
        }
        edges_out(graph, copy)
    }
}

/// The copy of a block for a place, which is yet to be filled if it is new.
fn copied(
    graph: &mut Graph,
    made: &mut HashMap<(Block, Place), Block>,
    work: &mut Vec<(Block, Place, Block)>,
    (block, place): (Block, Place),
) -> Block {
    *made.entry((block, place)).or_insert_with(|| {
        let copy = graph.push_block();
        work.push((block, place, copy));
        copy
    })
}

/// Appends a copy of an instruction with all that belongs to it. Operands that are in `local` are replaced, results are added to it.
fn copy_inst(graph: &mut Graph, inst: Inst, local: &mut HashMap<Value, Value>) {
    let data = *graph.inst(inst);
    let args = copy_list(graph, data.args, local);
    let copy = graph.push_inst(data.op, args, data.imm, data.origin);
    for result in graph.results(inst) {
        let new = graph.push_result(copy, graph.ty(result));
        local.insert(result, new);
    }
    for state in graph.states_at(inst).to_vec() {
        let values = copy_list(graph, state.values, local);
        graph.states.push(StateData { inst: copy, values, ..state });
    }
    if let Some(landing) = graph.landing(inst) {
        let edge = copy_edges(graph, (landing.edge, 1), local);
        let exn = local.get(&landing.exn).copied().unwrap_or(landing.exn);
        graph.landings.push(LandingData { inst: copy, edge, exn });
    }
    match data.op {
        Opcode::Wasm(Op::Br | Op::BrIf) => {
            let (first, count) = data.index2();
            let first = copy_edges(graph, (Edge::from_u32(first), count), local);
            graph.insts[copy.index()].imm = u64::from(first.as_u32()) | u64::from(count) << 32;
        }
        Opcode::Wasm(Op::BrTable) => {
            let switch = *graph.switch(inst);
            let first = copy_edges(graph, switch.edges, local);
            let start = graph.tables.len() as u32;
            for at in switch.table.0..switch.table.0 + switch.table.1 {
                let nth = graph.tables[at as usize].as_u32() - switch.edges.0.as_u32();
                graph.tables.push(Edge::from_u32(first.as_u32() + nth));
            }
            let (edges, table) = ((first, switch.edges.1), (start, switch.table.1));
            graph.insts[copy.index()].imm = graph.switches.len() as u64;
            graph.switches.push(Switch { edges, table });
        }
        _ => {}
    }
}

fn copy_list(graph: &mut Graph, list: List, local: &HashMap<Value, Value>) -> List {
    let values: Vec<Value> = graph.list(list).iter().map(|value| graph.resolve(*value)).collect();
    let values: Vec<Value> =
        values.iter().map(|value| *local.get(value).unwrap_or(value)).collect();
    graph.push_list(&values)
}

/// Copies consecutive edges; the first copy.
fn copy_edges(
    graph: &mut Graph,
    (first, count): (Edge, u32),
    local: &HashMap<Value, Value>,
) -> Edge {
    let start = graph.edges.len() as u32;
    for at in first.as_u32()..first.as_u32() + count {
        let edge = *graph.edge(Edge::from_u32(at));
        let args = copy_list(graph, edge.args, local);
        graph.edges.push(EdgeData { args, ..edge });
    }
    Edge::from_u32(start)
}

/// Where control is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// In the loop of this position, having entered it at its header.
    In(u32),
    /// In the iteration of the loop of this position that was going on at the entry.
    Rest(u32),
}

/// The loops around the entry that are to be natural, the innermost first.
struct Nest {
    loops: Vec<Block>,
    /// By block: the position of the innermost of these loops that it is in; their number if it is in none.
    innermost: Vec<u32>,
}

impl Nest {
    fn new(graph: &Graph, headers: &[Block]) -> Nest {
        let none = headers.len() as u32;
        let mut nest = Nest { loops: Vec::new(), innermost: vec![none; graph.num_blocks()] };
        let sources = sources(graph);
        let mut insts = 0;
        for &header in headers {
            let Some(members) = natural_loop(&sources, header) else { break };
            let is_around = nest.loops.first().is_none_or(|entry| members.contains(entry));
            if !is_around {
                continue;
            }
            // A loop is copied as a whole and for the rest of an iteration.
            insts +=
                2 * members.iter().map(|&block| graph.block_insts(block).count()).sum::<usize>();
            if !nest.loops.is_empty() && insts > MAX_INSTS {
                break;
            }
            let position = nest.loops.len() as u32;
            nest.loops.push(header);
            for block in members {
                let innermost = &mut nest.innermost[block.index()];
                *innermost = position.min(*innermost);
            }
        }
        nest
    }

    /// Where nothing is copied: in the outermost loop, and outside of all.
    fn original(&self) -> Place {
        Place::In(self.loops.len() as u32 - 1)
    }

    /// Where an edge to a block leads from a place.
    fn place(&self, from: Place, to: Block) -> Place {
        let innermost = self.innermost[to.index()];
        let (Place::In(of) | Place::Rest(of)) = from;
        if innermost as usize >= self.loops.len() {
            return self.original();
        }
        let now = of.max(innermost);
        match from {
            Place::In(_) if now == of => from,
            _ if to == self.loops[now as usize] => Place::In(now),
            _ => Place::Rest(now),
        }
    }
}

/// By block, those that lead to it.
fn sources(graph: &Graph) -> Vec<Vec<Block>> {
    let mut sources = vec![Vec::new(); graph.num_blocks()];
    for block in graph.blocks() {
        for edge in edges_out(graph, block) {
            if let Some(sources) = sources.get_mut(graph.edge(edge).block.index()) {
                sources.push(block);
            }
        }
    }
    sources
}

/// The blocks of a loop; `None` if it is entered elsewhere than at its header. One that never goes on has no blocks.
fn natural_loop(sources: &[Vec<Block>], header: Block) -> Option<Vec<Block>> {
    let mut seen = vec![false; sources.len()];
    seen[header.index()] = true;
    let mut members = Vec::new();
    // Edges back come from the header or later blocks.
    let mut work: Vec<Block> =
        sources[header.index()].iter().copied().filter(|&block| block >= header).collect();
    if !work.is_empty() {
        members.push(header);
    }
    while let Some(block) = work.pop() {
        if block < header {
            return None;
        }
        if !std::mem::replace(&mut seen[block.index()], true) {
            members.push(block);
            work.extend_from_slice(&sources[block.index()]);
        }
    }
    Some(members)
}
