//! Owns the ends of constructs: edges that wait for their block, and the parameters that this block needs.
//! Does not own the branches that lead there (`control`).

use super::control::Frame;
use super::{Build, BuildError, MAX_PARAMS};
use crate::graph::{Block, Edge, List, Type, Value};

/// No entry in [`PendingEdges`].
pub(super) const NONE: u32 = u32::MAX;

/// Edges to labels whose blocks do not exist yet, with what they will pass.
#[derive(Default)]
pub(super) struct PendingEdges {
    edges: Vec<Pending>,
    results: Vec<Value>,
    /// Locals that have changed since the label's construct began.
    locals: Vec<(u32, Value)>,
    join: Join,
    work: usize,
}

#[derive(Clone, Copy)]
struct Pending {
    edge: Edge,
    results: u32,
    locals: (u32, u32),
    next: u32,
}

/// Scratch memory of one join.
#[derive(Default)]
struct Join {
    /// Locals that some edge changes, in order of discovery.
    changed: Vec<Changed>,
    /// Per local, one more than its position in `changed`; 0 between joins.
    position: Vec<u32>,
}

struct Changed {
    local: u32,
    value: Value,
    /// Edges that change it.
    edges: u32,
    /// All of these pass `value`.
    same: bool,
    /// Its argument position, if it becomes a parameter.
    param: u32,
}

impl PendingEdges {
    pub fn clear(&mut self) {
        self.edges.clear();
        self.results.clear();
        self.locals.clear();
        self.join.changed.clear();
        self.join.position.clear();
        self.work = 0;
    }

    /// Values held, and log entries looked at.
    pub fn work(&self) -> usize {
        self.results.len() + self.work
    }
}

impl Build<'_> {
    /// Notes that `edge` leads from here to a block at which the construct whose locals have the mark `mark` and are `len` ends, or one
    /// of its parts; the other edges there are the list `next`. Returns the new list.
    pub(super) fn add_pending(
        &mut self,
        edge: Edge,
        (mark, len): (u32, u32),
        next: u32,
        values: impl FnOnce(&mut Vec<Value>),
    ) -> u32 {
        let pending = &mut self.cx.pending;
        let results = pending.results.len() as u32;
        values(&mut pending.results);
        let first = pending.locals.len() as u32;
        pending.work += self
            .cx
            .locals
            .changed_since(mark, len, |local, value| pending.locals.push((local, value)));
        let locals = (first, pending.locals.len() as u32);
        pending.edges.push(Pending { edge, results, locals, next });
        pending.edges.len() as u32 - 1
    }

    /// Opens the block at the end of a construct that edges lead to.
    pub(super) fn join(&mut self, frame: &Frame) -> Result<(), BuildError> {
        let block = self.graph.push_block();
        self.cx.locals.unwind(frame.mark);
        self.cx.stack.truncate(frame.height as usize);
        let mark = self.mark();
        let edges = self.collect_changes(frame);
        // Results, then locals: those on which edges disagree become parameters.
        self.cx.scratch.clear();
        let mut result_params = std::mem::take(&mut self.cx.result_params);
        result_params.clear();
        for i in 0..frame.results {
            let value = self.same_result(frame, i).unwrap_or_else(|ty| {
                result_params.push(i);
                self.graph.push_param(block, ty)
            });
            self.push(value);
        }
        let mut params = result_params.len();
        for changed in &mut self.cx.pending.join.changed {
            let mut value = changed.value;
            if !(changed.same && changed.edges == edges) {
                changed.param = params as u32;
                params += 1;
                if params > MAX_PARAMS {
                    return Err(BuildError::TooLarge);
                }
                // What edges that do not change the local pass.
                self.cx.scratch.push(self.cx.locals.get(changed.local));
                value = self.graph.push_param(block, self.graph.ty(value).joined());
            }
            self.cx.locals.set(changed.local, value, mark);
        }
        if params > 0 || edges > 0 {
            self.fill_edges(frame, block, &result_params);
        }
        self.cx.result_params = result_params;
        let join = &mut self.cx.pending.join;
        for changed in join.changed.drain(..) {
            join.position[changed.local as usize] = 0;
        }
        self.open_block(block);
        Ok(())
    }

    /// Lists the locals that edges to the end of `frame` change; returns the number of edges.
    fn collect_changes(&mut self, frame: &Frame) -> u32 {
        let PendingEdges { edges, locals, join, .. } = &mut self.cx.pending;
        let mut count = 0;
        let mut at = frame.pending;
        while at != NONE {
            let pending = edges[at as usize];
            for &(local, value) in &locals[pending.locals.0 as usize..pending.locals.1 as usize] {
                if join.position.len() <= local as usize {
                    join.position.resize(local as usize + 1, 0);
                }
                let position = &mut join.position[local as usize];
                if *position == 0 {
                    join.changed.push(Changed { local, value, edges: 1, same: true, param: NONE });
                    *position = join.changed.len() as u32;
                } else {
                    let changed = &mut join.changed[*position as usize - 1];
                    changed.edges += 1;
                    changed.same &= changed.value == value;
                }
            }
            count += 1;
            at = pending.next;
        }
        count
    }

    /// The value that all edges pass as result `i`, or else its type.
    fn same_result(&self, frame: &Frame, i: u32) -> Result<Value, Type> {
        let pending = &self.cx.pending;
        let mut found = None;
        let mut at = frame.pending;
        while at != NONE {
            let edge = pending.edges[at as usize];
            let value = pending.results[(edge.results + i) as usize];
            if found.is_some_and(|found| found != value) {
                return Err(self.graph.ty(value).joined());
            }
            found = Some(value);
            at = edge.next;
        }
        Ok(found.expect("a join has edges"))
    }

    /// Gives the edges to the end of `frame` their target and arguments.
    fn fill_edges(&mut self, frame: &Frame, block: Block, result_params: &[u32]) {
        let pending = &self.cx.pending;
        let mut at = frame.pending;
        while at != NONE {
            let edge = pending.edges[at as usize];
            let start = self.graph.pool.len();
            let results =
                result_params.iter().map(|&i| pending.results[(edge.results + i) as usize]);
            self.graph.pool.extend(results);
            self.graph.pool.extend_from_slice(&self.cx.scratch);
            let args = List { start: start as u32, len: (self.graph.pool.len() - start) as u32 };
            for &(local, value) in &pending.locals[edge.locals.0 as usize..edge.locals.1 as usize] {
                let changed =
                    &pending.join.changed[pending.join.position[local as usize] as usize - 1];
                if changed.param != NONE {
                    self.graph.pool[start + changed.param as usize] = value;
                }
            }
            let data = &mut self.graph.edges[edge.edge.index()];
            data.block = block;
            data.args = args;
            at = edge.next;
        }
    }
}
