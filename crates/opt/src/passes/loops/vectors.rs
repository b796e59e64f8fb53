//! Owns making the blocks of a vector loop: its first vectors, the loop, and the way into the loop as it was.
//! Does not own the tests in front (`emit`), nor what is computed on lanes (`pack`).

use std::collections::HashMap;

use sterna_isa::Op;

use super::accesses::Access;
use super::counted::Trip;
use super::emit::{Emit, Groups, Place};
use super::lanes::Lane;
use super::pack::{Node, Pack, Plan, Reduction};
use crate::graph::{Block, Graph, MemAccess, Opcode, Type, Value};

/// Groups below which the tests are not worth it.
const MIN_GROUPS: u32 = 2;

/// Makes the tests and the vector loop.
pub(super) fn emit(graph: &mut Graph, place: &Place<'_>, trip: &Trip, plan: &Plan) {
    let groups = Groups { iterations: plan.iterations, min: MIN_GROUPS, disjoint: true };
    let mut emit = Emit::new(graph, place, plan, groups);
    let iterations = emit.count(trip);
    let bases = emit.check(iterations);
    let finals = emit.group(iterations, &bases);
    emit.rest(iterations, finals);
}

/// When the vector loop ends.
struct End {
    /// When the index of this class has come to `value`; `None`: when a counter has.
    class: Option<usize>,
    value: Value,
}

/// A group being made.
struct Group {
    /// First indices of the classes.
    bases: Vec<Value>,
    /// Parameters of the vector loop, by pack.
    params: HashMap<usize, Value>,
    /// The vectors of each pack, as far as they are made.
    vectors: Vec<Vec<Value>>,
}

/// What the vector loop hands on.
struct Finals {
    /// By pack: its vectors in the last group.
    vectors: Vec<Vec<Value>>,
    /// By reduction: its lanes after the last group.
    sums: Vec<Value>,
}

impl Emit<'_, Plan> {
    // ------------------------------------------------------------------------------------------ the vector loop

    /// The first vectors, and the loop.
    fn group(&mut self, iterations: Value, bases: &[Value]) -> Finals {
        let plan = self.plan;
        let mut initial = bases.to_vec();
        let class = self.accesses.classes.iter().position(|class| class.step != 0);
        let value = match class {
            Some(class) => self.end_of(class, bases[class], iterations),
            None => {
                let log2 = self.i64(u64::from(plan.iterations.trailing_zeros()));
                let groups = self.op(Op::I64ShrU, &[iterations, log2]);
                initial.push(self.op(Op::I32WrapI64, &[groups]));
                self.i32(0)
            }
        };
        let end = End { class, value };
        for pack in &plan.packs {
            match &pack.node {
                Node::Shifted(_, param) => {
                    let first = self.initial[*param];
                    initial.push(self.op(pack.lane.splat(), &[first]));
                }
                Node::Ramp(form, by) => {
                    let first = self.first_value(form);
                    let splat = self.op(Op::I32x4Splat, &[first]);
                    let steps =
                        (0..4).fold(0, |all, i| all | u128::from(by.wrapping_mul(i)) << (32 * i));
                    let steps = self.v128(steps);
                    initial.push(self.op(Op::I32x4Add, &[splat, steps]));
                }
                _ => {}
            }
        }
        for reduction in &plan.reductions {
            let neutral = match reduction.op {
                Op::I32And | Op::I64And => u128::MAX,
                _ => 0,
            };
            initial.push(self.v128(neutral));
        }
        // Vectors that do not change.
        let fixed: Vec<Vec<Value>> = (0..plan.packs.len()).map(|pack| self.fixed(pack)).collect();
        let (block, params) = self.begin_loop(&initial);
        self.one_group(block, &params, (end, fixed))
    }

    /// The body of the vector loop, and its end.
    fn one_group(
        &mut self,
        block: Block,
        params: &[Value],
        (end, fixed): (End, Vec<Vec<Value>>),
    ) -> Finals {
        let (plan, accesses) = (self.plan, self.accesses);
        let (bases, rest) = params.split_at(accesses.classes.len());
        let (count, mut rest) = rest.split_at(usize::from(end.class.is_none()));
        let mut group = Group { bases: bases.to_vec(), params: HashMap::new(), vectors: fixed };
        let changing: Vec<usize> =
            (0..plan.packs.len()).filter(|&at| group.vectors[at].is_empty()).collect();
        for (at, pack) in plan.packs.iter().enumerate() {
            if let Node::Shifted(..) | Node::Ramp(..) = pack.node {
                group.params.insert(at, rest[0]);
                rest = &rest[1..];
            }
        }
        let mut sums = rest.to_vec();
        if plan.is_uniform(accesses) {
            for i in 0..plan.vectors(0) as usize {
                for &at in &changing {
                    let vector = self.vector(at, i, &group);
                    group.vectors[at].push(vector);
                }
                for store in &plan.stores {
                    let base = group.bases[store.access.class];
                    let args = [base, group.vectors[store.pack][i]];
                    self.access(Op::V128Store, store.access, 16 * i as u64, &args);
                }
                for (reduction, sum) in plan.reductions.iter().zip(&mut sums) {
                    *sum = self.reduce(reduction, *sum, group.vectors[reduction.pack][i]);
                }
            }
        } else {
            for &at in &changing {
                for i in 0..plan.vectors(at) as usize {
                    let vector = self.vector(at, i, &group);
                    group.vectors[at].push(vector);
                }
            }
            for store in &plan.stores {
                let lane = plan.packs[store.pack].lane;
                let vectors = &group.vectors[store.pack];
                self.store(store.access, lane, vectors, group.bases[store.access.class]);
            }
            for (reduction, sum) in plan.reductions.iter().zip(&mut sums) {
                for &vector in &group.vectors[reduction.pack] {
                    *sum = self.reduce(reduction, *sum, vector);
                }
            }
        }
        self.end_group(block, &group, count.first().copied(), end, &sums);
        Finals { vectors: group.vectors, sums }
    }

    /// The parameters of the next group, and whether there is one.
    fn end_group(
        &mut self,
        block: Block,
        group: &Group,
        count: Option<Value>,
        end: End,
        sums: &[Value],
    ) {
        let (plan, accesses) = (self.plan, self.accesses);
        let mut next = Vec::new();
        for (class, &base) in accesses.classes.iter().zip(&group.bases) {
            next.push(self.behind(base, class.step * plan.iterations));
        }
        let at = match (end.class, count) {
            (None, Some(count)) => {
                let one = self.i32(1);
                let left = self.op(Op::I32Sub, &[count, one]);
                next.push(left);
                left
            }
            (class, _) => next[class.unwrap_or(0)],
        };
        for (at, pack) in plan.packs.iter().enumerate() {
            match &pack.node {
                Node::Shifted(of, _) => next.extend(group.vectors[*of].last()),
                Node::Ramp(_, by) => {
                    let by = self.v128(Lane::I32.repeat(by.wrapping_mul(4).into()));
                    let last = *group.vectors[at].last().expect("packs have vectors");
                    next.push(self.op(Op::I32x4Add, &[last, by]));
                }
                _ => {}
            }
        }
        next.extend(sums);
        let more = self.differ(at, end.value);
        let behind = self.graph.push_block();
        let first = self.edge(block, &next);
        self.edge(behind, &[]);
        self.end(Op::BrIf, &[more], first, 2);
        self.begin(behind);
    }

    /// The vectors of a pack that does not change; none of others.
    fn fixed(&mut self, pack: usize) -> Vec<Value> {
        let Pack { node, lane, .. } = &self.plan.packs[pack];
        let lane = *lane;
        let count = self.plan.vectors(pack) as usize;
        match node {
            Node::Splat(value) => {
                let vector = self.splat(lane, *value);
                vec![vector; count]
            }
            Node::Fixed(form) => {
                let value = self.first_value(form);
                let vector = self.splat(lane, value);
                vec![vector; count]
            }
            Node::Constants(constants) => {
                let lanes = 128 / lane.bits() as usize;
                let vector = |vector: usize| {
                    (0..lanes).fold(0, |all, i| {
                        let bits = constants[(vector * lanes + i) % constants.len()];
                        let bits = bits & ((1 << lane.bits()) - 1);
                        all | bits << (i as u32 * lane.bits())
                    })
                };
                let vectors: Vec<u128> = (0..count).map(vector).collect();
                vectors.into_iter().map(|bits| self.v128(bits)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn splat(&mut self, lane: Lane, value: Value) -> Value {
        match self.graph.constant(value) {
            Some(bits) => self.v128(lane.repeat(bits)),
            None => self.op(lane.splat(), &[value]),
        }
    }

    /// A vector of a pack in this group; those before are made.
    fn vector(&mut self, pack: usize, i: usize, group: &Group) -> Value {
        let Pack { node, lane, .. } = &self.plan.packs[pack];
        let (vectors, made) = (&group.vectors, &group.vectors[pack]);
        let param = || group.params[&pack];
        match node {
            Node::Splat(_) | Node::Fixed(_) | Node::Constants(_) => made[i],
            Node::Load(access) => self.load(*access, *lane, i as u64, group.bases[access.class]),
            Node::LoadSplat(access) => match made.first() {
                Some(&vector) => vector,
                None => {
                    let base = group.bases[access.class];
                    let vector = self.access(lane.load_splat(), *access, 0, &[base]);
                    vector.expect("loads have a result")
                }
            },
            Node::Ramp(_, by) => match made.last() {
                None => param(),
                Some(&before) => {
                    let by = self.v128(Lane::I32.repeat(by.wrapping_mul(4).into()));
                    self.op(Op::I32x4Add, &[before, by])
                }
            },
            Node::Shifted(of, _) => {
                let before = if i == 0 { param() } else { vectors[*of][i - 1] };
                let from = 16 - lane.bits() as u8 / 8;
                self.shuffle(before, vectors[*of][i], |i| from + i)
            }
            Node::Op(op, args) => {
                let args: Vec<Value> = args.iter().map(|&arg| vectors[arg][i]).collect();
                self.op(*op, &args)
            }
            Node::Shift(op, a, amount) => {
                let amount = match self.graph.constant(*amount) {
                    Some(bits) => self.i32(bits as u32),
                    None => *amount,
                };
                self.op(*op, &[vectors[*a][i], amount])
            }
            Node::Widen(low, high, a) => {
                let vector = vectors[*a][i / 2];
                match (i % 2, high) {
                    (0, _) => self.op(*low, &[vector]),
                    (_, Some(high)) => self.op(*high, &[vector]),
                    (_, None) => {
                        let upper = self.shuffle(vector, vector, |i| 8 + i % 8);
                        self.op(*low, &[upper])
                    }
                }
            }
        }
    }

    // ------------------------------------------------------------------------------------------ memory

    /// An access `bytes` behind another one's place.
    fn access(&mut self, op: Op, access: Access, bytes: u64, args: &[Value]) -> Option<Value> {
        let memory = self.accesses.memory;
        let offset = access.at + bytes;
        // A lane is stored to where the whole vector would have it.
        let lane = if op == Op::V128Store32Lane { (bytes % 16 / 4) as u8 } else { 0 };
        self.graph.accesses.push(MemAccess {
            offset,
            memory,
            lane,
            in_bounds: true,
            is_near: false,
        });
        let imm = self.graph.accesses.len() as u64 - 1;
        let origin = self.graph.inst(access.inst).origin;
        let args = self.graph.push_list(args);
        let inst = self.graph.push_inst(Opcode::Wasm(op), args, imm, origin);
        let is_load = !matches!(op, Op::V128Store | Op::V128Store32Lane | Op::V128Store64Lane);
        is_load.then(|| self.graph.push_result(inst, Type::V128))
    }

    /// Vector `i` of a pack of loads.
    fn load(&mut self, access: Access, lane: Lane, i: u64, base: Value) -> Value {
        // How much wider lanes are than places.
        let factor = lane.bits() / (access.size * 8);
        let is_signed = matches!(access.op, Op::I32Load8S | Op::I32Load16S | Op::I64Load32S);
        let op = match (factor, lane, is_signed) {
            (1, ..) => Op::V128Load,
            (2, Lane::I16, true) => Op::V128Load8x8S,
            (2, Lane::I16, false) => Op::V128Load8x8U,
            (2, Lane::I64, true) => Op::V128Load32x2S,
            (2, Lane::I64, false) => Op::V128Load32x2U,
            (2, _, true) => Op::V128Load16x4S,
            (2, _, false) => Op::V128Load16x4U,
            _ => Op::V128Load32Zero,
        };
        let loaded = self.access(op, access, i * u64::from(16 / factor), &[base]);
        let loaded = loaded.expect("loads have a result");
        let extend = match (factor, is_signed) {
            (4, true) => [Op::I16x8ExtendLowI8x16S, Op::I32x4ExtendLowI16x8S],
            (4, false) => [Op::I16x8ExtendLowI8x16U, Op::I32x4ExtendLowI16x8U],
            _ => return loaded,
        };
        extend.into_iter().fold(loaded, |vector, op| self.op(op, &[vector]))
    }

    /// Stores vectors, of lanes that may be wider than what is stored of them.
    fn store(&mut self, access: Access, lane: Lane, vectors: &[Value], base: Value) {
        let mut vectors = vectors.to_vec();
        let mut bits = lane.bits();
        let low = self.v128(lane.repeat(u128::MAX >> (128 - access.size * 8)));
        if bits > access.size * 8 {
            for vector in &mut vectors {
                *vector = self.op(Op::V128And, &[*vector, low]);
            }
        }
        while bits > access.size * 8 {
            let op = if bits == 32 { Op::I16x8NarrowI32x4U } else { Op::I8x16NarrowI16x8U };
            let pair = |pair: &[Value]| [pair[0], *pair.last().expect("chunks are not empty")];
            let pairs: Vec<[Value; 2]> = vectors.chunks(2).map(pair).collect();
            vectors = pairs.into_iter().map(|pair| self.op(op, &pair)).collect();
            bits /= 2;
        }
        // Narrow lanes need not fill the last vector; behind them are places that the loop may never write to.
        let end = u64::from(self.plan.elements * access.size);
        for (start, vector) in (0..).step_by(16).zip(vectors) {
            let mut at = start;
            while at < end.min(start + 16) {
                let (op, size) = match end - at {
                    16.. if at == start => (Op::V128Store, 16),
                    8.. => (Op::V128Store64Lane, 8),
                    _ => (Op::V128Store32Lane, 4),
                };
                self.access(op, access, at, &[base, vector]);
                at += size;
            }
        }
    }

    // ------------------------------------------------------------------------------------------ results

    /// Adds a vector to a reduction's.
    fn reduce(&mut self, reduction: &Reduction, sum: Value, mut vector: Value) -> Value {
        let lane = self.plan.packs[reduction.pack].lane;
        let op = match reduction.op {
            Op::I32Add => Op::I32x4Add,
            Op::I64Add => Op::I64x2Add,
            Op::I32And | Op::I64And => Op::V128And,
            Op::I32Or | Op::I64Or => Op::V128Or,
            _ => Op::V128Xor,
        };
        if lane == Lane::I8 {
            vector = self.op(Op::I16x8ExtAddPairwiseI8x16U, &[vector]);
        }
        if matches!(lane, Lane::I8 | Lane::I16) {
            vector = self.op(Op::I32x4ExtAddPairwiseI16x8U, &[vector]);
        }
        self.op(op, &[sum, vector])
    }

    /// Enters the loop with what its parameters are after the groups.
    fn rest(&mut self, iterations: Value, finals: Finals) {
        let plan = self.plan;
        let mut values = Vec::new();
        let params: Vec<_> = self.body.params(self.graph).collect();
        for (position, (param, _)) in params.into_iter().enumerate() {
            let initial = self.initial[position];
            let reduction = plan.reductions.iter().position(|sum| sum.param == position);
            let shifted = plan.packs.iter().find_map(|pack| match pack.node {
                Node::Shifted(of, param) if param == position => Some(of),
                _ => None,
            });
            values.push(match (reduction, shifted) {
                (Some(reduction), _) => {
                    let sum = finals.sums[reduction];
                    self.total(&plan.reductions[reduction], initial, sum)
                }
                (None, Some(of)) => {
                    let lane = plan.packs[of].lane;
                    let last = *finals.vectors[of].last().expect("packs have vectors");
                    let at = u64::from(128 / lane.bits() - 1);
                    let ty = self.graph.ty(param);
                    self.op_imm(lane.extract(), at, &[last], ty)
                }
                (None, None) => {
                    let step = self.forms.step_of_param(param).unwrap_or(0);
                    self.after(position, step, iterations)
                }
            });
        }
        let edge = self.edge(self.body.header, &values);
        self.end(Op::Br, &[], edge, 1);
    }

    /// All lanes of a reduction and the value that it began with.
    fn total(&mut self, reduction: &Reduction, initial: Value, sum: Value) -> Value {
        let (lane, ty) = match self.graph.ty(initial) {
            Type::I64 => (Lane::I64, Type::I64),
            _ => (Lane::I32, Type::I32),
        };
        (0..u64::from(128 / lane.bits())).fold(initial, |total, i| {
            let lane = self.op_imm(lane.extract(), i, &[sum], ty);
            self.op(reduction.op, &[total, lane])
        })
    }
}
