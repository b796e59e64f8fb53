//! Owns keeping mutable globals in values between the places that read and write them.
//! Does not know what callees do to them: a call may change them all.
//!
//! Rules. The value of a global is *known* where every path comes from a read or write of it, with nothing in between that may change it:
//! 1. A read of a known global is that value. Where different values meet, a block parameter holds it.
//! 2. At the head of a loop, a global that is known at every way back, if it is at the head, is made known by a read in front of the loop, provided that the
//!    loop reads it.
//! 3. A write is dropped if on every path another one follows before anything that could see it: whatever may trap, call or leave, since
//!    globals outlive traps and frames can be left at calls and polls.
//! 4. Imported globals may be one and the same: an access to one, even if it is not kept in a value, may be one to all of them. References to
//!    objects stay in memory, where collections find them.

use sterna_base::GlobalIndex;
use sterna_isa::{Class, Op};
use sterna_module::Module;

use super::Incoming;
use crate::graph::{Block, Def, Edge, Graph, Inst, List, Opcode, Type, Value};

/// Most globals of a function that are kept in values: bits of a [`Set`].
const MAX_GLOBALS: usize = 64;

/// Most pairs of blocks and globals: bounds memory.
const MAX_PLACES: usize = 1 << 20;

/// Rounds after which a flow that has not settled is given up: it takes about as many as loops nest.
const MAX_ROUNDS: usize = 24;

/// Globals, a bit each.
type Set = u64;

/// What happens to globals in a block, and what is known around it.
#[derive(Clone, Copy, Default)]
struct Facts {
    /// Read before anything else happens to them.
    exposed: Set,
    /// Anything happens to them.
    touched: Set,
    /// Known at the end because of the block, and unknown there because of it.
    known: Set,
    killed: Set,
    /// Read, before anything else, on some path from the beginning.
    live: Set,
    /// Known at the beginning, and at the end.
    into: Set,
    out: Set,
    /// Rule 3: written on every path from the beginning before anything could see it.
    overwritten: Set,
}

/// What an instruction does to globals.
enum Effect {
    Read(usize),
    Write(usize),
    /// A read or write of one that may be any of the imported ones.
    Imported,
    /// May change them all.
    Clobber,
    None,
}

/// Scratch memory of the pass.
#[derive(Default)]
pub struct Globals {
    /// Those that are kept in values.
    globals: Vec<(u32, Type)>,
    /// Which of them are imported, and how many imported ones there are.
    imported: Set,
    imports: usize,
    facts: Vec<Facts>,
    /// The block that each edge comes from; none for edges that do not leave from the end of a block.
    sources: Vec<Option<Block>>,
    /// Per block and global: its value at the end of the block.
    values: Vec<Option<Value>>,
    /// Parameters to be added, and which global each stands for.
    added: Vec<(Block, Value, usize)>,
}

impl Globals {
    /// Runs the pass; whether blocks and edges are others now.
    pub fn run(&mut self, graph: &mut Graph, incoming: &Incoming, module: &Module) -> bool {
        self.choose(graph, module);
        if self.globals.is_empty() || graph.num_blocks() * self.globals.len() > MAX_PLACES {
            return false;
        }
        let room = u16::MAX as usize - MAX_GLOBALS;
        if graph.blocks.iter().any(|block| block.params.len() > room) {
            return false;
        }
        self.find_sources(graph);
        self.facts.clear();
        for block in graph.blocks() {
            let facts = self.local_facts(graph, block);
            self.facts.push(facts);
        }
        if !self.find_live(graph) || !self.find_known(graph, incoming) {
            return false;
        }
        let replaced = self.replace(graph, incoming);
        let changed = self.pass_values(graph, incoming);
        if replaced {
            for i in 0..graph.pool.len() {
                graph.pool[i] = graph.resolve(graph.pool[i]);
            }
        }
        self.drop_overwritten(graph);
        changed
    }

    /// Chooses the globals that are accessed more than once, or in a function with loops.
    fn choose(&mut self, graph: &Graph, module: &Module) {
        self.globals.clear();
        self.imported = 0;
        self.imports = module.num_imported_globals();
        let has_loops = graph.blocks().any(|block| graph.block(block).is_loop);
        let mut once: Vec<u32> = Vec::new();
        for inst in &graph.insts {
            if !matches!(inst.op, Opcode::Wasm(Op::GlobalGet | Op::GlobalSet)) {
                continue;
            }
            let global = inst.index();
            if self.globals.iter().any(|known| known.0 == global) {
                continue;
            }
            let ty = module.global_type(GlobalIndex::from_u32(global));
            let Some(graph_ty) = Type::of(module, ty.ty) else { continue };
            if !ty.mutable || graph_ty.is_object() || self.globals.len() == MAX_GLOBALS {
                continue;
            }
            match once.iter().position(|&once| once == global) {
                None if !has_loops => once.push(global),
                at => {
                    at.inspect(|&at| _ = once.swap_remove(at));
                    if (global as usize) < self.imports {
                        self.imported |= 1 << self.globals.len();
                    }
                    self.globals.push((global, graph_ty));
                }
            }
        }
    }

    fn find_sources(&mut self, graph: &Graph) {
        self.sources.clear();
        self.sources.resize(graph.edges.len(), None);
        for block in graph.blocks() {
            if let Some(last) = graph.block_insts(block).next_back() {
                for edge in graph.edges(last) {
                    self.sources[edge.index()] = Some(block);
                }
            }
        }
    }

    fn effect(&self, graph: &Graph, inst: Inst) -> Effect {
        let data = graph.inst(inst);
        let Opcode::Wasm(op) = data.op else { return Effect::None };
        match op {
            Op::GlobalGet | Op::GlobalSet => {
                let at = self.globals.iter().position(|known| known.0 == data.index());
                match (at, op) {
                    (Some(at), Op::GlobalGet) => Effect::Read(at),
                    (Some(at), _) => Effect::Write(at),
                    (None, _) if (data.index() as usize) < self.imports => Effect::Imported,
                    (None, _) => Effect::None,
                }
            }
            _ if op.class() == Class::Call => Effect::Clobber,
            _ => Effect::None,
        }
    }

    /// Rule 4: those that a write of one may change besides.
    fn aliases(&self, at: usize) -> Set {
        if self.imported >> at & 1 != 0 { self.imported & !(1 << at) } else { 0 }
    }

    fn local_facts(&self, graph: &Graph, block: Block) -> Facts {
        let mut facts = Facts::default();
        for inst in graph.block_insts(block) {
            match self.effect(graph, inst) {
                Effect::Read(at) => {
                    facts.exposed |= 1 << at & !facts.touched;
                    facts.touched |= 1 << at;
                    facts.known |= 1 << at;
                    facts.killed &= !(1 << at);
                }
                Effect::Write(at) => {
                    let others = self.aliases(at);
                    facts.touched |= 1 << at | others;
                    facts.known = facts.known & !others | 1 << at;
                    facts.killed = facts.killed & !(1 << at) | others;
                }
                Effect::Imported => {
                    facts.touched |= self.imported;
                    facts.known &= !self.imported;
                    facts.killed |= self.imported;
                }
                Effect::Clobber => {
                    facts.touched = Set::MAX;
                    facts.known = 0;
                    facts.killed = Set::MAX;
                }
                Effect::None => {}
            }
        }
        facts
    }

    /// Finds where globals are live, backwards; whether it settled.
    fn find_live(&mut self, graph: &Graph) -> bool {
        for _ in 0..MAX_ROUNDS {
            let mut changed = false;
            for block in graph.blocks().rev() {
                let last = graph.block_insts(block).next_back();
                let edges = last.into_iter().flat_map(|last| graph.edges(last));
                let after = edges
                    .fold(0, |live, edge| live | self.facts[graph.edge(edge).block.index()].live);
                let facts = &mut self.facts[block.index()];
                let live = facts.exposed | after & !facts.touched;
                changed |= live != facts.live;
                facts.live = live;
            }
            if !changed {
                return true;
            }
        }
        false
    }

    /// Finds where globals are known, rules 1 and 2; whether it settled.
    fn find_known(&mut self, graph: &Graph, incoming: &Incoming) -> bool {
        let entry = Block::from_u32(0);
        for facts in &mut self.facts {
            facts.out = Set::MAX;
        }
        for _ in 0..MAX_ROUNDS {
            let mut changed = false;
            for block in graph.blocks() {
                let mut into = if block == entry { 0 } else { Set::MAX };
                let edges = incoming.of(block);
                let is_loop = graph.block(block).is_loop && edges.len() > 1;
                for &edge in edges {
                    into &= match self.sources[edge.index()] {
                        None => 0,
                        // Rule 2.
                        Some(source) if source < block && is_loop => {
                            self.facts[source.index()].out | self.facts[block.index()].live
                        }
                        Some(source) => self.facts[source.index()].out,
                    };
                }
                let facts = &mut self.facts[block.index()];
                let out = into & !facts.killed | facts.known;
                changed |= out != facts.out;
                (facts.into, facts.out) = (into, out);
            }
            if !changed {
                return true;
            }
        }
        false
    }

    /// Replaces reads of what is known; whether there were any.
    fn replace(&mut self, graph: &mut Graph, incoming: &Incoming) -> bool {
        let count = self.globals.len();
        self.values.clear();
        self.values.resize(graph.num_blocks() * count, None);
        self.added.clear();
        let mut replaced = false;
        let mut current: Vec<Option<Value>> = vec![None; count];
        for block in graph.blocks() {
            let facts = self.facts[block.index()];
            for (at, value) in current.iter_mut().enumerate() {
                *value = None;
                if (facts.into & facts.live) >> at & 1 != 0 {
                    let before = match *incoming.of(block) {
                        [edge] => self.sources[edge.index()]
                            .and_then(|source| self.values[source.index() * count + at]),
                        _ => None,
                    };
                    *value = before.or_else(|| {
                        let param = graph.push_value(Def::Param(block), self.globals[at].1, 0);
                        self.added.push((block, param, at));
                        Some(param)
                    });
                }
            }
            for inst in graph.block_insts(block) {
                match self.effect(graph, inst) {
                    Effect::Read(at) => match current[at] {
                        Some(value) => {
                            let result = graph.inst(inst).first_result;
                            graph.values[result.index()].def = Def::Alias(value);
                            let data = &mut graph.insts[inst.index()];
                            (data.op, data.results) = (Opcode::Wasm(Op::Nop), 0);
                            replaced = true;
                        }
                        None => current[at] = Some(graph.inst(inst).first_result),
                    },
                    Effect::Write(at) => {
                        let others = self.aliases(at);
                        forget(&mut current, others);
                        current[at] = Some(graph.resolve(graph.args(inst)[0]));
                    }
                    Effect::Imported => forget(&mut current, self.imported),
                    Effect::Clobber => current.fill(None),
                    Effect::None => {}
                }
            }
            self.values[block.index() * count..][..count].copy_from_slice(&current);
        }
        replaced
    }

    /// Adds the parameters and their arguments; whether blocks were added for reads in front of loops.
    fn pass_values(&mut self, graph: &mut Graph, incoming: &Incoming) -> bool {
        let count = self.globals.len();
        let old = graph.num_blocks();
        // By block: those to be placed in front of it.
        let mut placed: Vec<(Block, Block)> = Vec::new();
        let mut next = 0;
        while let Some(&(block, ..)) = self.added.get(next) {
            let end = self.added[next..].iter().position(|added| added.0 != block);
            let added = &self.added[next..end.map_or(self.added.len(), |end| next + end)];
            next += added.len();
            let mut params = graph.list(graph.block(block).params).to_vec();
            for &(_, param, _) in added {
                graph.values[param.index()].index = params.len() as u16;
                params.push(param);
            }
            graph.blocks[block.index()].params = graph.push_list(&params);
            for &edge in incoming.of(block) {
                let source = self.sources[edge.index()].expect("known: all edges have sources");
                let mut args = graph.list(graph.edge(edge).args).to_vec();
                let value = |at: usize| self.values[source.index() * count + at];
                let mut made: Option<Inst> = None;
                for &(_, _, at) in added {
                    args.push(value(at).unwrap_or_else(|| {
                        let origin = graph.inst(graph.block(block).insts.0).origin;
                        let (global, ty) = self.globals[at];
                        let get = Opcode::Wasm(Op::GlobalGet);
                        let inst = graph.push_inst(get, List::default(), global.into(), origin);
                        made.get_or_insert(inst);
                        graph.push_result(inst, ty)
                    }));
                }
                let args = graph.push_list(&args);
                match made {
                    None => graph.edges[edge.index()].args = args,
                    Some(first) => placed.push((block, lead_through(graph, edge, first, args))),
                }
            }
        }
        if placed.is_empty() {
            return false;
        }
        let mut order = Vec::with_capacity(graph.num_blocks());
        let mut placed = placed.into_iter().peekable();
        for block in (0..old as u32).map(Block::from_u32) {
            while let Some((_, made)) = placed.next_if(|placed| placed.0 == block) {
                order.push(made);
                self.facts.push(Facts::default());
            }
            order.push(block);
        }
        graph.reorder(&order);
        true
    }

    /// Rule 3.
    fn drop_overwritten(&mut self, graph: &mut Graph) {
        if !graph.insts.iter().any(|inst| inst.op == Opcode::Wasm(Op::GlobalSet)) {
            return;
        }
        self.facts.resize(graph.num_blocks(), Facts::default());
        for facts in &mut self.facts {
            facts.overwritten = Set::MAX;
        }
        for round in 0..MAX_ROUNDS + 1 {
            let mut changed = false;
            for block in graph.blocks().rev() {
                let overwritten = self.walk_back(graph, block, None);
                let facts = &mut self.facts[block.index()];
                changed |= overwritten != facts.overwritten;
                facts.overwritten = overwritten;
            }
            if !changed {
                break;
            }
            if round == MAX_ROUNDS {
                return;
            }
        }
        let mut dropped = Vec::new();
        for block in graph.blocks() {
            self.walk_back(graph, block, Some(&mut dropped));
        }
        for inst in dropped {
            let data = &mut graph.insts[inst.index()];
            (data.op, data.args) = (Opcode::Wasm(Op::Nop), List::default());
        }
    }

    /// What is overwritten at the beginning of a block; lists the writes that nobody sees.
    fn walk_back(&self, graph: &Graph, block: Block, mut dropped: Option<&mut Vec<Inst>>) -> Set {
        let mut insts = graph.block_insts(block).rev();
        let Some(last) = insts.next() else { return 0 };
        let mut edges = graph.edges(last).peekable();
        if edges.peek().is_none() {
            return self.walk_rest(graph, insts, 0, dropped.as_deref_mut());
        }
        let after = edges.fold(Set::MAX, |all, edge| {
            all & self.facts[graph.edge(edge).block.index()].overwritten
        });
        self.walk_rest(graph, insts, after, dropped)
    }

    fn walk_rest(
        &self,
        graph: &Graph,
        insts: impl Iterator<Item = Inst>,
        mut overwritten: Set,
        mut dropped: Option<&mut Vec<Inst>>,
    ) -> Set {
        for inst in insts {
            match self.effect(graph, inst) {
                Effect::Read(at) => overwritten &= !(1 << at | self.aliases(at)),
                Effect::Write(at) => {
                    if overwritten >> at & 1 != 0
                        && let Some(dropped) = dropped.as_deref_mut()
                    {
                        dropped.push(inst);
                    }
                    overwritten |= 1 << at;
                }
                Effect::Imported => overwritten &= !self.imported,
                _ if is_invisible(graph, inst) => {}
                _ => overwritten = 0,
            }
        }
        overwritten
    }
}

fn forget(current: &mut [Option<Value>], set: Set) {
    for (at, value) in current.iter_mut().enumerate() {
        if set >> at & 1 != 0 {
            *value = None;
        }
    }
}

/// Lets an edge lead through a new block that begins with the instruction `first` and passes `args` on.
fn lead_through(graph: &mut Graph, edge: Edge, first: Inst, args: List) -> Block {
    let target = graph.edge(edge).block;
    let block = graph.push_block();
    let data = &mut graph.edges[edge.index()];
    (data.block, data.args) = (block, List::default());
    let on = graph.push_edge(target);
    graph.edges[on.index()].args = args;
    let origin = graph.inst(first).origin;
    let imm = u64::from(on.as_u32()) | 1 << 32;
    let jump = graph.push_inst(Opcode::Wasm(Op::Br), List::default(), imm, origin);
    graph.blocks[block.index()].insts = (first, Inst::from_u32(jump.as_u32() + 1));
    block
}

/// Whether nobody can look at globals while an instruction runs.
fn is_invisible(graph: &Graph, inst: Inst) -> bool {
    let Opcode::Wasm(op) = graph.inst(inst).op else { return false };
    match op.class() {
        Class::Pure | Class::Lane | Class::Wide | Class::Parametric | Class::Global => true,
        Class::Load | Class::Store => graph.access(inst).in_bounds,
        Class::Control => op == Op::Nop,
        Class::Builtin => matches!(op, Op::MemorySize | Op::TableSize),
        _ => false,
    }
}
