//! Owns the recording mode: what operator an instruction belongs to, and where locals and operands are then.
//! Does not own reading them from a frame: `describe`.
//!
//! Nothing of this is kept in memory for every function: translation is deterministic, so it is simply done again.

use sterna_isa::ValType;

use super::Translator;
use super::stack::{Loc, class};

/// What to look for, and what was found.
pub(crate) struct Probe {
    /// Byte offset in the code.
    pub wanted: u32,
    /// The state at the instruction that covers it.
    pub found: Option<Found>,
    /// If set, start and byte offset in the module of every instruction are listed here.
    pub starts: Option<Vec<(u32, u32)>>,
}

/// State at an instruction.
pub(crate) struct Found {
    /// Byte offset of the operator in the module.
    pub offset: u32,
    /// Locals, in order.
    pub locals: Vec<(ValType, Saved)>,
    /// The operand stack below the operands of the operator.
    pub stack: Vec<(ValType, Saved)>,
}

/// Where a value is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Saved {
    /// From this slot on.
    Slot(u32),
    /// In the accumulator with this number.
    Acc(usize),
    /// Nowhere: these bits.
    Const(u64),
}

impl Translator<'_> {
    /// Called for every instruction.
    pub(super) fn observe(&self, probe: &mut Probe, pos: u32, size: usize) {
        if let Some(starts) = &mut probe.starts {
            while starts.last().is_some_and(|&(start, _)| start >= pos) {
                starts.pop();
            }
            starts.push((pos, self.offset));
        }
        if !(pos..pos + size as u32).contains(&probe.wanted) {
            return;
        }
        let saved = |slot| Saved::Slot(slot);
        let locals =
            self.locals.iter().map(|local| (local.ty, saved(u32::from(local.slot)))).collect();
        let stack = self.stack.iter().map(|entry| {
            let place = match entry.loc {
                Loc::Temp => saved(entry.slot),
                Loc::Acc => Saved::Acc(class(entry.ty).expect("only scalars are in accumulators")),
                Loc::Local(local) => saved(u32::from(self.locals[local as usize].slot)),
                Loc::Const(bits) => Saved::Const(bits),
            };
            (entry.ty, place)
        });
        probe.found = Some(Found { offset: self.offset, locals, stack: stack.collect() });
    }
}
