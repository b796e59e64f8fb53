//! Owns the current values of locals and the log of their changes since open constructs were entered.
//! Does not decide where parameters are needed: `control` does, from the log.

use crate::graph::Value;

/// No earlier entry.
const NONE: u32 = u32::MAX;

/// The first change of a local since the construct that was innermost at that time was entered.
struct Change {
    local: u32,
    /// Position of the change before it of the same local, or [`NONE`].
    previous: u32,
    /// The value before.
    old: Value,
}

/// Values of all locals, with a log that can be unwound.
#[derive(Default)]
pub(super) struct Locals {
    values: Vec<Value>,
    /// Position of the last change of each local, or [`NONE`].
    last: Vec<u32>,
    log: Vec<Change>,
}

impl Locals {
    pub fn clear(&mut self) {
        self.values.clear();
        self.last.clear();
        self.log.clear();
    }

    /// Adds a local with its initial value.
    pub fn declare(&mut self, value: Value) {
        self.values.push(value);
        self.last.push(NONE);
    }

    /// Drops the locals from the `len`th on, which have not changed since they were declared.
    pub fn truncate(&mut self, len: u32) {
        self.values.truncate(len as usize);
        self.last.truncate(len as usize);
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.values.len() as u32
    }

    pub fn values(&self) -> &[Value] {
        &self.values
    }

    pub fn get(&self, local: u32) -> Value {
        self.values[local as usize]
    }

    /// A position in the log: the state now.
    pub fn mark(&self) -> u32 {
        self.log.len() as u32
    }

    /// Sets a local; `mark` is where the innermost construct began.
    pub fn set(&mut self, local: u32, value: Value, mark: u32) {
        let current = &mut self.values[local as usize];
        if *current == value {
            return;
        }
        let last = &mut self.last[local as usize];
        if *last == NONE || *last < mark {
            self.log.push(Change { local, previous: *last, old: *current });
            *last = self.log.len() as u32 - 1;
        }
        *current = value;
    }

    /// Calls `visit` for every one of the first `len` locals whose value differs from what it was at `mark`. Returns how much it
    /// looked at.
    pub fn changed_since(&self, mark: u32, len: u32, mut visit: impl FnMut(u32, Value)) -> usize {
        let log = &self.log[mark as usize..];
        for change in log {
            let is_first = change.previous == NONE || change.previous < mark;
            let value = self.values[change.local as usize];
            if is_first && value != change.old && change.local < len {
                visit(change.local, value);
            }
        }
        log.len()
    }

    /// Restores the values of `mark`.
    pub fn unwind(&mut self, mark: u32) {
        for change in self.log.drain(mark as usize..).rev() {
            self.values[change.local as usize] = change.old;
            self.last[change.local as usize] = change.previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(locals: &Locals, mark: u32) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        locals.changed_since(mark, u32::MAX, |local, value| found.push((local, value.as_u32())));
        found
    }

    #[test]
    fn changes_are_relative_to_a_mark_and_unwind() {
        let value = Value::from_u32;
        let mut locals = Locals::default();
        for i in 0..3 {
            locals.declare(value(i));
        }
        let outer = locals.mark();
        locals.set(0, value(10), outer);
        locals.set(0, value(11), outer);
        let inner = locals.mark();
        locals.set(0, value(12), inner);
        locals.set(1, value(13), inner);
        locals.set(2, value(14), inner);
        locals.set(2, value(2), inner);
        assert_eq!(changed(&locals, inner), [(0, 12), (1, 13)]);
        assert_eq!(changed(&locals, outer), [(0, 12), (1, 13)]);
        locals.unwind(inner);
        assert_eq!(locals.values(), [11, 1, 2].map(value));
        assert_eq!(changed(&locals, outer), [(0, 11)]);
        locals.set(1, value(20), outer);
        locals.unwind(outer);
        assert_eq!(locals.values(), [0, 1, 2].map(value));
        assert!(locals.last.iter().all(|&last| last == NONE));
    }
}
