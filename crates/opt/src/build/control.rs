//! Owns structured control flow: labels, branches, and the blocks they turn into.
//! Does not own the values of locals (`locals`), nor where edges meet (`joins`).

use sterna_isa::Op;
use sterna_module::{BlockType, BrTable, Imm, Operator};

use super::exception::Clauses;
use super::joins::NONE;
use super::{Build, BuildError, MAX_PARAMS};
use crate::graph::{Block, Edge, List, Switch};

/// An open construct.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub kind: FrameKind,
    /// Height of the operand stack below the construct's parameters.
    pub height: u32,
    pub params: u32,
    pub results: u32,
    /// Mark of the locals at its beginning.
    pub mark: u32,
    /// How many locals there are at its end: those of functions inlined in it do not count.
    pub locals: u32,
    /// First of the edges to its end, a list in [`PendingEdges`].
    pub pending: u32,
}

#[derive(Clone, Copy)]
pub(super) enum FrameKind {
    /// A block, the function, or the second half of an if.
    Block,
    Loop {
        header: Block,
        /// Position in the scan's order.
        index: u32,
        /// How often it was entered from above, as far as that was counted.
        entered: u32,
    },
    /// The first half of an if.
    If {
        /// The edge taken if the condition is zero.
        else_edge: ElseEdge,
    },
    TryTable,
    /// The body of a legacy `try`.
    Try,
    /// A clause of a legacy `try`.
    Catch(Clauses),
}

#[derive(Clone, Copy)]
pub(super) enum ElseEdge {
    Edge(Edge),
    /// The condition is a constant other than zero: the else half is dead.
    Never,
    /// The condition is zero: the then half is dead, the open block continues in the else half.
    Always,
}

impl Frame {
    /// The frame of the function itself; its end is the function's.
    pub fn function(results: usize) -> Frame {
        Frame {
            kind: FrameKind::Block,
            height: 0,
            params: 0,
            results: results as u32,
            mark: 0,
            locals: 0,
            pending: NONE,
        }
    }
}

impl Build<'_> {
    /// Mark of the innermost construct.
    pub(super) fn mark(&self) -> u32 {
        self.cx.frames.last().map_or(0, |frame| frame.mark)
    }

    fn frame_index(&self, depth: u32) -> usize {
        self.cx.frames.len() - 1 - depth as usize
    }

    /// Translates an operator of class Control.
    pub(super) fn control(&mut self, operator: &Operator<'_>) -> Result<(), BuildError> {
        match (operator.op, &operator.imm) {
            (Op::Block, Imm::Block(ty)) => {
                let frame = self.frame(FrameKind::Block, *ty);
                self.cx.frames.push(frame);
            }
            (Op::Loop, Imm::Block(ty)) => self.begin_loop(*ty)?,
            (Op::If, Imm::Block(ty)) => self.begin_if(*ty),
            (Op::Else, _) => self.begin_else(),
            (Op::End, _) => self.end()?,
            (Op::Br, Imm::Index(depth)) => {
                let edge = self.new_edge();
                self.connect(edge, *depth);
                self.terminate_edges(Op::Br, List::default(), edge, 1);
            }
            (Op::BrIf, Imm::Index(depth)) => self.br_if(*depth),
            (Op::BrTable, Imm::BrTable(table)) => self.br_table(table),
            (Op::Return, _) => self.return_(),
            (Op::Unreachable, _) => self.terminate(Op::Unreachable, List::default(), 0),
            (op, _) => return Err(BuildError::Unsupported(op.to_string())),
        }
        Ok(())
    }

    /// Translates an operator of class Exception.
    pub(super) fn exception(&mut self, operator: &Operator<'_>) -> Result<(), BuildError> {
        match (operator.op, &operator.imm) {
            (Op::Throw, &Imm::Index(tag)) => self.throw(tag),
            (Op::ThrowRef, _) => self.throw_ref(),
            (Op::TryTable, Imm::TryTable(table)) => self.begin_try_table(table),
            (Op::Try, &Imm::Block(ty)) => self.begin_try(ty),
            (Op::Catch, &Imm::Index(tag)) => self.catch(Some(tag))?,
            (Op::CatchAll, _) => self.catch(None)?,
            (Op::Rethrow, &Imm::Index(depth)) => self.rethrow(depth),
            (Op::Delegate, &Imm::Index(depth)) => {
                self.end_try(depth)?;
                self.end_construct()?;
            }
            (op, _) => return Err(BuildError::Unsupported(op.to_string())),
        }
        Ok(())
    }

    /// Follows nesting through unreachable code.
    pub(super) fn skip(&mut self, operator: &Operator<'_>) -> Result<(), BuildError> {
        match operator.op {
            Op::Block | Op::Loop | Op::If | Op::TryTable | Op::Try => {
                self.skipped += 1;
                self.cx.next_loop += u32::from(operator.op == Op::Loop);
            }
            Op::End | Op::Delegate if self.skipped > 0 => self.skipped -= 1,
            Op::Catch | Op::CatchAll | Op::Delegate if self.skipped == 0 => {
                return self.exception(operator);
            }
            Op::End => return self.end(),
            Op::Else if self.skipped == 0 => self.begin_else(),
            _ => {}
        }
        Ok(())
    }

    /// A frame for a construct whose parameters are on the stack.
    pub(super) fn frame(&mut self, kind: FrameKind, ty: BlockType) -> Frame {
        let params = self.module.block_params(ty).len() as u32;
        let results = self.module.block_results(&ty).len() as u32;
        let height = self.cx.stack.len() as u32 - params;
        let (mark, locals) = (self.cx.locals.mark(), self.cx.locals.len());
        Frame { kind, height, params, results, mark, locals, pending: NONE }
    }

    // ------------------------------------------------------------------------------------------ constructs

    fn begin_loop(&mut self, ty: BlockType) -> Result<(), BuildError> {
        let index = self.cx.next_loop;
        self.cx.next_loop += 1;
        let header = self.graph.push_block();
        self.graph.blocks[header.index()].is_loop = true;
        let edge = self.graph.push_edge(header);
        let params = self.module.block_params(ty).len();
        // Arguments of the entry edge, then the parameters that take their places.
        let stack_at = self.cx.stack.len() - params;
        let assigned = self.cx.loops.assigned(index);
        if params + assigned.len() > MAX_PARAMS {
            return Err(BuildError::TooLarge);
        }
        self.cx.scratch.clear();
        self.cx.scratch.extend_from_slice(&self.cx.stack[stack_at..]);
        self.cx.scratch.extend(assigned.iter().map(|&local| self.cx.locals.get(local)));
        self.graph.edges[edge.index()].args = self.graph.push_list(&self.cx.scratch);
        self.terminate_edges(Op::Br, List::default(), edge, 1);
        let mark = self.mark();
        for i in 0..params {
            let ty = self.graph.ty(self.cx.scratch[i]).joined();
            self.cx.stack[stack_at + i] = self.graph.push_param(header, ty);
        }
        for (i, &local) in self.cx.loops.assigned(index).iter().enumerate() {
            let ty = self.graph.ty(self.cx.scratch[params + i]).joined();
            let param = self.graph.push_param(header, ty);
            self.cx.locals.set(local, param, mark);
        }
        let entered = self.count_loop();
        let frame = self.frame(FrameKind::Loop { header, index, entered }, ty);
        self.cx.frames.push(frame);
        self.loop_depth += 1;
        self.open_block(header);
        if self.options.entry == Some(self.origin.0) {
            self.note_loop_entry()?;
        }
        if self.options.polls {
            self.poll();
        }
        Ok(())
    }

    fn begin_if(&mut self, ty: BlockType) {
        let condition = self.pop();
        let mut frame = self.frame(FrameKind::Block, ty);
        let else_edge = match self.graph.constant(condition) {
            Some(0) => {
                self.reachable = false;
                ElseEdge::Always
            }
            Some(_) => ElseEdge::Never,
            None => {
                let then = self.graph.push_block();
                let edge = self.graph.push_edge(then);
                let else_edge = self.new_edge();
                let args = self.graph.push_list(&[condition]);
                self.hint(edge, else_edge, None);
                self.terminate_edges(Op::BrIf, args, edge, 2);
                self.open_block(then);
                ElseEdge::Edge(else_edge)
            }
        };
        frame.kind = FrameKind::If { else_edge };
        self.cx.frames.push(frame);
        // The construct's parameters are needed again by the else half.
        let params = self.cx.stack.len() - frame.params as usize;
        self.cx.saved_params.extend_from_slice(&self.cx.stack[params..]);
    }

    fn begin_else(&mut self) {
        if let Some(edge) = self.end_then() {
            let block = self.graph.push_block();
            self.graph.edges[edge.index()].block = block;
            self.open_block(block);
        }
    }

    /// Ends the first half of an if and restores the state at its beginning. Returns the edge to the second half, unless the
    /// condition was a constant; then the code is reachable here if that half is the live one.
    fn end_then(&mut self) -> Option<Edge> {
        if self.reachable {
            self.fall_to_end();
        }
        let frame = self.cx.frames.last_mut().expect("the function's frame is the last to go");
        let FrameKind::If { else_edge } = std::mem::replace(&mut frame.kind, FrameKind::Block)
        else {
            unreachable!("validated: else belongs to if")
        };
        let (mark, height, params) = (frame.mark, frame.height as usize, frame.params as usize);
        self.cx.locals.unwind(mark);
        self.cx.stack.truncate(height);
        let saved = self.cx.saved_params.len() - params;
        self.cx.stack.extend(self.cx.saved_params.drain(saved..));
        match else_edge {
            ElseEdge::Edge(edge) => return Some(edge),
            ElseEdge::Always => self.reachable = true,
            ElseEdge::Never => {}
        }
        None
    }

    pub(super) fn end(&mut self) -> Result<(), BuildError> {
        let position = self.cx.frames.len() - 1;
        match self.cx.frames[position].kind {
            FrameKind::TryTable => self.end_try_table()?,
            FrameKind::Try => self.end_try(0)?,
            FrameKind::Catch(clauses) => self.end_clauses(clauses),
            _ => {}
        }
        self.end_construct()
    }

    /// Ends a construct, whose parts have all ended.
    pub(super) fn end_construct(&mut self) -> Result<(), BuildError> {
        let position = self.cx.frames.len() - 1;
        if let FrameKind::If { .. } = self.cx.frames[position].kind
            && let Some(edge) = self.end_then()
        {
            // There is no else half: the edge leads to the end, the construct's parameters are its results.
            self.connect(edge, 0);
        }
        let frame = self.cx.frames[position];
        if let FrameKind::Loop { .. } = frame.kind {
            self.loop_depth -= 1;
            self.count_loop_end();
        }
        if frame.pending != NONE {
            if self.reachable {
                self.fall_to_end();
            }
            let frame = self.cx.frames[position];
            self.cx.frames.pop();
            self.join(&frame)?;
        } else {
            self.cx.frames.pop();
            if !self.reachable {
                self.cx.locals.unwind(frame.mark);
                self.cx.stack.truncate(frame.height as usize);
            }
        }
        if position == 0 && self.reachable {
            let args = self.pop_list(frame.results as usize);
            self.terminate(Op::Return, args, 0);
        }
        Ok(())
    }

    // ------------------------------------------------------------------------------------------ branches

    pub(super) fn new_edge(&mut self) -> Edge {
        self.graph.push_edge(Block::from_u32(u32::MAX))
    }

    /// Makes `edge` lead from here to a label; operands stay on the stack.
    pub(super) fn connect(&mut self, edge: Edge, depth: u32) {
        let index = self.frame_index(depth);
        let frame = &self.cx.frames[index];
        if let FrameKind::Loop { header, index, .. } = frame.kind {
            let operands = self.cx.stack.len() - frame.params as usize;
            let list = self.graph.push_list(&self.cx.stack[operands..]);
            let assigned = self.cx.loops.assigned(index);
            self.graph.pool.extend(assigned.iter().map(|&local| self.cx.locals.get(local)));
            let args = List { start: list.start, len: list.len + assigned.len() as u32 };
            let data = &mut self.graph.edges[edge.index()];
            data.block = header;
            data.args = args;
            return;
        }
        let (mark, len, next) = (frame.mark, frame.locals, frame.pending);
        let operands = self.cx.stack.len() - frame.results as usize;
        let stack = std::mem::take(&mut self.cx.stack);
        let pending = self.add_pending(edge, (mark, len), next, |list| {
            list.extend_from_slice(&stack[operands..])
        });
        self.cx.stack = stack;
        self.cx.frames[index].pending = pending;
    }

    /// Ends the open block with a jump to the end of the innermost construct.
    pub(super) fn fall_to_end(&mut self) {
        let edge = self.new_edge();
        self.connect(edge, 0);
        self.terminate_edges(Op::Br, List::default(), edge, 1);
    }

    fn br_if(&mut self, depth: u32) {
        let condition = self.pop();
        match self.graph.constant(condition) {
            Some(0) => {}
            Some(_) => {
                let edge = self.new_edge();
                self.connect(edge, depth);
                self.terminate_edges(Op::Br, List::default(), edge, 1);
            }
            None => {
                let taken = self.new_edge();
                let next = self.graph.push_block();
                let not_taken = self.graph.push_edge(next);
                self.connect(taken, depth);
                let target = self.frame_index(depth);
                self.hint(taken, not_taken, Some(target));
                let args = self.graph.push_list(&[condition]);
                self.terminate_edges(Op::BrIf, args, taken, 2);
                self.open_block(next);
            }
        }
    }

    /// `br_on_null`. A reference is a condition as integers are: true if not null.
    pub(super) fn br_on_null(&mut self, depth: u32) {
        let reference = self.pop();
        match self.graph.constant(reference) {
            Some(_) => {
                let edge = self.new_edge();
                self.connect(edge, depth);
                self.terminate_edges(Op::Br, List::default(), edge, 1);
            }
            None => {
                let next = self.graph.push_block();
                let taken = self.graph.push_edge(next);
                let null = self.new_edge();
                self.connect(null, depth);
                let args = self.graph.push_list(&[reference]);
                self.terminate_edges(Op::BrIf, args, taken, 2);
                self.open_block(next);
                self.push(reference);
            }
        }
    }

    /// `br_on_non_null`.
    pub(super) fn br_on_non_null(&mut self, depth: u32) {
        let reference = *self.cx.stack.last().expect("validated: operands are on the stack");
        // The only constant is null.
        if self.graph.constant(reference).is_none() {
            let taken = self.new_edge();
            let next = self.graph.push_block();
            self.graph.push_edge(next);
            self.connect(taken, depth);
            let args = self.graph.push_list(&[reference]);
            self.terminate_edges(Op::BrIf, args, taken, 2);
            self.open_block(next);
        }
        self.pop();
    }

    /// Marks the edge that is unlikely according to the operator's branch hint, or else what was counted. `target` is the construct that
    /// a branch leads to.
    fn hint(&mut self, taken: Edge, not_taken: Edge, target: Option<usize>) {
        match self.module.branch_hint(self.wasm) {
            Some(likely) => {
                let unlikely = if likely { not_taken } else { taken };
                self.graph.edges[unlikely.index()].is_cold = true;
            }
            None => self.count_branch(taken, not_taken, target),
        }
    }

    fn br_table(&mut self, table: &BrTable<'_>) {
        let index = self.pop();
        if let Some(bits) = self.graph.constant(index) {
            let depth = table.targets().nth(bits as usize).unwrap_or(table.default());
            let edge = self.new_edge();
            self.connect(edge, depth);
            return self.terminate_edges(Op::Br, List::default(), edge, 1);
        }
        // One edge per label, however often the table names it.
        let first = Edge::from_u32(self.graph.edges.len() as u32);
        let start = self.graph.tables.len() as u32;
        let mut edges = 0;
        if self.cx.label_edges.len() < self.cx.frames.len() {
            self.cx.label_edges.resize(self.cx.frames.len(), None);
        }
        for depth in table.targets().chain([table.default()]) {
            let edge = match self.cx.label_edges[depth as usize] {
                // Edges from before `first` are those of other tables.
                Some(edge) if edge >= first => edge,
                _ => {
                    let edge = self.new_edge();
                    self.connect(edge, depth);
                    self.cx.label_edges[depth as usize] = Some(edge);
                    edges += 1;
                    edge
                }
            };
            self.graph.tables.push(edge);
        }
        let len = self.graph.tables.len() as u32 - start;
        self.graph.switches.push(Switch { edges: (first, edges), table: (start, len) });
        let args = self.graph.push_list(&[index]);
        self.terminate(Op::BrTable, args, self.graph.switches.len() as u64 - 1);
    }
}
