//! Owns the choice of locals that live in registers.
//! Does not own the scan that counts their uses.
//!
//! A register that calls preserve costs a save and a restore for the whole function; any other one a store and a load at each call. References to
//! objects stay in memory, where the collector finds them.

use super::{Gen, Machine};
use crate::stack::{Bank, Ty};

/// Uses, weighted by loops, that pay for a save and a restore.
const MIN_USES: u32 = 4;

impl<M: Machine> Gen<'_, M> {
    /// Gives registers to the locals that are used most.
    pub(crate) fn assign_pins(&mut self) {
        if self.has_handlers {
            return;
        }
        let used = self.s.scan.uses.iter().zip(&self.s.locals).enumerate();
        let used = used
            .filter(|(_, (uses, local))| {
                **uses >= MIN_USES && !local.ty.is_object() && local.ty != Ty::V128
            })
            .map(|(index, (&uses, _))| (uses, index as u32));
        let mut best = std::mem::take(&mut self.s.best_locals);
        best.clear();
        best.extend(used);
        best.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let lost = self.s.scan.clobbers.saturating_mul(2).saturating_add(1);
        let (mut kept_left, mut lost_left) = (M::KEPT_PINS.iter(), M::LOST_PINS.iter());
        let mut vectors = M::VECTOR_PINS.iter();
        for &(uses, index) in &best {
            let bank = self.s.locals[index as usize].ty.bank();
            let reg = match bank {
                Bank::Int if uses > lost && self.s.scan.clobbers == 0 => {
                    lost_left.next().or_else(|| kept_left.next()).map(|reg| reg.0)
                }
                Bank::Int => {
                    let kept = kept_left.next();
                    kept.or_else(|| lost_left.next().filter(|_| uses > lost)).map(|reg| reg.0)
                }
                Bank::Float => vectors.next().filter(|_| uses > lost).map(|reg| reg.0),
            };
            let Some(reg) = reg else { continue };
            self.s.locals[index as usize].pin = reg;
            self.banks[bank as usize].pin(reg);
            if bank == Bank::Int
                && let Some(at) = M::SAVES.iter().position(|save| save.0 == reg)
            {
                self.saves |= 1 << at;
            } else {
                self.s.lost_pins.push(index);
            }
        }
        self.s.best_locals = best;
    }

    /// Before a call: stores the pinned locals that it does not preserve.
    pub(crate) fn save_pins(&mut self) {
        for at in 0..self.s.lost_pins.len() {
            let index = self.s.lost_pins[at];
            let local = self.s.locals[index as usize];
            let home = self.local_home(index);
            self.store_to(local.ty, home, local.pin);
        }
    }

    /// After it: loads them again.
    pub(crate) fn restore_pins(&mut self) {
        for at in 0..self.s.lost_pins.len() {
            let index = self.s.lost_pins[at];
            let local = self.s.locals[index as usize];
            let home = self.local_home(index);
            self.load_from(local.ty, local.pin, home);
        }
    }
}
