//! Owns building the body of a callee in place of a call, and the decision to do so.
//! Does not own who is called (`operators`).
//!
//! The callee's operators are translated where the call is: its parameters are bound to the operands, its locals come after the
//! caller's, its labels are further constructs of the caller, and `return` is a branch to the outermost of them. So its calls land in the
//! `try`s of the caller, and what it computes of constants folds.
//!
//! Rules, for direct calls of functions of the same module:
//! 1. At most [`MAX_DEPTH`] deep. A function is inlined in itself only where it calls itself directly, [`MAX_RECURSION`] levels of it, and as if
//!    in a loop: such functions mostly spend their time in the last levels, on the call more than on the work.
//! 2. The body has at most [`MAX_SIZE`] bytes, [`MAX_SIZE_IN_LOOP`] in a loop, and at most [`MAX_PARTS`] locals.
//!    Where the tiers below counted, a call that ran seldom compared with what is around it is as if not in a loop, and one that hardly ever
//!    did gets at most [`MAX_SIZE_OF_MANY`] bytes.
//! 3. All bodies inlined in a function have no more bytes than [`budget`] says.
//! 4. A call in front of `unreachable` stays: it is of a function that does not return, and unlikely.
//! 5. A function with tail calls stays: in place they would be calls, and the stack would grow.
//! 6. A function that throws stays if it is called in a `try`: its throws would become branches, and if nobody wants the exception, nobody
//!    would know where it came from.
//!
//! And for indirect calls:
//! 7. If nearly all calls went to one function, the callee is compared with it; if it is that one, its body follows as if the call were
//!    in a loop and direct.
//! 8. Where nothing was seen, a reference that is read from a field of a structure is compared with the functions that this field has in
//!    constant structures, and an index of a constant table with the functions of the right type there, up to [`MAX_TESTS`] of them; if
//!    there are several, outside of loops, only with those that have at most [`MAX_SIZE_OF_MANY`] bytes.
//! 9. In a constant table, a function that is there once is told by its index alone.

use sterna_abi::INLINED;
use sterna_base::{FuncIndex, TableIndex, TypeIndex};
use sterna_isa::{Class, FuncType, Op};
use sterna_module::Operator;

use super::control::{Frame, FrameKind};
use super::counts::Heat;
use super::joins::NONE;
use super::{Build, BuildError};
use crate::graph::{CalleeTest, Edge, List, Opcode, Origin, Type, Value};
use crate::passes::Pass;

/// Rule 1.
const MAX_DEPTH: usize = 6;
/// Rule 1.
const MAX_RECURSION: usize = 2;
/// Rule 2, in bytes.
const MAX_SIZE: u32 = 48;
/// Rule 2, in bytes.
const MAX_SIZE_IN_LOOP: u32 = 200;
/// Rule 8.
const MAX_TESTS: usize = 4;
/// Rule 8, in bytes.
const MAX_SIZE_OF_MANY: u32 = 24;
/// Rule 2.
const MAX_PARTS: u32 = 64;

/// Rule 3: bytes of bodies that may be inlined in a body of `size` bytes. What is likely to run often may go on when other callees
/// may not.
pub(super) fn budget(size: u32, is_hot: bool) -> u32 {
    if is_hot { size.clamp(600, 8000) } else { (size / 3).clamp(80, 4000) }
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
        if self.options.disabled.contains(Pass::Inline) || !self.is_candidate(func) {
            return Ok(false);
        }
        let body = self.module.body(func);
        // Spent even if nothing comes of it, which bounds the work.
        self.inlined_size += body.size();
        let loops = self.cx.loops.len();
        let params = self.module.func_type(func).params.len() as u32;
        let first_local = self.cx.locals.len();
        let scanned = self.cx.loops.scan(body.operators(), first_local)?;
        if scanned.tail_calls || scanned.throws && !self.cx.tries.is_empty() {
            return Ok(false);
        }
        let is_seldom = matches!(self.call_heat(), Heat::Never | Heat::Seldom);
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
        self.open_counts(func, is_seldom);
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
        self.cx.counts.pop();
        self.cx.locals.unwind(mark);
        self.cx.locals.truncate(first_local);
        (self.wasm, self.origin, self.cx.next_loop, self.next_op) = resume;
        Ok(true)
    }

    /// Rules 7 and 8: translates an indirect call by tests of the callee, each in front of the body of an expected one, and the call if it
    /// is yet another one; whether it did. The operands are on the stack.
    pub(super) fn inline_guarded(
        &mut self,
        op: Op,
        imm: u64,
        ty: &FuncType,
    ) -> Result<bool, BuildError> {
        let (expected, table) = (imm as u32, (imm >> 32) as u32);
        let (targets, is_complete) = self.targets(op, expected, table);
        if targets.is_empty() {
            return Ok(false);
        }
        let callee = self.pop();
        let params = ty.params.len();
        let height = self.cx.stack.len() - params;
        let operands = self.cx.stack[height..].to_vec();
        self.cx.frames.push(Frame {
            kind: FrameKind::Block,
            height: height as u32,
            params: params as u32,
            results: ty.results.len() as u32,
            mark: self.cx.locals.mark(),
            locals: self.cx.locals.len(),
            pending: NONE,
        });
        let table = (op == Op::CallIndirect).then_some(table);
        for (at, &func) in targets.iter().enumerate() {
            let miss = self.test_callee(callee, CalleeTest { func, table });
            self.graph.edges[miss.index()].is_cold = is_complete && at + 1 == targets.len();
            if !self.inline(func)? {
                self.emit_call(Op::Call, u64::from(func.as_u32()), ty, params)?;
            }
            if self.reachable {
                self.fall_to_end();
            }
            self.cx.stack.truncate(height);
            self.cx.stack.extend_from_slice(&operands);
            self.open_target(miss);
        }
        self.push(callee);
        self.emit_call(op, imm, ty, params + 1)?;
        self.end_construct()?;
        Ok(true)
    }

    /// Goes on where a callee is the one tested for; the edge taken if it is not.
    fn test_callee(&mut self, callee: Value, test: CalleeTest) -> Edge {
        let table = test.table.and_then(|at| self.module.constant_table(TableIndex::from_u32(at)));
        let index = table.and_then(|table| table.only_index(test.func));
        let test = match index {
            Some(index) => {
                let ty = self.graph.ty(callee);
                let index = self.graph.make_const(ty, u128::from(index));
                let args = self.graph.push_list(&[callee, index]);
                let op = if ty == Type::I64 { Op::I64Eq } else { Op::I32Eq };
                self.graph.push_inst(Opcode::Wasm(op), args, 0, self.origin)
            }
            None => {
                let args = self.graph.push_list(&[callee]);
                self.graph.push_inst(Opcode::CalleeIs, args, test.imm(), self.origin)
            }
        };
        let is = self.graph.push_result(test, Type::I32);
        let hit = self.graph.push_block();
        let first = self.graph.push_edge(hit);
        let miss = self.new_edge();
        let args = self.graph.push_list(&[is]);
        self.terminate_edges(Op::BrIf, args, first, 2);
        self.open_block(hit);
        miss
    }

    /// The functions to expect from an indirect call, and whether hardly any other is called.
    fn targets(&self, op: Op, ty: u32, table: u32) -> (Vec<FuncIndex>, bool) {
        let disabled = self.options.disabled;
        if disabled.contains(Pass::Inline) || disabled.contains(Pass::Expect) {
            return (Vec::new(), false);
        }
        let fits = |func: FuncIndex| self.is_candidate(func) && self.has_type(func, ty);
        if let Some(func) = self.options.observed.target(self.wasm) {
            return (if fits(func) { vec![func] } else { Vec::new() }, true);
        }
        let known = match op {
            Op::CallRef => self.methods_of(*self.cx.stack.last().expect("validated: a callee")),
            // A constant that `known_callee` did not take traps, or is that of an import.
            _ if self
                .graph
                .constant(*self.cx.stack.last().expect("validated: a callee"))
                .is_some() =>
            {
                &[]
            }
            _ => self
                .module
                .constant_table(TableIndex::from_u32(table))
                .map_or(&[][..], |table| table.targets(TypeIndex::from_u32(ty))),
        };
        let max = if known.len() == 1 || self.loop_depth > 0 { u32::MAX } else { MAX_SIZE_OF_MANY };
        let is_small = |func: FuncIndex| self.module.body(func).size() <= max;
        let chosen = known.iter().copied().filter(|&func| fits(func) && is_small(func));
        let chosen: Vec<_> = chosen.take(MAX_TESTS).collect();
        let is_complete = chosen.len() == known.len();
        (chosen, is_complete)
    }

    /// The functions that a reference may be to if it was read from a table of methods.
    fn methods_of(&self, callee: Value) -> &[FuncIndex] {
        let Some(inst) = self.graph.def_inst(callee) else { return &[] };
        let inst = self.graph.inst(inst);
        if inst.op != Opcode::Wasm(Op::StructGet) {
            return &[];
        }
        let (ty, field) = inst.index2();
        self.module.methods(TypeIndex::from_u32(ty), field)
    }

    /// Whether the tiers below saw the operator being translated run as an indirect call.
    fn is_profiled(&self) -> bool {
        self.options.observed.target(self.wasm).is_some()
    }

    /// Whether a function's type is the one with an index or declared as a subtype of it.
    pub(super) fn has_type(&self, func: FuncIndex, wanted: u32) -> bool {
        let types = self.module.types();
        let mut ty = self.module.func_type_index(func);
        while ty.as_u32() != wanted {
            match types[ty.index()].supertype {
                Some(supertype) => ty = TypeIndex::from_u32(supertype),
                None => return false,
            }
        }
        true
    }

    /// Rules 1 to 4.
    fn is_candidate(&self, func: FuncIndex) -> bool {
        let active = self.cx.activations.iter().filter(|open| open.func == func).count();
        if func.index() < self.module.num_imported_funcs()
            || self.next_op == Some(Op::Unreachable)
            || self.cx.activations.len() > MAX_DEPTH
            || active > 0 && (active < self.cx.activations.len() || active > MAX_RECURSION)
        {
            return false;
        }
        let body = self.module.body(func);
        let heat = self.call_heat();
        let is_hot = (self.loop_depth > 0 || self.is_profiled() || active > 0)
            && !matches!(heat, Heat::Never | Heat::Seldom);
        let max = match heat {
            Heat::Never => MAX_SIZE_OF_MANY,
            _ if is_hot => MAX_SIZE_IN_LOOP,
            _ => MAX_SIZE,
        };
        let locals =
            || body.local_groups().fold(0, |sum: u32, (count, _)| sum.saturating_add(count));
        let budget = budget(self.root_size, is_hot).saturating_sub(self.inlined_size);
        body.size() <= max.min(budget) && locals() <= MAX_PARTS
    }
}
