//! Owns the check of a whole heap after a collection.
//! Does not repair anything.

use std::collections::HashSet;

use crate::collect::is_young;
use crate::heap::Heap;
use crate::layout::{Kind, Layout, Layouts};
use crate::object::{
    self, CARDS, EXCEPTION_BIT, FORWARDED, LOGGABLE, MARKED, OFF_LEN, OFF_TYPE, OFF_WORD,
    REMEMBERED, TYPE_EXTERN_BOX,
};
use crate::reference::Ref;
use crate::roots::Roots;
use crate::young::YOUNG_END;

impl Heap {
    /// Checks that every reference, in objects and roots, is to an object, and that the remembered set is complete. Only
    /// directly after a collection, when eden is empty. Costs a hash set of all objects.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn verify(
        &mut self,
        layouts: &(impl Layouts + ?Sized),
        roots: &mut (impl Roots + ?Sized),
    ) -> Result<(), String> {
        let objects = self.objects(layouts)?;
        let known: HashSet<u32> = objects.iter().copied().collect();
        let remembered: HashSet<u32> = self.remembered.iter().copied().collect();
        for &at in &objects {
            self.verify_object(at, layouts, &known, &remembered)?;
        }
        let mut broken = None;
        let mut check = |reference: Ref| {
            if reference.is_object() && !known.contains(&reference.bits()) {
                broken = Some(reference);
            }
            reference
        };
        roots.visit(&mut check);
        self.host_roots.visit(check);
        broken.map_or(Ok(()), |reference| {
            Err(format!("a root holds {reference:?}, which is no object"))
        })
    }

    /// Offsets of all objects.
    fn objects(&self, layouts: &(impl Layouts + ?Sized)) -> Result<Vec<u32>, String> {
        let survivors = &self.young.survivors;
        let mut objects = Vec::new();
        let spaces = self.blocks.iter().map(|block| (block.run.start, block.used));
        for (start, end) in spaces.chain([(survivors.start, survivors.next)]) {
            let mut at = start;
            while at < end {
                objects.push(at);
                at += u32::try_from(self.size_of(at, layouts))
                    .ok()
                    .filter(|size| *size >= object::HEADER && at + size <= end)
                    .ok_or_else(|| format!("object at {at:#x} crosses the end of its space"))?;
            }
        }
        objects.extend(self.large.old.iter().map(|run| run.start));
        Ok(objects)
    }

    fn verify_object(
        &self,
        at: u32,
        layouts: &(impl Layouts + ?Sized),
        known: &HashSet<u32>,
        remembered: &HashSet<u32>,
    ) -> Result<(), String> {
        let word = self.memory.load32(at + OFF_WORD);
        let type_id = self.memory.load32(at + OFF_TYPE);
        let fail = |what: &str| {
            Err(format!("object {at:#x} of type {type_id:#x}, word {word:#x}: {what}"))
        };
        if word & (FORWARDED | MARKED) != 0 {
            return fail("a mark of the collection is left");
        }
        if at < YOUNG_END && word != 0 {
            return fail("a young object has bits set");
        }
        let logged = word & LOGGABLE == 0 || word & REMEMBERED != 0;
        if at >= YOUNG_END && logged && !remembered.contains(&at) {
            return fail("it claims to be remembered");
        }
        let layout = match type_id {
            TYPE_EXTERN_BOX => &object::EXTERN_BOX,
            _ => layouts.layout(type_id),
        };
        if type_id & EXCEPTION_BIT != 0 && layout.kind() == Kind::Array {
            return fail("exceptions are structures");
        }
        for slot in self.reference_slots(at, layout) {
            let reference = self.memory.load32(slot);
            if Ref::from_bits(reference).is_object() && !known.contains(&reference) {
                return fail(&format!("slot {slot:#x} holds {reference:#x}, which is no object"));
            }
            if at < YOUNG_END || !is_young(reference) {
                continue;
            }
            if !logged {
                return fail("it refers to a young object but is not remembered");
            }
            if word & CARDS != 0 && !self.memory.card(slot) {
                return fail(&format!("slot {slot:#x} is young but its card is clean"));
            }
        }
        Ok(())
    }

    fn reference_slots(&self, at: u32, layout: &Layout) -> Vec<u32> {
        match layout.kind() {
            Kind::Struct => {
                let near = (0..64u32).filter(|bit| layout.near_references() >> bit & 1 != 0);
                let near = near.map(|bit| object::HEADER + 4 * bit);
                near.chain(layout.far_references().iter().copied())
                    .map(|offset| at + offset)
                    .collect()
            }
            Kind::Array if layout.has_references() => {
                let len = self.memory.load32(at + OFF_LEN);
                (0..len).map(|index| at + layout.elements() + 4 * index).collect()
            }
            Kind::Array => Vec::new(),
        }
    }
}
