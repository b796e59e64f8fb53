//! Owns which references to objects are needed after each point where the collector may run.
//! Does not own how they are kept there: the backend does.
//!
//! A collection moves objects, so it must find and change every reference that is used afterwards. [`Roots::compute`] follows
//! values with [`Type::is_object`](crate::Type::is_object) backwards through the graph, as for register allocation, and notes those that are live
//! across each *safepoint*. A recorded state counts as a use at its instruction.

use sterna_base::BitSet;
use sterna_isa::{Class, Op};

use crate::graph::{Block, Graph, Inst, Opcode, Value};

/// Most words of memory for the analysis: functions beyond stay in the tier below.
const MAX_WORDS: usize = 1 << 23;

/// Live references at the safepoints of a function.
#[derive(Default)]
pub struct Roots {
    /// Values that are live across some safepoint.
    kept: BitSet<Value>,
    /// Per safepoint, by ascending instruction: where its list begins in `values`.
    safepoints: Vec<(Inst, u32)>,
    values: Vec<Value>,
    live_in: Vec<BitSet<Value>>,
}

impl Roots {
    /// Analyses a graph after the passes. `false` if it is too large.
    pub fn compute(&mut self, graph: &Graph) -> bool {
        self.kept.clear();
        self.safepoints.clear();
        self.values.clear();
        self.live_in.clear();
        if !graph.values.iter().any(|value| value.ty.is_object()) {
            return true;
        }
        if graph.num_blocks() * (graph.num_values() / 64 + 1) > MAX_WORDS {
            return false;
        }
        self.live_in.resize_with(graph.num_blocks(), BitSet::default);
        // Only loops need more than one round.
        while self.round(graph, false) {}
        self.round(graph, true);
        self.safepoints.reverse();
        true
    }

    /// Whether a value must be where the collector finds it.
    pub fn is_kept(&self, value: Value) -> bool {
        self.kept.contains(value)
    }

    /// Whether the function keeps any.
    pub fn is_empty(&self) -> bool {
        self.safepoints.is_empty()
    }

    /// The values that are live across an instruction; none if it is no safepoint.
    pub fn at(&self, inst: Inst) -> &[Value] {
        let Ok(at) = self.safepoints.binary_search_by_key(&inst, |&(inst, _)| inst) else {
            return &[];
        };
        let start = self.safepoints[at].1 as usize;
        // Lists were made last to first.
        let end = match at.checked_sub(1) {
            Some(before) => self.safepoints[before].1 as usize,
            None => self.values.len(),
        };
        &self.values[start..end]
    }

    /// Goes through all blocks, last to first; whether a set grew.
    fn round(&mut self, graph: &Graph, record: bool) -> bool {
        let mut grew = false;
        let mut live = BitSet::default();
        for block in graph.blocks().rev() {
            live.clear();
            for inst in graph.block_insts(block).rev() {
                self.step(graph, inst, &mut live, record);
            }
            remove_params(graph, block, &mut live);
            grew |= self.live_in[block.index()].union_with(&live);
        }
        grew
    }

    /// Makes the set after an instruction that before it.
    fn step(&mut self, graph: &Graph, inst: Inst, live: &mut BitSet<Value>, record: bool) {
        let landing = graph.landing(inst);
        for edge in graph.edges(inst).chain(landing.map(|landing| landing.edge)) {
            let edge = graph.edge(edge);
            live.union_with(&self.live_in[edge.block.index()]);
            use_all(graph, graph.list(edge.args), live);
        }
        if let Some(landing) = landing {
            // Comes into being where the call lands.
            live.remove(landing.exn);
        }
        for result in graph.results(inst) {
            live.remove(result);
        }
        if let Some(state) = graph.state(inst) {
            use_all(graph, graph.list(state.values), live);
        }
        if record && is_safepoint(graph.inst(inst).op) && !live.is_empty() {
            self.safepoints.push((inst, self.values.len() as u32));
            self.values.extend(live.iter());
            self.kept.union_with(live);
        }
        use_all(graph, graph.args(inst), live);
    }
}

fn remove_params(graph: &Graph, block: Block, live: &mut BitSet<Value>) {
    for &param in graph.list(graph.block(block).params) {
        live.remove(param);
    }
}

fn use_all(graph: &Graph, values: &[Value], live: &mut BitSet<Value>) {
    for &value in values {
        if graph.ty(value).is_object() && graph.constant(value).is_none() {
            live.insert(value);
        }
    }
}

/// Whether the collector may run during an instruction.
fn is_safepoint(op: Opcode) -> bool {
    let Opcode::Wasm(op) = op else { return op == Opcode::ExnNew };
    match op.class() {
        Class::Call => true,
        Class::Gc => matches!(
            op,
            Op::StructNew
                | Op::StructNewDefault
                | Op::ArrayNew
                | Op::ArrayNewDefault
                | Op::ArrayNewFixed
                | Op::ArrayNewData
                | Op::ArrayNewElem
        ),
        _ => false,
    }
}
