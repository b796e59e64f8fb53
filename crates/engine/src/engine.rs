//! Owns `Engine`, the handle shared by modules and stores.
//! Does not own the choice of tiers (`tiers`).

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;
use std::sync::Arc;

use sterna_isa::{FeatureSet, FuncType, HeapType, SubType, ValType};
use sterna_runtime as rt;

use crate::config::{Config, Tier};
use crate::error::Result;
use crate::tiers;

/// What modules and stores of one configuration share. Cheap to clone; make one per process.
///
/// Modules and stores work together only if they come from the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<rt::Engine>,
}

// A panic of a host function leaves an engine as it was.
impl UnwindSafe for Engine {}
impl RefUnwindSafe for Engine {}

impl Engine {
    /// An engine with a configuration. Takes microseconds: nothing is made that a short run may not need.
    ///
    /// # Errors
    /// Settings that contradict each other or that this machine cannot follow. None do yet.
    pub fn new(config: &Config) -> Result<Engine> {
        let settings = config.settings.clone();
        let (interp, compiler) = tiers::of(&settings);
        let baseline = tiers::baseline_of(&settings);
        Ok(Engine { inner: rt::Engine::with_baseline(settings, interp, compiler, baseline) })
    }

    /// Whether both are the same engine.
    pub fn same(a: &Engine, b: &Engine) -> bool {
        Arc::ptr_eq(&a.inner, &b.inner)
    }

    /// Which tiers run.
    pub fn tier(&self) -> Tier {
        match self.inner.settings().tier {
            rt::TierPolicy::Auto => Tier::Auto,
            rt::TierPolicy::Interp => Tier::Interp,
            rt::TierPolicy::Opt => Tier::Opt,
            rt::TierPolicy::Baseline => Tier::Baseline,
        }
    }

    /// What the compilers did so far.
    pub fn stats(&self) -> rt::Stats {
        self.inner.stats()
    }

    /// From now on lists all machine code in `/tmp/perf-PID.map`, where Linux's `perf` and other profilers look for names: functions with
    /// the names of the module's name section, and adapters.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn list_code_for_perf(&self) -> Result<()> {
        Ok(self.inner.list_code()?)
    }

    /// From now on writes all machine code, with the same names, to `jit-PID.dump` in a folder. After `perf record -k mono`, `perf inject --jit` makes
    /// object files of it, and `perf annotate` shows their instructions.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn dump_code_for_perf(&self, folder: impl AsRef<Path>) -> Result<()> {
        Ok(self.inner.dump_code(folder.as_ref())?)
    }

    /// The heap type of functions of exactly this type, final and not part of a larger recursion group, as `(type (func …))` declares
    /// them.
    ///
    /// Indices of defined types (`HeapType::Concrete`) in the types of this API, other than in [`Module::types`](crate::Module::types),
    /// are those of the engine: equal types have the same index, whatever module declares them.
    ///
    /// # Panics
    /// If `ty` has an index that is not the engine's, or if the engine has about a million types.
    pub fn func_heap_type(&self, ty: &FuncType) -> HeapType {
        HeapType::Concrete(self.inner.intern(ty).id)
    }

    /// The definition of a type that [`HeapType::Concrete`] refers to in the types of this API.
    ///
    /// # Panics
    /// If the engine has no type with that index.
    pub fn type_definition(&self, index: u32) -> SubType {
        self.inner.type_info(index).def.clone()
    }

    /// Whether values of type `ty` are values of type `of` (core specification, 3.3, "Matching").
    ///
    /// # Panics
    /// If one of the types has an index that is not the engine's.
    pub fn matches(&self, ty: ValType, of: ValType) -> bool {
        self.inner.matches(ty, of)
    }

    /// The features that validation accepts.
    pub fn features(&self) -> FeatureSet {
        self.inner.settings().features
    }
}

impl Default for Engine {
    /// An engine with the default configuration.
    fn default() -> Engine {
        Engine::new(&Config::new()).expect("the defaults are consistent")
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("tier", &self.tier()).finish_non_exhaustive()
    }
}
