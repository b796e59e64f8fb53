//! Owns the decisions about tiers: what happens when code below the top tier has used up a function's budget.
//! Does not own the counting (the tiers), compilation and publication (`linking`), nor the threads (`tiering`).
//!
//! A function used up its budget at its entry or at a loop's start. In the interpreter, where that is small, the baseline tier compiles it on the
//! spot, if there is one, from its beginning if it is called often, else from that loop on; its code counts on. After a larger budget, what is
//! called often is compiled by the optimizing tier from its beginning; what has run for long in few calls, or in code that is not the best
//! any more, from that loop on, and enters that as soon as it is ready (on-stack replacement).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use sterna_abi::{COMPILED, CodeEntry, Observed, Profile};
use sterna_base::FuncIndex;
use sterna_module::Module;

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

/// How often frames are left later, in comparison: it takes longer.
const LATER_ONE_IN: u64 = 8;

/// How many frames that are.
const LEAVE_LATER: usize = 3;

/// The budget before the baseline tier, as a part of that before the optimizing one.
const FIRST: u32 = 32;

/// Bytes of a function that the baseline tier compiles in about the time that it takes for any.
const BASELINE_UNIT: u32 = 512;
/// The same for the optimizing tier, whose code is waited for by nobody.
const BEST_UNIT: u32 = 4096;

/// The budget that a function begins with. Larger functions have larger ones, but not in proportion: what is run of them often is part of
/// them.
pub(crate) fn first_budget(engine: &Engine, module: &Module, func: FuncIndex) -> u32 {
    let budget = engine.settings().hot_budget;
    if !engine.has_baseline() {
        return budget;
    }
    let units = module.body(func).size() / BASELINE_UNIT;
    (budget / FIRST).max(1).saturating_mul((2 * units.isqrt()).max(1))
}

/// What a function is to have used up before the optimizing tier compiles it.
fn hot_budget(module: &LoadedModule, func: FuncIndex) -> u32 {
    let budget = module.engine().settings().hot_budget;
    if !module.engine().has_baseline() {
        return budget;
    }
    budget.saturating_mul((module.module().body(func).size() / BEST_UNIT).max(1))
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
    /// Calls and iterations so far.
    spent: u32,
    /// The budget that it was given last; 0: none but the first one.
    given: u32,
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

    /// What the baseline tier is to compile for a place in the interpreter's code, if anything.
    fn baseline_goal(&mut self, entry: CodeEntry, is_often: bool) -> Option<Goal> {
        let is_whole = entry == CodeEntry::Function || is_often;
        if is_whole && self.baseline == Progress::Cold && !self.is_compiled() {
            return Some(BASELINE);
        }
        let CodeEntry::Loop(position) = entry else { return None };
        let made = |&&(_, progress): &&(u32, Progress)| progress != Progress::Cold;
        let is_new = *self.progress(Goal::Baseline(entry)) == Progress::Cold;
        let has_room = self.baseline_loops.iter().filter(made).count() < MAX_LOOPS;
        (position != NO_ENTRY && is_new && has_room).then_some(Goal::Baseline(entry))
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
    /// What the tiers below the optimizing one saw of the module so far, and earlier runs.
    pub fn observed(&self) -> Observed<'_> {
        Observed { now: Some(self.recorder()), earlier: self.tiers.earlier.get() }
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

/// Compiles what is warm, requests what is hot; the answer, and the next budget.
fn in_background(
    module: &Arc<LoadedModule>,
    func: FuncIndex,
    entry: CodeEntry,
    is_compiled: bool,
) -> (u64, u32) {
    let engine = module.engine();
    let is_often = module.entries()[func.index()].calls.load(Ordering::Relaxed) > FEW_CALLS;
    let (first, hot) = (first_budget(engine, module.module(), func), hot_budget(module, func));
    let mut guard = module.tiers.lock();
    let mut tiers = guard.entry(func).or_default();
    let used = if tiers.given == 0 { first } else { tiers.given };
    tiers.spent = tiers.spent.saturating_add(used);
    if !is_compiled
        && engine.has_baseline()
        && let Some(goal) = tiers.baseline_goal(entry, is_often)
    {
        *tiers.progress(goal) = Progress::Requested;
        drop(guard);
        // On the spot: that takes less time than the interpreter until somebody else has done it.
        compile(module, func, goal);
        guard = module.tiers.lock();
        tiers = guard.entry(func).or_default();
    }
    let rest = hot.saturating_sub(tiers.spent);
    if rest == 0 {
        request(module, func, (entry, is_often), tiers);
    }
    let answer = tiers.answer(entry, is_compiled);
    let stays = answer == GO_ON && !is_compiled;
    tiers.given = match rest {
        0 => (engine.settings().hot_budget / RETRY).max(1),
        // As long as some of it is interpreted, that looks often.
        _ if stays || !tiers.is_compiled() => first.min(rest),
        _ => rest,
    };
    (answer, tiers.given)
}

/// Has the optimizing tier compile what a hot function runs.
fn request(
    module: &Arc<LoadedModule>,
    func: FuncIndex,
    (entry, is_often): (CodeEntry, bool),
    tiers: &mut FuncTiers,
) {
    let tiering = &module.engine().tiering;
    let progress = match entry {
        CodeEntry::Loop(NO_ENTRY) => Progress::Refused,
        entry => *tiers.progress(Goal::Best(entry)),
    };
    let is_loop = entry != CodeEntry::Function;
    let wanted = match progress {
        Progress::Cold if !is_loop => Some(entry),
        _ if is_loop && is_often && tiers.whole == Progress::Cold => Some(CodeEntry::Function),
        // Not worth it where the next call is likely to leave this one behind.
        Progress::Cold if tiers.has_room() && tiers.may_need_loop(is_often) => Some(entry),
        _ => None,
    };
    if let Some(wanted) = wanted {
        *tiers.progress(Goal::Best(wanted)) = Progress::Requested;
        tiering.request(module, func, Goal::Best(wanted));
        // The next run can begin with the whole function, and never needs the loop.
        if wanted != CodeEntry::Function
            && tiers.whole == Progress::Cold
            && module.kept().is_wanted()
        {
            tiers.whole = Progress::Requested;
            tiering.request(module, func, WHOLE);
        }
    } else if progress == Progress::Requested {
        tiering.heat(module, func, Goal::Best(entry));
    }
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

/// Whether a compiled frame is to be left at the poll where it is. Now and then, has those around it left, too, when their calls return.
pub(crate) fn leaves(store: &mut Store) -> bool {
    store.leaving.polls += 1;
    let polls = store.leaving.polls;
    let settings = store.engine.settings();
    let (now, later) = match (settings.leave_after, settings.tier_up) {
        (0, TierUp::Torture(seed)) => {
            let mut chance = polls.wrapping_add(seed);
            (one_in(&mut chance, LEAVE_ONE_IN) == 0, one_in(&mut chance, LATER_ONE_IN) == 0)
        }
        (0, _) => (false, false),
        (after, _) => {
            let after = u64::from(after);
            (polls.is_multiple_of(after), polls.is_multiple_of(LATER_ONE_IN * after))
        }
    };
    if later {
        store.leave_frames(LEAVE_LATER);
    }
    now
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
}
