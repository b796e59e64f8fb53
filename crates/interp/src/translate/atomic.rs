//! Owns translation of atomic operators.
//! Does not own their carrying out: `op::atomic`.

use sterna_base::MemoryIndex;
use sterna_isa::{Class, Op, TrapCode, ValType};
use sterna_module::MemArg;

use super::Translator;
use super::scalar::result_type;
use super::stack::{Acc, Loc};
use crate::op::atomic;

impl Translator<'_> {
    /// An atomic operator with an address.
    pub(super) fn atomic(&mut self, op: Op, memarg: MemArg) -> Result<(), TrapCode> {
        if op.class() == Class::AtomicWait {
            return self.wait(op, memarg);
        }
        let handler = atomic::access(op).ok_or(TrapCode::Unsupported)?;
        let (operands, results) = op.signature().ok_or(TrapCode::Unsupported)?;
        let memory = self.source.layout.memory(MemoryIndex::from_u32(memarg.memory));
        let [address, first, second] = self.pop_to_slots(operands.len());
        // Layouts: loads (address), stores (address, value), the others (address, one or two values).
        let pos = match (operands.len(), results) {
            (2, []) => {
                let pos = self.emit(handler, 24);
                self.asm.u16(pos, 8, address);
                self.asm.u16(pos, 10, first);
                pos
            }
            (1, _) => {
                let pos = self.produce_in_slot(result_type(results)?, handler, 24);
                self.asm.u16(pos, 10, address);
                pos
            }
            _ => {
                let pos = self.produce_in_slot(result_type(results)?, handler, 32);
                self.asm.u16(pos, 10, address);
                self.asm.u16(pos, 12, first);
                self.asm.u16(pos, 14, second);
                self.asm.u32(pos, 16, memory);
                self.asm.u64(pos, 24, memarg.offset);
                return Ok(());
            }
        };
        self.asm.u32(pos, 12, memory);
        self.asm.u64(pos, 16, memarg.offset);
        Ok(())
    }

    fn wait(&mut self, op: Op, memarg: MemArg) -> Result<(), TrapCode> {
        let handler = atomic::wait(op).ok_or(TrapCode::Unsupported)?;
        let (operands, _) = op.signature().ok_or(TrapCode::Unsupported)?;
        self.store_top(operands.len());
        let top = self.top();
        self.truncate((self.stack.len() - operands.len()) as u32);
        let base = self.top();
        // The instruction reads three slots, however many operands there are.
        self.reach(base + 3);
        let pos = self.emit(handler, 24);
        self.asm.u16(pos, 8, base as u16);
        self.asm.u16(pos, 10, top as u16);
        self.asm.u32(pos, 12, memarg.memory);
        self.asm.u64(pos, 16, memarg.offset);
        self.forget_accs();
        self.wrote(base, top - base);
        self.push(ValType::I32, Loc::Temp);
        self.acc[0] = Acc::Slot(base);
        Ok(())
    }
}
