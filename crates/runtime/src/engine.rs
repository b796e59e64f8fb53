//! Owns `Engine`: what all modules and stores of one configuration share.
//! Does not own per-module or per-store state.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak};

use sterna_abi::{CodeSettings, Compiler, Convention, Interpreter, VALUE_STACK_SLACK};
use sterna_isa::{CompositeType, FeatureSet, FuncType, ValType};
use sterna_sys::code::CodeRegion;
use sterna_sys::stack::{GuestStack, StackPool};

use crate::code::{CodeSpace, CodeTier};
use crate::listing::Listing;
use crate::loaded::LoadedModule;
use crate::stats::{CompilerCounters, Counters, Stats};
use crate::tiering::Tiering;
use crate::types::{TypeId, TypeInfo, TypeRegistry, TypesError};

/// Address space for adapters and stubs of one engine, in bytes. Reserved, not used, until there is code.
const ADAPTER_REGION: usize = 64 << 20;

/// Which tiers run guest code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TierPolicy {
    /// The interpreter only; no machine code is generated.
    Interp,
    /// Everything is compiled by the optimizing tier when the module is loaded.
    Opt,
    /// Everything that the baseline tier takes is compiled by it when the module is loaded.
    Baseline,
    /// Functions start in the interpreter and are compiled in the background once they have earned it.
    Auto,
}

/// How functions get from tier to tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TierUp {
    /// They are compiled in the background while they run.
    #[default]
    Background,
    /// They are compiled at once when their budget is used up, and entered: the same in every run.
    Synchronous,
    /// As above, by chance, and back down; the seed decides when.
    Torture(u64),
}

/// Everything that configures an engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which tiers run.
    pub tier: TierPolicy,
    /// Settings of generated code. `guard_bytes` is also what memories reserve.
    pub code: CodeSettings,
    /// Features that validation accepts.
    pub features: FeatureSet,
    /// Calls and loop iterations after which [`TierPolicy::Auto`] compiles a function.
    pub hot_budget: u32,
    /// How [`TierPolicy::Auto`] goes about it.
    pub tier_up: TierUp,
    /// Polls of compiled code after which the frame that polls is left for the interpreter, again and again; 0: none is. Needs
    /// [`CodeSettings::capture_state`]. For tests.
    pub leave_after: u32,
    /// Threads for validation and ahead-of-time compilation, the calling one included. 0: as many as the machine runs at once.
    pub threads: usize,
    /// Bytes of native stack for guest code, not counting the reserve for host functions.
    pub native_stack: usize,
    /// Bytes of value stack for guest code.
    pub value_stack: usize,
    /// Address space in bytes that a 64-bit memory reserves beyond its initial size, unless its maximum is smaller.
    pub memory64_reserve: u64,
    /// Most frames recorded in a trap's backtrace; 0 = none.
    pub backtrace_frames: usize,
    /// Collections at every allocation of objects, and checks of the heap after each: for tests.
    pub gc_stress: sterna_gc::Stress,
    /// Under [`TierPolicy::Opt`] and [`TierPolicy::Baseline`], compile only functions that this seed selects, about half of them: for tests.
    pub mixed: Option<u64>,
    /// The compiler takes any function of the right type for the expected callee of an indirect call. For tests.
    pub guess_callees: bool,
    /// Passes of the optimizing tier that do not run, in its own numbering.
    pub disabled_passes: u64,
    /// Most idle memories a module keeps for the next instance.
    pub warm_memories: usize,
    /// Changes with the compilers and with what their code expects of the runtime: files with code of another build are refused.
    pub build: &'static str,
}

impl Settings {
    /// Guard bytes after a 32-bit memory: static offsets below it need no explicit check.
    pub const GUARD_BYTES: u64 = 32 << 20;
}

/// Most idle stacks that an engine keeps.
const IDLE_STACKS: usize = 32;

type CompilerFactory = Box<dyn FnOnce() -> Box<dyn Compiler> + Send>;

/// Shared by all modules and stores of one configuration. Construction does no work that a short run may not need.
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) types: TypeRegistry,
    interp: Box<dyn Interpreter>,
    compiler: Option<LazyLock<Box<dyn Compiler>, CompilerFactory>>,
    /// Of the tier in between.
    baseline: Option<LazyLock<Box<dyn Compiler>, CompilerFactory>>,
    /// Adapters and host stubs.
    code: CodeSpace,
    stacks: StackPool,
    /// An idle stack in front of the pool, or null: calls one after the other need no lock.
    spare: AtomicPtr<GuestStack>,
    /// Threads the machine runs at once, if that was asked for.
    threads: OnceLock<usize>,
    pub(crate) tiering: Arc<Tiering>,
    /// By [`Convention`], whether code of that convention may exist: from then on it finds an entry in every callable.
    announced: [AtomicBool; 2],
    modules: Mutex<Vec<Weak<LoadedModule>>>,
    pub(crate) counters: Counters,
    listing: Listing,
}

impl Engine {
    /// An engine with an interpreter and, unless `settings.tier` is `Interp`, a compiler that is made on first use.
    pub fn new(
        settings: Settings,
        interp: Box<dyn Interpreter>,
        compiler: Option<CompilerFactory>,
    ) -> Arc<Engine> {
        Engine::with_baseline(settings, interp, compiler, None)
    }

    /// The same with a second compiler, whose code [`TierPolicy::Auto`] runs until that of the first one is worth while.
    pub fn with_baseline(
        settings: Settings,
        interp: Box<dyn Interpreter>,
        compiler: Option<CompilerFactory>,
        baseline: Option<CompilerFactory>,
    ) -> Arc<Engine> {
        let native = settings.native_stack + sterna_abi::NATIVE_STACK_RESERVE;
        let value = settings.value_stack + VALUE_STACK_SLACK * size_of::<u64>();
        Arc::new(Engine {
            types: TypeRegistry::default(),
            interp,
            compiler: compiler.map(LazyLock::new),
            baseline: baseline.map(LazyLock::new),
            code: CodeSpace::default(),
            // Idle stacks keep what they have touched: giving it back costs more than a short call.
            stacks: StackPool::new(native, value, IDLE_STACKS, usize::MAX),
            spare: AtomicPtr::default(),
            threads: OnceLock::new(),
            tiering: Tiering::new(),
            announced: Default::default(),
            modules: Mutex::default(),
            counters: Counters::default(),
            listing: Listing::default(),
            settings,
        })
    }

    /// Threads for validation and compilation.
    pub fn threads(&self) -> usize {
        // Asking reads files: a short run on a small module does without.
        let machine = || std::thread::available_parallelism().map_or(1, usize::from);
        match self.settings.threads {
            0 => *self.threads.get_or_init(machine),
            threads => threads,
        }
    }

    /// The configuration.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn interp(&self) -> &dyn Interpreter {
        &*self.interp
    }

    /// The compiler, if one is configured.
    pub fn compiler(&self) -> Option<&dyn Compiler> {
        self.compiler.as_ref().map(|lazy| &***lazy)
    }

    /// What [`Engine::compiler`] is.
    pub(crate) fn code_tier(&self) -> CodeTier {
        match self.settings.tier {
            TierPolicy::Baseline => CodeTier::Baseline,
            TierPolicy::Interp | TierPolicy::Opt | TierPolicy::Auto => CodeTier::Opt,
        }
    }

    /// The compiler of the tier in between, if there is one.
    pub(crate) fn baseline(&self) -> Option<&dyn Compiler> {
        self.baseline.as_ref().map(|lazy| &***lazy)
    }

    /// The compiler that makes adapters and bridges: all make equal ones, the baseline tier's in a thousandth of the time.
    pub(crate) fn joiner(&self) -> Option<&dyn Compiler> {
        self.baseline().or_else(|| self.compiler())
    }

    /// Whether there is one. Does not make it.
    pub(crate) fn has_baseline(&self) -> bool {
        self.baseline.is_some()
    }

    /// Whether compiled code reports traps through hardware faults.
    pub(crate) fn uses_signals(&self) -> bool {
        self.compiler.is_some() && !self.settings.code.explicit_checks
    }

    /// Whether a compiler is configured. Does not make it.
    pub(crate) fn has_compiler(&self) -> bool {
        self.compiler.is_some()
    }

    /// Adapters and host stubs.
    pub(crate) fn code(&self) -> &CodeSpace {
        &self.code
    }

    /// Where adapters and host stubs live.
    ///
    /// # Errors
    /// When there is no address space for it.
    pub(crate) fn region(&self) -> std::io::Result<&CodeRegion> {
        self.code.region(ADAPTER_REGION, false, self.listing().is_some())
    }

    /// The entry of a final function type of its own recursion group, made if it is new. Indices in it are type ids of this engine.
    ///
    /// # Panics
    /// If there is no type with such an id, if there are too many types already, or without memory for one more.
    pub fn intern(&self, ty: &FuncType) -> Arc<TypeInfo> {
        self.types.intern(self, ty)
    }

    /// A final structure or array type of its own recursion group, whose indices are type ids.
    ///
    /// # Errors
    /// If there are too many types, or no memory for one more.
    ///
    /// # Panics
    /// If there is no type with an id in it.
    pub fn intern_object(&self, ty: CompositeType) -> Result<Arc<TypeInfo>, TypesError> {
        self.types.intern_object(self, ty)
    }

    /// Whether a type is of this engine.
    pub fn has_type(&self, info: &Arc<TypeInfo>) -> bool {
        (info.id as usize) < self.types.len() && Arc::ptr_eq(&self.types.get(info.id), info)
    }

    /// How many types there are: ids are below.
    pub fn type_count(&self) -> usize {
        self.types.len()
    }

    /// Whether values of a type are values of another one, both with type ids of this engine for indices (core spec 3.3, "Matching").
    ///
    /// # Panics
    /// If there is no type with such an id.
    pub fn matches(&self, ty: ValType, of: ValType) -> bool {
        self.types.val_matches(ty, of)
    }

    /// The type with a number.
    ///
    /// # Panics
    /// If the number is not from this engine.
    pub fn type_info(&self, id: TypeId) -> Arc<TypeInfo> {
        self.types.get(id)
    }

    /// A guest stack with arbitrary contents; `None` if the system has no address space for one.
    pub(crate) fn take_stack(&self) -> Option<Box<GuestStack>> {
        let spare = self.spare.swap(std::ptr::null_mut(), Ordering::Acquire);
        if spare.is_null() {
            return self.stacks.get().ok().map(Box::new);
        }
        // SAFETY: only `put_stack` stores here, a pointer it got from a box, and the swap made it ours alone.
        Some(unsafe { Box::from_raw(spare) })
    }

    /// Takes back a stack of [`Engine::take_stack`] on which nothing runs.
    pub(crate) fn put_stack(&self, stack: Box<GuestStack>) {
        let stack = Box::into_raw(stack);
        let null = std::ptr::null_mut();
        if self.spare.compare_exchange(null, stack, Ordering::Release, Ordering::Relaxed).is_err() {
            // SAFETY: made from a box above, and not stored.
            self.stacks.put(*unsafe { Box::from_raw(stack) });
        }
    }

    /// Has something called, by a background thread, whenever it has compiled something and then nothing for a second.
    pub fn when_compiled(&self, call: impl Fn() + Send + Sync + 'static) {
        self.tiering.set_hook(Arc::new(call));
    }

    /// What the compilers did so far.
    pub fn stats(&self) -> Stats {
        self.counters.read()
    }

    /// From now on lists all code in `/tmp/perf-PID.map`, where profilers of the system look for names.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn list_code(&self) -> std::io::Result<()> {
        self.listing.start_map()
    }

    /// From now on writes all code to `jit-PID.dump` in a folder, from which `perf inject --jit` makes object files.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn dump_code(&self, folder: &Path) -> std::io::Result<()> {
        self.listing.start_dump(folder)
    }

    /// What counts the work of the engine's compiler.
    pub(crate) fn compiler_counters(&self) -> &CompilerCounters {
        match self.code_tier() {
            CodeTier::Baseline => &self.counters.baseline,
            CodeTier::Interp | CodeTier::Opt => &self.counters.optimizing,
        }
    }

    /// The lists of code, if there are any.
    pub(crate) fn listing(&self) -> Option<&Listing> {
        self.listing.is_wanted().then_some(&self.listing)
    }

    /// Conventions of which code may exist.
    pub(crate) fn announced(&self) -> impl Iterator<Item = Convention> {
        let known =
            |convention: &Convention| self.announced[*convention as usize].load(Ordering::Acquire);
        [Convention::Reg, Convention::Tail].into_iter().filter(known)
    }

    /// Adds a module to the list that [`Engine::announce_code`] works through, and makes the stubs that it missed so far.
    ///
    /// # Errors
    /// When there is no room for stubs.
    pub(crate) fn register(&self, module: &Arc<LoadedModule>) -> std::io::Result<()> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if modules.len() == modules.capacity() {
            modules.retain(|module| module.strong_count() > 0);
        }
        modules.push(Arc::downgrade(module));
        let announced: Vec<Convention> = self.announced().collect();
        drop(modules);
        announced.into_iter().try_for_each(|convention| module.ensure_stubs(self, convention))
    }

    /// Called before code of a convention can run for the first time: gives every function that such code could reach an entry
    /// of that convention, and one of the **reg** convention, which adapters use.
    ///
    /// # Errors
    /// When there is no room for stubs.
    pub(crate) fn announce_code(&self, convention: Convention) -> std::io::Result<()> {
        self.announce(Convention::Reg)?;
        self.announce(convention)
    }

    fn announce(&self, convention: Convention) -> std::io::Result<()> {
        let announced = &self.announced[convention as usize];
        if announced.load(Ordering::Acquire) {
            return Ok(());
        }
        // Held throughout: whoever registers a module or makes a host function later sees the flag and makes stubs itself.
        let modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        for module in modules.iter().filter_map(Weak::upgrade) {
            module.ensure_stubs(self, convention)?;
        }
        self.types.announce(self, convention, announced)
    }

    /// The loaded module whose code contains a machine address.
    pub(crate) fn module_at(&self, pc: usize) -> Option<Arc<LoadedModule>> {
        let modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        modules.iter().filter_map(Weak::upgrade).find(|module| module.code().contains(pc))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.tiering.shut_down();
        let spare = std::mem::take(self.spare.get_mut());
        if !spare.is_null() {
            // SAFETY: as in `take_stack`.
            drop(unsafe { Box::from_raw(spare) });
        }
    }
}
