//! Owns the look at a body before it is compiled: what it uses, and how often it uses which local.
//! Does not choose registers.

use sterna_isa::{Class, Op};
use sterna_module::{Imm, Operator};

/// Levels of loops that are told apart.
const MAX_DEPTH: u32 = 5;
/// log2 of how many times a loop is taken to run.
const LOOP_LOG2: u32 = 3;

/// What a scan finds.
#[derive(Default)]
pub(crate) struct Scan {
    /// Uses of each local, weighted by loops.
    pub uses: Vec<u32>,
    /// Calls that may change registers, weighted likewise.
    pub clobbers: u32,
    /// Whether there are calls of wasm functions.
    pub has_calls: bool,
    /// Whether memory 0 is accessed.
    pub uses_memory: bool,
    /// Whether there are handlers of exceptions.
    pub has_handlers: bool,
    /// Ends of loops that are open.
    constructs: Vec<bool>,
}

impl Scan {
    /// Scans operators and collects them.
    pub fn run<'a>(
        &mut self,
        locals: usize,
        operators: impl Iterator<Item = Operator<'a>>,
        out: &mut Vec<Operator<'a>>,
    ) {
        self.uses.clear();
        self.uses.resize(locals, 0);
        self.constructs.clear();
        (self.clobbers, self.has_calls, self.uses_memory, self.has_handlers) =
            (0, false, false, false);
        let mut depth = 0;
        for operator in operators {
            let weight = 1 << (LOOP_LOG2 * u32::min(depth, MAX_DEPTH));
            match operator.op {
                Op::LocalGet | Op::LocalSet | Op::LocalTee => {
                    if let Imm::Index(local) = operator.imm {
                        let uses = &mut self.uses[local as usize];
                        *uses = uses.saturating_add(weight);
                    }
                }
                Op::Block | Op::If => self.constructs.push(false),
                Op::Loop => {
                    self.constructs.push(true);
                    depth += 1;
                }
                Op::TryTable | Op::Try => {
                    self.constructs.push(false);
                    self.has_handlers = true;
                }
                Op::End | Op::Delegate => {
                    depth -= u32::from(self.constructs.pop() == Some(true));
                }
                op => self.note(op, weight),
            }
            out.push(operator);
        }
    }

    fn note(&mut self, op: Op, weight: u32) {
        match op.class() {
            Class::Call => {
                self.has_calls = true;
                self.clobbers = self.clobbers.saturating_add(weight);
            }
            Class::Load
            | Class::Store
            | Class::LoadLane
            | Class::StoreLane
            | Class::AtomicLoad
            | Class::AtomicStore
            | Class::AtomicRmw
            | Class::AtomicCmpxchg => self.uses_memory = true,
            Class::Builtin | Class::Gc | Class::AtomicWait | Class::Exception => {
                self.clobbers = self.clobbers.saturating_add(weight);
                self.uses_memory = true;
            }
            Class::Ref if op == Op::RefFunc => {
                self.clobbers = self.clobbers.saturating_add(weight);
            }
            _ => {}
        }
    }
}
