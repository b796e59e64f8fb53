//! Owns translation of control flow: blocks, branches, returns.
//! Does not own calls (`call`).

use sterna_isa::{Op, ValType};
use sterna_module::{BlockType, BrTable, Imm};

use super::Translator;
use super::asm::NONE;
use super::exception::Region;
use super::scalar::{Condition, immediate_size};
use super::stack::{Acc, Entry, Loc, Place, class};
use crate::op::branch::{JUMP, TABLE};
use crate::op::call::{RETURN, RETURN_MANY, RETURN_VALUE};
use crate::op::variable::COPY_DOWN;
use crate::value::immediate_at;

/// Most operands below the start of a loop that other code can enter.
const MAX_OPERANDS: usize = 64;
/// Most blocks around it.
const MAX_NESTING: usize = 512;

/// An open block.
pub(crate) struct Control {
    pub(super) kind: Kind,
    ty: BlockType,
    /// Entries below its parameters.
    pub(super) height: u32,
    /// Canonical slot of its first parameter, and of its first result.
    pub(super) slot: u32,
    /// Start of a loop.
    pub(super) start: u32,
    /// Branches to its end that wait for it.
    ends: u32,
    /// The branch of an `if` to its `else`.
    other: u32,
    /// Handlers that wait for its end.
    pub(super) caught: u32,
    /// What it catches, while its body is open.
    pub(super) region: Option<Region>,
    /// Position of its region once that is closed.
    pub(super) handlers: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Func,
    Block,
    Loop,
    If,
    Else,
    /// `try_table`, or the first part of a `try`.
    Try,
    /// A `catch` of a `try`: its results may have to be moved down over the exception.
    Catch,
}

impl Control {
    /// The block that a function body is.
    pub fn function(slot: u32) -> Control {
        Control::new(Kind::Func, BlockType::Empty, 0, slot)
    }

    fn new(kind: Kind, ty: BlockType, height: u32, slot: u32) -> Control {
        Control {
            kind,
            ty,
            height,
            slot,
            start: NONE,
            ends: NONE,
            other: NONE,
            caught: NONE,
            region: None,
            handlers: NONE,
        }
    }
}

fn slots(types: &[ValType]) -> u32 {
    types.iter().map(|ty| ty.slots() as u32).sum()
}

impl<'a> Translator<'a> {
    fn params(&self, ty: BlockType) -> &'a [ValType] {
        self.source.module.block_params(ty)
    }

    /// Types of the results of an open block.
    pub(super) fn results(&self, index: usize) -> Vec<ValType> {
        let control = &self.controls[index];
        match control.kind {
            Kind::Func => self.source.module.func_type(self.func).results.to_vec(),
            _ => self.source.module.block_results(&control.ty).to_vec(),
        }
    }

    /// Types of the values that a branch to an open block carries.
    fn label(&self, index: usize) -> Vec<ValType> {
        match self.controls[index].kind {
            Kind::Loop => self.params(self.controls[index].ty).to_vec(),
            _ => self.results(index),
        }
    }

    /// Opens a block, loop or if.
    pub(super) fn open(&mut self, op: Op, ty: BlockType) {
        let condition = (op == Op::If).then(|| self.condition());
        let params = self.params(ty).len();
        self.settle(params);
        self.flush();
        let height = (self.stack.len() - params) as u32;
        let slot = self.stack.get(height as usize).map_or_else(|| self.top(), |entry| entry.slot);
        let mut control = Control::new(Kind::Block, ty, height, slot);
        match condition {
            Some(condition) => {
                control.kind = Kind::If;
                let field = self.branch_on(&condition, false, false);
                self.asm.chain(&mut control.other, field);
            }
            None if op == Op::Loop => {
                control.kind = Kind::Loop;
                let position = self.enterable();
                control.start = self.asm.len();
                self.bind();
                self.note_way_in(false);
                self.count_iteration(position);
            }
            None => {}
        }
        self.controls.push(control);
    }

    /// Before the start of a loop: puts operands that are constants into their slots, so that other code can enter the loop. Returns
    /// the loop's position as builtin `hot` takes it, or [`NONE`] if operands may not be where that code looks for them.
    fn enterable(&mut self) -> u32 {
        // In a clause of a legacy `try` an exception lies below the operands.
        let in_clause = |controls: &[Control]| controls.iter().any(|c| c.kind == Kind::Catch);
        if self.source.settings.hot_budget == 0
            || self.stack.len() > MAX_OPERANDS
            || self.controls.len() > MAX_NESTING
            || in_clause(&self.controls)
        {
            return NONE;
        }
        for index in 0..self.stack.len() {
            let Entry { loc, slot, .. } = self.stack[index];
            if let Loc::Const(bits) = loc {
                self.const_to_slot(slot, bits);
            }
        }
        self.offset
    }

    /// Notes that control can come from elsewhere to the next instruction.
    pub(super) fn bind(&mut self) {
        self.forget_accs();
        self.forget_recent();
    }

    /// Notes that the instructions so far must stay as they are.
    pub(super) fn forget_recent(&mut self) {
        self.compare = None;
        self.vector = None;
        self.recent = [None; 2];
        self.copied = None;
    }

    fn resolve(&mut self, chain: u32) {
        let here = self.asm.len();
        self.asm.resolve(chain, here);
        self.bind();
    }

    /// The rest of the block cannot be reached.
    pub(super) fn end_reachable(&mut self) {
        let height =
            self.controls.last().expect("operators are inside the function's block").height;
        self.truncate(height);
        self.reachable = false;
        self.dead = 0;
    }

    /// An operator in unreachable code: only the structure matters.
    pub(super) fn unreachable_operator(&mut self, op: Op, imm: &Imm<'_>) {
        match op {
            Op::Block | Op::Loop | Op::If | Op::TryTable | Op::Try => self.dead += 1,
            Op::End | Op::Delegate if self.dead > 0 => self.dead -= 1,
            Op::Catch | Op::CatchAll | Op::Delegate if self.dead == 0 => match (op, imm) {
                (Op::Delegate, &Imm::Index(depth)) => self.delegate(depth),
                (_, &Imm::Index(tag)) => self.catch(Some(tag)),
                _ => self.catch(None),
            },
            Op::End => self.end(),
            Op::Else if self.dead == 0 => self.else_(),
            _ => {}
        }
    }

    /// `else`.
    pub(super) fn else_(&mut self) {
        let index = self.controls.len() - 1;
        if self.reachable {
            self.settle(self.results(index).len());
            let field = self.jump(JUMP.forward);
            self.asm.chain(&mut self.controls[index].ends, field);
        }
        let control = &mut self.controls[index];
        control.kind = Kind::Else;
        let (height, ty) = (control.height, control.ty);
        let other = std::mem::replace(&mut control.other, NONE);
        self.truncate(height);
        self.resolve(other);
        self.reachable = true;
        for &ty in self.params(ty) {
            self.push(ty, Loc::Temp);
        }
    }

    /// `end`.
    pub(super) fn end(&mut self) {
        let index = self.controls.len() - 1;
        if self.controls[index].region.is_some() {
            self.close_region();
        }
        let Control { kind, ends, other, height, slot, caught, .. } = self.controls[index];
        if kind == Kind::Func {
            return self.end_function(ends, caught);
        }
        let fallen = kind == Kind::Catch && self.reachable;
        if ends != NONE || other != NONE || caught != NONE || fallen {
            let results = self.results(index);
            if self.reachable {
                self.settle(results.len());
            }
            if fallen {
                self.move_settled(slot, &results);
            }
            self.truncate(height);
            self.resolve_clauses(caught, self.asm.len());
            self.resolve(ends);
            self.resolve(other);
            self.reachable = true;
            for ty in results {
                self.push(ty, Loc::Temp);
            }
        }
        self.controls.pop();
    }

    fn end_function(&mut self, ends: u32, caught: u32) {
        let results = self.results(0);
        if caught != NONE && !results.is_empty() {
            if self.reachable {
                self.return_values();
            }
            // Branches return, but handlers leave the results on the operand stack.
            self.truncate(0);
            self.resolve_clauses(caught, self.asm.len());
            self.bind();
            results.iter().for_each(|&ty| self.push(ty, Loc::Temp));
            self.return_settled(&results);
            self.controls.pop();
            return;
        }
        if self.reachable {
            self.return_values();
            if (ends != NONE || caught != NONE) && results.is_empty() {
                // The return just written serves the branches too.
                let start = self.asm.len() - 16;
                self.asm.resolve(ends, start);
                self.resolve_clauses(caught, start);
                self.controls.pop();
                return;
            }
        }
        if ends != NONE || caught != NONE {
            self.resolve_clauses(caught, self.asm.len());
            self.resolve(ends);
            self.return_plain();
        }
        self.controls.pop();
    }

    fn jump(&mut self, handler: crate::machine::Handler) -> u32 {
        self.emit(handler, 16) + 8
    }

    pub(super) fn target(&self, depth: u32) -> usize {
        self.controls.len() - 1 - depth as usize
    }

    /// Gives a distance field its target.
    fn link(&mut self, index: usize, field: u32) {
        let control = &mut self.controls[index];
        match control.kind {
            Kind::Loop => self.asm.set_distance(field, control.start),
            _ => self.asm.chain(&mut control.ends, field),
        }
    }

    /// Whether a branch to the block goes back.
    fn is_back(&self, index: usize) -> bool {
        self.controls[index].kind == Kind::Loop
    }

    /// Whether a branch to the block is a return with values.
    fn returns_values(&self, index: usize) -> bool {
        self.controls[index].kind == Kind::Func
            && !self.source.module.func_type(self.func).results.is_empty()
    }

    /// `br`.
    pub(super) fn br(&mut self, depth: u32) {
        let index = self.target(depth);
        if self.returns_values(index) {
            return self.return_();
        }
        let types = self.label(index);
        let to = self.controls[index].slot;
        match types.len() {
            0 => {}
            1 => {
                let entry = self.pop();
                self.move_to(&entry, to);
            }
            count => {
                self.settle(count);
                self.move_settled(to, &types);
            }
        }
        let field = self.jump(JUMP.of(self.is_back(index)));
        self.link(index, field);
        self.end_reachable();
    }

    /// Moves the values on top, which are in their slots, down to `to`.
    fn move_settled(&mut self, to: u32, types: &[ValType]) {
        let from = self.top() - slots(types);
        if from == to {
            return;
        }
        if slots(types) == 1 {
            return self.copy(to, &[from as u16]);
        }
        let pos = self.emit(COPY_DOWN, 16);
        self.asm.u16(pos, 8, to as u16);
        self.asm.u16(pos, 10, from as u16);
        self.asm.u16(pos, 12, slots(types) as u16);
        self.wrote(to, slots(types));
    }

    /// `br_if`.
    pub(super) fn br_if(&mut self, depth: u32) {
        let condition = self.condition();
        self.branch_if(&condition, depth);
    }

    /// `br_on_null`: the reference is gone where it is null.
    pub(super) fn br_on_null(&mut self, depth: u32) {
        let entry = self.pop();
        let place = Place::Slot { slot: self.in_slot(&entry), cached: false };
        self.branch_if(&Condition::Zero { wide: true, not: false, place }, depth);
        self.push_again(&entry);
    }

    /// `br_on_non_null`: the reference is gone where it is not taken along.
    pub(super) fn br_on_non_null(&mut self, depth: u32) {
        self.settle(1);
        let slot = self.stack.last().map_or(0, |entry| entry.slot);
        let place = Place::Slot { slot: slot as u16, cached: false };
        self.branch_if(&Condition::Zero { wide: true, not: true, place }, depth);
        self.pop();
    }

    /// Pushes an entry that was popped, and has been put into a slot since.
    pub(super) fn push_again(&mut self, entry: &Entry) {
        let loc = if let Loc::Local(_) = entry.loc { entry.loc } else { Loc::Temp };
        self.push(entry.ty, loc);
    }

    /// Branches with the operands on top if a condition holds. What it tests must not be in an accumulator.
    fn branch_if(&mut self, condition: &Condition, depth: u32) {
        let index = self.target(depth);
        let types = self.label(index);
        self.settle(types.len());
        let in_place = types.is_empty() || self.top() - slots(&types) == self.controls[index].slot;
        if in_place && !self.returns_values(index) {
            let field = self.branch_on(condition, true, self.is_back(index));
            return self.link(index, field);
        }
        let mut skip = NONE;
        let field = self.branch_on(condition, false, false);
        self.asm.chain(&mut skip, field);
        let accs = self.acc;
        self.leave_for(index, &types);
        let here = self.asm.len();
        self.asm.resolve(skip, here);
        // Control comes here only from the branch: what it had in accumulators still is there.
        self.acc = accs;
        self.forget_recent();
    }

    /// Goes to a block's label with values that are in their slots.
    pub(super) fn leave_for(&mut self, index: usize, types: &[ValType]) {
        if self.returns_values(index) {
            return self.return_settled(types);
        }
        self.move_settled(self.controls[index].slot, types);
        let field = self.jump(JUMP.of(self.is_back(index)));
        self.link(index, field);
    }

    /// `br_table`.
    pub(super) fn br_table(&mut self, table: &BrTable<'_>) {
        let entry = self.pop();
        let place = self.place(&entry);
        let default = self.target(table.default());
        let types = self.label(default);
        self.settle(types.len());
        let (handler, slot) = match place {
            Place::Acc => (TABLE[1], 0),
            Place::Slot { slot, .. } => (TABLE[0], slot),
            Place::Const(bits) => {
                self.const_to_slot(entry.slot, bits);
                (TABLE[0], entry.slot as u16)
            }
        };
        let count = table.len();
        let pos = self.emit(handler, (16 + 4 * (count + 1)).next_multiple_of(8));
        self.asm.u16(pos, 8, slot);
        self.asm.u32(pos, 12, count as u32);
        // Targets whose values must move get a piece of code of their own behind the table.
        let mut moves: Vec<(usize, u32)> = Vec::new();
        let from = self.top() - slots(&types);
        for (i, depth) in table.targets().chain([table.default()]).enumerate() {
            let field = pos + 16 + 4 * i as u32;
            let index = self.target(depth);
            let in_place = types.is_empty() || from == self.controls[index].slot;
            if in_place && !self.returns_values(index) {
                self.link(index, field);
            } else {
                moves.push((index, field));
            }
        }
        moves.sort_unstable();
        for same in moves.chunk_by(|a, b| a.0 == b.0) {
            let start = self.asm.len();
            same.iter().for_each(|&(_, field)| self.asm.set_distance(field, start));
            self.leave_for(same[0].0, &types);
        }
        self.end_reachable();
    }

    /// `return`.
    pub(super) fn return_(&mut self) {
        self.return_values();
        self.end_reachable();
    }

    fn return_plain(&mut self) {
        let pos = self.emit(RETURN, 16);
        self.asm.u16(pos, 8, self.record as u16);
    }

    /// Returns the results on top of the stack.
    fn return_values(&mut self) {
        let types = &self.source.module.func_type(self.func).results;
        match &types[..] {
            [] => self.return_plain(),
            [ty] if class(*ty).is_some() => {
                let entry = self.pop();
                let place = self.place(&entry);
                self.return_scalar(*ty, place);
            }
            types => {
                self.settle(types.len());
                self.return_settled(types);
            }
        }
    }

    fn return_scalar(&mut self, ty: ValType, place: Place) {
        let forms = &RETURN_VALUE[match ty {
            ValType::I32 => 0,
            ValType::F32 => 2,
            ValType::F64 => 3,
            _ => 1,
        }];
        match place {
            Place::Acc | Place::Slot { cached: true, .. } => {
                let pos = self.emit(forms.a, 16);
                self.asm.u16(pos, 8, self.record as u16);
            }
            Place::Slot { slot, .. } => {
                let pos = self.emit(forms.s, 16);
                self.asm.u16(pos, 8, self.record as u16);
                self.asm.u16(pos, 10, slot);
            }
            Place::Const(bits) => {
                let size = immediate_size(ty);
                let pos = self.emit(forms.i, immediate_at(10, size) + size);
                self.asm.u16(pos, 8, self.record as u16);
                self.immediate(pos, 10, ty, bits);
            }
        }
    }

    /// Returns results that are in their slots on top of the stack.
    fn return_settled(&mut self, types: &[ValType]) {
        let from = self.top() - slots(types);
        if let [ty] = types
            && let Some(class) = class(*ty)
        {
            let cached = self.acc[class] == Acc::Slot(from);
            return self.return_scalar(*ty, Place::Slot { slot: from as u16, cached });
        }
        let pos = self.emit(RETURN_MANY, 16);
        self.asm.u16(pos, 8, self.record as u16);
        self.asm.u16(pos, 10, from as u16);
        self.asm.u16(pos, 12, slots(types) as u16);
    }

    /// Emits the branch on a condition, taken if it is `expected`. Returns the position of its distance field.
    fn branch_on(&mut self, condition: &Condition, expected: bool, back: bool) -> u32 {
        if expected
            && back
            && let Some(pos) = self.step_branch(condition)
        {
            return pos + 8;
        }
        let (directions, size) = condition.forms(!expected);
        let pos = self.emit(directions.of(back), size);
        self.write_condition(pos, condition);
        pos + 8
    }
}
