//! Owns building the body of a callee in place of a call, and the decision to do so.
//! Does not own who is called (`operators`).
//!
//! The callee's operators are translated where the call is: its parameters are bound to the operands, its locals come after the
//! caller's, its labels are further constructs of the caller, and `return` is a branch to the outermost of them. So its calls land in the
//! `try`s of the caller, and what it computes of constants folds.
//!
//! Rules, for direct calls of functions of the same module:
//! 1. No function is inlined in itself, directly or not, nor more than [`MAX_DEPTH`] deep.
//! 2. The body has at most [`MAX_SIZE`] bytes, [`MAX_SIZE_IN_LOOP`] in a loop, and at most [`MAX_PARTS`] locals.
//! 3. All bodies inlined in a function have no more bytes than [`budget`] says.
//! 4. A call in front of `unreachable` stays: it is of a function that does not return, and unlikely.
//! 5. A function with tail calls stays: in place they would be calls, and the stack would grow.
//! 6. A function that throws stays if it is called in a `try`: its throws would become branches, and if nobody wants the exception, nobody
//!    would know where it came from.

use sterna_abi::INLINED;
use sterna_base::FuncIndex;
use sterna_isa::{Class, Op};
use sterna_module::Operator;

use super::control::{Frame, FrameKind};
use super::joins::NONE;
use super::{Build, BuildError};
use crate::graph::{List, Origin};

/// Rule 1.
const MAX_DEPTH: usize = 6;
/// Rule 2, in bytes.
const MAX_SIZE: u32 = 40;
/// Rule 2, in bytes.
const MAX_SIZE_IN_LOOP: u32 = 120;
/// Rule 2.
const MAX_PARTS: u32 = 64;

/// Rule 3: bytes of bodies that may be inlined in a body of `size` bytes.
pub(super) fn budget(size: u32) -> u32 {
    (size / 2).clamp(400, 8000)
}

/// A function whose body is being translated.
#[derive(Clone, Copy)]
pub(super) struct Activation {
    pub func: FuncIndex,
    /// Where it is called; of the function itself, nothing.
    pub call: Origin,
    /// Its first local.
    pub locals: u32,
    /// Height of the operand stack at its beginning.
    pub height: u32,
    /// Position of its outermost construct.
    pub frame: usize,
}

impl Activation {
    /// The function that is compiled.
    pub fn outermost(func: FuncIndex) -> Activation {
        Activation { func, call: Origin(0), locals: 0, height: 0, frame: 0 }
    }
}

impl Build<'_> {
    pub(super) fn activation(&self) -> &Activation {
        self.cx.activations.last().expect("the outermost one is there to the end")
    }

    /// The origin of what an operator becomes. In inlined functions, operators that become no instruction share one.
    pub(super) fn origin_of(&mut self, operator: &Operator<'_>) -> Origin {
        let Activation { func, call, .. } = *self.activation();
        if self.cx.activations.len() == 1 {
            return Origin(operator.offset);
        }
        let is_silent = matches!(operator.op.class(), Class::Local | Class::Const);
        if is_silent && self.origin.0 & INLINED != 0 {
            return self.origin;
        }
        self.graph.push_inlined(func, operator.offset, call)
    }

    /// `return`.
    pub(super) fn return_(&mut self) {
        let frame = self.activation().frame;
        if self.cx.activations.len() > 1 {
            let edge = self.new_edge();
            self.connect(edge, (self.cx.frames.len() - 1 - frame) as u32);
            return self.terminate_edges(Op::Br, List::default(), edge, 1);
        }
        let results = self.cx.frames[0].results as usize;
        let args = self.pop_list(results);
        self.terminate(Op::Return, args, 0);
    }

    /// Translates a call by the body of the callee, if that is worth while; whether it did.
    pub(super) fn inline(&mut self, func: FuncIndex) -> Result<bool, BuildError> {
        if !self.options.inline || !self.is_candidate(func) {
            return Ok(false);
        }
        let body = self.module.body(func);
        // Spent even if nothing comes of it, which bounds the work.
        self.inline_budget -= body.size();
        let loops = self.cx.loops.len();
        let params = self.module.func_type(func).params.len() as u32;
        let first_local = self.cx.locals.len();
        let scanned = self.cx.loops.scan(body.operators(), first_local)?;
        if scanned.tail_calls || scanned.throws && !self.cx.tries.is_empty() {
            return Ok(false);
        }
        let resume = (self.wasm, self.origin, self.cx.next_loop, self.next_op);
        self.cx.next_loop = loops;
        let height = self.cx.stack.len() as u32 - params;
        let mark = self.cx.locals.mark();
        self.cx.activations.push(Activation {
            func,
            call: self.origin,
            locals: first_local,
            height,
            frame: self.cx.frames.len(),
        });
        self.cx.frames.push(Frame {
            kind: FrameKind::Block,
            height,
            params: 0,
            results: self.module.func_type(func).results.len() as u32,
            mark,
            locals: first_local,
            pending: NONE,
        });
        for at in height as usize..self.cx.stack.len() {
            let argument = self.cx.stack[at];
            self.cx.locals.declare(argument);
        }
        self.cx.stack.truncate(height as usize);
        self.declare_locals(&body)?;
        self.operators(&body)?;

        self.cx.activations.pop();
        self.cx.locals.unwind(mark);
        self.cx.locals.truncate(first_local);
        (self.wasm, self.origin, self.cx.next_loop, self.next_op) = resume;
        Ok(true)
    }

    /// Rules 1 to 4.
    fn is_candidate(&self, func: FuncIndex) -> bool {
        let is_active = |open: &Activation| open.func == func;
        if func.index() < self.module.num_imported_funcs()
            || self.next_op == Some(Op::Unreachable)
            || self.cx.activations.len() > MAX_DEPTH
            || self.cx.activations.iter().any(is_active)
        {
            return false;
        }
        let body = self.module.body(func);
        let max = if self.loop_depth > 0 { MAX_SIZE_IN_LOOP } else { MAX_SIZE };
        let locals =
            || body.local_groups().fold(0, |sum: u32, (count, _)| sum.saturating_add(count));
        body.size() <= max.min(self.inline_budget) && locals() <= MAX_PARTS
    }
}
