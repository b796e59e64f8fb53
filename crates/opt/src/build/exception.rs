//! Owns exceptions: the handlers of open `try`s, throws, and the code that finds the clause of an exception.
//! Does not own labels and joins (`control`).
//!
//! A `try` has one *dispatch* block, to which all throws in its body lead: calls by their landing edges, `throw` by a branch. It is
//! a join as labels are, with the exception as its only value. There the clauses are tried in order; an exception that none of them
//! wants is thrown on, to the next outer `try` of the function or out of it. The legacy form differs in that the bodies of its
//! clauses lie between the tests.

use sterna_base::TagIndex;
use sterna_isa::Op;
use sterna_module::{BlockType, Catch, TryTable};

use super::control::{Frame, FrameKind};
use super::joins::NONE;
use super::{Build, BuildError};
use crate::graph::{Edge, LandingData, List, Opcode, Type, Value};

/// A `try` whose body is being built.
#[derive(Clone, Copy)]
pub(super) struct Try {
    /// Position of its frame.
    frame: usize,
    /// First of the edges to its dispatch block.
    pending: u32,
}

/// The second part of a legacy `try`: its clauses.
#[derive(Clone, Copy)]
pub(super) struct Clauses {
    /// The exception; none if nothing is thrown in the body.
    exn: Option<Value>,
    /// The edge to the test of the next clause, if that can be reached.
    next: Option<Edge>,
    /// Where the list of the locals that differ in the dispatch block begins.
    saved: usize,
}

impl Build<'_> {
    // ------------------------------------------------------------------------------------------ throwing

    /// Before a call is emitted, if it is in a `try`: the exception that it may throw.
    pub(super) fn landed(&mut self) -> Option<Value> {
        if self.cx.tries.is_empty() {
            return None;
        }
        Some(self.exn_inst(Opcode::Landed, &[], 0, Type::ExnRef))
    }

    /// After the call that [`Build::landed`] announced was emitted, before its results are pushed.
    pub(super) fn land(&mut self, inst: crate::graph::Inst, landed: Option<Value>) {
        if let Some(exn) = landed {
            let edge = self.new_edge();
            self.connect_to_try(self.cx.tries.len() - 1, edge, exn);
            self.graph.landings.push(LandingData { inst, edge, exn });
        }
    }

    fn exn_inst(&mut self, op: Opcode, args: &[Value], imm: u64, result: Type) -> Value {
        let args = self.graph.push_list(args);
        let inst = self.graph.push_inst(op, args, imm, self.origin);
        self.graph.push_result(inst, result)
    }

    /// Makes `edge` lead from here to the dispatch block of the `at`th open `try`.
    fn connect_to_try(&mut self, at: usize, edge: Edge, exn: Value) {
        let Try { frame, pending } = self.cx.tries[at];
        let Frame { mark, locals, .. } = self.cx.frames[frame];
        self.cx.tries[at].pending = self.add_pending(edge, (mark, locals), pending, |results| {
            results.push(exn);
        });
    }

    /// Throws an exception that is not null to the innermost of the first `tries` open `try`s, or out of the function.
    fn throw_to(&mut self, exn: Value, tries: usize) {
        match tries.checked_sub(1) {
            Some(at) => {
                let edge = self.new_edge();
                self.connect_to_try(at, edge, exn);
                self.terminate_edges(Op::Br, List::default(), edge, 1);
            }
            None => {
                let args = self.graph.push_list(&[exn]);
                self.terminate(Op::ThrowRef, args, 0);
            }
        }
    }

    /// `throw`.
    pub(super) fn throw(&mut self, tag: u32) {
        let count = self.module.tag_type(TagIndex::from_u32(tag)).params.len();
        let args = self.pop_list(count);
        let inst = self.graph.push_inst(Opcode::ExnNew, args, u64::from(tag), self.origin);
        let exn = self.graph.push_result(inst, Type::ExnRef);
        self.throw_to(exn, self.cx.tries.len());
    }

    /// `throw_ref`.
    pub(super) fn throw_ref(&mut self) {
        let exn = self.pop();
        if self.cx.tries.is_empty() || self.graph.constant(exn).is_some() {
            return self.throw_to(exn, 0);
        }
        let some = self.graph.push_block();
        let edge = self.graph.push_edge(some);
        let null = self.new_edge();
        let args = self.graph.push_list(&[exn]);
        self.terminate_edges(Op::BrIf, args, edge, 2);
        self.open_block(some);
        self.throw_to(exn, self.cx.tries.len());
        let none = self.graph.push_block();
        self.graph.edges[null.index()].block = none;
        self.open_block(none);
        // Traps.
        self.throw_to(exn, 0);
    }

    // ------------------------------------------------------------------------------------------ try_table

    fn open_try(&mut self, kind: FrameKind, ty: BlockType) {
        let frame = self.frame(kind, ty);
        self.cx.tries.push(Try { frame: self.cx.frames.len(), pending: NONE });
        self.cx.frames.push(frame);
    }

    /// `try_table`.
    pub(super) fn begin_try_table(&mut self, table: &TryTable) {
        if table.catches.is_empty() {
            let frame = self.frame(FrameKind::Block, table.ty);
            return self.cx.frames.push(frame);
        }
        self.cx.catches.push(table.catches.clone());
        self.open_try(FrameKind::TryTable, table.ty);
    }

    /// Ends the body of the innermost construct, a `try`, and opens its dispatch block; the exception, if anything is thrown.
    fn end_body(&mut self) -> Result<Option<Value>, BuildError> {
        if self.reachable {
            self.fall_to_end();
        }
        let own = self.cx.tries.pop().expect("the body of a try is open");
        let frame = self.cx.frames[own.frame];
        if own.pending == NONE {
            return Ok(None);
        }
        self.join(&Frame { pending: own.pending, results: 1, ..frame })?;
        Ok(Some(self.pop()))
    }

    /// Before the end of a `try_table`.
    pub(super) fn end_try_table(&mut self) -> Result<(), BuildError> {
        let exn = self.end_body()?;
        let catches = self.cx.catches.pop().expect("every try_table has put its clauses there");
        let Some(exn) = exn else { return Ok(()) };
        for catch in &catches {
            self.clause(exn, catch)?;
            if !self.reachable {
                return Ok(());
            }
        }
        self.throw_to(exn, self.cx.tries.len());
        Ok(())
    }

    /// Branches if an exception matches a clause, and goes on if it does not.
    fn clause(&mut self, exn: Value, catch: &Catch) -> Result<(), BuildError> {
        let height = self.cx.stack.len();
        let next = match catch.tag {
            Some(tag) => Some(self.match_tag(exn, tag)?),
            None => None,
        };
        if catch.with_ref {
            self.push(exn);
        }
        let edge = self.new_edge();
        // The frame of the try_table is still open.
        self.connect(edge, catch.label + 1);
        self.terminate_edges(Op::Br, List::default(), edge, 1);
        self.cx.stack.truncate(height);
        if let Some(next) = next {
            self.open_target(next);
        }
        Ok(())
    }

    /// Goes on where an exception has a tag, with its payload pushed. Returns the edge taken if it has another.
    fn match_tag(&mut self, exn: Value, tag: TagIndex) -> Result<Edge, BuildError> {
        let imm = u64::from(tag.as_u32());
        let is = self.exn_inst(Opcode::ExnIs, &[exn], imm, Type::I32);
        let block = self.graph.push_block();
        let edge = self.graph.push_edge(block);
        let next = self.new_edge();
        let args = self.graph.push_list(&[is]);
        self.terminate_edges(Op::BrIf, args, edge, 2);
        self.open_block(block);
        let args = self.graph.push_list(&[exn]);
        let inst = self.graph.push_inst(Opcode::ExnPayload, args, imm, self.origin);
        let module = self.module;
        for &ty in &module.tag_type(tag).params {
            let ty = self.supported(ty)?;
            let value = self.graph.push_result(inst, ty);
            self.push(value);
        }
        Ok(next)
    }

    /// Opens a new block for an edge that leads nowhere so far.
    pub(super) fn open_target(&mut self, edge: Edge) {
        let block = self.graph.push_block();
        self.graph.edges[edge.index()].block = block;
        self.open_block(block);
    }

    // ------------------------------------------------------------------------------------------ the legacy form

    /// `try`.
    pub(super) fn begin_try(&mut self, ty: BlockType) {
        self.open_try(FrameKind::Try, ty);
    }

    /// `catch`, or `catch_all` without a tag.
    pub(super) fn catch(&mut self, tag: Option<u32>) -> Result<(), BuildError> {
        let position = self.cx.frames.len() - 1;
        let mut clauses = match self.cx.frames[position].kind {
            FrameKind::Catch(clauses) => {
                self.reopen(clauses);
                clauses
            }
            _ => {
                let exn = self.end_body()?;
                let saved = self.cx.saved_locals.len();
                let (locals, list) = (&self.cx.locals, &mut self.cx.saved_locals);
                let mark = self.cx.frames[position].mark;
                locals.changed_since(mark, u32::MAX, |local, value| list.push((local, value)));
                Clauses { exn, next: None, saved }
            }
        };
        clauses.next = None;
        if let (true, Some(exn), Some(tag)) = (self.reachable, clauses.exn, tag) {
            clauses.next = Some(self.match_tag(exn, TagIndex::from_u32(tag))?);
        }
        self.cx.frames[position].kind = FrameKind::Catch(clauses);
        Ok(())
    }

    /// Ends the body of a clause and goes to the test of the next, with the locals of the dispatch block.
    fn reopen(&mut self, clauses: Clauses) {
        if self.reachable {
            self.fall_to_end();
        }
        let frame = *self.cx.frames.last().expect("the function's frame is the last to go");
        self.cx.locals.unwind(frame.mark);
        self.cx.stack.truncate(frame.height as usize);
        for at in clauses.saved..self.cx.saved_locals.len() {
            let (local, value) = self.cx.saved_locals[at];
            self.cx.locals.set(local, value, frame.mark);
        }
        if let Some(next) = clauses.next {
            self.open_target(next);
        }
    }

    /// Before the end of a `try` with clauses.
    pub(super) fn end_clauses(&mut self, clauses: Clauses) {
        self.reopen(clauses);
        if let (true, Some(exn)) = (self.reachable, clauses.exn) {
            self.throw_to(exn, self.cx.tries.len());
        }
        self.cx.saved_locals.truncate(clauses.saved);
    }

    /// Before the end of a `try` without clauses, which passes exceptions on to those `try`s that are not inside of the `delegate`th
    /// label outside of it.
    pub(super) fn end_try(&mut self, delegate: u32) -> Result<(), BuildError> {
        let target = self.cx.frames.len() - 2 - delegate as usize;
        if let Some(exn) = self.end_body()? {
            let tries = self.cx.tries.iter().filter(|open| open.frame <= target).count();
            self.throw_to(exn, tries);
        }
        Ok(())
    }

    /// `rethrow`.
    pub(super) fn rethrow(&mut self, depth: u32) {
        let index = self.cx.frames.len() - 1 - depth as usize;
        match self.cx.frames[index].kind {
            FrameKind::Catch(Clauses { exn: Some(exn), .. }) => {
                self.throw_to(exn, self.cx.tries.len());
            }
            _ => unreachable!("validated: rethrow names a catch, which is reachable here"),
        }
    }
}
