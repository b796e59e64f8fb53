//! Owns what code writes down for the optimizing tier while it counts: where indirect calls go, and how often its parts run.
//! Does not own the places where that is written (`sterna_abi::Recorder`), nor what becomes of it.
//!
//! # Calls
//! The cell of a call is the interpreter's own, so that its vote goes on. A call of the callee that leads is a comparison and an increment; for the
//! others, each function has a routine behind its code that all its calls share.
//!
//! # Counts
//! Counters are incremented at the function's beginning, at loops, in the first half of an `if`, behind a `br_if`, and where a construct ends
//! from which branches lead further out. All other counts follow from these: what enters a construct leaves it at its end if no branch leaves it otherwise
//! (traps and exceptions aside), and what does not take the one way takes the other. In loops without calls nothing is counted: such code
//! can be so tight that increments would be most of its work.

use std::sync::Arc;

use sterna_abi::{CallCell, Count, CountPlan, CountedSite, Counters, NO_COUNT, Recorder};
use sterna_base::FuncIndex;

use super::{Alu, Assembler, Cc, Gen, Label, Machine, Mem, Rm, W32, W64};

/// A call that does not go to the callee that leads.
pub(crate) struct PendingMiss {
    label: Label,
    back: Label,
}

/// The counts of the function being compiled.
pub(crate) struct Counting {
    counters: Arc<Counters>,
    /// Counters used so far.
    used: u32,
    plan: CountPlan,
    /// How often the code being compiled runs: the place in the plan.
    here: u32,
    /// Loops that have begun.
    loops: usize,
    /// The construct in which nothing is counted.
    silent: Option<usize>,
}

impl Counting {
    /// For a function that needs at most `most` counters. The first one counts its calls.
    pub fn new(recorder: &Recorder, func: FuncIndex, body: u32, most: u32) -> Box<Counting> {
        let counters = recorder.counters(func, most);
        let (plan, used) = (CountPlan::default(), 0);
        let mut counting = Counting { counters, used, plan, here: 0, loops: 0, silent: None };
        counting.counter();
        counting.site(body, 0, NO_COUNT);
        Box::new(counting)
    }

    /// The address of a new counter, which counts what is compiled from now on.
    fn counter(&mut self) -> u64 {
        let number = self.used;
        self.used += 1;
        self.here = self.count(Count::Counter(number));
        self.counters.address(number)
    }

    fn count(&mut self, count: Count) -> u32 {
        self.plan.counts.push(count);
        self.plan.counts.len() as u32 - 1
    }

    fn site(&mut self, offset: u32, runs: u32, taken: u32) {
        self.plan.sites.push(CountedSite { offset, runs, taken });
    }
}

impl<M: Machine> Gen<'_, M> {
    // ------------------------------------------------------------------------------------------ counts

    /// The function begins.
    pub(crate) fn count_start(&mut self) {
        let Some(counting) = &self.counting else { return };
        let address = counting.counters.address(0);
        self.increment(address);
    }

    fn increment(&mut self, counter: u64) {
        let asm = self.asm();
        asm.mov_i(M::TEMP, counter);
        asm.alu_i(Alu::Add, W32, Rm::Mem(Mem::new(M::TEMP, 0)), 1);
    }

    /// How often the code being compiled runs.
    pub(crate) fn runs_here(&self) -> u32 {
        self.counting.as_ref().map_or(NO_COUNT, |counting| counting.here)
    }

    /// What is counted, unless nothing is here.
    fn active_counting(&mut self) -> Option<&mut Counting> {
        self.counting.as_deref_mut().filter(|counting| counting.silent.is_none())
    }

    /// A loop begins that is never reached.
    pub(crate) fn skip_loop(&mut self) {
        if let Some(counting) = &mut self.counting {
            counting.loops += 1;
        }
    }

    /// The iterations of a loop, the innermost construct, begin here.
    pub(crate) fn count_iterations(&mut self) {
        let Some(counting) = &mut self.counting else { return };
        let has_calls = self.s.scan.loops.get(counting.loops).copied().unwrap_or(false);
        counting.loops += 1;
        if counting.silent.is_some() {
            return;
        }
        if !has_calls {
            counting.silent = Some(self.s.frames.len() - 1);
            return;
        }
        let before = counting.here;
        let address = counting.counter();
        counting.site(self.wasm, counting.here, before);
        self.increment(address);
    }

    /// A loop ends that nothing was counted in, perhaps: as many leave it at its end as entered it, if none left it otherwise.
    pub(crate) fn count_silent_end(&mut self, at: usize, runs: u32, lowest: u32) {
        let Some(counting) = &mut self.counting else { return };
        if counting.silent == Some(at) {
            counting.silent = None;
            if self.reachable {
                self.count_end(at, runs, lowest);
            }
        }
    }

    /// The first half of the innermost construct, an `if`, begins here.
    pub(crate) fn count_then(&mut self) {
        let wasm = self.wasm;
        let Some(counting) = self.active_counting() else { return };
        let before = counting.here;
        let address = counting.counter();
        counting.site(wasm, before, counting.here);
        let other = counting.count(Count::Rest(before, counting.here));
        self.s.frames.last_mut().expect("just opened").runs = other;
        self.increment(address);
    }

    /// The second half begins, with this count; then the construct's own is that of both.
    pub(crate) fn count_else(&mut self, at: usize) {
        let Some(counting) = &mut self.counting else { return };
        if counting.silent.is_some() {
            return;
        }
        let frame = &mut self.s.frames[at];
        counting.here = frame.runs;
        if let Count::Rest(before, _) = counting.plan.counts[frame.runs as usize] {
            frame.runs = before;
        }
    }

    /// Behind a `br_if`.
    pub(crate) fn count_not_taken(&mut self) {
        let wasm = self.wasm;
        let Some(counting) = self.active_counting() else { return };
        let before = counting.here;
        let address = counting.counter();
        let taken = counting.count(Count::Rest(before, counting.here));
        counting.site(wasm, before, taken);
        self.increment(address);
    }

    /// A call.
    pub(crate) fn count_call(&mut self) {
        let Some(counting) = &mut self.counting else { return };
        counting.site(self.wasm, counting.here, NO_COUNT);
    }

    /// Some of what runs here goes on behind a construct.
    pub(crate) fn count_branch(&mut self, to: usize) {
        if let Some(frame) = self.s.frames.last_mut() {
            frame.lowest = frame.lowest.min(to as u32);
        }
    }

    /// At the end of a construct that branches lead to.
    pub(crate) fn count_end(&mut self, at: usize, runs: u32, lowest: u32) {
        let is_left = (lowest as usize) < at || self.has_handlers;
        let Some(counting) = self.active_counting() else { return };
        if is_left {
            let address = counting.counter();
            self.increment(address);
        } else {
            counting.here = runs;
        }
    }

    /// Says what the counters mean.
    pub(crate) fn finish_counts(&mut self) {
        if let Some(counting) = self.counting.take() {
            counting.counters.set_plan(counting.plan);
        }
    }

    // ------------------------------------------------------------------------------------------ calls

    /// Notes in the call's cell that the function with its entry in [`Machine::CALLEE`] is called, if anybody wants to know.
    pub(crate) fn record_callee(&mut self) {
        let Some(recorder) = self.input.recorder else { return };
        let cell = recorder.call_cell(self.wasm) as u64;
        let mut miss = PendingMiss { label: Label::NEW, back: Label::NEW };
        let asm = self.asm();
        asm.mov_i(M::TEMP, cell);
        asm.alu(Alu::Cmp, W64, M::CALLEE, Rm::Mem(Mem::new(M::TEMP, CallCell::OFF_ENTRY as i32)));
        asm.jcc(Cc::Ne, &mut miss.label);
        asm.alu_i(Alu::Add, W32, Rm::Mem(Mem::new(M::TEMP, CallCell::OFF_HITS as i32)), 1);
        asm.bind(&mut miss.back);
        self.s.misses.push(miss);
    }

    /// Emits what happens at other callees.
    pub(crate) fn flush_misses(&mut self) {
        if self.s.misses.is_empty() {
            return;
        }
        let mut vote = Label::NEW;
        let mut misses = std::mem::take(&mut self.s.misses);
        for mut miss in misses.drain(..) {
            self.s.asm.ensure(64);
            self.s.asm.bind(&mut miss.label);
            self.s.asm.call_label(&mut vote);
            self.s.asm.jmp(&mut miss.back);
        }
        self.s.misses = misses;
        self.s.asm.ensure(128);
        self.s.asm.bind(&mut vote);
        self.vote();
    }

    /// With a cell's address in the free register: a call that was not for the callee that leads. As [`CallCell::count`]; changes no
    /// register.
    fn vote(&mut self) {
        let [entry, hits, misses] = [CallCell::OFF_ENTRY, CallCell::OFF_HITS, CallCell::OFF_MISSES]
            .map(|offset| Mem::new(M::TEMP, offset as i32));
        let asm = self.asm();
        asm.push(M::CALLEE);
        asm.alu_i(Alu::Add, W32, Rm::Mem(misses), 1);
        asm.load(W32, M::CALLEE, misses);
        asm.alu(Alu::Cmp, W32, M::CALLEE, Rm::Mem(hits));
        asm.pop(M::CALLEE);
        let stays = asm.jcc_short(Cc::Be);
        asm.store(W64, entry, M::CALLEE);
        asm.store_i(4, hits, 1);
        asm.store_i(4, misses, 0);
        asm.bind_short(stays);
        asm.ret(0);
    }
}
