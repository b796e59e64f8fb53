//! Owns what a compiler is asked for: one function with all that its code depends on, and what the tiers below saw of it.
//! Does not own recording (the tiers below) nor when to ask (the runtime).

use std::collections::HashMap;
use std::ops::Range;

use sterna_base::FuncIndex;
use sterna_module::Module;

use crate::recording::{Recorder, SiteCount};
use crate::tier::CodeSettings;

/// One function to compile. Equal requests give equal code.
#[derive(Clone, Copy)]
pub struct CompileRequest<'a> {
    /// The validated module.
    pub module: &'a Module,
    /// A defined function of it.
    pub func: FuncIndex,
    /// Where the code begins.
    pub entry: CodeEntry,
    /// Whether the code counts [`crate::FuncEntry::budget`] down, to reach the tier above. The top tier does not.
    pub counts: bool,
    /// Settings of the code.
    pub settings: &'a CodeSettings,
    /// What the tiers below saw. Code may rely on it for speed, never for meaning.
    pub observed: Observed<'a>,
}

impl<'a> CompileRequest<'a> {
    /// A function as it is compiled before the program has run.
    pub fn new(module: &'a Module, func: FuncIndex, settings: &'a CodeSettings) -> Self {
        CompileRequest {
            module,
            func,
            entry: CodeEntry::Function,
            counts: false,
            settings,
            observed: Observed::NOTHING,
        }
    }
}

/// Where code of a function begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodeEntry {
    /// At the function's beginning, in the module's [`crate::Convention`].
    Function,
    /// At the start of the loop whose operator is at this byte offset in the module, in an activation of the function that has run in a
    /// tier below (on-stack replacement). The code is an `extern "C" fn(vmctx, entry: *const FuncEntry, fp: *mut Slot)`, to be
    /// entered as a `stack → reg` adapter is: it loads locals and operands from their canonical slots (locals, [`RECORD_SLOTS`],
    /// operand stack with the loop's parameters), runs the function to its end, stores the results from `fp` on. A tail call leaves
    /// [`crate::StoreCtx::pending_tail`] and returns.
    Loop(u32),
}

/// Set in the position that compiled code passes to builtin `hot`: it wants the code of the top tier only.
pub const COMPILED: u32 = 1 << 31;

/// Slots between the locals and the operand stack of a canonical frame.
pub const RECORD_SLOTS: u32 = 2;

/// What is known of how a module runs: what the tiers below have seen by now, and what an earlier run saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed<'a> {
    /// This run. It counts for more.
    pub now: Option<&'a Recorder>,
    /// An earlier one.
    pub earlier: Option<&'a Profile>,
}

impl<'a> Observed<'a> {
    /// Nothing.
    pub const NOTHING: Observed<'static> = Observed { now: None, earlier: None };

    /// What a profile says.
    pub fn earlier(profile: &'a Profile) -> Observed<'a> {
        Observed { now: None, earlier: Some(profile) }
    }

    /// The function of the same module, and of the same instance, that an indirect call nearly always goes to. By byte offset in the module of
    /// a `call_indirect` or `call_ref`, or its tail form.
    pub fn target(&self, offset: u32) -> Option<FuncIndex> {
        let now = self.now.and_then(|recorder| recorder.target(offset));
        now.or_else(|| self.earlier?.target(offset))
    }

    /// How often operators of a function ran.
    pub fn counts(&self, module: &Module, func: FuncIndex) -> FuncCounts {
        let now = self.now.map_or_else(Vec::new, |recorder| recorder.counts(func));
        let earlier = self.earlier.map_or(&[][..], |profile| profile.counts(module, func));
        // What is recorded now may have just begun.
        let most = |sites: &[SiteCount]| sites.iter().map(|site| site.runs).max().unwrap_or(0);
        FuncCounts(if most(&now) >= most(earlier) { now } else { earlier.to_vec() })
    }

    /// Whether nothing is known of calls.
    pub fn has_no_targets(&self) -> bool {
        self.now.is_none_or(Recorder::has_no_cells)
            && self.earlier.is_none_or(|profile| profile.targets.is_none())
    }

    /// All of it.
    pub fn to_profile(self, module: &Module) -> Profile {
        let mut profile = self.earlier.cloned().unwrap_or_default();
        let Some(recorder) = self.now else { return profile };
        recorder.call_targets(&mut |offset, func| {
            profile.targets.get_or_insert_default().insert(offset, func);
        });
        let mut funcs = recorder.counted();
        if funcs.is_empty() {
            return profile;
        }
        let mut start = 0;
        let mut counts = Vec::new();
        funcs.sort_unstable();
        for func in funcs {
            let body = range(module, func);
            let before = profile.counts.partition_point(|site| site.offset < body.start);
            counts.extend_from_slice(&profile.counts[start..before]);
            counts.append(&mut self.counts(module, func).0);
            start = profile.counts.partition_point(|site| site.offset < body.end);
        }
        counts.extend_from_slice(&profile.counts[start..]);
        profile.counts = counts;
        profile
    }
}

/// How often operators of a function ran, by ascending offset; empty if nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FuncCounts(pub Vec<SiteCount>);

impl FuncCounts {
    /// How often the operator at a byte offset of the module ran.
    pub fn at(&self, offset: u32) -> Option<SiteCount> {
        let at = self.0.binary_search_by_key(&offset, |site| site.offset).ok()?;
        Some(self.0[at])
    }
}

/// What a run saw of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// See [`Observed::target`]. Calls without such a function are not listed.
    pub targets: Option<Box<HashMap<u32, FuncIndex>>>,
    /// How often operators ran, by ascending offset.
    pub counts: Vec<SiteCount>,
}

impl Profile {
    /// Nothing.
    pub const EMPTY: Profile = Profile { targets: None, counts: Vec::new() };

    /// The profile as bytes; equal profiles give equal bytes: the number of targets, offsets and targets, offsets and counts, all words of 32
    /// bits.
    pub fn to_bytes(&self) -> Vec<u8> {
        let targets = self.targets.as_deref();
        let mut pairs: Vec<(u32, u32)> =
            targets.into_iter().flatten().map(|(&at, func)| (at, func.as_u32())).collect();
        pairs.sort_unstable();
        let words = [pairs.len() as u32].into_iter();
        let words = words.chain(pairs.iter().flat_map(|&(at, func)| [at, func]));
        let counts = self.counts.iter().flat_map(|site| [site.offset, site.runs, site.taken]);
        words.chain(counts).flat_map(u32::to_le_bytes).collect()
    }

    /// A profile of `module` from [`Profile::to_bytes`]. What makes no sense is left out: code relies on profiles for speed only.
    pub fn from_bytes(bytes: &[u8], module: &Module) -> Profile {
        let (words, _) = bytes.as_chunks::<4>();
        let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let Some((&pairs, words)) = words.split_first() else { return Profile::EMPTY };
        let pairs = (pairs as usize).saturating_mul(2).min(words.len());
        let (pairs, counts) = words.split_at(pairs);
        let defined = module.num_imported_funcs() as u32..module.num_funcs() as u32;
        let targets: HashMap<u32, FuncIndex> = pairs
            .as_chunks::<2>()
            .0
            .iter()
            .filter(|[_, func]| defined.contains(func))
            .map(|&[at, func]| (at, FuncIndex::from_u32(func)))
            .collect();
        let counts = counts.as_chunks::<3>().0.iter();
        let counts = counts.map(|&[offset, runs, taken]| SiteCount { offset, runs, taken });
        let mut counts: Vec<SiteCount> = counts.collect();
        counts.sort_by_key(|site| site.offset);
        counts.dedup_by_key(|site| site.offset);
        Profile { targets: (!targets.is_empty()).then(|| Box::new(targets)), counts }
    }

    fn target(&self, offset: u32) -> Option<FuncIndex> {
        self.targets.as_ref()?.get(&offset).copied()
    }

    fn counts(&self, module: &Module, func: FuncIndex) -> &[SiteCount] {
        let body = range(module, func);
        let at = |offset| self.counts.partition_point(|site| site.offset < offset);
        &self.counts[at(body.start)..at(body.end)]
    }
}

/// Where a function's body is in the module.
fn range(module: &Module, func: FuncIndex) -> Range<u32> {
    let body = module.body(func);
    body.offset()..body.offset() + body.size()
}
