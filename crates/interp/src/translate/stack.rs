//! Owns the translator's picture of the operand stack and of what the accumulators hold.
//! Does not own the choice of instructions for operators: the sibling files.
//!
//! Every entry has a canonical slot, at its static height above locals and record. Its value may not be there yet: it may still be a
//! local that has not been set since, a constant, or in an accumulator. An instruction with a result first goes out in the form
//! that fills the accumulator only; when the value must survive, that instruction is changed into the form that
//! fills the slot too. So a value consumed at once is never stored, and no instruction is ever needed to store one.

use sterna_isa::ValType;

use super::asm::NONE;
use super::{MAX_SLOTS, Translator};
use crate::machine::Handler;
use crate::op::pure::Dests;
use crate::op::variable::{CONST32, CONST64, COPY, STORE_ACC};

/// An entry of the operand stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub ty: ValType,
    pub loc: Loc,
    /// Canonical slot (the first of two for a vector).
    pub slot: u32,
    /// The next lower entry that is the same local.
    next: u32,
}

impl Entry {
    /// A constant in the place of this entry.
    pub fn constant(self, bits: u64) -> Entry {
        Entry { loc: Loc::Const(bits), ..self }
    }
}

/// Where the value of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loc {
    /// In its canonical slot.
    Temp,
    /// In the accumulator of its class only.
    Acc,
    /// In this local.
    Local(u32),
    /// Nowhere: these bits.
    Const(u64),
}

/// What an accumulator holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acc {
    /// Nothing of interest.
    Unknown,
    /// The same as this slot.
    Slot(u32),
    /// The value of the entry at this index, which is nowhere else.
    Entry(u32),
}

/// The instruction that filled an accumulator.
#[derive(Clone, Copy)]
pub(crate) struct Producer {
    /// Position.
    pub pos: u32,
    /// The form that fills a slot too.
    slot: Handler,
    /// End of the instruction.
    end: u32,
    /// Byte offset of its operator in the module.
    offset: u32,
}

/// An operand as instructions can take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the accumulator only.
    Acc,
    /// In a slot, and in the accumulator if `cached`.
    Slot { slot: u16, cached: bool },
    /// A constant.
    Const(u64),
}

/// The accumulator of a type.
pub(crate) const fn class(ty: ValType) -> Option<usize> {
    match ty {
        ValType::I32 | ValType::I64 | ValType::Ref(_) => Some(0),
        ValType::F32 => Some(1),
        ValType::F64 => Some(2),
        ValType::V128 => None,
    }
}

impl Translator<'_> {
    /// First slot above the operand stack.
    pub(super) fn top(&self) -> u32 {
        self.stack
            .last()
            .map_or(self.record + super::RECORD, |entry| entry.slot + entry.ty.slots() as u32)
    }

    /// Pushes an entry.
    pub(super) fn push(&mut self, ty: ValType, loc: Loc) {
        let slot = self.top();
        self.reach(slot + ty.slots() as u32);
        let mut next = NONE;
        if let Loc::Local(local) = loc {
            next = std::mem::replace(&mut self.heads[local as usize], self.stack.len() as u32);
        }
        self.stack.push(Entry { ty, loc, slot, next });
    }

    /// Notes that the frame must have `slots` slots.
    pub(super) fn reach(&mut self, slots: u32) {
        self.frame_slots = self.frame_slots.max(slots);
        self.too_large |= slots > MAX_SLOTS;
    }

    /// Pops an entry. If it is in an accumulator, it stays there until the next instruction that fills it.
    pub(super) fn pop(&mut self) -> Entry {
        let entry = self.stack.pop().expect("validated code does not pop an empty stack");
        match entry.loc {
            Loc::Local(local) => self.heads[local as usize] = entry.next,
            Loc::Acc => {
                if let Some(class) = class(entry.ty) {
                    self.acc[class] = Acc::Unknown;
                }
            }
            Loc::Temp | Loc::Const(_) => {}
        }
        self.flushed = self.flushed.min(self.stack.len());
        entry
    }

    /// Pops entries down to `height`.
    pub(super) fn truncate(&mut self, height: u32) {
        while self.stack.len() > height as usize {
            self.pop();
        }
    }

    /// How an instruction can take a popped entry.
    pub(super) fn place(&self, entry: &Entry) -> Place {
        let slot = match entry.loc {
            Loc::Acc => return Place::Acc,
            Loc::Const(bits) => return Place::Const(bits),
            Loc::Temp => entry.slot,
            Loc::Local(local) => u32::from(self.locals[local as usize].slot),
        };
        let cached = class(entry.ty).is_some_and(|class| self.acc[class] == Acc::Slot(slot));
        Place::Slot { slot: slot as u16, cached }
    }

    /// Makes sure that a popped entry is in a slot, and says in which.
    pub(super) fn in_slot(&mut self, entry: &Entry) -> u16 {
        match self.place(entry) {
            Place::Slot { slot, .. } => return slot,
            Place::Acc => self.store_popped(entry),
            Place::Const(bits) => self.const_to_slot(entry.slot, bits),
        }
        entry.slot as u16
    }

    /// Makes the producer of a popped entry that is in an accumulator fill its canonical slot too.
    fn store_popped(&mut self, entry: &Entry) {
        let class = class(entry.ty).expect("only scalars are in accumulators");
        self.retarget(class, entry.slot);
        self.acc[class] = Acc::Slot(entry.slot);
    }

    fn retarget(&mut self, class: usize, slot: u32) {
        let producer = self.producers[class].expect("what is in an accumulator has a producer");
        self.asm.set_handler(producer.pos, producer.slot);
        self.asm.u16(producer.pos, 8, slot as u16);
        if let Some(recent) = &mut self.recent[0]
            && recent.start == producer.pos
        {
            recent.slot = Some(slot as u16);
        }
        if let Some(before) = &mut self.recent[1]
            && before.start == producer.pos
        {
            before.slot = Some(slot as u16);
        }
        self.wrote(slot, 1);
    }

    /// Notes that slots were written: accumulators no longer mirror them.
    pub(super) fn wrote(&mut self, slot: u32, count: u32) {
        for acc in &mut self.acc {
            if matches!(*acc, Acc::Slot(mirrored) if (slot..slot + count).contains(&mirrored)) {
                *acc = Acc::Unknown;
            }
        }
    }

    /// Frees an accumulator: the entry in it, if any, goes to its slot.
    pub(super) fn spill(&mut self, class: usize) {
        if let Acc::Entry(index) = self.acc[class] {
            let entry = &mut self.stack[index as usize];
            entry.loc = Loc::Temp;
            let slot = entry.slot;
            self.retarget(class, slot);
            self.acc[class] = Acc::Slot(slot);
        }
    }

    /// Before anything that destroys all accumulators.
    pub(super) fn spill_all(&mut self) {
        (0..3).for_each(|class| self.spill(class));
    }

    /// After anything that destroyed all accumulators.
    pub(super) fn forget_accs(&mut self) {
        self.acc = [Acc::Unknown; 3];
    }

    /// Emits an instruction with a result of type `ty`, destination operand at 8, and pushes the result.
    pub(super) fn produce(&mut self, ty: ValType, dests: Dests, size: usize) -> u32 {
        let Some(class) = class(ty) else { return self.produce_in_slot(ty, dests.slot, size) };
        self.spill(class);
        let pos = self.emit(dests.acc, size);
        self.acc[class] = Acc::Entry(self.stack.len() as u32);
        self.producers[class] =
            Some(Producer { pos, slot: dests.slot, end: self.asm.len(), offset: self.offset });
        self.push(ty, Loc::Acc);
        pos
    }

    /// As [`Translator::produce`], always to the canonical slot.
    pub(super) fn produce_in_slot(&mut self, ty: ValType, handler: Handler, size: usize) -> u32 {
        let class = class(ty);
        if let Some(class) = class {
            self.spill(class);
        }
        let slot = self.top();
        let pos = self.emit(handler, size);
        self.asm.u16(pos, 8, slot as u16);
        self.wrote(slot, ty.slots() as u32);
        match class {
            Some(class) => self.acc[class] = Acc::Slot(slot),
            None => self.vector = Some((pos, self.asm.len())),
        }
        self.push(ty, Loc::Temp);
        pos
    }

    /// Fills a slot with a constant.
    pub(super) fn const_to_slot(&mut self, slot: u32, bits: u64) {
        match u32::try_from(bits) {
            Ok(bits) => {
                let pos = self.emit(CONST32, 16);
                self.asm.u16(pos, 8, slot as u16);
                self.asm.u32(pos, 12, bits);
            }
            Err(_) => {
                let pos = self.emit(CONST64, 24);
                self.asm.u16(pos, 8, slot as u16);
                self.asm.u64(pos, 16, bits);
            }
        }
        self.wrote(slot, 1);
    }

    /// Copies one to three single slots to consecutive ones.
    pub(super) fn copy(&mut self, to: u32, from: &[u16]) {
        if let [from] = *from {
            self.copy_one(to, from);
            return self.wrote(to, 1);
        }
        let pos = self.emit(COPY[from.len() - 1], 16);
        self.asm.u16(pos, 8, to as u16);
        for (i, &slot) in from.iter().enumerate() {
            self.asm.u16(pos, 10 + 2 * i, slot);
        }
        self.wrote(to, from.len() as u32);
    }

    /// Copies a value of type `ty`.
    pub(super) fn copy_value(&mut self, ty: ValType, to: u32, from: u16) {
        match ty {
            ValType::V128 => self.copy(to, &[from, from + 1]),
            _ => self.copy(to, &[from]),
        }
    }

    /// Puts the value of a popped entry into a slot: a local, or a branch's result. The entry's own value is no longer needed.
    pub(super) fn move_to(&mut self, entry: &Entry, to: u32) {
        let class = class(entry.ty);
        match (self.place(entry), class) {
            (Place::Const(bits), _) => self.const_to_slot(to, bits),
            (Place::Acc, Some(class)) => {
                let producer =
                    self.producers[class].expect("what is in an accumulator has a producer");
                if producer.end == self.asm.len() {
                    self.retarget(class, to);
                } else {
                    self.store_acc(class, to);
                }
                self.acc[class] = Acc::Slot(to);
            }
            (Place::Slot { slot, .. }, _) if u32::from(slot) == to => {}
            (Place::Slot { cached: true, .. }, Some(class)) => {
                self.store_acc(class, to);
                self.acc[class] = Acc::Slot(to);
            }
            (Place::Slot { slot, .. }, None) if self.is_last_vector(entry) => {
                let (pos, _) = self.vector.expect("just checked");
                debug_assert_eq!(
                    u32::from(slot),
                    entry.slot,
                    "a computed vector is in its own slot"
                );
                self.asm.u16(pos, 8, to as u16);
                self.wrote(to, 2);
                self.vector = None;
            }
            (Place::Slot { slot, .. }, _) => self.copy_value(entry.ty, to, slot),
            (Place::Acc, None) => unreachable!("vectors have no accumulator"),
        }
    }

    /// Whether the last instruction computed this vector.
    fn is_last_vector(&self, entry: &Entry) -> bool {
        entry.loc == Loc::Temp && self.vector.is_some_and(|(_, end)| end == self.asm.len())
    }

    fn store_acc(&mut self, class: usize, to: u32) {
        let pos = self.emit(STORE_ACC[class], 16);
        self.asm.u16(pos, 8, to as u16);
        self.wrote(to, 1);
    }

    /// [`Translator::preserve`], and then what computed `entry`, if that was the last instruction: so it can fill the local itself.
    pub(super) fn preserve_for(&mut self, local: u32, entry: &Entry) {
        if self.heads[local as usize] == NONE {
            return;
        }
        let last = class(entry.ty).and_then(|class| self.producers[class]);
        match (entry.loc, last) {
            (Loc::Acc, Some(producer)) if producer.end == self.asm.len() => {
                let moved = self.asm.take(producer.pos);
                self.forget_recent();
                self.preserve(local);
                let pos = self.asm.append(&moved);
                // It may trap, and not as the operator that sets the local.
                let offset = std::mem::replace(&mut self.offset, producer.offset);
                self.observed(pos, moved.len());
                self.offset = offset;
                let class = class(entry.ty).expect("it has a producer");
                self.producers[class] = Some(Producer { pos, end: self.asm.len(), ..producer });
            }
            _ => self.preserve(local),
        }
    }

    /// Copies a local to the slots of all entries that still are that local, before it changes.
    fn preserve(&mut self, local: u32) {
        let mut index = std::mem::replace(&mut self.heads[local as usize], NONE);
        while index != NONE {
            let entry = self.stack[index as usize];
            self.copy_value(entry.ty, entry.slot, self.locals[local as usize].slot);
            self.stack[index as usize].loc = Loc::Temp;
            index = entry.next;
        }
    }

    /// At the start of a block: no entry may depend on what happens inside. Constants may stay.
    pub(super) fn flush(&mut self) {
        self.spill_all();
        for index in self.flushed..self.stack.len() {
            let entry = self.stack[index];
            if let Loc::Local(local) = entry.loc {
                self.heads[local as usize] = NONE;
                self.copy_value(entry.ty, entry.slot, self.locals[local as usize].slot);
                self.stack[index].loc = Loc::Temp;
            }
        }
        self.flushed = self.stack.len();
    }

    /// Puts the top `count` entries into their slots, without popping them. Fills no accumulator.
    pub(super) fn settle(&mut self, count: usize) {
        self.store_top(count);
        for index in (self.stack.len() - count..self.stack.len()).rev() {
            if let Loc::Local(local) = self.stack[index].loc {
                self.heads[local as usize] = self.stack[index].next;
            }
            self.stack[index].loc = Loc::Temp;
        }
    }

    /// Emits what puts the top `count` entries into their slots.
    pub(super) fn store_top(&mut self, count: usize) {
        self.spill_all();
        let mut pending: Vec<u16> = Vec::with_capacity(3);
        let mut to = 0;
        for index in self.stack.len() - count..self.stack.len() {
            let entry = self.stack[index];
            let joins = !pending.is_empty() && pending.len() < 3 && entry.ty != ValType::V128;
            match entry.loc {
                Loc::Local(local) if joins => pending.push(self.locals[local as usize].slot),
                _ if !pending.is_empty() => {
                    self.copy(to, &pending);
                    pending.clear();
                }
                _ => {}
            }
            match entry.loc {
                Loc::Local(_) if joins => {}
                Loc::Local(local) if entry.ty == ValType::V128 => {
                    self.copy_value(entry.ty, entry.slot, self.locals[local as usize].slot);
                }
                Loc::Local(local) => {
                    to = entry.slot;
                    pending.push(self.locals[local as usize].slot);
                }
                Loc::Const(bits) => self.const_to_slot(entry.slot, bits),
                Loc::Temp => {}
                Loc::Acc => unreachable!("all accumulators were spilled"),
            }
        }
        if !pending.is_empty() {
            self.copy(to, &pending);
        }
    }
}
