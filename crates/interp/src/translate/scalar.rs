//! Owns translation of pure operators, comparisons and the conditions made of them, `select`, variables.
//! Does not own memory (`memory`) nor branches (`control`).

use sterna_abi::GlobalPlace;
use sterna_base::GlobalIndex;
use sterna_eval::{NanShape, nan_shape, negated, swapped};
use sterna_isa::{Op, TrapCode, ValType};

use super::Translator;
use super::stack::{Acc, Entry, Loc, Place, class};
use crate::op::branch::{Directions, compare_forms, zero_forms};
use crate::op::pure::{BinaryForms, CANON_F32, CANON_F64, Dests, Forms, UnaryForms, forms};
use crate::op::simd;
use crate::op::variable::{self, SelectForms, TypeForms, VECTOR_GLOBAL, VECTOR_SELECT};
use crate::value::immediate_at;

/// Places of two operands: `S`lot, `A`ccumulator, `I`mmediate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    SS,
    SI,
    AS,
    AI,
    SA,
    IS,
    IA,
}

/// Two operands of one type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub form: Form,
    ty: ValType,
    /// Slot of the left operand, if it is in one.
    pub a: u16,
    /// Slot of the right operand.
    pub b: u16,
    /// The immediate.
    pub bits: u64,
}

/// A comparison just emitted, which a branch can take over.
pub(crate) struct Compare {
    /// Where its instructions begin and end.
    start: u32,
    end: u32,
    op: Op,
    /// Whether its result was negated.
    not: bool,
    pair: Pair,
    /// What the integer accumulator held before.
    acc: Acc,
}

/// What a branch depends on.
pub(crate) enum Condition {
    /// The result of a comparison, negated if `not`.
    Compare { op: Op, not: bool, pair: Pair },
    /// Whether an operand is zero, or nonzero if `not`.
    Zero { wide: bool, not: bool, place: Place },
}

/// Bytes of an immediate.
pub(super) fn immediate_size(ty: ValType) -> usize {
    match ty {
        ValType::I32 | ValType::F32 => 4,
        _ => 8,
    }
}

impl Condition {
    /// The branch taken if the condition holds, or if it does not; with its size.
    pub(super) fn forms(&self, negate: bool) -> (Directions, usize) {
        match *self {
            Condition::Compare { op, not, pair } => {
                let negate = not != negate;
                let (op, negate) = match negated(op) {
                    Some(inverse) if negate => (inverse, false),
                    _ => (op, negate),
                };
                let forms = compare_forms(op, negate).expect("only comparisons become conditions");
                match pair.form {
                    Form::SS => (forms.ss, 16),
                    Form::SI => (forms.si, 24),
                    Form::AS => (forms.as_, 16),
                    Form::AI => (forms.ai, 24),
                    Form::SA | Form::IS | Form::IA => unreachable!("comparisons can be flipped"),
                }
            }
            Condition::Zero { wide, not, place } => {
                let forms = zero_forms(wide, not != negate);
                let directions = match place {
                    Place::Acc | Place::Slot { cached: true, .. } => forms.a,
                    _ => forms.s,
                };
                (directions, 16)
            }
        }
    }
}

impl Form {
    fn dests(self, forms: &BinaryForms) -> Dests {
        let rest = || forms.rest.as_ref().expect("flippable operators are flipped");
        match self {
            Form::SS => forms.ss,
            Form::SI => forms.si,
            Form::AS => forms.as_,
            Form::AI => forms.ai,
            Form::SA => rest().sa,
            Form::IS => rest().is,
            Form::IA => rest().ia,
        }
    }

    fn select(self, forms: &SelectForms) -> Dests {
        match self {
            Form::SS => forms.ss,
            Form::SI => forms.si,
            Form::AS => forms.as_,
            Form::AI => forms.ai,
            Form::SA => forms.sa,
            Form::IS => forms.is,
            Form::IA => forms.ia,
        }
    }

    /// With the operands exchanged.
    fn flip(self) -> Form {
        match self {
            Form::SA => Form::AS,
            Form::IS => Form::SI,
            Form::IA => Form::AI,
            Form::AS => Form::SA,
            Form::SI => Form::IS,
            Form::AI => Form::IA,
            Form::SS => Form::SS,
        }
    }

    fn has_immediate(self) -> bool {
        matches!(self, Form::SI | Form::AI | Form::IS | Form::IA)
    }
}

impl Pair {
    fn flip(self) -> Pair {
        Pair { form: self.form.flip(), a: self.b, b: self.a, ..self }
    }

    /// Bytes of an instruction whose operands begin at `at`.
    fn size(&self, at: usize) -> usize {
        let size = immediate_size(self.ty);
        let end = if self.form.has_immediate() { immediate_at(at, size) + size } else { at + 4 };
        end.next_multiple_of(8)
    }
}

/// Instructions by type.
pub(super) fn type_forms(ty: ValType) -> &'static TypeForms {
    match ty {
        ValType::I32 => &variable::I32,
        ValType::F32 => &variable::F32,
        ValType::F64 => &variable::F64,
        _ => &variable::I64,
    }
}

impl Translator<'_> {
    /// Writes an immediate that belongs to the operand at `at`.
    pub(super) fn immediate(&mut self, pos: u32, at: usize, ty: ValType, bits: u64) {
        let size = immediate_size(ty);
        match size {
            8 => self.asm.u64(pos, immediate_at(at, size), bits),
            _ => self.asm.u32(pos, immediate_at(at, size), bits as u32),
        }
    }

    /// Writes two operands.
    pub(super) fn write_pair(&mut self, pos: u32, at: usize, pair: &Pair) {
        match pair.form {
            Form::IS => self.asm.u16(pos, at, pair.b),
            _ => {
                self.asm.u16(pos, at, pair.a);
                self.asm.u16(pos, at + 2, pair.b);
            }
        }
        if pair.form.has_immediate() {
            self.immediate(pos, at, pair.ty, pair.bits);
        }
    }

    /// Writes the operands of a conditional branch.
    pub(super) fn write_condition(&mut self, pos: u32, condition: &Condition) {
        match condition {
            Condition::Compare { pair, .. } => self.write_pair(pos, 12, pair),
            Condition::Zero { place: Place::Slot { slot, .. }, .. } => self.asm.u16(pos, 12, *slot),
            Condition::Zero { .. } => {}
        }
    }

    /// Chooses the form for two popped operands of one type. `accs` says whether accumulators may be used beyond need.
    fn pair(&mut self, a: &Entry, b: &Entry, accs: bool) -> Pair {
        let mut pa = self.place(a);
        let pb = self.place(b);
        if matches!((pa, pb), (Place::Const(_), Place::Const(_))) {
            pa = self.materialize(a, accs);
        }
        use Place::{Acc as InAcc, Const, Slot};
        let slot = |place| if let Slot { slot, .. } = place { slot } else { 0 };
        let (form, bits) = match (pa, pb) {
            (InAcc, Const(bits)) => (Form::AI, bits),
            (Const(bits), InAcc) => (Form::IA, bits),
            (Slot { cached: true, .. }, Const(bits)) if accs => (Form::AI, bits),
            (Const(bits), Slot { cached: true, .. }) if accs => (Form::IA, bits),
            (Slot { .. }, Const(bits)) => (Form::SI, bits),
            (Const(bits), Slot { .. }) => (Form::IS, bits),
            (InAcc, _) => (Form::AS, 0),
            (_, InAcc) => (Form::SA, 0),
            (Slot { cached: true, .. }, _) if accs => (Form::AS, 0),
            (_, Slot { cached: true, .. }) if accs => (Form::SA, 0),
            _ => (Form::SS, 0),
        };
        Pair { form, ty: a.ty, a: slot(pa), b: slot(pb), bits }
    }

    /// Loads a popped constant: into the accumulator if allowed, else into its slot.
    fn materialize(&mut self, entry: &Entry, acc: bool) -> Place {
        match (entry.loc, class(entry.ty)) {
            (Loc::Const(bits), Some(class)) if acc => {
                self.spill(class);
                let pos = self.emit(type_forms(entry.ty).constant.acc, 24);
                self.asm.u64(pos, 16, bits);
                self.acc[class] = Acc::Unknown;
                Place::Acc
            }
            _ => Place::Slot { slot: self.in_slot(entry), cached: false },
        }
    }

    /// An operator whose operands are on the stack and that has no immediates.
    pub(super) fn plain(&mut self, op: Op) -> Result<(), TrapCode> {
        let (_, results) = op.signature().ok_or(TrapCode::Unsupported)?;
        match forms(op) {
            Some(Forms::Unary(forms)) => self.unary(forms, result_type(results)?),
            Some(Forms::Binary(forms)) => self.binary(op, forms, result_type(results)?),
            None => return self.vector(op, results),
        }
        if self.source.settings.deterministic {
            self.canonicalize(op);
        }
        Ok(())
    }

    fn unary(&mut self, forms: &UnaryForms, result: ValType) {
        let entry = self.pop();
        let place = match self.place(&entry) {
            Place::Const(_) => self.materialize(&entry, true),
            place => place,
        };
        match place {
            Place::Slot { cached: false, slot } => {
                let pos = self.produce(result, forms.s, 16);
                self.asm.u16(pos, 10, slot);
            }
            _ => {
                self.produce(result, forms.a, 16);
            }
        }
    }

    fn binary(&mut self, op: Op, forms: &'static BinaryForms, result: ValType) {
        let b = self.pop();
        let a = self.pop();
        if self.fuse(op, result, &a, &b) {
            return;
        }
        let pair = self.pair(&a, &b, true);
        self.binary_pair(op, forms, result, pair);
    }

    fn binary_pair(
        &mut self,
        mut op: Op,
        mut table: &'static BinaryForms,
        result: ValType,
        mut pair: Pair,
    ) {
        if let (Form::SA | Form::IS | Form::IA, Some(flipped)) = (pair.form, swapped(op)) {
            op = flipped;
            pair = pair.flip();
            if let Some(Forms::Binary(flipped)) = forms(op) {
                table = flipped;
            }
        }
        let class = class(result).expect("results of scalar operators are scalars");
        self.spill(class);
        let acc = self.acc[class];
        let pos = self.produce(result, pair.form.dests(table), pair.size(10));
        self.write_pair(pos, 10, &pair);
        self.remember(pos, op, pair, None, acc);
        if compare_forms(op, false).is_some() {
            self.compare =
                Some(Compare { start: pos, end: self.asm.len(), op, not: false, pair, acc });
        }
    }

    /// Takes back the comparison just emitted, if the top of the stack is its result.
    fn take_compare(&mut self) -> Option<Compare> {
        let compare = self.compare.take()?;
        let top = self.stack.last()?;
        if compare.end != self.asm.len() || top.loc != Loc::Acc || class(top.ty) != Some(0) {
            return None;
        }
        self.pop();
        self.asm.truncate(compare.start);
        self.acc[0] = compare.acc;
        self.recent = [self.recent[1].filter(|before| before.end == compare.start), None];
        Some(compare)
    }

    /// `i32.eqz`, `i64.eqz`: `eq` is the comparison with zero.
    pub(super) fn eqz(&mut self, eq: Op) {
        if eq == Op::I32Eq
            && let Some(compare) = self.take_compare()
        {
            match negated(compare.op) {
                Some(op) => {
                    let Some(Forms::Binary(forms)) = forms(op) else {
                        unreachable!("comparisons are binary")
                    };
                    self.binary_pair(op, forms, ValType::I32, compare.pair);
                }
                None => self.not_compare(compare),
            }
            return;
        }
        self.compare_zero(eq);
    }

    /// The opposite of a comparison without inverse, or of its opposite. Still a branch can take it over.
    fn not_compare(&mut self, compare: Compare) {
        let Some(Forms::Binary(forms)) = forms(compare.op) else {
            unreachable!("comparisons are binary")
        };
        self.binary_pair(compare.op, forms, ValType::I32, compare.pair);
        self.compare_zero(if compare.not { Op::I32Ne } else { Op::I32Eq });
        self.compare = Some(Compare { end: self.asm.len(), not: !compare.not, ..compare });
    }

    /// Compares the top of the stack with zero.
    pub(super) fn compare_zero(&mut self, eq: Op) {
        let Some(Forms::Binary(forms)) = forms(eq) else { unreachable!("comparisons are binary") };
        let a = self.pop();
        let zero = a.constant(0);
        let pair = self.pair(&a, &zero, true);
        self.binary_pair(eq, forms, ValType::I32, pair);
    }

    /// Pops a condition.
    pub(super) fn condition(&mut self) -> Condition {
        if let Some(Compare { op, not, pair, .. }) = self.take_compare() {
            let zero = matches!(pair.form, Form::SI | Form::AI) && pair.bits == 0;
            let place = match pair.form {
                Form::AI => Place::Acc,
                _ => Place::Slot { slot: pair.a, cached: false },
            };
            return match op {
                Op::I32Eq | Op::I64Eq if zero => {
                    Condition::Zero { wide: op == Op::I64Eq, not, place }
                }
                Op::I32Ne | Op::I64Ne if zero => {
                    Condition::Zero { wide: op == Op::I64Ne, not: !not, place }
                }
                _ => Condition::Compare { op, not, pair },
            };
        }
        let entry = self.pop();
        let place = match self.place(&entry) {
            Place::Const(_) => self.materialize(&entry, false),
            place => place,
        };
        Condition::Zero { wide: false, not: true, place }
    }

    fn vector(&mut self, op: Op, results: &[sterna_isa::Ty]) -> Result<(), TrapCode> {
        let handler = simd::handler(op).ok_or(TrapCode::Unsupported)?;
        let (operands, _) = op.signature().ok_or(TrapCode::Unsupported)?;
        if results.len() == 2 {
            // Wide arithmetic: operands in a row, results in their place.
            self.store_top(operands.len());
            self.truncate((self.stack.len() - operands.len()) as u32);
            let pos = self.produce_in_slot(ValType::I64, handler, 16);
            self.push(ValType::I64, Loc::Temp);
            let slot = self.top() - 2;
            self.asm.u16(pos, 8, slot as u16);
            self.wrote(slot, 2);
            self.acc[0] = Acc::Unknown;
            return Ok(());
        }
        let slots = self.pop_to_slots(operands.len());
        let pos = self.produce_in_slot(result_type(results)?, handler, 16);
        for (i, slot) in slots.into_iter().take(operands.len()).enumerate() {
            self.asm.u16(pos, 10 + 2 * i, slot);
        }
        if self.source.settings.deterministic {
            self.canonicalize(op);
        }
        Ok(())
    }

    /// Pops up to three operands, which it makes sure are in slots, first operand first.
    pub(super) fn pop_to_slots(&mut self, count: usize) -> [u16; 3] {
        let mut slots = [0; 3];
        for i in (0..count.min(3)).rev() {
            let entry = self.pop();
            slots[i] = self.in_slot(&entry);
        }
        slots
    }

    /// Extract and replace.
    pub(super) fn lane(&mut self, op: Op, lane: u8) -> Result<(), TrapCode> {
        let handler = simd::handler(op).ok_or(TrapCode::Unsupported)?;
        let (operands, results) = op.signature().ok_or(TrapCode::Unsupported)?;
        let slots = self.pop_to_slots(operands.len());
        let pos = self.produce_in_slot(result_type(results)?, handler, 16);
        self.asm.u16(pos, 10, slots[0]);
        self.asm.u16(pos, 12, slots[1]);
        self.asm.u16(pos, 14, u16::from(lane));
        Ok(())
    }

    /// `i8x16.shuffle`.
    pub(super) fn shuffle(&mut self, op: Op, lanes: [u8; 16]) -> Result<(), TrapCode> {
        let handler = simd::handler(op).ok_or(TrapCode::Unsupported)?;
        let slots = self.pop_to_slots(2);
        let pos = self.produce_in_slot(ValType::V128, handler, 32);
        self.asm.u16(pos, 10, slots[0]);
        self.asm.u16(pos, 12, slots[1]);
        self.asm.u128(pos, 16, u128::from_le_bytes(lanes));
        Ok(())
    }

    /// Makes NaNs in the result on top canonical.
    fn canonicalize(&mut self, op: Op) {
        match nan_shape(op) {
            None => {}
            Some(NanShape::F32) => self.unary(&CANON_F32, ValType::F32),
            Some(NanShape::F64) => self.unary(&CANON_F64, ValType::F64),
            Some(shape) => {
                let handler =
                    if shape == NanShape::F32x4 { simd::CANON_F32X4 } else { simd::CANON_F64X2 };
                let slots = self.pop_to_slots(1);
                let pos = self.produce_in_slot(ValType::V128, handler, 16);
                self.asm.u16(pos, 10, slots[0]);
            }
        }
    }

    /// `select`.
    pub(super) fn select(&mut self) {
        let condition = self.pop();
        let b = self.pop();
        let a = self.pop();
        let Some(class) = class(a.ty) else {
            let (a, b, condition) = (self.in_slot(&a), self.in_slot(&b), self.in_slot(&condition));
            let pos = self.produce_in_slot(ValType::V128, VECTOR_SELECT, 16);
            self.asm.u16(pos, 10, condition);
            self.asm.u16(pos, 12, a);
            self.asm.u16(pos, 14, b);
            return;
        };
        let mut place = self.place(&condition);
        if let Place::Const(_) = place {
            place = Place::Slot { slot: self.in_slot(&condition), cached: false };
        }
        // The integer accumulator cannot be condition and value.
        let taken = place == Place::Acc && class == 0;
        let pair = self.pair(&a, &b, !taken);
        let uses_acc = class == 0 && !matches!(pair.form, Form::SS | Form::SI | Form::IS);
        let from_acc = place == Place::Acc
            || matches!(place, Place::Slot { slot, cached: true }
            if !uses_acc && self.acc[0] == Acc::Slot(u32::from(slot)));
        let forms = &type_forms(a.ty).select[usize::from(from_acc)];
        let pos = self.produce(a.ty, pair.form.select(forms), pair.size(12));
        if let Place::Slot { slot, .. } = place {
            self.asm.u16(pos, 10, slot);
        }
        self.write_pair(pos, 12, &pair);
    }

    /// `local.set`.
    pub(super) fn local_set(&mut self, local: u32) {
        let entry = self.pop();
        if entry.loc == Loc::Local(local) {
            return;
        }
        self.preserve_for(local, &entry);
        let slot = u32::from(self.locals[local as usize].slot);
        self.move_to(&entry, slot);
    }

    /// Offset in the vmctx, and 1 if a pointer to the cell is there, else 0.
    fn global_place(&self, global: u32) -> (u32, usize) {
        match self.source.layout.global(GlobalIndex::from_u32(global)) {
            GlobalPlace::Inline(offset) => (offset, 0),
            GlobalPlace::Pointer(offset) => (offset, 1),
        }
    }

    /// `global.get`.
    pub(super) fn global_get(&mut self, global: u32) {
        let ty = self.source.module.global_type(GlobalIndex::from_u32(global)).ty;
        let (offset, imported) = self.global_place(global);
        let pos = match class(ty) {
            Some(_) => self.produce(ty, type_forms(ty).global_get[imported], 16),
            None => self.produce_in_slot(ty, VECTOR_GLOBAL[imported][0], 16),
        };
        self.asm.u32(pos, 12, offset);
    }

    /// `global.set`.
    pub(super) fn global_set(&mut self, global: u32) {
        let entry = self.pop();
        let (offset, imported) = self.global_place(global);
        let place = match self.place(&entry) {
            Place::Const(_) => self.materialize(&entry, true),
            place => place,
        };
        let pos = match (place, class(entry.ty)) {
            (Place::Slot { slot, .. }, None) => {
                let pos = self.emit(VECTOR_GLOBAL[imported][1], 16);
                self.asm.u16(pos, 10, slot);
                pos
            }
            (Place::Slot { slot, cached: false }, Some(_)) => {
                let pos = self.emit(type_forms(entry.ty).global_set[imported][0], 16);
                self.asm.u16(pos, 10, slot);
                pos
            }
            _ => self.emit(type_forms(entry.ty).global_set[imported][1], 16),
        };
        self.asm.u32(pos, 12, offset);
    }
}

pub(super) fn result_type(results: &[sterna_isa::Ty]) -> Result<ValType, TrapCode> {
    Ok(match results {
        [sterna_isa::Ty::I32] => ValType::I32,
        [sterna_isa::Ty::I64] => ValType::I64,
        [sterna_isa::Ty::F32] => ValType::F32,
        [sterna_isa::Ty::F64] => ValType::F64,
        [sterna_isa::Ty::V128] => ValType::V128,
        _ => return Err(TrapCode::Unsupported),
    })
}
