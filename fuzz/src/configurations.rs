//! Owns what is compared: the interpreter, then every way to generate code, keep it, and load it again.
//! Does not compare (`differential`).

use sterna::{CodeCache, Config, Engine, FeatureSet, GcStress, Module, Tier};
use tempfile::TempDir;

/// Bytes that 64-bit memories can grow by where little space is reserved for them: more than any does.
pub(crate) const RESERVE: u64 = 8 << 20;

/// An engine, and how it gets modules.
pub(crate) struct Configuration {
    pub name: &'static str,
    pub engine: Engine,
    source: Source,
}

/// What becomes of a module before it runs.
enum Source {
    /// It is decoded.
    Binary,
    /// It is compiled, written as an artifact, and that is loaded.
    Artifact,
    /// It is used, which leaves code in a cache; it is loaded with that code.
    Cache(TempDir),
}

impl Configuration {
    /// Loads a module. `use_all` calls its functions, as a first run would.
    pub fn load(&self, wasm: &[u8], use_all: impl FnOnce(&Module)) -> sterna::Result<Module> {
        match &self.source {
            Source::Binary => Module::new(&self.engine, wasm),
            Source::Artifact => {
                let artifact = Module::new(&self.engine, wasm)?.serialize()?;
                // SAFETY: serialized just now.
                unsafe { Module::deserialize(&self.engine, artifact) }
            }
            Source::Cache(folder) => {
                let cache = CodeCache::new(folder.path());
                let (first, mut entry) = cache.load(&self.engine, wasm.to_vec())?;
                use_all(&first);
                let written = entry.save(&first);
                let (module, entry) = cache.load(&self.engine, wasm.to_vec())?;
                assert_eq!(entry.found(), written.is_some(), "what was saved is found");
                cache.clear()?;
                Ok(module)
            }
        }
    }
}

/// All configurations, the reference first.
///
/// # Panics
/// If an engine or a temporary folder cannot be made.
pub(crate) fn configurations() -> Vec<Configuration> {
    let base = || {
        let mut config = Config::new();
        config.deterministic(true).threads(1).backtrace_frames(16).features(FeatureSet::ALL);
        // Where compiled frames are left, recursion takes more.
        config.max_native_stack(4 << 20);
        config
    };
    let made = |name, config: &Config, source| {
        let engine = Engine::new(config).expect("an engine needs no more than address space");
        Configuration { name, engine, source }
    };
    let folder = tempfile::tempdir().expect("a folder for temporary files is there");
    vec![
        made("interp", base().tier(Tier::Interp), Source::Binary),
        made("opt", base().tier(Tier::Opt), Source::Binary),
        made("opt, artifact", base().tier(Tier::Opt), Source::Artifact),
        made("opt, explicit checks", base().tier(Tier::Opt).explicit_checks(true), Source::Binary),
        made(
            "opt, left, gc stress",
            base()
                .tier(Tier::Opt)
                .leave_after(3)
                .gc_stress(GcStress::Alternate)
                .guess_callees(true),
            Source::Binary,
        ),
        made("auto", base().tier(Tier::Auto).hot_budget(20), Source::Binary),
        made(
            "auto, synchronous",
            base().tier(Tier::Auto).hot_budget(2).synchronous_tiers(),
            Source::Binary,
        ),
        made(
            "auto, cached",
            base().tier(Tier::Auto).hot_budget(2).synchronous_tiers(),
            Source::Cache(folder),
        ),
        made(
            "auto, torture, gc stress",
            base()
                .tier(Tier::Auto)
                .torture_tiers(1)
                .capture_state(true)
                .gc_stress(GcStress::Alternate),
            Source::Binary,
        ),
        made("baseline", base().tier(Tier::Baseline), Source::Binary),
        made(
            "baseline, explicit checks, left, gc stress",
            base()
                .tier(Tier::Baseline)
                .explicit_checks(true)
                .leave_after(2)
                .gc_stress(GcStress::Alternate),
            Source::Binary,
        ),
        made(
            "mixed",
            base().tier(Tier::Opt).mixed_tiers(1).guess_callees(true).memory64_reserve(RESERVE),
            Source::Binary,
        ),
        made(
            "auto, gc stress",
            base().tier(Tier::Auto).gc_stress(GcStress::Alternate),
            Source::Binary,
        ),
    ]
}
