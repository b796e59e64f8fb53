//! Owns the decisions about tiers: what happens when code below the top tier has used up a function's budget.
//! Does not own the counting (the tiers), compilation and publication (`linking`), nor the threads (`tiering`).
//!
//! A function used up its budget at its entry or at a loop's start. The first time, if it is called often, it goes to the baseline tier, if there is
//! one, whose code counts on. After that, what is called often is compiled by the optimizing tier from its beginning; what has run for
//! long in few calls, or in code that is not the best any more, from that loop on, and enters that as soon as it is ready (on-stack
//! replacement).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use sterna_abi::{COMPILED, CodeEntry, Profile};
use sterna_base::FuncIndex;

use crate::engine::{Engine, TierUp};
use crate::interrupt::WATCH;
use crate::linking::{self, Addresses};
use crate::loaded::LoadedModule;
use crate::store::Store;

/// Answers of builtin `hot`.
const GO_ON: u64 = 0;
const CALL_ANEW: u64 = 1;

/// The position of loops that cannot be entered.
const NO_ENTRY: u32 = !COMPILED;

/// A function called more often than this is compiled as a whole rather than from a loop on.
const FEW_CALLS: u32 = 2;

/// Most loops of a function that are compiled in the background: each is a compilation of the function.
const MAX_LOOPS: usize = 4;

/// The budget while compilation is pending, as a part of the first one: then somebody looks whether it is done.
const RETRY: u32 = 8;

/// In how many polls of compiled code torture leaves a frame.
const LEAVE_ONE_IN: u64 = 3;

/// The first budget where there is a baseline tier, as a part of those that follow.
const FIRST: u32 = 16;

/// The budget that functions begin with.
pub(crate) fn first_budget(engine: &Engine) -> u32 {
    let budget = engine.settings().hot_budget;
    if engine.has_baseline() { (budget / FIRST).max(1) } else { budget }
}

/// What has become of hot functions and loops of a module.
#[derive(Default)]
pub(crate) struct ModuleTiers {
    functions: Mutex<HashMap<FuncIndex, FuncTiers>>,
    /// What an earlier run of the module saw.
    earlier: OnceLock<Profile>,
    /// Where torture is in its sequence of chances.
    chance: AtomicU64,
}

/// What to compile of a function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// By the baseline tier.
    Baseline(CodeEntry),
    /// By the optimizing tier.
    Best(CodeEntry),
}

/// All of it, by the optimizing tier.
const WHOLE: Goal = Goal::Best(CodeEntry::Function);
/// All of it, by the baseline tier.
const BASELINE: Goal = Goal::Baseline(CodeEntry::Function);

#[derive(Default)]
struct FuncTiers {
    /// Whether it has used up a budget before.
    is_known: bool,
    baseline: Progress,
    whole: Progress,
    loops: Vec<(u32, Progress)>,
    baseline_loops: Vec<(u32, Progress)>,
    /// Its entries below and in its compiled code, once torture has moved it down: which of them it has, and the others.
    moved: Option<(bool, Addresses)>,
}

/// Of one compilation.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Cold,
    Requested,
    /// The address of the code, published.
    Ready(usize),
    Refused,
}

impl FuncTiers {
    fn progress(&mut self, goal: Goal) -> &mut Progress {
        let (loops, position) = match goal {
            BASELINE => return &mut self.baseline,
            WHOLE => return &mut self.whole,
            Goal::Baseline(CodeEntry::Loop(position)) => (&mut self.baseline_loops, position),
            Goal::Best(CodeEntry::Loop(position)) => (&mut self.loops, position),
        };
        let found = loops.iter().position(|&(of, _)| of == position);
        let at = found.unwrap_or_else(|| {
            loops.push((position, Progress::Cold));
            loops.len() - 1
        });
        &mut loops[at].1
    }

    /// Whether a call in progress may go on for so long that the function's code does not help it.
    fn may_need_loop(&self, is_often: bool) -> bool {
        match self.whole {
            Progress::Ready(_) => true,
            Progress::Cold | Progress::Requested => !is_often,
            Progress::Refused => false,
        }
    }

    /// Whether code of the baseline tier is being made for what the interpreter runs.
    fn patience(&mut self, entry: CodeEntry) -> bool {
        self.baseline == Progress::Requested
            || *self.progress(Goal::Baseline(entry)) == Progress::Requested
    }

    /// Whether calls can reach code of a compiler.
    fn is_compiled(&self) -> bool {
        [self.baseline, self.whole].iter().any(|progress| matches!(progress, Progress::Ready(_)))
    }

    /// Whether another loop may be compiled.
    fn has_room(&self) -> bool {
        let made = |&&(_, progress): &&(u32, Progress)| progress != Progress::Cold;
        let pending = |&(_, progress): &(u32, Progress)| progress == Progress::Requested;
        self.loops.iter().filter(made).count() < MAX_LOOPS && !self.loops.iter().any(pending)
    }
}

impl ModuleTiers {
    fn lock(&self) -> MutexGuard<'_, HashMap<FuncIndex, FuncTiers>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, func: FuncIndex, goal: Goal) -> Progress {
        *self.lock().entry(func).or_default().progress(goal)
    }

    /// Makes calls of a compiled function reach its code (`up`) or the interpreter; whether they now reach the code.
    fn move_function(&self, module: &LoadedModule, func: FuncIndex, up: bool) -> bool {
        let mut tiers = self.lock();
        let tiers = tiers.entry(func).or_default();
        if !tiers.is_compiled() {
            return false;
        }
        let (is_up, others) = match tiers.moved.take() {
            Some(moved) => moved,
            None => match linking::addresses_below(module, func) {
                Ok(below) => (true, below),
                // No room for stubs.
                Err(_) => return true,
            },
        };
        let others = if is_up == up { others } else { others.exchange(module, func) };
        tiers.moved = Some((up, others));
        up
    }

    fn set(&self, func: FuncIndex, goal: Goal, progress: Progress) {
        *self.lock().entry(func).or_default().progress(goal) = progress;
    }
}

impl LoadedModule {
    /// What the interpreter saw of the module so far, on top of what earlier runs did.
    pub fn profile(&self) -> Profile {
        let mut profile = self.tiers.earlier.get().cloned().unwrap_or_default();
        self.interp().call_targets(&mut |offset, func| {
            profile.targets.get_or_insert_default().insert(offset, func);
        });
        profile
    }

    /// Takes over what an earlier run saw of the same module. What this run sees counts for more. Only the first call does something.
    pub fn set_earlier_profile(&self, profile: Profile) {
        let _ = self.tiers.earlier.set(profile);
    }
}

/// See builtin `hot`.
pub(crate) fn hot(module: &Arc<LoadedModule>, func: FuncIndex, position: u32) -> u64 {
    let is_compiled = position & COMPILED != 0;
    let entry = match position & !COMPILED {
        0 => CodeEntry::Function,
        position => CodeEntry::Loop(position),
    };
    let settings = module.engine().settings();
    let (answer, budget) = match settings.tier_up {
        TierUp::Background => in_background(module, func, entry, is_compiled),
        TierUp::Synchronous => {
            let has_baseline = module.tiers.get(func, Goal::Baseline(entry)) != Progress::Cold;
            let goal = match is_compiled || has_baseline || !module.engine().has_baseline() {
                false => Goal::Baseline(entry),
                true => Goal::Best(entry),
            };
            (at_once(module, func, goal, is_compiled), settings.hot_budget)
        }
        TierUp::Torture(seed) => torture(module, func, entry, (seed, is_compiled)),
    };
    module.entries()[func.index()].budget.store(budget, Ordering::Relaxed);
    if answer > CALL_ANEW {
        module.engine().counters.loop_entries.fetch_add(1, Ordering::Relaxed);
    }
    answer
}

impl FuncTiers {
    /// Code of the baseline tier is for the interpreter.
    fn answer(&mut self, entry: CodeEntry, is_compiled: bool) -> u64 {
        match entry {
            CodeEntry::Function if self.is_compiled() => CALL_ANEW,
            CodeEntry::Function | CodeEntry::Loop(NO_ENTRY) => GO_ON,
            entry => match (*self.progress(Goal::Best(entry)), is_compiled) {
                (Progress::Ready(address), _) => address as u64,
                (_, true) => GO_ON,
                (_, false) => match *self.progress(Goal::Baseline(entry)) {
                    Progress::Ready(address) => address as u64,
                    _ => GO_ON,
                },
            },
        }
    }
}

/// Requests what is hot; the answer, and the next budget.
fn in_background(
    module: &Arc<LoadedModule>,
    func: FuncIndex,
    entry: CodeEntry,
    is_compiled: bool,
) -> (u64, u32) {
    let mut tiers = module.tiers.lock();
    let tiers = tiers.entry(func).or_default();
    let is_often = module.entries()[func.index()].calls.load(Ordering::Relaxed) > FEW_CALLS;
    let engine = module.engine();
    let first = engine.settings().hot_budget;
    let progress = match entry {
        CodeEntry::Loop(NO_ENTRY) => Progress::Refused,
        entry => *tiers.progress(Goal::Best(entry)),
    };
    let is_loop = entry != CodeEntry::Function;
    if !std::mem::replace(&mut tiers.is_known, true) && engine.has_baseline() {
        // The first budget was a small one.
        let goal = if is_often || !is_loop { BASELINE } else { Goal::Baseline(entry) };
        if !tiers.is_compiled() && entry != CodeEntry::Loop(NO_ENTRY) {
            *tiers.progress(goal) = Progress::Requested;
            engine.tiering.request(module, func, goal);
        }
        return (tiers.answer(entry, is_compiled), (first / FIRST).max(1));
    }
    // As long as the interpreter runs it, it looks for the baseline tier's code often.
    let next = if is_compiled || !engine.has_baseline() { first / RETRY } else { first / FIRST };
    if !is_compiled && engine.has_baseline() && tiers.patience(entry) {
        return (tiers.answer(entry, is_compiled), next.max(1));
    }
    let wanted = match progress {
        Progress::Cold if !is_loop => Some(entry),
        _ if is_loop && is_often && tiers.whole == Progress::Cold => Some(CodeEntry::Function),
        // Not worth it where the next call is likely to leave this one behind.
        Progress::Cold if tiers.has_room() && tiers.may_need_loop(is_often) => Some(entry),
        _ => None,
    };
    if let Some(wanted) = wanted {
        *tiers.progress(Goal::Best(wanted)) = Progress::Requested;
        engine.tiering.request(module, func, Goal::Best(wanted));
        // The next run can begin with the whole function, and never needs the loop.
        if wanted != CodeEntry::Function
            && tiers.whole == Progress::Cold
            && module.kept().is_wanted()
        {
            tiers.whole = Progress::Requested;
            engine.tiering.request(module, func, WHOLE);
        }
    } else if progress == Progress::Requested {
        engine.tiering.heat(module, func, Goal::Best(entry));
    }
    let answer = tiers.answer(entry, is_compiled);
    // Code of the baseline tier that is entered now begins with a whole budget.
    let enters = answer != GO_ON && !is_compiled && engine.has_baseline();
    (answer, if enters { first } else { next.max(1) })
}

/// Does something by chance; the answer, and the next budget.
fn torture(
    module: &Arc<LoadedModule>,
    func: FuncIndex,
    entry: CodeEntry,
    (seed, is_compiled): (u64, bool),
) -> (u64, u32) {
    let mut chance = module.tiers.chance.fetch_add(1, Ordering::Relaxed).wrapping_add(seed);
    let mut one_in = |count| one_in(&mut chance, count);
    let answer = match (entry, one_in(3)) {
        (_, 0) => GO_ON,
        (CodeEntry::Loop(_), 1) if !is_compiled => {
            at_once(module, func, Goal::Baseline(entry), is_compiled)
        }
        (CodeEntry::Loop(_), _) => at_once(module, func, Goal::Best(entry), is_compiled),
        (CodeEntry::Function, goal) => {
            at_once(module, func, if goal == 1 { BASELINE } else { WHOLE }, is_compiled);
            let published = module.tiers.move_function(module, func, true);
            if published { CALL_ANEW } else { GO_ON }
        }
    };
    if one_in(2) == 0 {
        let funcs = module.module().num_funcs() as u64;
        let func = FuncIndex::from_u32(one_in(funcs) as u32);
        module.tiers.move_function(module, func, one_in(3) == 0);
    }
    (answer, 1 + one_in(24) as u32)
}

/// A number below `count` by chance.
fn one_in(chance: &mut u64, count: u64) -> u64 {
    // Splitmix64.
    *chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*chance ^ *chance >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) % count
}

/// If compiled frames are left now and then, makes compiled code poll, so that they can be.
pub(crate) fn watch(store: &mut Store) {
    let settings = store.engine.settings();
    if settings.leave_after > 0 || matches!(settings.tier_up, TierUp::Torture(_)) {
        let flag = &store.ctx_ref().interrupt;
        let _ = flag.compare_exchange(0, WATCH, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Whether a compiled frame is to be left at the poll where it is.
pub(crate) fn leaves(store: &mut Store) -> bool {
    store.leaving.polls += 1;
    let polls = store.leaving.polls;
    let settings = store.engine.settings();
    match (settings.leave_after, settings.tier_up) {
        (0, TierUp::Torture(seed)) => one_in(&mut polls.wrapping_add(seed), LEAVE_ONE_IN) == 0,
        (0, _) => false,
        (after, _) => polls.is_multiple_of(after.into()),
    }
}

/// Compiles what is hot, on a thread of its own because guest stacks are small, and waits for it.
fn at_once(module: &Arc<LoadedModule>, func: FuncIndex, goal: Goal, is_compiled: bool) -> u64 {
    let (Goal::Best(entry) | Goal::Baseline(entry)) = goal;
    if entry == CodeEntry::Loop(NO_ENTRY) {
        return GO_ON;
    }
    if module.tiers.get(func, goal) == Progress::Cold {
        std::thread::scope(|scope| {
            let compile = || compile(module, func, goal);
            let thread = std::thread::Builder::new().spawn_scoped(scope, compile);
            // Without a thread it stays where it is.
            let _ = thread.map(|thread| thread.join());
        });
    }
    module.tiers.lock().entry(func).or_default().answer(entry, is_compiled)
}

/// Compiles and publishes a function or the rest of it from a loop on.
pub(crate) fn compile(module: &LoadedModule, func: FuncIndex, goal: Goal) {
    let is_late = || matches!(module.tiers.get(func, WHOLE), Progress::Ready(_));
    let code = match goal {
        Goal::Baseline(entry) => linking::compile_baseline(module, func, entry, is_late),
        Goal::Best(entry) => linking::compile_one(module, func, entry),
    };
    let progress = code.map_or(Progress::Refused, |code| Progress::Ready(code as usize));
    module.tiers.set(func, goal, progress);
    if let (BASELINE, Progress::Ready(_)) = (goal, progress) {
        // Its code counts from here on.
        let budget = module.engine().settings().hot_budget;
        module.entries()[func.index()].budget.store(budget, Ordering::Relaxed);
    }
}
