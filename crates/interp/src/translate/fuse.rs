//! Owns recognition of operators that one instruction can carry out together: the ones emitted last are taken back.
//! Does not own the instructions: `op::fused`, `op::memory`.

use sterna_eval::swapped;
use sterna_isa::{Op, ValType};

use super::Translator;
use super::scalar::{Condition, Form, Pair, immediate_size};
use super::stack::{Acc, Entry, Loc, Place, class};
use crate::op::fused::{fused, step_branch, third_at};
use crate::op::memory::SumForms;
use crate::op::pure::Dests;
use crate::op::variable::{COPY, COPY_PAIR};

/// A pure binary instruction, or a fused pair, emitted lately.
#[derive(Clone, Copy)]
pub(crate) struct Recent {
    pub start: u32,
    pub end: u32,
    pub op: Op,
    pub pair: Pair,
    /// For a fused pair: outer operator and slot.
    outer: Option<(Op, u16)>,
    /// What the accumulator of its class held before.
    acc: Acc,
    /// The slot it fills, if it does not only fill the accumulator.
    pub slot: Option<u16>,
}

/// An address that is a sum, with what stands in the place of its slots.
pub(crate) struct Sum {
    pub dests: Dests,
    /// Operand at 10.
    pub slot: u16,
    /// Operand at 16.
    pub addend: Addend,
}

/// What an address adds.
#[derive(Clone, Copy)]
pub(crate) enum Addend {
    Slot(u16),
    Immediate(u32),
}

impl Translator<'_> {
    /// Remembers an instruction just emitted. `acc` is what its accumulator held before.
    pub(super) fn remember(
        &mut self,
        start: u32,
        op: Op,
        pair: Pair,
        outer: Option<(Op, u16)>,
        acc: Acc,
    ) {
        let recent = Recent { start, end: self.asm.len(), op, pair, outer, acc, slot: None };
        self.recent[1] = self.recent[0].filter(|before| before.end == start);
        self.recent[0] = Some(recent);
    }

    /// The last instruction, if it computed this popped entry and nothing else has its value.
    fn recent_for(&self, entry: &Entry) -> Option<Recent> {
        let recent = self.recent[0]?;
        let producer = self.producers[class(entry.ty)?]?;
        let computed = entry.loc == Loc::Acc && producer.pos == recent.start;
        (computed && recent.end == self.asm.len() && recent.slot.is_none()).then_some(recent)
    }

    /// Takes back the instructions from `recent` on.
    fn take_back(&mut self, recent: &Recent, class: usize) {
        self.asm.truncate(recent.start);
        self.acc[class] = recent.acc;
        self.recent = [None; 2];
    }

    /// Emits an operator together with the one that computed one of its popped operands, if that is possible.
    pub(super) fn fuse(&mut self, op: Op, ty: ValType, a: &Entry, b: &Entry) -> bool {
        let (inner, other, mut left) = if b.loc == Loc::Acc { (b, a, false) } else { (a, b, true) };
        left |= swapped(op) == Some(op);
        let (Some(recent), Some(class)) = (self.recent_for(inner), class(ty)) else { return false };
        let (Place::Slot { slot: c, .. }, None) = (self.place(other), recent.outer) else {
            return false;
        };
        let Some(forms) = fused(recent.op, op, left) else { return false };
        let (dests, size) = match recent.pair.form {
            Form::SS => (forms.ss, 16),
            Form::AS => (forms.as_, 16),
            Form::SI => (forms.si, 24),
            Form::AI => (forms.ai, 24),
            Form::SA | Form::IS | Form::IA => (None, 0),
        };
        let Some(dests) = dests else { return false };
        self.take_back(&recent, class);
        let acc = self.acc[class];
        let pos = self.produce(ty, dests, size);
        self.write_pair(pos, 10, &recent.pair);
        self.asm.u16(pos, if size == 24 { third_at(immediate_size(ty)) } else { 14 }, c);
        self.remember(pos, recent.op, recent.pair, Some((op, c)), acc);
        true
    }

    /// The sum that a popped address is, its computation taken back.
    pub(super) fn take_sum(&mut self, forms: &SumForms, entry: &Entry) -> Option<Sum> {
        let recent = self.recent_for(entry)?;
        let Recent { op, pair, outer, .. } = recent;
        let immediate = Addend::Immediate(pair.bits as u32);
        let shift =
            |pair: &Pair| (pair.form == Form::SI).then(|| (pair.bits as usize).wrapping_sub(1));
        let mut from = recent;
        let (dests, slot, addend) = match (op, pair.form, outer) {
            (Op::I32Shl, _, Some((Op::I32Add, c))) => {
                (*forms.scaled_s.get(shift(&pair)?)?, pair.a, Addend::Slot(c))
            }
            (Op::I32Add, Form::SS, None) => (forms.ss, pair.a, Addend::Slot(pair.b)),
            (Op::I32Add, Form::AS, None) => (forms.as_, 0, Addend::Slot(pair.b)),
            (Op::I32Add, Form::SI, None) => (forms.si, pair.a, immediate),
            (Op::I32Add, Form::AI, None) => match self.scaled(forms) {
                Some((before, dests)) => {
                    from = before;
                    (dests, before.pair.a, immediate)
                }
                None => (forms.ai, 0, immediate),
            },
            _ => return None,
        };
        self.take_back(&from, 0);
        Some(Sum { dests, slot, addend })
    }

    /// The last instruction but one, if it is a shift that an address can contain.
    fn scaled(&self, forms: &SumForms) -> Option<(Recent, Dests)> {
        let before = self.recent[1]?;
        let shift =
            before.op == Op::I32Shl && before.pair.form == Form::SI && before.outer.is_none();
        let dests = forms.scaled_i.get((before.pair.bits as usize).wrapping_sub(1))?;
        (shift && before.slot.is_none()).then_some((before, *dests))
    }

    /// Emits a copy of one slot, together with the copy just before if there is one.
    pub(super) fn copy_one(&mut self, to: u32, from: u16) {
        if let Some((pos, end)) = self.copied.take()
            && end == self.asm.len()
        {
            self.asm.set_handler(pos, COPY_PAIR);
            self.asm.u16(pos, 12, to as u16);
            self.asm.u16(pos, 14, from);
            return;
        }
        let pos = self.emit(COPY[0], 16);
        self.asm.u16(pos, 8, to as u16);
        self.asm.u16(pos, 10, from);
        self.copied = Some((pos, self.asm.len()));
    }

    /// Emits a backward branch together with the addition just before that stored the tested value in a local; returns its position.
    pub(super) fn step_branch(&mut self, condition: &Condition) -> Option<u32> {
        let (op, right) = match *condition {
            Condition::Compare { op, not: false, pair } => match pair.form {
                Form::AI => (op, Addend::Immediate(pair.bits as u32)),
                Form::AS => (op, Addend::Slot(pair.b)),
                _ => return None,
            },
            Condition::Zero { wide: false, not: true, place: Place::Slot { cached: true, .. } } => {
                (Op::I32Ne, Addend::Immediate(0))
            }
            _ => return None,
        };
        let recent = self.recent[0]?;
        let local = recent.slot?;
        let adds =
            recent.op == Op::I32Add && recent.outer.is_none() && recent.pair.form == Form::SI;
        if !adds || recent.end != self.asm.len() {
            return None;
        }
        let handler = step_branch(op, matches!(right, Addend::Immediate(_)))?;
        self.asm.truncate(recent.start);
        self.recent = [None; 2];
        let pos = self.emit(handler, 24);
        self.asm.u16(pos, 12, local);
        self.asm.u16(pos, 14, recent.pair.a);
        self.asm.u32(pos, 16, recent.pair.bits as u32);
        match right {
            Addend::Slot(slot) => self.asm.u16(pos, 20, slot),
            Addend::Immediate(value) => self.asm.u32(pos, 20, value),
        }
        Some(pos)
    }
}
