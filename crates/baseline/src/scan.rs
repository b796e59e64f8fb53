//! Owns the look at a body before it is compiled: what it uses, how often it uses which local, and its operators in a compact form.
//! Does not choose registers.
//!
//! Operators are decoded once and kept for the compilation proper, in 16 bytes each, so that it can look one ahead. Immediates that do not fit are in a list
//! of their own.

use sterna_base::TypeIndex;
use sterna_isa::{Class, Op, ValType};
use sterna_module::{BlockType, Frequent, Imm, MemArg, Operator, Operators};

/// Levels of loops that are told apart.
const MAX_DEPTH: u32 = 5;
/// log2 of how many times a loop is taken to run.
const LOOP_LOG2: u32 = 3;

/// The types of blocks that are encoded by their position; other than these, function types by their index behind.
const BLOCKS: [BlockType; 6] = [
    BlockType::Empty,
    BlockType::Value(ValType::I32),
    BlockType::Value(ValType::I64),
    BlockType::Value(ValType::F32),
    BlockType::Value(ValType::F64),
    BlockType::Value(ValType::V128),
];

/// What immediates are in `Packed::bits`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    None,
    Index,
    Index2,
    /// Of memory 0, without the alignment, which is a hint.
    MemArg,
    Block,
    I32,
    I64,
    F32,
    F64,
    /// A position in the list of those that do not fit.
    Listed,
}

/// An operator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed {
    pub offset: u32,
    pub op: Op,
    form: Form,
    bits: u64,
}

/// The operators of a body.
pub(crate) struct Body<'a> {
    pub operators: Vec<Packed>,
    list: Vec<Imm<'a>>,
}

impl<'a> Body<'a> {
    /// An empty one, with the memory of another one's operators.
    pub fn new(mut operators: Vec<Packed>) -> Body<'a> {
        operators.clear();
        Body { operators, list: Vec::new() }
    }

    fn push(&mut self, operator: Operator<'a>) {
        let Operator { offset, op, imm } = operator;
        let (form, bits) = match imm {
            Imm::None => (Form::None, 0),
            Imm::Index(index) => (Form::Index, u64::from(index)),
            Imm::Index2(a, b) => (Form::Index2, u64::from(a) | u64::from(b) << 32),
            Imm::MemArg(MemArg { offset, memory: 0, .. }) => (Form::MemArg, offset),
            Imm::I32(value) => (Form::I32, u64::from(value as u32)),
            Imm::I64(value) => (Form::I64, value as u64),
            Imm::F32(bits) => (Form::F32, u64::from(bits)),
            Imm::F64(bits) => (Form::F64, bits),
            Imm::Block(BlockType::Func(index)) => {
                (Form::Block, BLOCKS.len() as u64 + u64::from(index.as_u32()))
            }
            Imm::Block(ty) if BLOCKS.contains(&ty) => {
                let at = BLOCKS.iter().position(|known| *known == ty);
                (Form::Block, at.unwrap_or(0) as u64)
            }
            imm => {
                self.list.push(imm);
                (Form::Listed, self.list.len() as u64 - 1)
            }
        };
        self.operators.push(Packed { offset, op, form, bits });
    }

    /// An operator as it was read.
    #[inline(always)]
    pub fn unpack(&self, packed: &Packed) -> Operator<'a> {
        let bits = packed.bits;
        let imm = match packed.form {
            Form::None => Imm::None,
            Form::Index => Imm::Index(bits as u32),
            Form::Index2 => Imm::Index2(bits as u32, (bits >> 32) as u32),
            Form::MemArg => Imm::MemArg(MemArg { offset: bits, memory: 0, align_log2: 0 }),
            Form::I32 => Imm::I32(bits as i32),
            Form::I64 => Imm::I64(bits as i64),
            Form::F32 => Imm::F32(bits as u32),
            Form::F64 => Imm::F64(bits),
            Form::Block => Imm::Block(match BLOCKS.get(bits as usize) {
                Some(&ty) => ty,
                None => BlockType::Func(TypeIndex::from_u32(bits as u32 - BLOCKS.len() as u32)),
            }),
            Form::Listed => self.list[bits as usize].clone(),
        };
        Operator { offset: packed.offset, op: packed.op, imm }
    }
}

impl Packed {
    /// Whether the operator has no immediates and no effects besides traps.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        self.form == Form::None && matches!(self.op.class(), Class::Pure | Class::Trapping)
    }

    /// The constant of an `i32.const`.
    #[inline(always)]
    pub fn i32(&self) -> u64 {
        self.bits
    }

    /// The local that the operator accesses.
    #[inline(always)]
    pub fn local(&self) -> Option<u32> {
        matches!(self.op, Op::LocalGet | Op::LocalSet | Op::LocalTee).then_some(self.bits as u32)
    }

    /// The local that the operator sets.
    #[inline(always)]
    pub fn sets_local(&self) -> Option<u32> {
        matches!(self.op, Op::LocalSet | Op::LocalTee).then_some(self.bits as u32)
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
        (self.clobbers, self.has_calls, self.uses_memory) = (0, false, false);
        (self.uses_objects, self.has_handlers) = (false, false);
        self.has_tail_calls = false;
        self.joins = 1;
        self.loops.clear();
        self.open_loops.clear();
        let mut depth = 0;
        loop {
            let weight = 1 << (LOOP_LOG2 * u32::min(depth, MAX_DEPTH));
            while let Some((offset, op, imm)) = operators.next_frequent() {
                let (form, bits) = match imm {
                    Frequent::None => (Form::None, 0),
                    Frequent::Local(local) => {
                        let uses = &mut self.uses[local as usize];
                        *uses = uses.saturating_add(weight);
                        (Form::Index, u64::from(local))
                    }
                    Frequent::I32(value) => (Form::I32, u64::from(value as u32)),
                    Frequent::Access(offset) => {
                        self.uses_memory = true;
                        (Form::MemArg, offset)
                    }
                };
                body.operators.push(Packed { offset, op, form, bits });
            }
            let Some(operator) = operators.next() else { break };
            match operator.op {
                Op::Block | Op::If => {
                    self.joins += 1;
                    self.constructs.push(false);
                }
                Op::Loop => {
                    self.joins += 1;
                    self.constructs.push(true);
                    self.open_loops.push(self.loops.len() as u32);
                    self.loops.push(false);
                    depth += 1;
                }
                Op::TryTable | Op::Try => {
                    self.constructs.push(false);
                    (self.uses_objects, self.has_handlers) = (true, true);
                }
                Op::BrIf => self.joins += 1,
                Op::End | Op::Delegate => {
                    self.joins += 1;
                    if self.constructs.pop() == Some(true) {
                        depth -= 1;
                        self.end_loop();
                    }
                }
                op => self.note(op, weight),
            }
            body.push(operator);
        }
    }

    fn end_loop(&mut self) {
        if let (Some(ended), Some(&outer)) = (self.open_loops.pop(), self.open_loops.last()) {
            self.loops[outer as usize] |= self.loops[ended as usize];
        }
    }

    fn note(&mut self, op: Op, weight: u32) {
        match op.class() {
            Class::Call => {
                if let Some(&innermost) = self.open_loops.last() {
                    self.loops[innermost as usize] = true;
                }
                self.has_calls = true;
                self.has_tail_calls |=
                    matches!(op, Op::ReturnCall | Op::ReturnCallIndirect | Op::ReturnCallRef);
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
            Class::Builtin | Class::AtomicWait => {
                self.clobbers = self.clobbers.saturating_add(weight);
                self.uses_memory = true;
            }
            Class::Gc if is_inline(op) => self.uses_objects = true,
            Class::Gc | Class::Exception => {
                self.clobbers = self.clobbers.saturating_add(weight);
                self.uses_objects = true;
            }
            Class::Ref if op == Op::RefFunc => {
                self.clobbers = self.clobbers.saturating_add(weight);
            }
            _ => {}
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
