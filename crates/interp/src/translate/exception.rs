//! Owns translation of throws, and the handler table: which code is inside of which `try`, and where its handlers are.
//! Does not own the search in it (`catch`) nor labels (`control`).
//!
//! Nothing is emitted where a `try` begins or ends. A handler's values are put into their canonical slots by whoever found it, so its
//! target is like any label whose values are in slots. In the legacy form the body of a `catch` has the exception itself as one more
//! operand, below its payload, for `rethrow`.

use sterna_base::TagIndex;
use sterna_isa::{Op, ValType};
use sterna_module::{BlockType, TryTable};

use super::Translator;
use super::asm::NONE;
use super::control::Kind;
use super::stack::Loc;
use crate::op::exception::{THROW, THROW_REF};

/// The handlers of a function.
#[derive(Default)]
pub(crate) struct Handlers {
    /// Inner ones before outer ones.
    pub regions: Vec<Region>,
    pub clauses: Vec<Clause>,
}

/// The body of a `try_table` or `try`.
#[derive(Clone, Copy)]
pub(crate) struct Region {
    /// Byte offsets in the code.
    pub start: u32,
    pub end: u32,
    /// How many constructs it is in.
    pub depth: u32,
    /// Its first clause, or [`NONE`].
    pub clauses: u32,
    /// The last one, while translation goes on.
    last: u32,
    /// If it ends with `delegate`: only regions that are in at most so many constructs come next.
    pub delegate: u32,
}

/// One handler.
#[derive(Clone, Copy)]
pub(crate) struct Clause {
    /// Offset of the tag's number in the vmctx, or [`NONE`] for every exception without its payload.
    pub tag: u32,
    /// Where the exception itself goes.
    pub reference: Reference,
    /// First slot for the values.
    pub slot: u32,
    /// Slots that the payload takes.
    pub payload: u32,
    /// Byte offset in the code at which to go on.
    pub target: u32,
    /// The next clause of the region, or [`NONE`].
    pub next: u32,
    /// The next clause with the same target, while that is not known.
    waiting: u32,
}

/// See [`Clause::reference`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    None,
    /// Before the payload.
    First,
    /// After it.
    Last,
}

impl Translator<'_> {
    fn payload(&self, tag: TagIndex) -> &[ValType] {
        &self.source.module.tag_type(tag).params
    }

    /// `throw`.
    pub(super) fn throw(&mut self, tag: u32) {
        let types = self.payload(TagIndex::from_u32(tag)).to_vec();
        let base = self.arguments(&types);
        let slots: u32 = types.iter().map(|ty| ty.slots() as u32).sum();
        let pos = self.emit(THROW, 16);
        self.asm.u16(pos, 8, base as u16);
        self.asm.u16(pos, 10, (base + slots) as u16);
        self.asm.u32(pos, 12, tag);
        self.end_reachable();
    }

    /// `throw_ref`.
    pub(super) fn throw_ref(&mut self) {
        self.spill_all();
        let entry = self.pop();
        let slot = self.in_slot(&entry);
        self.emit_throw_ref(slot);
    }

    /// `rethrow`.
    pub(super) fn rethrow(&mut self, depth: u32) {
        self.spill_all();
        let slot = self.controls[self.target(depth)].slot;
        self.emit_throw_ref(slot as u16);
    }

    fn emit_throw_ref(&mut self, slot: u16) {
        let top = self.top() + 1;
        self.reach(top);
        let pos = self.emit(THROW_REF, 16);
        self.asm.u16(pos, 8, slot);
        self.asm.u16(pos, 10, top as u16);
        self.end_reachable();
    }

    /// `try_table`.
    pub(super) fn try_table(&mut self, table: &TryTable) {
        let mut region = self.new_region();
        for catch in &table.catches {
            let index = self.target(catch.label);
            let slot = self.controls[index].slot;
            let reference = if catch.with_ref { Reference::Last } else { Reference::None };
            let clause = self.add_clause(&mut region, catch.tag, reference, slot);
            self.link_clause(index, clause);
        }
        self.open_region(Op::TryTable, table.ty, region);
    }

    /// `try`.
    pub(super) fn try_(&mut self, ty: BlockType) {
        let region = self.new_region();
        self.open_region(Op::Try, ty, region);
    }

    fn new_region(&self) -> Region {
        let depth = self.controls.len() as u32;
        Region { start: 0, end: 0, depth, clauses: NONE, last: NONE, delegate: NONE }
    }

    fn open_region(&mut self, op: Op, ty: BlockType, region: Region) {
        self.open(op, ty);
        // No instruction from before may come to be inside.
        self.forget_recent();
        let start = self.asm.len();
        let control = self.controls.last_mut().expect("just opened");
        control.kind = Kind::Try;
        control.region = Some(Region { start, ..region });
    }

    fn add_clause(
        &mut self,
        region: &mut Region,
        tag: Option<TagIndex>,
        reference: Reference,
        slot: u32,
    ) -> u32 {
        let offset = tag.map_or(NONE, |tag| self.source.layout.tag(tag));
        let slots: usize = tag.map_or(0, |tag| self.payload(tag).iter().map(|ty| ty.slots()).sum());
        self.reach(slot + slots as u32 + 1);
        let clauses = &mut self.handlers.clauses;
        let index = clauses.len() as u32;
        clauses.push(Clause {
            tag: offset,
            reference,
            slot,
            payload: slots as u32,
            target: NONE,
            next: NONE,
            waiting: NONE,
        });
        match region.last {
            NONE => region.clauses = index,
            last => clauses[last as usize].next = index,
        }
        region.last = index;
        index
    }

    /// Makes an open block the target of a clause.
    fn link_clause(&mut self, index: usize, clause: u32) {
        let control = &mut self.controls[index];
        let data = &mut self.handlers.clauses[clause as usize];
        match control.kind {
            Kind::Loop => data.target = control.start,
            _ => data.waiting = std::mem::replace(&mut control.caught, clause),
        }
    }

    /// Gives a list of clauses their target.
    pub(super) fn resolve_clauses(&mut self, mut clause: u32, target: u32) {
        while clause != NONE {
            let data = &mut self.handlers.clauses[clause as usize];
            data.target = target;
            clause = data.waiting;
        }
    }

    /// Ends the region of the innermost block, if it has one that is open: nothing emitted from now on is inside.
    pub(super) fn close_region(&mut self) {
        let end = self.asm.len();
        let control = self.controls.last_mut().expect("operators are inside the function's block");
        if let Some(mut region) = control.region.take() {
            region.end = end;
            control.handlers = self.handlers.regions.len() as u32;
            self.handlers.regions.push(region);
        }
        self.forget_recent();
    }

    /// `catch`, or `catch_all` without a tag.
    pub(super) fn catch(&mut self, tag: Option<u32>) {
        self.end_part();
        let tag = tag.map(TagIndex::from_u32);
        let control = self.controls.last_mut().expect("a catch is in its try");
        control.kind = Kind::Catch;
        let (height, slot, at) = (control.height, control.slot, control.handlers as usize);
        self.truncate(height);
        let mut region = self.handlers.regions[at];
        let clause = self.add_clause(&mut region, tag, Reference::First, slot);
        self.handlers.regions[at] = region;
        self.handlers.clauses[clause as usize].target = self.asm.len();
        self.bind();
        self.reachable = true;
        self.push(ValType::EXNREF, Loc::Temp);
        for ty in tag.map_or(Vec::new(), |tag| self.payload(tag).to_vec()) {
            self.push(ty, Loc::Temp);
        }
    }

    /// Ends the body of a `try` or `catch` before the next `catch`.
    fn end_part(&mut self) {
        let index = self.controls.len() - 1;
        if self.reachable {
            let results = self.results(index);
            self.settle(results.len());
            self.leave_for(index, &results);
        }
        self.close_region();
    }

    /// `delegate`.
    pub(super) fn delegate(&mut self, depth: u32) {
        let index = self.controls.len() - 1;
        if let Some(region) = &mut self.controls[index].region {
            region.delegate = index as u32 - 1 - depth;
        }
        self.end();
    }
}
