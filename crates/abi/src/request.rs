//! Owns what a compiler is asked for: one function with all that its code depends on, and what the tiers below saw of it.
//! Does not own recording (the tiers below) nor when to ask (the runtime).

use std::collections::HashMap;

use sterna_base::FuncIndex;
use sterna_module::Module;

use crate::recording::Recorder;
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

    /// Whether nothing is known.
    pub fn is_nothing(&self) -> bool {
        let is_known = |profile: &Profile| *profile != Profile::EMPTY;
        self.now.is_none_or(Recorder::is_empty) && !self.earlier.is_some_and(is_known)
    }

    /// All of it.
    pub fn to_profile(self) -> Profile {
        let mut profile = self.earlier.cloned().unwrap_or_default();
        if let Some(recorder) = self.now {
            recorder.call_targets(&mut |offset, func| {
                profile.targets.get_or_insert_default().insert(offset, func);
            });
        }
        profile
    }
}

/// What a run saw of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// See [`Observed::target`]. Calls without such a function are not listed.
    pub targets: Option<Box<HashMap<u32, FuncIndex>>>,
}

impl Profile {
    /// Nothing.
    pub const EMPTY: Profile = Profile { targets: None };

    /// The profile as bytes; equal profiles give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let targets = self.targets.as_deref();
        let mut pairs: Vec<(u32, u32)> =
            targets.into_iter().flatten().map(|(&at, func)| (at, func.as_u32())).collect();
        pairs.sort_unstable();
        pairs.iter().flat_map(|&(at, func)| [at, func]).flat_map(u32::to_le_bytes).collect()
    }

    /// A profile of `module` from [`Profile::to_bytes`]. What makes no sense is left out: code relies on profiles for speed only.
    pub fn from_bytes(bytes: &[u8], module: &Module) -> Profile {
        let (words, _) = bytes.as_chunks::<4>();
        let (pairs, _) = words.as_chunks::<2>();
        let defined = module.num_imported_funcs() as u32..module.num_funcs() as u32;
        let pairs = pairs.iter().map(|pair| pair.map(u32::from_le_bytes));
        let targets: HashMap<u32, FuncIndex> = pairs
            .filter(|&[_, func]| defined.contains(&func))
            .map(|[at, func]| (at, FuncIndex::from_u32(func)))
            .collect();
        Profile { targets: (!targets.is_empty()).then(|| Box::new(targets)) }
    }

    fn target(&self, offset: u32) -> Option<FuncIndex> {
        self.targets.as_ref()?.get(&offset).copied()
    }
}
