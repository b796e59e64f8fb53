//! Owns `GuestProfile`: samples of a guest with functions for addresses.
//! Does not take samples (the runtime) nor draw them.

use std::collections::HashMap;
use std::time::Duration;

use sterna_runtime::{CodeTier, SampledFrame, Samples};

/// Where a guest spent its time, by samples of its stack. See [`Store::start_sampling`](crate::Store::start_sampling).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestProfile {
    /// The functions in it; one that ran in two tiers is there twice.
    pub functions: Vec<ProfiledFunction>,
    /// The samples in order.
    pub samples: Vec<ProfiledSample>,
}

/// A function in a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfiledFunction {
    /// Its name from the name section, or `func[` index `]`.
    pub name: String,
    /// Its index in its module.
    pub index: u32,
    /// What ran it.
    pub tier: CodeTier,
}

/// A sample of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfiledSample {
    /// Time since sampling began.
    pub time: Duration,
    /// Time since the sample before: all of it is this sample's.
    pub weight: Duration,
    /// Indices into [`GuestProfile::functions`], outermost first.
    pub stack: Vec<u32>,
}

impl GuestProfile {
    pub(crate) fn new(samples: &Samples) -> GuestProfile {
        let mut profile = GuestProfile::default();
        let mut known: HashMap<SampledFrame, u32> = HashMap::new();
        for (time, weight, frames) in samples.iter() {
            let function = |frame: &SampledFrame| {
                *known.entry(*frame).or_insert_with(|| {
                    profile.functions.push(function(samples, *frame));
                    profile.functions.len() as u32 - 1
                })
            };
            let stack = frames.iter().rev().map(function).collect();
            profile.samples.push(ProfiledSample { time, weight, stack });
        }
        profile
    }
}

fn function(samples: &Samples, frame: SampledFrame) -> ProfiledFunction {
    let SampledFrame { module, func, tier } = frame;
    let names = samples.modules()[module as usize].module().names();
    let index = func.as_u32();
    let name = names.func(func).map_or_else(|| format!("func[{index}]"), str::to_owned);
    ProfiledFunction { name, index, tier }
}
