//! Owns the samples of a profile: where the guest was, again and again, noted at its polls.
//! Does not own the clock that asks for them, nor what becomes of them.
//!
//! A sample is taken by the guest's own thread at its next poll, which is at a loop iteration or function entry: there frames of all tiers
//! can be walked. Time between polls belongs to the sample that ends it, so the sum of all is the time that passed; time in host
//! functions is found at what the guest does next.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use sterna_base::FuncIndex;
use sterna_sys::cpu::now_nanos;

use crate::code::CodeTier;
use crate::loaded::LoadedModule;
use crate::store::Store;

/// Most frames of one sample; of a deeper stack the outermost are missing.
const DEPTH: usize = 500;
/// Most frames of all samples: later ones are not taken.
const MOST_FRAMES: usize = 50_000_000;

/// A function in a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampledFrame {
    /// Index into [`Samples::modules`].
    pub module: u32,
    /// The function.
    pub func: FuncIndex,
    /// What ran it, maybe as part of a caller into which it was inlined.
    pub tier: CodeTier,
}

/// All samples of a store since sampling began.
pub struct Samples {
    modules: Vec<Arc<LoadedModule>>,
    frames: Vec<SampledFrame>,
    /// When, since the start, and which frames.
    samples: Vec<(u64, Range<usize>)>,
    started: u64,
}

impl Samples {
    /// The modules of the functions in it.
    pub fn modules(&self) -> &[Arc<LoadedModule>] {
        &self.modules
    }

    /// Time since the start, time since the sample before, and the frames, innermost first.
    pub fn iter(&self) -> impl Iterator<Item = (Duration, Duration, &[SampledFrame])> {
        let mut before = 0;
        self.samples.iter().map(move |(at, frames)| {
            let passed = at - std::mem::replace(&mut before, *at);
            (Duration::from_nanos(*at), Duration::from_nanos(passed), &self.frames[frames.clone()])
        })
    }

    fn module(&mut self, module: &Arc<LoadedModule>) -> u32 {
        let known = self.modules.iter().position(|known| Arc::ptr_eq(known, module));
        let at = known.unwrap_or_else(|| {
            self.modules.push(module.clone());
            self.modules.len() - 1
        });
        at as u32
    }
}

impl Store {
    /// From now on, [`InterruptHandle::sample`](crate::InterruptHandle::sample) notes where the guest is. Compiled code only polls if it
    /// was compiled to be interruptible.
    pub fn start_sampling(&mut self) {
        self.samples = Some(Box::new(Samples {
            modules: Vec::new(),
            frames: Vec::new(),
            samples: Vec::new(),
            started: now_nanos(),
        }));
    }

    /// Ends sampling; `None` if it had not begun.
    pub fn take_samples(&mut self) -> Option<Box<Samples>> {
        self.samples.take()
    }

    /// Takes a sample. The guest is suspended in a builtin.
    pub(crate) fn note_sample(&mut self) {
        let Some(mut samples) = self.samples.take() else { return };
        if samples.frames.len() < MOST_FRAMES {
            let first = samples.frames.len();
            self.visit_functions(DEPTH, &mut |module, func, tier| {
                let module = samples.module(module);
                samples.frames.push(SampledFrame { module, func, tier });
            });
            let at = now_nanos().saturating_sub(samples.started);
            let frames = first..samples.frames.len();
            samples.samples.push((at, frames));
        }
        self.samples = Some(samples);
    }
}
