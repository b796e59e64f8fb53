//! Owns making the graph of a function into one that begins at the start of a loop: for on-stack replacement.
//! Does not know where the state that it begins with lies: the backend loads it.
//!
//! The new entry block's parameters are all locals and operands at the loop's start; it leads to the loop's header alone, or to the copy of
//! it that `nest` makes. What that cannot reach goes. Every block that stays is dominated by the header:
//! 1. A value of the state whose definition has gone is a parameter of the entry from now on.
//! 2. Other values can have several definitions: in a loop around the header also at the entry, if they are in the state, and in each copy
//!    of their block. Blocks where several of them meet get a parameter for the value. (A few too many: `passes::params` removes
//!    those that are not needed.)
//! 3. Nothing else can be live at the header: what wasm code can refer to lies in locals and on the operand stack. The exception of a
//!    legacy `try` does not, so loops in its clauses are refused.

use std::collections::HashMap;

use sterna_isa::Op;

use super::control::{Frame, FrameKind};
use super::nest::Copies;
use super::{Build, BuildError, MAX_PARAMS, MAX_WORK};
use crate::graph::{Block, BlockData, Def, Edge, Graph, Inst, List, Opcode, Origin, Value};

/// Most parameters added to blocks: deep nests of loops, entered in the middle, can need one for each local in each loop, and registers
/// are not found for so many in a time that anybody waits for.
const MAX_ADDED: usize = 1 << 14;

/// The loop at which a graph is to begin.
pub(super) struct LoopEntry {
    /// Its header and those of the loops around it, the innermost first.
    headers: Vec<Block>,
    /// All locals, then the operand stack, at the start of the header.
    state: List,
    locals: u32,
    origin: Origin,
}

impl Build<'_> {
    /// Notes the state at the start of the loop that is to be the entry, the innermost one, in its header, which is empty so far.
    pub(super) fn note_loop_entry(&mut self) -> Result<(), BuildError> {
        if self.cx.frames.iter().any(|frame| matches!(frame.kind, FrameKind::Catch(_))) {
            return Err(BuildError::Unsupported("a loop in a clause of a try".to_owned()));
        }
        let locals = self.graph.push_list(self.cx.locals.values());
        let stack = self.graph.push_list(&self.cx.stack);
        let state = List { start: locals.start, len: locals.len + stack.len };
        if state.len() > MAX_PARAMS {
            return Err(BuildError::TooLarge);
        }
        let header = |frame: &Frame| match frame.kind {
            FrameKind::Loop { header, .. } => Some(header),
            _ => None,
        };
        let headers = self.cx.frames.iter().rev().filter_map(header).collect();
        self.loop_entry =
            Some(LoopEntry { headers, state, locals: locals.len, origin: self.origin });
        Ok(())
    }
}

/// Makes a finished graph begin at a loop.
pub(super) fn enter_loop(graph: &mut Graph, entry: Option<LoopEntry>) -> Result<(), BuildError> {
    let unreachable = || BuildError::Unsupported("a loop that cannot be reached".to_owned());
    let entry = entry.ok_or_else(unreachable)?;
    let first = graph.values.len() as u32;
    let copies = Copies::make(graph, &entry.headers);
    let flow = Flow::new(graph, copies.header);
    flow.remove_rest(graph);
    let (entries, added) = (HashMap::new(), Vec::new());
    let mut enter = Enter { graph, flow, copies, entry, first, entries, added };
    enter.define_state();
    enter.repair()?;
    enter.finish()
}

/// No block.
const GONE: u32 = u32::MAX;

/// The control flow that the header leads to.
struct Flow {
    /// The blocks, in reverse postorder: the header first, dominators before what they dominate.
    order: Vec<Block>,
    /// Position of each block in `order`, or [`GONE`].
    position: Vec<u32>,
    /// Position of each instruction's block in `order`, or [`GONE`].
    home: Vec<u32>,
    /// By position: the edges out of it, those of its calls' landings included.
    out: Vec<Vec<Edge>>,
    /// By position: edges into it with the positions that they come from. That of the new entry is not among them.
    into: Vec<Vec<(Edge, u32)>>,
}

impl Flow {
    fn new(graph: &Graph, header: Block) -> Flow {
        let mut out: Vec<Vec<Edge>> = vec![Vec::new(); graph.num_blocks()];
        let mut seen = vec![false; graph.num_blocks()];
        let mut order = Vec::new();
        let mut stack = vec![(header, 0)];
        seen[header.index()] = true;
        out[header.index()] = edges_out(graph, header);
        while let Some((block, next)) = stack.last_mut() {
            let Some(&edge) = out[block.index()].get(*next) else {
                order.push(*block);
                stack.pop();
                continue;
            };
            *next += 1;
            let target = graph.edge(edge).block;
            if !std::mem::replace(&mut seen[target.index()], true) {
                out[target.index()] = edges_out(graph, target);
                stack.push((target, 0));
            }
        }
        order.reverse();
        let mut position = vec![GONE; graph.num_blocks()];
        let mut home = vec![GONE; graph.num_insts()];
        for (at, &block) in (0..).zip(&order) {
            position[block.index()] = at;
            graph.block_insts(block).for_each(|inst| home[inst.index()] = at);
        }
        let out: Vec<Vec<Edge>> =
            order.iter().map(|block| std::mem::take(&mut out[block.index()])).collect();
        let mut into = vec![Vec::new(); order.len()];
        for (at, edges) in (0..).zip(&out) {
            for &edge in edges {
                into[position[graph.edge(edge).block.index()] as usize].push((edge, at));
            }
        }
        Flow { order, position, home, out, into }
    }

    /// Takes all else out of the graph, but for its empty blocks.
    fn remove_rest(&self, graph: &mut Graph) {
        for (inst, &home) in graph.insts.iter_mut().zip(&self.home) {
            if home == GONE {
                inst.op = Opcode::Wasm(Op::Nop);
                inst.args = List::default();
            }
        }
        graph.states.retain(|state| self.home[state.inst.index()] != GONE);
        graph.landings.retain(|landing| self.home[landing.inst.index()] != GONE);
        let mut kept = vec![false; graph.edges.len()];
        self.out.iter().flatten().for_each(|edge| kept[edge.index()] = true);
        for (edge, kept) in graph.edges.iter_mut().zip(kept) {
            if !kept {
                // To the entry, the only block that may have edges which pass nothing.
                (edge.block, edge.args) = (Block::from_u32(0), List::default());
            }
        }
    }

    /// Position of the block that defines a value, or [`GONE`].
    fn definition(&self, graph: &Graph, value: Value) -> u32 {
        match graph.def(value) {
            Def::Param(block) => self.position[block.index()],
            Def::Result(inst) => self.home[inst.index()],
            Def::Const(_) | Def::Alias(_) => GONE,
        }
    }
}

/// The edges out of a block, those of its calls' landings included.
pub(super) fn edges_out(graph: &Graph, block: Block) -> Vec<Edge> {
    let mut edges = Vec::new();
    if !graph.landings.is_empty() {
        let landings = graph.block_insts(block).filter_map(|inst| graph.landing(inst));
        edges.extend(landings.map(|landing| landing.edge));
    }
    edges.extend(
        graph.block_insts(block).next_back().into_iter().flat_map(|last| graph.edges(last)),
    );
    edges
}

/// A parameter to be added to a block.
struct Added {
    /// Position of the block.
    at: u32,
    param: Value,
    /// What it stands for there.
    of: Value,
}

struct Enter<'a> {
    graph: &'a mut Graph,
    flow: Flow,
    copies: Copies,
    entry: LoopEntry,
    /// Values from here on are new: parameters of the entry, and copies, which are used in their own blocks only.
    first: u32,
    /// By value of the state: the entry's parameter for it.
    entries: HashMap<Value, Value>,
    added: Vec<Added>,
}

impl Enter<'_> {
    /// Makes the entry's parameters, and lets them stand for what is not defined any more (rule 1).
    fn define_state(&mut self) {
        let block = Block::from_u32(0);
        self.graph.blocks[0].params = List::default();
        let state = self.graph.list(self.entry.state).to_vec();
        for value in state {
            let ty = self.graph.ty(value);
            let param = self.graph.push_param(block, ty);
            if self.graph.constant(value).is_none() {
                self.entries.entry(value).or_insert(param);
            }
        }
        for (&value, &param) in &self.entries {
            if self.definitions(value).is_empty() {
                self.graph.values[value.index()].def = Def::Alias(param);
            }
        }
    }

    /// Where a value is defined, in the function's own block or copies of it, and as what. Not where it enters.
    fn definitions(&self, value: Value) -> Vec<(u32, Value)> {
        let copies = self.copies.values.get(&value).into_iter().flatten();
        let all = [value].into_iter().chain(copies.copied());
        let all = all.map(|value| (self.flow.definition(self.graph, value), value));
        all.filter(|&(at, _)| at != GONE).collect()
    }

    /// Rule 2 for all values, which are found by their uses. Rule 3: all others are defined where they are used.
    fn repair(&mut self) -> Result<(), BuildError> {
        let uses = self.uses()?;
        let mut live = Live::new(self.flow.order.len());
        // In the order of their first uses: compilation is deterministic.
        for (value, blocks) in uses {
            live.compute(&self.flow, self.definitions(value), &blocks);
            let is_live_in = live.is_in(0);
            if is_live_in && !self.entries.contains_key(&value) {
                return Err(BuildError::Unsupported("a value outside of the state".to_owned()));
            }
            if is_live_in || live.definitions.len() > 1 {
                self.split(value, &mut live);
            }
            if live.work > MAX_WORK || self.added.len() > MAX_ADDED {
                return Err(BuildError::TooLarge);
            }
        }
        Ok(())
    }

    /// Values that are used in other blocks than they are defined in, with the positions of these.
    fn uses(&self) -> Result<Vec<(Value, Vec<u32>)>, BuildError> {
        let (graph, flow) = (&*self.graph, &self.flow);
        let mut found: Vec<(Value, Vec<u32>)> = Vec::new();
        let mut index: HashMap<Value, usize> = HashMap::new();
        for at in 0..flow.order.len() as u32 {
            for list in self.lists(at) {
                for &value in graph.list(list) {
                    let value = graph.resolve(value);
                    if graph.constant(value).is_some() || value.as_u32() >= self.first {
                        continue;
                    }
                    let defined = flow.definition(graph, value);
                    if defined == GONE && !self.copies.values.contains_key(&value) {
                        let reason = "a value from before the loop".to_owned();
                        return Err(BuildError::Unsupported(reason));
                    }
                    if defined != at {
                        let place = *index.entry(value).or_insert(found.len());
                        if place == found.len() {
                            found.push((value, Vec::new()));
                        }
                        let blocks = &mut found[place].1;
                        if blocks.last() != Some(&at) {
                            blocks.push(at);
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// All lists of values used in a block: operands, arguments of edges, states.
    fn lists(&self, at: u32) -> Vec<List> {
        let graph = &*self.graph;
        let mut lists: Vec<List> =
            self.flow.out[at as usize].iter().map(|&edge| graph.edge(edge).args).collect();
        for inst in graph.block_insts(self.flow.order[at as usize]) {
            lists.push(graph.inst(inst).args);
            lists.extend(graph.states_at(inst).iter().map(|state| state.values));
        }
        lists
    }

    /// Gives a value with several definitions a parameter wherever these meet, and the uses what reaches them.
    fn split(&mut self, value: Value, live: &mut Live) {
        let ty = self.graph.ty(value);
        let (graph, flow, added) = (&mut *self.graph, &self.flow, &mut self.added);
        live.reach(flow, self.entries.get(&value).copied(), |at| {
            let param = graph.push_value(Def::Param(flow.order[at as usize]), ty, 0);
            added.push(Added { at, param, of: value });
            param
        });
        for &at in &live.blocks {
            let reaching = live.reaching[at as usize];
            for list in self.lists(at) {
                for used in self.graph.list_mut(list) {
                    if *used == value {
                        *used = reaching;
                    }
                }
            }
        }
        for added in self.added.iter().rev().take_while(|added| added.of == value) {
            for &(edge, from) in &self.flow.into[added.at as usize] {
                let passed = live.at_end(from);
                let args = self.graph.edge(edge).args;
                let mut args = self.graph.list(args).to_vec();
                args.push(passed);
                self.graph.edges[edge.index()].args = self.graph.push_list(&args);
            }
        }
    }

    /// Adds the parameters, makes the entry block, and puts the blocks in order.
    fn finish(self) -> Result<(), BuildError> {
        let Enter { graph, flow, entry, entries, added, .. } = self;
        let mut args = Vec::new();
        for &param in graph.list(graph.block(entry.headers[0]).params) {
            let missing = || BuildError::Unsupported("a loop outside of its state".to_owned());
            args.push(*entries.get(&param).ok_or_else(missing)?);
        }
        args.extend(added.iter().filter(|added| added.at == 0).map(|added| entries[&added.of]));
        for Added { at, param, .. } in added {
            let block = flow.order[at as usize].index();
            let mut params = graph.list(graph.blocks[block].params).to_vec();
            if params.len() >= MAX_PARAMS {
                return Err(BuildError::TooLarge);
            }
            graph.values[param.index()].index = params.len() as u16;
            params.push(param);
            graph.blocks[block].params = graph.push_list(&params);
        }
        for at in 0..graph.pool.len() {
            graph.pool[at] = graph.resolve(graph.pool[at]);
        }
        renumber(graph, &flow);
        let args = graph.push_list(&args);
        let edge = graph.push_edge(Block::from_u32(1));
        graph.edges[edge.index()].args = args;
        let imm = u64::from(edge.as_u32()) | 1 << 32;
        let jump = graph.push_inst(Opcode::Wasm(Op::Br), List::default(), imm, entry.origin);
        graph.blocks[0].insts = (jump, Inst::from_u32(jump.as_u32() + 1));
        graph.entry_locals = Some(entry.locals);
        Ok(())
    }
}

/// Leaves the entry and the blocks of the flow, in its order.
fn renumber(graph: &mut Graph, flow: &Flow) {
    let number = |block: Block| match flow.position[block.index()] {
        GONE => Block::from_u32(0),
        at => Block::from_u32(at + 1),
    };
    for value in &mut graph.values {
        if let Def::Param(block) = &mut value.def {
            *block = number(*block);
        }
    }
    for edge in &mut graph.edges {
        edge.block = number(edge.block);
    }
    let mut blocks = vec![BlockData { is_loop: false, ..graph.blocks[0] }];
    for (at, &block) in (0..).zip(&flow.order) {
        let is_loop = flow.into[at as usize].iter().any(|&(_, from)| from >= at);
        blocks.push(BlockData { is_loop, ..graph.blocks[block.index()] });
    }
    graph.blocks = blocks;
}

/// Where one value is live, by position of blocks.
struct Live {
    /// Blocks at whose start it is.
    blocks: Vec<u32>,
    is_in: Vec<bool>,
    /// What stands for it there.
    reaching: Vec<Value>,
    /// Where it is defined, and as what.
    definitions: Vec<(u32, Value)>,
    pending: Vec<u32>,
    /// Blocks looked at, for all values.
    work: usize,
}

/// Nothing that is known to reach a block yet.
const NOTHING: Value = Value::from_u32(u32::MAX);

impl Live {
    fn new(blocks: usize) -> Live {
        Live {
            blocks: Vec::new(),
            is_in: vec![false; blocks],
            reaching: vec![NOTHING; blocks],
            definitions: Vec::new(),
            pending: Vec::new(),
            work: 0,
        }
    }

    fn is_in(&self, at: u32) -> bool {
        self.is_in[at as usize]
    }

    fn definition(&self, at: u32) -> Option<Value> {
        self.definitions.iter().find(|&&(block, _)| block == at).map(|&(_, value)| value)
    }

    /// Follows a value from its uses back to its definitions.
    fn compute(&mut self, flow: &Flow, definitions: Vec<(u32, Value)>, uses: &[u32]) {
        self.definitions = definitions;
        for at in self.blocks.drain(..) {
            self.is_in[at as usize] = false;
        }
        self.pending.extend_from_slice(uses);
        while let Some(at) = self.pending.pop() {
            if self.definition(at).is_some()
                || std::mem::replace(&mut self.is_in[at as usize], true)
            {
                continue;
            }
            self.blocks.push(at);
            self.pending.extend(flow.into[at as usize].iter().map(|&(_, from)| from));
        }
        self.work += self.blocks.len();
    }

    /// What stands for the value at the end of a block.
    fn at_end(&self, at: u32) -> Value {
        self.definition(at).unwrap_or(self.reaching[at as usize])
    }

    /// Finds what stands for the value at the start of each block where it is live. `param` makes a parameter of a block for it: it is called where
    /// several definitions meet, `entered` among them, if that is one.
    fn reach(&mut self, flow: &Flow, entered: Option<Value>, mut param: impl FnMut(u32) -> Value) {
        // Sources before targets, but for loops.
        self.blocks.sort_unstable();
        let blocks = std::mem::take(&mut self.blocks);
        let mut params = vec![NOTHING; blocks.len()];
        let (mut joined, mut changed) = (true, true);
        while changed && self.work <= MAX_WORK {
            if joined {
                // What was found without the new parameters may be wrong.
                for (&at, &made) in blocks.iter().zip(&params) {
                    self.reaching[at as usize] = made;
                }
            }
            (joined, changed) = (false, false);
            self.work += blocks.len();
            for (&at, made) in blocks.iter().zip(&mut params).filter(|(_, made)| **made == NOTHING)
            {
                let entered = entered.filter(|_| at == 0);
                let sources = flow.into[at as usize].iter().map(|&(_, from)| self.at_end(from));
                let mut all = entered.into_iter().chain(sources).filter(|&value| value != NOTHING);
                let mut found = all.next().unwrap_or(NOTHING);
                if all.any(|value| value != found) {
                    found = param(at);
                    (*made, joined) = (found, true);
                }
                changed |= found != std::mem::replace(&mut self.reaching[at as usize], found);
            }
        }
        self.blocks = blocks;
    }
}
