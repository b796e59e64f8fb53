//! Owns translation of calls and tail calls.
//! Does not own returns (`control`).

use sterna_base::{FuncIndex, TableIndex, TypeIndex};
use sterna_isa::{FuncType, ValType};

use super::Translator;
use super::stack::{Acc, Loc, Place, class};
use crate::exit::ReturnKind;
use crate::machine::Handler;
use crate::op::call::{
    CALL, CALL_IMPORT, CALL_INDIRECT, CALL_REF, RESTORE, RESTORE_SIZE, TAIL_CALL, TAIL_CALL_IMPORT,
    TAIL_CALL_INDIRECT, TAIL_CALL_REF,
};

impl Translator<'_> {
    fn is_imported(&self, func: FuncIndex) -> bool {
        func.index() < self.source.module.num_imported_funcs()
    }

    fn import_offset(&self, func: FuncIndex) -> u32 {
        self.source.layout.imported_func(func)
    }

    /// Puts the arguments where the callee's frame begins and pops them. Returns that slot.
    pub(super) fn arguments(&mut self, params: &[ValType]) -> u32 {
        self.store_top(params.len());
        self.truncate((self.stack.len() - params.len()) as u32);
        self.top()
    }

    /// Writes the operand that precedes a return address.
    fn return_info(&mut self, pos: u32, at: usize, base: u32, kind: ReturnKind) {
        self.asm.u16(pos, at, base as u16);
        self.asm.u16(pos, at + 2, self.record as u16);
        self.asm.u16(pos, at + 4, kind as u16);
    }

    /// Emits what reloads instance and memory after a call into another instance.
    fn restore(&mut self, base: u32) {
        let handler: Handler = RESTORE[self.source.memory_register()];
        let pos = self.emit(handler, RESTORE_SIZE);
        self.return_info(pos, 8, base, ReturnKind::Direct);
    }

    /// Whether the targets of indirect calls are recorded.
    fn profiles(&self) -> bool {
        self.source.settings.hot_budget > 0
    }

    /// Gives the indirect call at `pos` a cell, whose address goes to operand `at`; the position behind it.
    fn call_cell(&mut self, pos: u32, at: usize) -> usize {
        if !self.profiles() {
            return at;
        }
        let cell = self.source.recorder.call_cell(self.offset);
        self.asm.u64(pos, at, cell as u64);
        at + 8
    }

    /// Pushes the results of a call whose frame began at `base`.
    fn call_results(&mut self, results: &[ValType], base: u32) {
        self.note_way_in(true);
        self.forget_accs();
        for &ty in results {
            self.push(ty, Loc::Temp);
        }
        if let [ty] = results
            && let Some(class) = class(*ty)
        {
            self.acc[class] = Acc::Slot(base);
        }
    }

    /// `call`.
    pub(super) fn call(&mut self, func: FuncIndex) {
        let ty: &FuncType = self.source.module.func_type(func);
        let base = self.arguments(&ty.params);
        if self.is_imported(func) {
            let pos = self.emit(CALL_IMPORT, 24);
            self.asm.u32(pos, 8, self.import_offset(func));
            self.return_info(pos, 16, base, ReturnKind::Restore);
            self.restore(base);
        } else {
            let restore = self.source.module.has_tail_calls();
            let pos = self.emit(CALL[usize::from(restore)], 24);
            self.asm.u64(pos, 8, self.source.entry(func));
            let kind = if restore { ReturnKind::Restore } else { ReturnKind::Direct };
            self.return_info(pos, 16, base, kind);
            if restore {
                self.restore(base);
            }
        }
        self.call_results(&ty.results, base);
    }

    /// `call_indirect`.
    pub(super) fn call_indirect(&mut self, ty: u32, table: u32) {
        let index = self.pop();
        let signature: &FuncType = self.source.module.signature(TypeIndex::from_u32(ty));
        let place = match self.place(&index) {
            Place::Const(_) => Place::Slot { slot: self.in_slot(&index), cached: false },
            place => place,
        };
        let base = self.arguments(&signature.params);
        let profiles = usize::from(self.profiles());
        let (handler, slot) = match place {
            Place::Slot { slot, cached: false } => (CALL_INDIRECT[profiles][0], slot),
            _ => (CALL_INDIRECT[profiles][1], 0),
        };
        let pos = self.emit(handler, 32 + 8 * profiles);
        self.asm.u32(pos, 8, self.source.layout.table(TableIndex::from_u32(table)));
        self.asm.u32(pos, 12, ty);
        self.asm.u16(pos, 16, slot);
        let info = self.call_cell(pos, 24);
        self.return_info(pos, info, base, ReturnKind::Restore);
        self.restore(base);
        self.call_results(&signature.results, base);
    }

    /// `call_ref`.
    pub(super) fn call_ref(&mut self, ty: u32) {
        let callee = self.pop();
        let slot = self.in_slot(&callee);
        let signature: &FuncType = self.source.module.signature(TypeIndex::from_u32(ty));
        let base = self.arguments(&signature.params);
        let profiles = usize::from(self.profiles());
        let pos = self.emit(CALL_REF[profiles], 24 + 8 * profiles);
        self.asm.u16(pos, 8, slot);
        let info = self.call_cell(pos, 16);
        self.return_info(pos, info, base, ReturnKind::Restore);
        self.restore(base);
        self.call_results(&signature.results, base);
    }

    /// Writes record and arguments of a tail call and ends the block.
    fn tail_call(&mut self, pos: u32, params: &[ValType], base: u32) {
        let count: usize = params.iter().map(|ty| ty.slots()).sum();
        self.asm.u16(pos, 16, self.record as u16);
        self.asm.u16(pos, 18, base as u16);
        self.asm.u16(pos, 20, count as u16);
        self.end_reachable();
    }

    /// `return_call`.
    pub(super) fn return_call(&mut self, func: FuncIndex) {
        let ty: &FuncType = self.source.module.func_type(func);
        let base = self.arguments(&ty.params);
        let pos = if self.is_imported(func) {
            let pos = self.emit(TAIL_CALL_IMPORT, 24);
            self.asm.u32(pos, 8, self.import_offset(func));
            pos
        } else {
            let pos = self.emit(TAIL_CALL, 24);
            self.asm.u64(pos, 8, self.source.entry(func));
            pos
        };
        self.tail_call(pos, &ty.params, base);
    }

    /// `return_call_indirect`.
    pub(super) fn return_call_indirect(&mut self, ty: u32, table: u32) {
        let index = self.pop();
        let slot = self.in_slot(&index);
        let signature: &FuncType = self.source.module.signature(TypeIndex::from_u32(ty));
        let base = self.arguments(&signature.params);
        let profiles = usize::from(self.profiles());
        let pos = self.emit(TAIL_CALL_INDIRECT[profiles], 24 + 8 * profiles);
        self.call_cell(pos, 24);
        self.asm.u32(pos, 8, self.source.layout.table(TableIndex::from_u32(table)));
        self.asm.u32(pos, 12, ty);
        self.asm.u16(pos, 22, slot);
        self.tail_call(pos, &signature.params, base);
    }

    /// `return_call_ref`.
    pub(super) fn return_call_ref(&mut self, ty: u32) {
        let callee = self.pop();
        let slot = self.in_slot(&callee);
        let signature: &FuncType = self.source.module.signature(TypeIndex::from_u32(ty));
        let base = self.arguments(&signature.params);
        let profiles = usize::from(self.profiles());
        let pos = self.emit(TAIL_CALL_REF[profiles], 24 + 8 * profiles);
        self.call_cell(pos, 24);
        self.asm.u16(pos, 22, slot);
        self.tail_call(pos, &signature.params, base);
    }
}
