//! Owns the look at a body before it is compiled: what it uses, how often it uses which local, and its operators in a compact form.
//! Does not choose registers.
//!
//! Operators are decoded once and kept for the compilation proper, in 16 bytes each, so that it can look one ahead. Immediates that do not fit are in a list
//! of their own.

use std::sync::OnceLock;

use sterna_isa::{Class, Op};
use sterna_module::{Compact, Form, Imm, Operator, Operators};

/// Levels of loops that are told apart.
const MAX_DEPTH: u32 = 5;
/// log2 of how many times a loop is taken to run.
const LOOP_LOG2: u32 = 3;

/// The operators of a body.
pub(crate) struct Body<'a> {
    pub operators: Vec<Compact>,
    /// Immediates that do not fit: of [`Form::Other`], [`Compact::bits`] are positions here.
    list: Vec<Imm<'a>>,
}

impl<'a> Body<'a> {
    /// An empty one, with the memory of another one's operators.
    pub fn new(mut operators: Vec<Compact>) -> Body<'a> {
        operators.clear();
        Body { operators, list: Vec::new() }
    }

    fn push(&mut self, operator: Operator<'a>) {
        let mut compact = Compact::of(&operator);
        if compact.form == Form::Other {
            compact.bits = self.list.len() as u64;
            self.list.push(operator.imm);
        }
        self.operators.push(compact);
    }

    /// An operator as it was read.
    #[inline(always)]
    pub fn unpack(&self, compact: &Compact) -> Operator<'a> {
        let imm = compact.imm().unwrap_or_else(|| self.list[compact.bits as usize].clone());
        Operator { offset: compact.offset, op: compact.op, imm }
    }
}

/// What a scan notes of an operator: a set of the following.
type Note = u8;
/// It accesses memory 0, perhaps.
const MEMORY: Note = 1;
/// It may need the heap's base.
const OBJECTS: Note = 2;
/// It may change registers.
const CLOBBERS: Note = 4;
const CALL: Note = 8;
const TAIL_CALL: Note = 16;
/// It opens, ends or leaves constructs.
const STRUCTURE: Note = 32;
const HANDLERS: Note = 64;

/// The note of every operator.
fn notes() -> &'static [Note] {
    static NOTES: OnceLock<Box<[Note]>> = OnceLock::new();
    NOTES.get_or_init(|| Op::ALL.iter().map(|&op| note(op)).collect())
}

fn note(op: Op) -> Note {
    match (op.class(), op) {
        (_, Op::Block | Op::If | Op::Loop | Op::BrIf | Op::End | Op::Delegate) => STRUCTURE,
        (_, Op::TryTable | Op::Try) => STRUCTURE | OBJECTS | HANDLERS,
        (_, Op::ReturnCall | Op::ReturnCallIndirect | Op::ReturnCallRef) => {
            CALL | CLOBBERS | TAIL_CALL
        }
        (Class::Call, _) => CALL | CLOBBERS,
        (
            Class::Load
            | Class::Store
            | Class::LoadLane
            | Class::StoreLane
            | Class::AtomicLoad
            | Class::AtomicStore
            | Class::AtomicRmw
            | Class::AtomicCmpxchg,
            _,
        ) => MEMORY,
        (Class::Builtin | Class::AtomicWait, _) => MEMORY | CLOBBERS,
        (Class::Gc, op) if is_inline(op) => OBJECTS,
        (Class::Gc | Class::Exception, _) => OBJECTS | CLOBBERS,
        (Class::Ref, Op::RefFunc) => CLOBBERS,
        _ => 0,
    }
}

/// What a scan finds.
#[derive(Default)]
pub(crate) struct Scan {
    /// Uses of each local, weighted by loops.
    pub uses: Vec<u32>,
    /// Calls that may change registers, weighted likewise.
    pub clobbers: u32,
    /// Whether there are calls of wasm functions.
    pub has_calls: bool,
    /// Whether some are tail calls.
    pub has_tail_calls: bool,
    /// Whether memory 0 is accessed.
    pub uses_memory: bool,
    /// Whether objects are, by operators that may need the heap's base.
    pub uses_objects: bool,
    /// Whether there are handlers of exceptions.
    pub has_handlers: bool,
    /// Places where a count may change: most counters that the body can need.
    pub joins: u32,
    /// Of each loop, in order, whether there are calls in it.
    pub loops: Vec<bool>,
    /// Loops that are open, by their position there.
    open_loops: Vec<u32>,
    /// Whether each open construct is a loop.
    constructs: Vec<bool>,
}

impl Scan {
    /// Scans operators and collects them.
    pub fn run<'a>(&mut self, locals: usize, mut operators: Operators<'a>, body: &mut Body<'a>) {
        self.uses.clear();
        self.uses.resize(locals, 0);
        self.constructs.clear();
        self.clobbers = 0;
        self.joins = 1;
        self.loops.clear();
        self.open_loops.clear();
        let notes = notes();
        let (mut seen, mut weight) = (0, 1);
        loop {
            let op = match operators.next_compact() {
                Some(compact) => {
                    body.operators.push(compact);
                    if compact.form == Form::Local {
                        let uses = &mut self.uses[compact.index() as usize];
                        *uses = uses.saturating_add(weight);
                        continue;
                    }
                    compact.op
                }
                None => {
                    let Some(operator) = operators.next() else { break };
                    let op = operator.op;
                    body.push(operator);
                    op
                }
            };
            let note = notes[op as usize];
            seen |= note;
            if note & CLOBBERS != 0 {
                self.clobbers = self.clobbers.saturating_add(weight);
            }
            if note & CALL != 0
                && let Some(&innermost) = self.open_loops.last()
            {
                self.loops[innermost as usize] = true;
            }
            if note & STRUCTURE != 0 {
                self.structure(op);
                weight = 1 << (LOOP_LOG2 * u32::min(self.open_loops.len() as u32, MAX_DEPTH));
            }
        }
        self.has_calls = seen & CALL != 0;
        self.has_tail_calls = seen & TAIL_CALL != 0;
        self.uses_memory = seen & MEMORY != 0;
        self.uses_objects = seen & OBJECTS != 0;
        self.has_handlers = seen & HANDLERS != 0;
    }

    /// An operator that opens, ends or leaves constructs.
    fn structure(&mut self, op: Op) {
        match op {
            Op::Block | Op::If => {
                self.joins += 1;
                self.constructs.push(false);
            }
            Op::Loop => {
                self.joins += 1;
                self.constructs.push(true);
                self.open_loops.push(self.loops.len() as u32);
                self.loops.push(false);
            }
            Op::End | Op::Delegate => {
                self.joins += 1;
                if self.constructs.pop() == Some(true) {
                    self.end_loop();
                }
            }
            Op::BrIf => self.joins += 1,
            _ => self.constructs.push(false),
        }
    }

    fn end_loop(&mut self) {
        if let (Some(ended), Some(&outer)) = (self.open_loops.pop(), self.open_loops.last()) {
            self.loops[outer as usize] |= self.loops[ended as usize];
        }
    }
}

/// Whether the code of an operator on objects mostly calls nothing that changes registers.
fn is_inline(op: Op) -> bool {
    matches!(
        op,
        Op::StructGet
            | Op::StructGetS
            | Op::StructGetU
            | Op::StructSet
            | Op::ArrayGet
            | Op::ArrayGetS
            | Op::ArrayGetU
            | Op::ArraySet
            | Op::ArrayLen
            | Op::RefI31
            | Op::I31GetS
            | Op::I31GetU
            | Op::AnyConvertExtern
            | Op::ExternConvertAny
    )
}
