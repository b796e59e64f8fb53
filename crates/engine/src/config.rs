//! Owns `Config`, the settings of an engine, and their defaults.
//! Does not own what they change.

use sterna_abi::CodeSettings;
use sterna_isa::{Feature, FeatureSet};
use sterna_opt::passes::{Pass, PassSet};
use sterna_runtime::{Settings, TierPolicy, TierUp};

use crate::Error;

/// Which tiers run guest code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Functions start in the interpreter and are compiled in the background once they have earned it.
    #[default]
    Auto,
    /// The interpreter only: no machine code is ever generated.
    Interp,
    /// Everything is compiled by the optimizing tier when the module is loaded.
    Opt,
    /// Everything is compiled by the baseline tier when the module is loaded: in a fraction of the time, to slower code. Where there is no
    /// baseline tier, the interpreter runs.
    Baseline,
}

/// Settings of an [`Engine`](crate::Engine).
///
/// ```
/// use sterna::{Config, Engine, Feature, Tier};
/// let mut config = Config::new();
/// config.tier(Tier::Interp).feature(Feature::Simd, false);
/// let engine = Engine::new(&config)?;
/// # Ok::<(), sterna::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) settings: Settings,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            settings: Settings {
                tier: TierPolicy::Auto,
                code: CodeSettings {
                    explicit_checks: false,
                    guard_bytes: Settings::GUARD_BYTES,
                    deterministic: false,
                    capture_state: false,
                    interruptible: true,
                },
                features: FeatureSet::DEFAULT,
                hot_budget: 10_000,
                tier_up: TierUp::Background,
                leave_after: 0,
                threads: 0,
                native_stack: 4 << 20,
                value_stack: 4 << 20,
                memory64_reserve: 4 << 30,
                backtrace_frames: 20,
                warm_memories: 16,
                gc_stress: Default::default(),
                mixed: None,
                guess_callees: false,
                disabled_passes: 0,
                build: env!("STERNA_BUILD"),
            },
        }
    }
}

impl Config {
    /// The defaults.
    pub fn new() -> Config {
        Config::default()
    }

    /// Which tiers run. Default: [`Tier::Auto`].
    pub fn tier(&mut self, tier: Tier) -> &mut Config {
        self.settings.tier = match tier {
            Tier::Auto => TierPolicy::Auto,
            Tier::Interp => TierPolicy::Interp,
            Tier::Opt => TierPolicy::Opt,
            Tier::Baseline => TierPolicy::Baseline,
        };
        self
    }

    /// Switches a WebAssembly feature on or off. Modules that use one that is off do not validate. Defaults:
    /// [`Feature::is_default`].
    pub fn feature(&mut self, feature: Feature, on: bool) -> &mut Config {
        self.settings.features.set(feature, on);
        self
    }

    /// Sets all features at once.
    pub fn features(&mut self, features: FeatureSet) -> &mut Config {
        self.settings.features = features;
        self
    }

    /// Whether float NaNs are canonical and relaxed SIMD follows the deterministic profile, so that every run on every machine
    /// computes the same bits. Default: off; it costs float arithmetic a little.
    pub fn deterministic(&mut self, on: bool) -> &mut Config {
        self.settings.code.deterministic = on;
        self
    }

    /// Whether compiled code checks memory bounds and divisions by instructions, so that no signal handler is installed and no
    /// guard pages are reserved. Default: off.
    pub fn explicit_checks(&mut self, on: bool) -> &mut Config {
        self.settings.code.explicit_checks = on;
        self.settings.code.guard_bytes = if on { 0 } else { Settings::GUARD_BYTES };
        self
    }

    /// Whether compiled code records where every local and operand is, for `Store::capture_frames`. Default: off.
    pub fn capture_state(&mut self, on: bool) -> &mut Config {
        self.settings.code.capture_state = on;
        self
    }

    /// Collections of garbage at every allocation of an object, with a check of the whole heap after each. For tests. Default: off.
    #[doc(hidden)]
    pub fn gc_stress(&mut self, stress: sterna_runtime::Stress) -> &mut Config {
        self.settings.gc_stress = stress;
        self
    }

    /// Under [`Tier::Opt`], compiles only about half of the functions, which the seed selects; the others stay in the interpreter. Half of
    /// the former go to the baseline tier. For tests. Default: off.
    #[doc(hidden)]
    pub fn mixed_tiers(&mut self, seed: u64) -> &mut Config {
        self.settings.mixed = Some(seed);
        self
    }

    /// Compiles indirect calls as if some function of the right type had been seen to be called by most of them. For tests. Default: off.
    #[doc(hidden)]
    pub fn guess_callees(&mut self, on: bool) -> &mut Config {
        self.settings.guess_callees = on;
        self
    }

    /// Switches a pass of the optimizing tier off, to find out what it gains or breaks. Code of other settings is not taken from caches, and
    /// precompiled modules are refused unless they were compiled without the same passes.
    ///
    /// # Errors
    /// There is no pass of that name; the error lists those that there are.
    pub fn disable_pass(&mut self, name: &str) -> Result<&mut Config, Error> {
        let disabled = PassSet::from_bits(self.settings.disabled_passes);
        self.settings.disabled_passes = disabled.with(Pass::named(name)?).bits();
        Ok(self)
    }

    /// Whether running guests can be interrupted from another thread. Default: on; it costs a load per loop iteration.
    pub fn interruptible(&mut self, on: bool) -> &mut Config {
        self.settings.code.interruptible = on;
        self
    }

    /// Bytes of native stack for guest code, not counting the reserve for host functions. Default: 4 MiB, of which only what
    /// is used takes memory. Beyond it, the guest traps with a stack overflow.
    pub fn max_native_stack(&mut self, bytes: usize) -> &mut Config {
        self.settings.native_stack = bytes;
        self
    }

    /// Bytes of value stack for guest code in the interpreter. Default: 4 MiB.
    pub fn max_value_stack(&mut self, bytes: usize) -> &mut Config {
        self.settings.value_stack = bytes;
        self
    }

    /// Threads that validate and compile, the calling one included. Default: as many as the machine runs at once. 1 means
    /// that only the calling thread validates and compiles; [`Tier::Auto`] still compiles on one background thread.
    pub fn threads(&mut self, threads: usize) -> &mut Config {
        self.settings.threads = threads.max(1);
        self
    }

    /// Calls and loop iterations after which [`Tier::Auto`] compiles a function. Default: 10,000.
    pub fn hot_budget(&mut self, budget: u32) -> &mut Config {
        self.settings.hot_budget = budget.max(1);
        self
    }

    /// Under [`Tier::Auto`], compiles a function at the moment when its budget is used up, on the thread that runs it, and goes on in the
    /// code: the same in every run. For tests. Default: off.
    #[doc(hidden)]
    pub fn synchronous_tiers(&mut self) -> &mut Config {
        self.settings.tier_up = TierUp::Synchronous;
        self
    }

    /// Under [`Tier::Auto`], changes the tiers of functions by chance wherever they count, up and down, enters loops by chance, and, with
    /// [`Config::capture_state`], leaves compiled frames by chance wherever they poll. For tests. Default: off.
    #[doc(hidden)]
    pub fn torture_tiers(&mut self, seed: u64) -> &mut Config {
        self.settings.tier_up = TierUp::Torture(seed);
        self.hot_budget(1)
    }

    /// Each time when compiled code has polled so often, leaves the frame that polls: the interpreter goes on where it was. For tests; implies
    /// [`Config::capture_state`]. Default: 0, never.
    #[doc(hidden)]
    pub fn leave_after(&mut self, polls: u32) -> &mut Config {
        self.settings.leave_after = polls;
        self.capture_state(self.settings.code.capture_state || polls > 0)
    }

    /// Most frames recorded in a backtrace. Default: 20; 0 makes traps cheapest.
    pub fn backtrace_frames(&mut self, frames: usize) -> &mut Config {
        self.settings.backtrace_frames = frames;
        self
    }

    /// Most idle memories that a module keeps for its next instances. Default: 16.
    pub fn warm_memories(&mut self, memories: usize) -> &mut Config {
        self.settings.warm_memories = memories;
        self
    }

    /// Bytes of address space that a 64-bit memory without maximum can grow by. Default: 4 GiB.
    pub fn memory64_reserve(&mut self, bytes: u64) -> &mut Config {
        self.settings.memory64_reserve = bytes;
        self
    }
}
