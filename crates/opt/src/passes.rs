//! Owns the list of the passes, their names, and the order in which they run over a finished graph.
//! Does not own their rules: each pass is one file.

mod checks;
mod cold;
mod dead;
pub mod fold;
mod globals;
mod loops;
mod params;
mod reloads;

pub use checks::Checks;
pub use cold::Cold;
pub use dead::Dead;
pub use globals::Globals;
pub use params::Params;
pub use reloads::Reloads;

use std::fmt;

use sterna_module::Module;

use crate::graph::{Block, Edge, EdgeData, Graph};

/// What runs a pass over the graph of a function of a module.
type Run = fn(&mut Passes, &Module, &mut Graph);

/// Makes [`Pass`] of the one table of passes: its variant, its name, what it does, and how it is run; `None` if it is a part of building
/// the graph.
macro_rules! passes {
    ($($pass:ident, $name:literal, $about:literal, $run:expr;)*) => {
        /// What can be switched off: a pass over the finished graph, or a part of building it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Pass {
            $(#[doc = $about] $pass),*
        }

        impl Pass {
            /// All passes; those over finished graphs in the order in which they run.
            pub const ALL: &[Pass] = &[$(Pass::$pass),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Pass::$pass => $name),* }
            }

            /// What it does, in one line.
            pub const fn about(self) -> &'static str {
                match self { $(Pass::$pass => $about),* }
            }

            const fn runner(self) -> Option<Run> {
                match self { $(Pass::$pass => $run),* }
            }
        }
    };
}

passes! {
    Fold, "fold", "Compute with constants, and drop what changes nothing", None;
    Inline, "inline", "Put the bodies of callees in place of calls", None;
    Expect, "expect", "Test indirect callees for the expected function, to call that directly", None;
    Counts, "counts", "Use how often branches and calls ran: what hardly did is unlikely, and not inlined", None;
    Globals, "globals", "Keep globals in values where nothing else can change them",
        Some(|passes, module, graph| passes.globals(module, graph));
    Params, "params", "Remove parameters of blocks that always hold the same value",
        Some(|passes, _, graph| passes.params.run(graph, &passes.incoming));
    Reloads, "reloads", "Remove loads from memory of what is known to be there",
        Some(|passes, module, graph| passes.reloads.run(graph, &passes.incoming, module));
    Dead, "dead", "Remove what nothing uses",
        Some(|passes, _, graph| passes.dead.run(graph, &passes.incoming));
    Unused, "unused", "Remove loops that do nothing",
        Some(|passes, _, graph| passes.unused(graph));
    Loops, "loops", "Run several iterations of simple loops at a time, on vectors where that is possible",
        Some(|passes, module, graph| passes.loops(module, graph));
    Checks, "checks", "Check the bounds of memory once where one check answers for several accesses",
        Some(|passes, module, graph| {
            passes.checks.run(graph, &passes.incoming, module, passes.guard_bytes);
        });
    Cold, "cold", "Mark blocks that are unlikely to run",
        Some(|passes, _, graph| passes.cold.run(graph, &passes.incoming));
}

impl Pass {
    /// The pass of a name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Pass, UnknownPass> {
        let found = Pass::ALL.iter().copied().find(|pass| pass.name() == name);
        found.ok_or_else(|| UnknownPass(name.to_owned()))
    }
}

/// A name that no pass has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPass(pub String);

impl fmt::Display for UnknownPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Pass::ALL.iter().map(|pass| pass.name()).collect();
        write!(f, "there is no pass `{}`, only {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownPass {}

/// A set of passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PassSet(u64);

impl PassSet {
    /// The set that [`PassSet::bits`] stands for.
    pub const fn from_bits(bits: u64) -> PassSet {
        PassSet(bits)
    }

    /// A bit per pass, by its position in [`Pass::ALL`].
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set with a pass added.
    #[must_use]
    pub const fn with(self, pass: Pass) -> PassSet {
        PassSet(self.0 | 1 << pass as u32)
    }

    /// Whether a pass is in the set.
    #[inline]
    pub const fn contains(self, pass: Pass) -> bool {
        self.0 >> pass as u32 & 1 != 0
    }
}

/// Scratch memory of all passes, to be kept and used for many functions.
#[derive(Default)]
pub struct Passes {
    /// Computed again by whoever adds or redirects edges.
    incoming: Incoming,
    globals: Globals,
    params: Params,
    reloads: Reloads,
    dead: Dead,
    checks: Checks,
    cold: Cold,
    guard_bytes: u64,
}

impl Passes {
    /// Scratch memory.
    pub fn new() -> Passes {
        Passes::default()
    }

    /// Runs all passes but the `disabled` ones over the graph of a function of `module`. Afterwards no value is an alias. Unless the passes
    /// that see to it are disabled, no block parameter is trivial or unused, and no removable instruction is unused; blocks that are
    /// unlikely to run are marked. `guard_bytes` is how far beyond memories hardware checks accesses; 0: not at all.
    pub fn run(&mut self, module: &Module, disabled: PassSet, guard_bytes: u64, graph: &mut Graph) {
        self.guard_bytes = guard_bytes;
        self.incoming.compute(graph);
        for &pass in Pass::ALL {
            if let Some(run) = pass.runner()
                && !disabled.contains(pass)
            {
                run(self, module, graph);
            }
        }
    }
}

impl Passes {
    fn globals(&mut self, module: &Module, graph: &mut Graph) {
        if self.globals.run(graph, &self.incoming, module) {
            self.incoming.compute(graph);
        }
    }

    fn unused(&mut self, graph: &mut Graph) {
        if loops::unused::run(graph, &mut self.incoming) {
            self.dead.run(graph, &self.incoming);
        }
    }

    fn loops(&mut self, module: &Module, graph: &mut Graph) {
        if loops::run(graph, &self.incoming, module) {
            self.incoming.compute(graph);
            self.params.run(graph, &self.incoming);
            self.dead.run(graph, &self.incoming);
        }
    }
}

/// The edges into every block, as one vector grouped by block.
#[derive(Default)]
pub struct Incoming {
    /// Where the edges of each block begin; one more entry than blocks.
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Incoming {
    /// Finds the edges of a graph. Valid until edges are added or redirected. Those to the entry are edges that were removed.
    pub fn compute(&mut self, graph: &Graph) {
        let is_real = |edge: &EdgeData| edge.block != Block::from_u32(0);
        self.starts.clear();
        self.starts.resize(graph.blocks.len() + 1, 0);
        for edge in graph.edges.iter().filter(|edge| is_real(edge)) {
            self.starts[edge.block.index()] += 1;
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        // Each entry is the end of its block's edges now; filling from the back makes it the start.
        self.edges.clear();
        self.edges.resize(graph.edges.len(), Edge::from_u32(0));
        for (i, edge) in graph.edges.iter().enumerate().rev().filter(|(_, edge)| is_real(edge)) {
            let at = &mut self.starts[edge.block.index()];
            *at -= 1;
            self.edges[*at as usize] = Edge::from_u32(i as u32);
        }
    }

    /// Edges into a block.
    pub fn of(&self, block: Block) -> &[Edge] {
        &self.edges[self.starts[block.index()] as usize..self.starts[block.index() + 1] as usize]
    }
}
