//! Owns the decisions about tiers: what happens when code below the top tier has used up a function's budget.
//! Does not own the counting (the tiers), compilation and publication (`linking`), nor the threads (`tiering`).
//!
//! A function used up its budget at its entry or at a loop's start. What is called often is compiled from its beginning; what has run for
//! long in few calls is compiled from that loop on, and entered there as soon as the code is ready (on-stack replacement).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use sterna_abi::{CodeEntry, Profile};
use sterna_base::FuncIndex;

use crate::engine::TierUp;
use crate::linking::{self, Addresses};
use crate::loaded::LoadedModule;

/// Answers of builtin `hot`.
const GO_ON: u64 = 0;
const CALL_ANEW: u64 = 1;

/// The position of loops that cannot be entered.
const NO_ENTRY: u32 = u32::MAX;

/// A function called more often than this is compiled as a whole rather than from a loop on.
const FEW_CALLS: u32 = 2;

/// Most loops of a function that are compiled in the background: each is a compilation of the function.
const MAX_LOOPS: usize = 4;

/// The budget while compilation is pending, as a part of the first one: then somebody looks whether it is done.
const RETRY: u32 = 8;

/// What has become of hot functions and loops of a module.
#[derive(Default)]
pub(crate) struct ModuleTiers {
    functions: Mutex<HashMap<FuncIndex, FuncTiers>>,
    /// What an earlier run of the module saw.
    earlier: OnceLock<Profile>,
    /// Where torture is in its sequence of chances.
    chance: AtomicU64,
}

#[derive(Default)]
struct FuncTiers {
    whole: Progress,
    loops: Vec<(u32, Progress)>,
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
    fn progress(&mut self, entry: CodeEntry) -> &mut Progress {
        let position = match entry {
            CodeEntry::Function => return &mut self.whole,
            CodeEntry::Loop(position) => position,
        };
        let found = self.loops.iter().position(|&(of, _)| of == position);
        let at = found.unwrap_or_else(|| {
            self.loops.push((position, Progress::Cold));
            self.loops.len() - 1
        });
        &mut self.loops[at].1
    }

    /// Whether a call in progress may go on for so long that the function's code does not help it.
    fn may_need_loop(&self, is_often: bool) -> bool {
        match self.whole {
            Progress::Ready(_) => true,
            Progress::Cold | Progress::Requested => !is_often,
            Progress::Refused => false,
        }
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

    fn get(&self, func: FuncIndex, entry: CodeEntry) -> Progress {
        *self.lock().entry(func).or_default().progress(entry)
    }

    /// Makes calls of a compiled function reach its code (`up`) or the interpreter; whether they now reach the code.
    fn move_function(&self, module: &LoadedModule, func: FuncIndex, up: bool) -> bool {
        let mut tiers = self.lock();
        let tiers = tiers.entry(func).or_default();
        if !matches!(tiers.whole, Progress::Ready(_)) {
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

    fn set(&self, func: FuncIndex, entry: CodeEntry, progress: Progress) {
        *self.lock().entry(func).or_default().progress(entry) = progress;
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
    let entry = match position {
        0 => CodeEntry::Function,
        _ => CodeEntry::Loop(position),
    };
    let settings = module.engine().settings();
    let (answer, budget) = match settings.tier_up {
        TierUp::Background => in_background(module, func, entry),
        TierUp::Synchronous => (at_once(module, func, entry), settings.hot_budget),
        TierUp::Torture(seed) => torture(module, func, entry, seed),
    };
    module.entries()[func.index()].budget.store(budget, Ordering::Relaxed);
    answer
}

fn answer(entry: CodeEntry, progress: Progress) -> u64 {
    match (entry, progress) {
        (CodeEntry::Function, Progress::Ready(_)) => CALL_ANEW,
        (CodeEntry::Loop(_), Progress::Ready(address)) => address as u64,
        _ => GO_ON,
    }
}

/// Requests what is hot; the answer, and the next budget.
fn in_background(module: &Arc<LoadedModule>, func: FuncIndex, entry: CodeEntry) -> (u64, u32) {
    let mut tiers = module.tiers.lock();
    let tiers = tiers.entry(func).or_default();
    let is_often = module.entries()[func.index()].calls.load(Ordering::Relaxed) > FEW_CALLS;
    let progress = match entry {
        CodeEntry::Loop(NO_ENTRY) => Progress::Refused,
        entry => *tiers.progress(entry),
    };
    let is_loop = entry != CodeEntry::Function;
    let wanted = match progress {
        Progress::Cold if !is_loop => Some(entry),
        _ if is_loop && is_often && tiers.whole == Progress::Cold => Some(CodeEntry::Function),
        // Not worth it where the next call is likely to leave this one behind.
        Progress::Cold if tiers.has_room() && tiers.may_need_loop(is_often) => Some(entry),
        _ => None,
    };
    let tiering = &module.engine().tiering;
    if let Some(wanted) = wanted {
        *tiers.progress(wanted) = Progress::Requested;
        tiering.request(module, func, wanted);
        // The next run can begin with the whole function, and never needs the loop.
        if wanted != CodeEntry::Function
            && tiers.whole == Progress::Cold
            && module.kept().is_wanted()
        {
            tiers.whole = Progress::Requested;
            tiering.request(module, func, CodeEntry::Function);
        }
    } else if progress == Progress::Requested {
        tiering.heat(module, func, entry);
    }
    let first = module.engine().settings().hot_budget;
    if let (CodeEntry::Loop(_), Progress::Ready(_)) = (entry, progress) {
        module.engine().counters.loop_entries.fetch_add(1, Ordering::Relaxed);
    }
    (answer(entry, progress), (first / RETRY).max(1))
}

/// Does something by chance; the answer, and the next budget.
fn torture(module: &Arc<LoadedModule>, func: FuncIndex, entry: CodeEntry, seed: u64) -> (u64, u32) {
    let mut chance = module.tiers.chance.fetch_add(1, Ordering::Relaxed).wrapping_add(seed);
    let mut one_in = |count: u64| {
        // Splitmix64.
        chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (chance ^ chance >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % count
    };
    let answer = match (entry, one_in(2)) {
        (_, 0) => GO_ON,
        (CodeEntry::Loop(_), _) => at_once(module, func, entry),
        (CodeEntry::Function, _) => {
            at_once(module, func, entry);
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

/// Compiles what is hot, on a thread of its own because guest stacks are small, and waits for it.
fn at_once(module: &Arc<LoadedModule>, func: FuncIndex, entry: CodeEntry) -> u64 {
    if entry == CodeEntry::Loop(NO_ENTRY) {
        return GO_ON;
    }
    if module.tiers.get(func, entry) == Progress::Cold {
        std::thread::scope(|scope| {
            let compile = || compile(module, func, entry);
            let thread = std::thread::Builder::new().spawn_scoped(scope, compile);
            // Without a thread it stays where it is.
            let _ = thread.map(|thread| thread.join());
        });
    }
    answer(entry, module.tiers.get(func, entry))
}

/// Compiles and publishes a function or the rest of it from a loop on.
pub(crate) fn compile(module: &LoadedModule, func: FuncIndex, entry: CodeEntry) {
    let progress = match linking::compile_one(module, func, entry) {
        Ok(address) => Progress::Ready(address as usize),
        Err(_) => Progress::Refused,
    };
    module.tiers.set(func, entry, progress);
}
