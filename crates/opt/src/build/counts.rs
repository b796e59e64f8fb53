//! Owns what building makes of the counts that the tiers below took: which edges are unlikely, which calls are worth a body in their place.
//! Does not own the counts (`sterna_abi::FuncCounts`), nor what is done with unlikely edges (`passes::cold`).
//!
//! Rules:
//! 1. Something is unlikely if it ran hardly ever although something around it ran often: at most once in [`RARE`] times of at least [`MIN_RUNS`].
//! 2. For a branch, that is the branch itself; if it leaves loops, also how often each of them was entered. So what comes after a loop that is
//!    still running when its function is compiled is not unlikely.
//! 3. For a call, that is the innermost loop around it, or else the function, or a loop or function around that.
//!
//! What comes after the end of a construct is not asked about: with unlikely arms of a `br_table` out of the way, interpreters of bytecode were
//! up to 15 % slower in some runs, and nothing was faster.

use sterna_base::FuncIndex;

use super::Build;
use super::control::{Frame, FrameKind};
use crate::graph::Edge;
use crate::passes::Pass;
use sterna_abi::{FuncCounts, SiteCount};

/// Rule 1.
const MIN_RUNS: u32 = 64;
/// Rule 1.
const RARE: u32 = 128;
/// A call that ran less than once in so many times of what is around it is not worth much.
const SELDOM: u32 = 64;

/// The counts of a function that is being translated.
pub(super) struct Counted {
    counts: FuncCounts,
    /// Calls of the function, and iterations of the loops around the current operator: what was most.
    around: Vec<u32>,
    /// Whether the function's body stands in place of a call that hardly ran.
    is_seldom: bool,
}

/// How often something ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heat {
    Unknown,
    /// Hardly ever.
    Never,
    /// Less often than what is around it.
    Seldom,
    Often,
}

/// Rule 1.
fn is_rare(runs: u32, of: u32) -> bool {
    of >= MIN_RUNS && runs.saturating_mul(RARE) <= of
}

impl Build<'_> {
    /// Takes the counts of a function whose body begins.
    pub(super) fn open_counts(&mut self, func: FuncIndex, is_seldom: bool) {
        let counts = match self.options.disabled.contains(Pass::Counts) {
            true => FuncCounts::default(),
            false => self.options.observed.counts(self.module, func),
        };
        let calls = counts.at(self.module.body(func).offset()).map_or(0, |site| site.runs);
        self.cx.counts.push(Counted { counts, around: vec![calls], is_seldom });
    }

    fn site(&self) -> Option<SiteCount> {
        self.cx.counts.last()?.counts.at(self.wasm)
    }

    fn around(&self) -> u32 {
        self.cx.counts.last().and_then(|counted| counted.around.last()).copied().unwrap_or(0)
    }

    /// A loop begins; how often it was entered.
    pub(super) fn count_loop(&mut self) -> u32 {
        let site = self.site();
        let around = self.around().max(site.map_or(0, |site| site.runs));
        if let Some(counted) = self.cx.counts.last_mut() {
            counted.around.push(around);
        }
        site.map_or(0, |site| site.taken)
    }

    /// A loop ends.
    pub(super) fn count_loop_end(&mut self) {
        if let Some(counted) = self.cx.counts.last_mut() {
            counted.around.pop();
        }
    }

    /// Rule 2: marks the edge of a branch that is unlikely. `target`: the construct that the first edge leads to; itself if that is where
    /// code goes on.
    pub(super) fn count_branch(&mut self, taken: Edge, not_taken: Edge, target: Option<usize>) {
        let Some(site) = self.site() else { return };
        let is_back = |frame: &Frame| matches!(frame.kind, FrameKind::Loop { .. });
        let entered = |frame: &Frame| match frame.kind {
            FrameKind::Loop { entered, .. } => Some(entered),
            _ => None,
        };
        let (mut of_taken, mut of_other) = (site.runs, site.runs);
        if let Some(target) = target {
            let left = self.cx.frames[target + 1..].iter().filter_map(entered);
            of_taken = left.fold(of_taken, u32::min);
            let frame = &self.cx.frames[target];
            if is_back(frame) {
                of_other = of_other.min(entered(frame).unwrap_or(0));
            }
        }
        let other = site.runs.saturating_sub(site.taken);
        if is_rare(site.taken, of_taken) {
            self.graph.edges[taken.index()].is_cold = true;
        } else if is_rare(other, of_other) {
            self.graph.edges[not_taken.index()].is_cold = true;
        }
    }

    /// Rule 3, for a call.
    pub(super) fn call_heat(&self) -> Heat {
        let is_seldom = self.cx.counts.last().is_some_and(|counted| counted.is_seldom);
        let around = self.around();
        match self.site() {
            Some(site) if is_rare(site.runs, around) => Heat::Never,
            Some(site) if around >= MIN_RUNS && site.runs.saturating_mul(SELDOM) <= around => {
                Heat::Seldom
            }
            _ if is_seldom => Heat::Seldom,
            Some(_) if around >= MIN_RUNS => Heat::Often,
            _ => Heat::Unknown,
        }
    }
}
