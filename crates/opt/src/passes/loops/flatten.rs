//! Owns making one block of a small loop with branches inside: both sides are computed, and what is not wanted is not selected.
//! Does not own what becomes of it: the block only stands for the loop's iterations while a vector loop is planned.
//!
//! Rules:
//! 1. The loop has one way back and one way out, both at the end of one block, at most [`MAX_BLOCKS`] blocks, no loop inside, and is
//!    entered at its header only.
//! 2. Stores are in blocks that every iteration runs: the header and the last one. Loads may be anywhere: where the vector loop runs, all
//!    places are in bounds.
//! 3. A parameter of a block inside is a choice between the arguments of the edges to it, by the conditions under which these are taken;
//!    a choice between a value and a sum with it is a sum with a choice.

use std::collections::HashMap;

use sterna_isa::{Class, Op};

use super::linear::{Body, is_test};
use crate::graph::{Block, Edge, Graph, Inst, List, Opcode, Type, Value};
use crate::passes::Incoming;

/// Most blocks and instructions of a loop.
const MAX_BLOCKS: usize = 8;
const MAX_INSTS: usize = 128;

/// What a graph had before.
pub(super) struct Mark {
    blocks: usize,
    insts: usize,
    values: usize,
    edges: usize,
    accesses: usize,
    pool: usize,
}

impl Mark {
    pub fn new(graph: &Graph) -> Mark {
        Mark {
            blocks: graph.blocks.len(),
            insts: graph.insts.len(),
            values: graph.values.len(),
            edges: graph.edges.len(),
            accesses: graph.accesses.len(),
            pool: graph.pool.len(),
        }
    }

    /// Takes away what has been added since.
    pub fn undo(&self, graph: &mut Graph) {
        graph.blocks.truncate(self.blocks);
        graph.insts.truncate(self.insts);
        graph.values.truncate(self.values);
        graph.edges.truncate(self.edges);
        graph.accesses.truncate(self.accesses);
        // What is left of lists would name values that are gone.
        graph.pool.truncate(self.pool);
    }
}

/// Makes the only block of a loop's body, if the loop is of this kind. The block is no part of the graph's flow.
pub(super) fn flatten(
    graph: &mut Graph,
    incoming: &Incoming,
    sources: &[Block],
    header: Block,
) -> Option<Body> {
    let region = region(graph, incoming, sources, header)?;
    let last = *region.last()?;
    let end = graph.block_insts(last).next_back()?;
    if graph.inst(end).op != Opcode::Wasm(Op::BrIf) {
        return None;
    }
    let back = graph.edges(end).position(|edge| graph.edge(edge).block == header)?;
    let origin = graph.inst(end).origin;
    let condition = graph.args(end)[0];
    let back_args = graph.edge(graph.edges(end).nth(back)?).args;
    let types: Vec<Type> =
        graph.list(graph.block(header).params).iter().map(|&param| graph.ty(param)).collect();
    let block = graph.push_block();
    let params: Vec<Value> = types.into_iter().map(|ty| graph.push_param(block, ty)).collect();
    let old: Vec<Value> = graph.list(graph.block(header).params).to_vec();
    let values = old.into_iter().zip(params).collect();
    let first = Inst::from_u32(graph.num_insts() as u32);
    let (taken, sources) = (HashMap::new(), sources);
    let mut flatten = Flatten { graph, incoming, sources, header, values, taken };
    for &at in &region {
        flatten.block(at, at == header || at == last)?;
    }
    let condition = flatten.value(condition);
    let args: Vec<Value> = flatten.graph.list(back_args).to_vec();
    let args: Vec<Value> = args.into_iter().map(|arg| flatten.value(arg)).collect();
    let args = graph.push_list(&args);
    let edge = graph.push_edge(block);
    graph.edges[edge.index()].args = args;
    let list = graph.push_list(&[condition]);
    let imm = u64::from(edge.as_u32()) | 1 << 32;
    let jump = graph.push_inst(Opcode::Wasm(Op::BrIf), list, imm, origin);
    graph.blocks[block.index()].insts = (first, Inst::from_u32(jump.as_u32() + 1));
    Some(Body { header, block, back: edge, condition, on_true: back == 0 })
}

/// Takes a block that [`flatten`] made out of the graph again, when values of it are not needed any more.
pub(super) fn discard(graph: &mut Graph, body: &Body) {
    let (first, end) = graph.block(body.block).insts;
    for inst in &mut graph.insts[first.index()..end.index()] {
        inst.op = Opcode::Wasm(Op::Nop);
        inst.args = List::default();
    }
    graph.blocks[body.block.index()].insts = (Inst::from_u32(0), Inst::from_u32(0));
    // Edges to the entry are edges that were removed.
    let edge = &mut graph.edges[body.back.index()];
    (edge.block, edge.args) = (Block::from_u32(0), List::default());
}

/// Rule 1: the blocks of a loop in order, the header first, the one that leads back last.
fn region(
    graph: &Graph,
    incoming: &Incoming,
    sources: &[Block],
    header: Block,
) -> Option<Vec<Block>> {
    let backs = || incoming.of(header).iter().filter(|edge| sources[edge.index()] >= header);
    let last = sources[backs().next()?.index()];
    if backs().count() != 1 || last == header {
        return None;
    }
    let mut region = vec![header];
    let mut work = vec![last];
    while let Some(block) = work.pop() {
        if region.contains(&block) {
            continue;
        }
        // A block in front of the header would be another way in.
        if region.len() == MAX_BLOCKS || block < header || graph.block(block).is_loop {
            return None;
        }
        region.push(block);
        work.extend(incoming.of(block).iter().map(|edge| sources[edge.index()]));
    }
    region.sort_unstable();
    let insts: usize = region.iter().map(|&block| graph.block_insts(block).count()).sum();
    let leads_on = |&block: &Block| {
        let end = graph.block_insts(block).next_back();
        end.is_some_and(|end| {
            block == last
                || graph.edges(end).len() > 0
                    && graph.edges(end).all(|edge| {
                        let target = graph.edge(edge).block;
                        target > block && region.contains(&target)
                    })
        })
    };
    let is_fit = insts <= MAX_INSTS && region.last() == Some(&last) && region.iter().all(leads_on);
    is_fit.then_some(region)
}

struct Flatten<'a> {
    graph: &'a mut Graph,
    incoming: &'a Incoming,
    sources: &'a [Block],
    header: Block,
    /// What stands for values of the loop.
    values: HashMap<Value, Value>,
    /// By block, the condition under which it runs; `None`: always.
    taken: HashMap<Block, Option<Value>>,
}

impl Flatten<'_> {
    fn value(&self, value: Value) -> Value {
        self.values.get(&value).copied().unwrap_or(value)
    }

    fn block(&mut self, block: Block, always: bool) -> Option<()> {
        if always {
            self.taken.insert(block, None);
        }
        if block != self.header {
            self.params(block)?;
        }
        let insts: Vec<Inst> = self.graph.block_insts(block).collect();
        for inst in insts {
            let data = *self.graph.inst(inst);
            let Opcode::Wasm(op) = data.op else {
                let is_plain = data.op == Opcode::Poll && self.graph.states_at(inst).is_empty();
                if !is_plain || block != self.header {
                    return None;
                }
                continue;
            };
            match op.class() {
                Class::Control | Class::Parametric if op != Op::Select => continue,
                Class::Pure | Class::Lane | Class::Load | Class::Parametric => {}
                Class::Store if always => {}
                _ => return None,
            }
            let args: Vec<Value> =
                self.graph.args(inst).iter().map(|&arg| self.value(arg)).collect();
            let args = self.graph.push_list(&args);
            let copy = self.graph.push_inst(data.op, args, data.imm, data.origin);
            for result in self.graph.results(inst) {
                let ty = self.graph.ty(result);
                let made = self.graph.push_result(copy, ty);
                self.values.insert(result, made);
            }
        }
        Some(())
    }

    /// Rule 3.
    fn params(&mut self, block: Block) -> Option<()> {
        let params: Vec<Value> = self.graph.list(self.graph.block(block).params).to_vec();
        if params.is_empty() {
            return Some(());
        }
        let edges = self.incoming.of(block).to_vec();
        let (last, others) = edges.split_last()?;
        let mut conditions = Vec::new();
        for &edge in others {
            conditions.push(self.edge(edge)?);
        }
        for (i, &param) in params.iter().enumerate() {
            let arg = |this: &Self, edge: Edge| {
                this.value(this.graph.list(this.graph.edge(edge).args)[i])
            };
            let mut chosen = arg(self, *last);
            for (&edge, &condition) in others.iter().zip(&conditions) {
                let other = arg(self, edge);
                if other != chosen {
                    chosen = self.choose(other, chosen, condition);
                }
            }
            self.values.insert(param, chosen);
        }
        Some(())
    }

    /// `a` if a condition holds, else `b`. If one is a sum of the other and something, that something or nothing is added: a sum over all
    /// iterations remains one.
    fn choose(&mut self, a: Value, b: Value, condition: Value) -> Value {
        let ty = self.graph.ty(a);
        let zero = self.graph.make_const(ty, 0);
        let (sum, other, first) = match (self.added(a, b), self.added(b, a)) {
            (Some((op, by)), _) => ((op, b), by, true),
            (None, Some((op, by))) => ((op, a), by, false),
            (None, None) => return self.op(Op::Select, &[a, b, condition], ty),
        };
        let args = if first { [other, zero, condition] } else { [zero, other, condition] };
        let by = self.op(Op::Select, &args, ty);
        self.op(sum.0, &[sum.1, by], ty)
    }

    /// What is added to `to` if `sum` is that.
    fn added(&self, sum: Value, to: Value) -> Option<(Op, Value)> {
        let inst = self.graph.def_inst(sum)?;
        let Opcode::Wasm(op @ (Op::I32Add | Op::I64Add)) = self.graph.inst(inst).op else {
            return None;
        };
        let &[a, b] = self.graph.args(inst) else { return None };
        let by = if a == to { b } else { a };
        (a == to || b == to).then_some((op, by))
    }

    fn op(&mut self, op: Op, args: &[Value], ty: Type) -> Value {
        let args = self.graph.push_list(args);
        let origin = self.graph.insts[self.graph.insts.len() - 1].origin;
        let inst = self.graph.push_inst(Opcode::Wasm(op), args, 0, origin);
        self.graph.push_result(inst, ty)
    }

    /// The condition, 0 or 1, under which a block runs; `None`: always.
    fn runs(&mut self, block: Block) -> Option<Option<Value>> {
        if let Some(&known) = self.taken.get(&block) {
            return Some(known);
        }
        let mut any = None;
        for edge in self.incoming.of(block).to_vec() {
            let condition = self.edge(edge)?;
            any = Some(match any {
                None => condition,
                Some(any) => self.op(Op::I32Or, &[any, condition], Type::I32),
            });
        }
        self.taken.insert(block, any);
        Some(any)
    }

    /// The condition, 0 or 1, under which an edge is taken.
    fn edge(&mut self, edge: Edge) -> Option<Value> {
        let source = self.sources[edge.index()];
        let runs = self.runs(source)?;
        let end = self.graph.block_insts(source).next_back()?;
        let position = self.graph.edges(end).position(|other| other == edge)?;
        let taken = match self.graph.inst(end).op {
            Opcode::Wasm(Op::Br) => {
                return match runs {
                    Some(runs) => Some(runs),
                    None => Some(self.graph.make_const(Type::I32, 1)),
                };
            }
            Opcode::Wasm(Op::BrIf) => {
                let condition = self.value(self.graph.args(end)[0]);
                if self.graph.ty(condition) != Type::I32 {
                    return None;
                }
                if position == 1 {
                    self.op(Op::I32Eqz, &[condition], Type::I32)
                } else {
                    self.bool(condition)
                }
            }
            Opcode::Wasm(Op::BrTable) => self.case(end, edge)?,
            _ => return None,
        };
        Some(match runs {
            Some(runs) => self.op(Op::I32And, &[runs, taken], Type::I32),
            None => taken,
        })
    }

    /// Whether a `br_table` takes an edge.
    fn case(&mut self, end: Inst, edge: Edge) -> Option<Value> {
        let index = self.value(self.graph.args(end)[0]);
        let switch = *self.graph.switch(end);
        let table = self.graph.switch_table(&switch).to_vec();
        let (&default, cases) = table.split_last()?;
        // Of the default, what it is not.
        let is_case = |other: Edge| (other == edge) != (edge == default);
        let mut any = None;
        for (i, _) in (0..).zip(cases).filter(|&(_, &other)| is_case(other)) {
            let number = self.graph.make_const(Type::I32, i);
            let is = self.op(Op::I32Eq, &[index, number], Type::I32);
            any = Some(match any {
                None => is,
                Some(any) => self.op(Op::I32Or, &[any, is], Type::I32),
            });
        }
        let any = any?;
        Some(if edge == default { self.op(Op::I32Eqz, &[any], Type::I32) } else { any })
    }

    /// A condition as 0 or 1.
    fn bool(&mut self, condition: Value) -> Value {
        let inst = self.graph.def_inst(condition).map(|inst| self.graph.inst(inst).op);
        if let Some(Opcode::Wasm(op)) = inst
            && is_test(op)
        {
            return condition;
        }
        let zero = self.graph.make_const(Type::I32, 0);
        self.op(Op::I32Ne, &[condition, zero], Type::I32)
    }
}
