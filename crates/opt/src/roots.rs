//! Owns which references to objects are needed after each point where the collector may run.
//! Does not own how they are kept there: the backend does.
//!
//! A collection moves objects, so it must find and change every reference that is used afterwards. [`Roots::compute`] follows
//! values with [`Type::is_object`](crate::Type::is_object) backwards through the graph, as for register allocation, and notes those that are live
//! across each *safepoint*. A recorded state counts as a use at its instruction.

use sterna_base::BitSet;
use sterna_isa::{Class, Op};

use crate::graph::{Graph, Inst, Opcode, Value};

sterna_base::entity! {
    /// A value that can refer to an object, by its position among those: mostly few values are.
    struct Reference("ref");
}

/// Most words of memory for the analysis: functions beyond stay in the tier below.
const MAX_WORDS: usize = 1 << 23;

/// No [`Reference`].
const NONE: u32 = u32::MAX;

/// Live references at the safepoints of a function.
#[derive(Default)]
pub struct Roots {
    /// Values that are live across some safepoint.
    kept: BitSet<Value>,
    /// Per safepoint, by ascending instruction: where its list begins and ends in `values`.
    safepoints: Vec<(Inst, u32, u32)>,
    values: Vec<Value>,
    references: Vec<Value>,
    /// Per value: its position in `references`, or [`NONE`].
    positions: Vec<u32>,
    live_in: Vec<BitSet<Reference>>,
}

impl Roots {
    /// Analyses a graph after the passes. `false` if it is too large.
    pub fn compute(&mut self, graph: &Graph) -> bool {
        self.kept.clear();
        self.safepoints.clear();
        self.values.clear();
        self.live_in.clear();
        self.number(graph);
        if self.references.is_empty() {
            return true;
        }
        if graph.num_blocks() * (self.references.len() / 64 + 1) > MAX_WORDS {
            return false;
        }
        self.live_in.resize_with(graph.num_blocks(), BitSet::default);
        // Only loops need more than one round.
        while self.round(graph, false) {}
        self.round(graph, true);
        // Mostly they are in the opposite order; blocks of a graph that begins at a loop are in any.
        self.safepoints.sort_unstable_by_key(|&(inst, ..)| inst);
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
        match self.safepoints.binary_search_by_key(&inst, |&(inst, ..)| inst) {
            Ok(at) => &self.values[self.safepoints[at].1 as usize..self.safepoints[at].2 as usize],
            Err(_) => &[],
        }
    }

    /// Numbers the values that are to be followed.
    fn number(&mut self, graph: &Graph) {
        self.references.clear();
        self.positions.clear();
        for value in (0..graph.num_values() as u32).map(Value::from_u32) {
            let is_reference = graph.ty(value).is_object() && graph.constant(value).is_none();
            self.positions.push(if is_reference { self.references.len() as u32 } else { NONE });
            if is_reference {
                self.references.push(value);
            }
        }
    }

    fn reference(&self, value: Value) -> Option<Reference> {
        let position = self.positions[value.index()];
        (position != NONE).then(|| Reference::from_u32(position))
    }

    fn use_all(&self, values: &[Value], live: &mut BitSet<Reference>) {
        for reference in values.iter().filter_map(|&value| self.reference(value)) {
            live.insert(reference);
        }
    }

    fn remove(&self, value: Value, live: &mut BitSet<Reference>) {
        if let Some(reference) = self.reference(value) {
            live.remove(reference);
        }
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
            for &param in graph.list(graph.block(block).params) {
                self.remove(param, &mut live);
            }
            grew |= self.live_in[block.index()].union_with(&live);
        }
        grew
    }

    /// Makes the set after an instruction that before it.
    fn step(&mut self, graph: &Graph, inst: Inst, live: &mut BitSet<Reference>, record: bool) {
        let landing = graph.landing(inst);
        for edge in graph.edges(inst).chain(landing.map(|landing| landing.edge)) {
            let edge = graph.edge(edge);
            live.union_with(&self.live_in[edge.block.index()]);
            self.use_all(graph.list(edge.args), live);
        }
        if let Some(landing) = landing {
            // Comes into being where the call lands.
            self.remove(landing.exn, live);
        }
        for result in graph.results(inst) {
            self.remove(result, live);
        }
        for state in graph.states_at(inst) {
            self.use_all(graph.list(state.values), live);
        }
        if record && is_safepoint(graph.inst(inst).op) && !live.is_empty() {
            let start = self.values.len() as u32;
            for reference in live.iter() {
                let value = self.references[reference.index()];
                self.values.push(value);
                self.kept.insert(value);
            }
            self.safepoints.push((inst, start, self.values.len() as u32));
        }
        self.use_all(graph.args(inst), live);
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
