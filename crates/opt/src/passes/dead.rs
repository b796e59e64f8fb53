//! Owns the removal of unused instructions and block parameters.
//! Does not remove anything with an effect, traps included.
//!
//! Rules:
//! 1. Operands of instructions with effects and values of recorded states are used.
//! 2. Operands of an instruction with a used result are used.
//! 3. The arguments for a used block parameter are used, on every edge.
//! 4. Everything else is not: instructions without effects become `nop`, parameters and their arguments go.
//!
//! Rule 3 needs no order of blocks: uses are found by following definitions from a worklist.

use sterna_base::BitSet;
use sterna_isa::{Class, Op};

use super::{Incoming, params::retain_params};
use crate::graph::{Block, Def, Graph, List, Opcode, Value};

/// Scratch memory of the pass.
#[derive(Default)]
pub struct Dead {
    used: BitSet<Value>,
    work: Vec<Value>,
}

impl Dead {
    /// Runs the pass.
    pub fn run(&mut self, graph: &mut Graph, incoming: &Incoming) {
        self.used.clear();
        for state in &graph.states {
            for &value in graph.list(state.values) {
                self.mark(value);
            }
        }
        for inst in &graph.insts {
            if has_effect(inst.op) {
                for &arg in graph.list(inst.args) {
                    self.mark(arg);
                }
            }
        }
        while let Some(value) = self.work.pop() {
            match graph.def(value) {
                Def::Param(block) => {
                    let index = usize::from(graph.values[value.index()].index);
                    for &edge in incoming.of(block) {
                        self.mark(graph.list(graph.edge(edge).args)[index]);
                    }
                }
                Def::Result(inst) if !has_effect(graph.inst(inst).op) => {
                    for &arg in graph.args(inst) {
                        self.mark(arg);
                    }
                }
                Def::Result(_) | Def::Const(_) => {}
                Def::Alias(to) => self.mark(to),
            }
        }
        self.sweep(graph, incoming);
    }

    fn mark(&mut self, value: Value) {
        if self.used.insert(value) {
            self.work.push(value);
        }
    }

    fn sweep(&self, graph: &mut Graph, incoming: &Incoming) {
        for i in 0..graph.insts.len() {
            let inst = &mut graph.insts[i];
            if has_effect(inst.op) {
                continue;
            }
            let first = inst.first_result.as_u32();
            let mut results = (first..first + u32::from(inst.results)).map(Value::from_u32);
            if !results.any(|result| self.used.contains(result)) {
                inst.op = Opcode::Wasm(Op::Nop);
                // What defines them may be removed, too.
                inst.args = List::default();
            }
        }
        for i in 1..graph.blocks.len() {
            let block = Block::from_u32(i as u32);
            if !graph.block(block).params.is_empty() {
                retain_params(graph, incoming, block, |_, param| self.used.contains(param));
            }
        }
    }
}

/// Whether an instruction must stay even if nothing uses its results.
pub(super) fn has_effect(op: Opcode) -> bool {
    let Opcode::Wasm(op) = op else { return true };
    match op.class() {
        Class::Pure | Class::Lane | Class::Wide => false,
        Class::Global => op == Op::GlobalSet,
        Class::Builtin => !matches!(op, Op::MemorySize | Op::TableSize),
        Class::Ref => !matches!(op, Op::RefFunc | Op::RefIsNull | Op::RefEq),
        Class::Gc => !matches!(op, Op::RefI31 | Op::RefTestNonNull | Op::RefTestNullable),
        Class::Parametric => false,
        _ => true,
    }
}
