//! Owns finding accesses to memory that need no check of their bounds, because of accesses that every path to them has passed.
//! Does not own checks in loops (`loops` makes them in front) nor how one is made: that is the backend's.
//!
//! An access is at an index, which is a root and a constant, and touches bytes from there to its *end*. Memories never shrink: what is in bounds
//! once stays so. Rules, for two accesses of one memory whose indices have the same root, where the first dominates the second and the
//! second's index is by a distance of at least 0 above the first's:
//! 1. If bounds are compared: distance and end of the second are together at most the end of the first. Then it is in bounds, and no sum on the way to
//!    it wraps.
//! 2. If a memory of 64 bits has a guard region behind the space that is reserved for it, comparing is left to the hardware once an index is known to
//!    be in that space: so if distance and end are together at most the guard's size, nothing is compared for the second.
//! 3. A handler is entered from the middle of a block; it counts as dominated by nothing.
//!
//! In other memories hardware checks everything, and nothing is to be gained.

use std::collections::HashMap;

use sterna_isa::{Class, Op};
use sterna_module::Module;

use super::Incoming;
use crate::graph::{Block, Graph, Inst, Opcode, Value};

/// Most accesses of a root that are compared with each other.
const MAX_FACTS: usize = 8;

/// Rounds after which dominators that have not settled are given up: one and a last one if all loops are natural.
const MAX_ROUNDS: usize = 8;

/// log2 of the smallest page that hardware protects.
const HOST_PAGE_LOG2: u32 = 12;

/// How accesses to a memory are checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Rule 1.
    Compared,
    /// Rule 2.
    Reserved,
    Hardware,
}

/// An access that did not trap: where its index is above its root, and where it ends above its index.
#[derive(Clone, Copy)]
struct Fact {
    at: i64,
    end: u64,
}

/// Scratch memory of the pass.
#[derive(Default)]
pub struct Checks {
    /// By memory.
    checks: Vec<Check>,
    /// What is known here, by memory and root.
    facts: HashMap<(u32, Value), Vec<Fact>>,
    /// To whom the facts belong that are to be forgotten where the blocks end in which they became known.
    log: Vec<(u32, Value)>,
}

impl Checks {
    /// Runs the pass. With a guard of 0 bytes all bounds are compared.
    pub fn run(&mut self, graph: &mut Graph, incoming: &Incoming, module: &Module, guard: u64) {
        let check = |ty: &sterna_module::MemoryType| match ty.page_size_log2 >= HOST_PAGE_LOG2 {
            true if guard > 0 && ty.is_64 => Check::Reserved,
            true if guard > 0 => Check::Hardware,
            _ => Check::Compared,
        };
        self.checks.clear();
        self.checks.extend(module.memories().iter().map(check));
        let is_relevant = |check: &Check| *check != Check::Hardware;
        if graph.accesses.len() < 2 || !self.checks.iter().any(is_relevant) {
            return;
        }
        let Some(tree) = Tree::new(graph, incoming) else { return };
        self.facts.clear();
        self.log.clear();
        // Blocks to visit, or how many facts to keep.
        enum Step {
            Enter(Block),
            Leave(usize),
        }
        let mut work: Vec<Step> = tree.children(0).map(Step::Enter).collect();
        while let Some(step) = work.pop() {
            match step {
                Step::Leave(keep) => {
                    for key in self.log.drain(keep..) {
                        self.facts.get_mut(&key).map(Vec::pop);
                    }
                }
                Step::Enter(block) => {
                    work.push(Step::Leave(self.log.len()));
                    self.block(graph, block, guard);
                    work.extend(tree.children(block.index() + 1).map(Step::Enter));
                }
            }
        }
    }

    fn block(&mut self, graph: &mut Graph, block: Block, guard: u64) {
        for inst in graph.block_insts(block) {
            let Some((root, fact)) = access(graph, inst) else { continue };
            let access = graph.access(inst);
            let check = self.checks[access.memory as usize];
            if check == Check::Hardware || access.in_bounds {
                continue;
            }
            let key = (access.memory, root);
            let known = self.facts.entry(key).or_default();
            let is_proof = |first: &Fact| {
                let reach = fact.at.checked_sub(first.at).and_then(|by| u64::try_from(by).ok());
                let reach = reach.and_then(|by| by.checked_add(fact.end));
                let most = if check == Check::Compared { first.end } else { guard };
                reach.is_some_and(|reach| reach <= most)
            };
            if known.iter().any(is_proof) {
                let mut access = access;
                match check {
                    Check::Compared => access.in_bounds = true,
                    _ => access.is_near = true,
                }
                graph.accesses.push(access);
                graph.insts[inst.index()].imm = graph.accesses.len() as u64 - 1;
            } else if known.len() < MAX_FACTS {
                known.push(fact);
                self.log.push(key);
            }
        }
    }
}

/// The root of an access's index, and what is known after it.
fn access(graph: &Graph, inst: Inst) -> Option<(Value, Fact)> {
    let Opcode::Wasm(op) = graph.inst(inst).op else { return None };
    if !matches!(op.class(), Class::Load | Class::Store | Class::LoadLane | Class::StoreLane) {
        return None;
    }
    let index = graph.args(inst)[0];
    // The backend knows more about constants.
    if graph.constant(index).is_some() {
        return None;
    }
    let end = graph.access(inst).offset.checked_add(op.mem_type()?.bytes().into())?;
    let (root, at) = place(graph, inst);
    Some((root, Fact { at, end }))
}

/// The root of an access's index, and how far above it the index is.
pub(super) fn place(graph: &Graph, inst: Inst) -> (Value, i64) {
    let index = graph.args(inst)[0];
    let sum = graph.def_inst(index).and_then(|sum| {
        let is_32 = match graph.inst(sum).op {
            Opcode::Wasm(Op::I32Add) => true,
            Opcode::Wasm(Op::I64Add) => false,
            _ => return None,
        };
        let &[root, by] = graph.args(sum) else { return None };
        let by = graph.constant(by)?;
        Some((root, if is_32 { i64::from(by as u32 as i32) } else { by as u64 as i64 }))
    });
    sum.unwrap_or((index, 0))
}

/// The tree of dominators. Blocks have their number and one more; 0 dominates the entry and whatever has no other dominator.
struct Tree {
    first: Vec<u32>,
    next: Vec<u32>,
}

impl Tree {
    fn new(graph: &Graph, incoming: &Incoming) -> Option<Tree> {
        let count = graph.num_blocks() + 1;
        let mut sources = vec![0; graph.edges.len()];
        for block in graph.blocks() {
            if let Some(last) = graph.block_insts(block).next_back() {
                for edge in graph.edges(last) {
                    sources[edge.index()] = block.as_u32() + 1;
                }
            }
        }
        let mut dominators: Vec<Option<u32>> = vec![None; count];
        dominators[0] = Some(0);
        for round in 0.. {
            if round == MAX_ROUNDS {
                return None;
            }
            let mut changed = false;
            for block in graph.blocks() {
                let mut found = (block.index() == 0).then_some(0);
                for &edge in incoming.of(block) {
                    let source = sources[edge.index()];
                    if dominators[source as usize].is_some() {
                        found =
                            Some(found.map_or(source, |found| meet(&dominators, found, source)));
                    }
                }
                let of = &mut dominators[block.index() + 1];
                changed |= *of != found;
                *of = found;
            }
            if !changed {
                break;
            }
        }
        let mut tree = Tree { first: vec![0; count], next: vec![0; count] };
        for (at, dominator) in dominators.iter().enumerate().skip(1).rev() {
            // What cannot be reached needs no visit.
            if let Some(dominator) = *dominator {
                tree.next[at] = tree.first[dominator as usize];
                tree.first[dominator as usize] = at as u32;
            }
        }
        Some(tree)
    }

    fn children(&self, of: usize) -> impl Iterator<Item = Block> + use<'_> {
        let mut next = self.first[of];
        std::iter::from_fn(move || {
            let block = Block::from_u32(next.checked_sub(1)?);
            next = self.next[next as usize];
            Some(block)
        })
    }
}

/// The nearest that dominates both.
fn meet(dominators: &[Option<u32>], mut a: u32, mut b: u32) -> u32 {
    while a != b {
        let higher = if a > b { &mut a } else { &mut b };
        *higher = dominators[*higher as usize].unwrap_or(0);
    }
    a
}
