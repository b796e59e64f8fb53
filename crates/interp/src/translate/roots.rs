//! Owns root maps: which slots of a frame hold references to objects, at each place where the frame can be suspended.
//! Does not keep them: `code` does, for functions that were on the stack during a collection.

use super::{Source, Translator};
use sterna_base::FuncIndex;

/// The root map of a function.
#[derive(Default)]
pub(crate) struct RootMap {
    /// Slots of locals.
    pub locals: Box<[u16]>,
    /// Slots of the operand stack, each list from the instruction at a byte offset on; ascending.
    stack: Vec<(u32, Box<[u16]>)>,
}

impl RootMap {
    /// The map of a function that was translated before, by doing that again.
    pub fn of(source: Source<'_>, func: FuncIndex) -> RootMap {
        let mut map = RootMap::default();
        let mut translator = Translator::new(source, func, None);
        translator.roots = Some(&mut map);
        let translated = translator.run();
        debug_assert!(translated.is_ok(), "it was translated before");
        map
    }

    /// Slots of the operand stack that hold references to objects, at the instruction that covers an offset.
    pub fn stack_at(&self, offset: u32) -> &[u16] {
        let after = self.stack.partition_point(|(start, _)| *start <= offset);
        after.checked_sub(1).map_or(&[], |index| &self.stack[index].1)
    }
}

impl Translator<'_> {
    /// Called for every instruction.
    pub(super) fn record_roots(&self, map: &mut RootMap, pos: u32) {
        if pos == 0 {
            map.locals = self.local_roots();
        }
        // Instructions that were taken back.
        while map.stack.last().is_some_and(|(start, _)| *start >= pos) {
            map.stack.pop();
        }
        let last: &[u16] = map.stack.last().map_or(&[], |(_, roots)| roots);
        if !self.stack_roots().eq(last.iter().copied()) {
            map.stack.push((pos, self.stack_roots().collect()));
        }
    }
}
