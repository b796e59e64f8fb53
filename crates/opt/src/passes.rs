//! Owns the order of the passes over a finished graph.
//! Does not own their rules: each pass is one file.

mod cold;
mod dead;
pub mod fold;
mod params;

pub use cold::Cold;
pub use dead::Dead;
pub use params::Params;

use crate::graph::{Block, Edge, EdgeData, Graph};

/// Scratch memory of all passes, to be kept and used for many functions.
#[derive(Default)]
pub struct Passes {
    incoming: Incoming,
    params: Params,
    dead: Dead,
    cold: Cold,
}

impl Passes {
    /// Scratch memory.
    pub fn new() -> Passes {
        Passes::default()
    }

    /// Runs all passes. Afterwards no value of the graph is an alias, no block parameter is trivial or unused, and no removable
    /// instruction is unused; blocks that are unlikely to run are marked.
    pub fn run(&mut self, graph: &mut Graph) {
        self.incoming.compute(graph);
        self.params.run(graph, &self.incoming);
        self.dead.run(graph, &self.incoming);
        self.cold.run(graph, &self.incoming);
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
