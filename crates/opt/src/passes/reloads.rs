//! Owns the removal of loads from memory of what was stored or loaded before.
//! Does not own loads that the backend can tell by itself to be equal; it forgets all at each store.
//!
//! Rules, for accesses that are a root, a constant and an offset away from it (`checks`):
//! 1. A load of what a load of the same kind has loaded, or a store of the same width has stored, is that value. It cannot trap, as the first one has
//!    not, provided that its offset is no larger: so its index has not wrapped where that of the first one has not.
//! 2. A store to another root makes everything of its memory unknown; one to the same root, what it overlaps. Imported memories may be one and
//!    the same: a store to one counts for all.
//! 3. So does whatever else writes to memory, calls included. Memories that are shared are left alone.
//! 4. What is known at the end of a block is known in those that only it leads to.

use sterna_isa::{Class, Op};
use sterna_module::Module;

use super::Incoming;
use super::checks::place;
use crate::graph::{Block, Def, Graph, Inst, Opcode, Value};

/// Most places that are remembered.
const MAX_KNOWN: usize = 24;

/// Most blocks for whose successors places are kept: bounds memory.
const MAX_BLOCKS: usize = 1 << 14;

/// A place and what is there.
#[derive(Clone, Copy)]
struct Known {
    memory: u32,
    root: Value,
    /// Bytes from the root, the access's offset among them.
    at: i64,
    offset: i64,
    size: u32,
    /// What reads it as it is in `value`.
    load: Op,
    value: Value,
}

/// Scratch memory of the pass.
#[derive(Default)]
pub struct Reloads {
    known: Vec<Known>,
    /// By block: what is known at its end, if somebody will ask.
    ends: Vec<Vec<Known>>,
    /// Where the oldest is, once all have been taken.
    next: usize,
}

impl Reloads {
    /// Runs the pass.
    pub fn run(&mut self, graph: &mut Graph, incoming: &Incoming, module: &Module) {
        if !graph.insts.iter().any(|inst| is_load(inst.op)) {
            return;
        }
        let follows = graph.num_blocks() <= MAX_BLOCKS;
        self.ends.iter_mut().for_each(Vec::clear);
        self.ends.resize_with(graph.num_blocks(), Vec::new);
        let mut replaced = false;
        // The block before each, where nothing else leads to.
        let mut only: Vec<Option<Block>> = vec![None; graph.num_blocks()];
        for block in graph.blocks() {
            self.known.clear();
            self.next = 0;
            if let Some(before) = only[block.index()] {
                self.known.extend_from_slice(&self.ends[before.index()]);
            }
            for inst in graph.block_insts(block) {
                replaced |= self.step(graph, inst, module);
            }
            let Some(last) = graph.block_insts(block).next_back().filter(|_| follows) else {
                continue;
            };
            let mut is_asked = false;
            for edge in graph.edges(last) {
                let to = graph.edge(edge).block;
                if to > block && incoming.of(to).len() == 1 {
                    only[to.index()] = Some(block);
                    is_asked = true;
                }
            }
            if is_asked {
                self.ends[block.index()].extend_from_slice(&self.known);
            }
        }
        if replaced {
            for i in 0..graph.pool.len() {
                graph.pool[i] = graph.resolve(graph.pool[i]);
            }
        }
    }

    /// Goes past an instruction; whether it was replaced.
    fn step(&mut self, graph: &mut Graph, inst: Inst, module: &Module) -> bool {
        let Opcode::Wasm(op) = graph.inst(inst).op else { return false };
        match op.class() {
            Class::Load => self.load(graph, inst, op, module),
            Class::Store | Class::StoreLane => {
                self.store(graph, inst, op, module);
                false
            }
            Class::Call
            | Class::AtomicLoad
            | Class::AtomicStore
            | Class::AtomicRmw
            | Class::AtomicCmpxchg
            | Class::AtomicWait => {
                self.known.clear();
                false
            }
            Class::Builtin if !matches!(op, Op::MemorySize | Op::TableSize) => {
                self.known.clear();
                false
            }
            _ => false,
        }
    }

    fn load(&mut self, graph: &mut Graph, inst: Inst, op: Op, module: &Module) -> bool {
        let Some(mut known) = self.place(graph, inst, op, module) else { return false };
        (known.load, known.value) = (op, graph.inst(inst).first_result);
        let is_same = |other: &&Known| {
            (other.memory, other.root, other.at, other.load)
                == (known.memory, known.root, known.at, known.load)
                && known.offset <= other.offset
        };
        let Some(&Known { value, .. }) = self.known.iter().find(is_same) else {
            self.remember(known);
            return false;
        };
        graph.values[known.value.index()].def = Def::Alias(value);
        let data = &mut graph.insts[inst.index()];
        (data.op, data.results) = (Opcode::Wasm(Op::Nop), 0);
        true
    }

    fn store(&mut self, graph: &Graph, inst: Inst, op: Op, module: &Module) {
        let (memory, imported) = (graph.access(inst).memory, module.num_imported_memories());
        let is_other =
            |known: &Known| known.memory != memory && known.memory.max(memory) as usize >= imported;
        let Some(mut stored) = self.place(graph, inst, op, module) else {
            return self.known.retain(is_other);
        };
        let ends = |known: &Known| known.at + i64::from(known.size);
        self.known.retain(|known| {
            is_other(known)
                || known.root == stored.root
                    && (ends(known) <= stored.at || ends(&stored) <= known.at)
        });
        let load = match op {
            Op::I32Store => Op::I32Load,
            Op::I64Store => Op::I64Load,
            Op::F32Store => Op::F32Load,
            Op::F64Store => Op::F64Load,
            Op::V128Store => Op::V128Load,
            _ => return,
        };
        (stored.load, stored.value) = (load, graph.resolve(graph.args(inst)[1]));
        self.remember(stored);
    }

    /// Where an access goes, if that can be compared.
    fn place(&self, graph: &Graph, inst: Inst, op: Op, module: &Module) -> Option<Known> {
        let access = graph.access(inst);
        if module.memories()[access.memory as usize].shared {
            return None;
        }
        let (root, by) = place(graph, inst);
        let offset = i64::try_from(access.offset).ok().filter(|&offset| offset < 1 << 32)?;
        // Far less than addresses wrap at.
        let at = by.checked_add(offset).filter(|at| at.unsigned_abs() < 1 << 30)?;
        let size = op.mem_type()?.bytes();
        Some(Known {
            memory: access.memory,
            root: graph.resolve(root),
            at,
            offset,
            size,
            load: op,
            value: root,
        })
    }

    fn remember(&mut self, known: Known) {
        if self.known.len() < MAX_KNOWN {
            return self.known.push(known);
        }
        self.known[self.next % MAX_KNOWN] = known;
        self.next += 1;
    }
}

fn is_load(op: Opcode) -> bool {
    matches!(op, Opcode::Wasm(op) if op.class() == Class::Load)
}
