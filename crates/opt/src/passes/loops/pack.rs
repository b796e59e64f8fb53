//! Owns finding what can be computed on lanes: from the stores, reductions and recurrences of a loop's body down to its loads.
//! Does not change the graph: `emit` makes the vector loop of a [`Plan`].
//!
//! A *pack* stands for the same value in a group of iterations; where compilers have unrolled, for `copies` values per iteration, which are
//! computed alike. Element `i` is copy `i % copies` of iteration `i / copies`. Rules for what a pack can be:
//! 1. A value that does not change, a constant per copy, or a linear form with the same step from copy to copy.
//! 2. Loads of consecutive places, or of one place that does not change.
//! 3. The same operator on packs, if it has a vector form.
//! 4. The pack before: a parameter of the loop that is the last copy's value of the iteration before, then all copies but the last.
//! 5. `i32` values have lanes of 8, 16 or 32 bits, one width per loop, the narrowest that works. Narrow lanes hold low bits, which is enough for
//!    sums, products and what is stored narrow; operators that look at whole values want a bound below 2^width.
//! 6. A sum, or bits joined by one operator, over all iterations is kept in lanes, and put together at the end; not of floats, where
//!    the order matters.

use std::collections::HashMap;

use sterna_isa::{Class, Op};

use super::accesses::{Access, Accesses};
use super::lanes::{self, Lane};
use super::linear::{Body, Forms, Linear, is_test};
use crate::graph::{Def, Graph, Inst, Opcode, Type, Value};

/// Most packs of a loop.
const MAX_PACKS: usize = 96;

/// Vectors below which a group is made twice as large.
const SMALL: u32 = 16;

/// Most copies of a value in one iteration.
const MAX_COPIES: usize = 16;

/// How a pack is computed.
pub(super) enum Node {
    Splat(Value),
    /// A sum that does not change.
    Fixed(Linear),
    /// One constant per copy.
    Constants(Vec<u128>),
    /// A linear form, and what it changes by from element to element.
    Ramp(Linear, u32),
    Load(Access),
    LoadSplat(Access),
    /// The elements of a pack, one later; the first is a parameter's, by position.
    Shifted(usize, usize),
    /// An operator on vectors.
    Op(Op, Vec<usize>),
    Shift(Op, usize, Value),
    /// From 32 to 64 bits: see [`lanes::widening`].
    Widen(Op, Option<Op>, usize),
}

/// A pack.
pub(super) struct Pack {
    pub node: Node,
    pub lane: Lane,
    /// Whether lanes are all ones or zero, for 1 and 0.
    is_mask: bool,
}

/// Stores of consecutive places.
pub(super) struct Stores {
    /// The first place.
    pub access: Access,
    pub pack: usize,
}

/// Rule 6.
pub(super) struct Reduction {
    /// Position of the parameter.
    pub param: usize,
    pub op: Op,
    pub pack: usize,
}

/// A vector loop to be made.
pub(super) struct Plan {
    pub packs: Vec<Pack>,
    pub stores: Vec<Stores>,
    pub reductions: Vec<Reduction>,
    /// Iterations in a group.
    pub iterations: u32,
    /// Elements in a pack.
    pub elements: u32,
}

impl Plan {
    /// The plan for a loop, if it can be computed on lanes.
    pub fn of(graph: &Graph, body: &Body, forms: &Forms, accesses: &Accesses) -> Option<Plan> {
        [Lane::I8, Lane::I16, Lane::I32].into_iter().find_map(|int| {
            let (packs, memo) = (Vec::new(), HashMap::new());
            let planner = Planner { graph, body, forms, accesses, int, copies: 0, packs, memo };
            planner.plan()
        })
    }

    /// Whether a group can be computed one vector of every pack at a time, which needs fewer registers: then loads come behind stores
    /// of smaller places.
    pub fn is_uniform(&self, accesses: &Accesses) -> bool {
        let bits = self.packs[0].lane.bits();
        let mut packs = self.packs.iter();
        let follows = |load: &Access, store: &Access| {
            let group = u64::from(accesses.classes[store.class].step * self.iterations);
            load.class != store.class || load.at >= store.at || load.at + group <= store.at
        };
        packs.all(|pack| {
            let in_order = match &pack.node {
                Node::Load(load) => self.stores.iter().all(|store| follows(load, &store.access)),
                _ => true,
            };
            in_order && pack.lane.bits() == bits
        }) && self.stores.iter().all(|store| store.access.size * 8 == bits)
    }

    /// Vectors of a pack.
    pub fn vectors(&self, pack: usize) -> u32 {
        self.elements * self.packs[pack].lane.bits() / 128
    }
}

struct Planner<'a> {
    graph: &'a Graph,
    body: &'a Body,
    forms: &'a Forms,
    accesses: &'a Accesses,
    /// Lanes of `i32` values.
    int: Lane,
    copies: usize,
    packs: Vec<Pack>,
    /// The pack of a value per copy, if there is one.
    memo: HashMap<Vec<Value>, Option<usize>>,
}

impl Planner<'_> {
    fn plan(mut self) -> Option<Plan> {
        let groups = self.groups()?;
        let mut reductions = Vec::new();
        let mut stores = Vec::new();
        let params: Vec<_> = self.body.params(self.graph).enumerate().collect();
        let mut others = Vec::new();
        for (position, (param, next)) in params {
            if self.forms.step_of_param(param).is_some() {
                continue;
            }
            match self.chain(param, next) {
                Some((op, values)) => reductions.push((position, op, values)),
                None => others.push(position),
            }
        }
        if let Some((.., values)) = reductions.first()
            && self.copies == 0
        {
            self.copies = values.len();
        }
        for group in groups {
            let values: Vec<_> = group.iter().map(|store| self.graph.args(store.inst)[1]).collect();
            let pack = self.pack(&values)?;
            let pack = self.stored(pack, group[0])?;
            stores.push(Stores { access: group[0], pack });
        }
        let mut reduced = Vec::new();
        for (param, op, values) in reductions {
            if values.len() != self.copies {
                return None;
            }
            let pack = self.pack(&values)?;
            let pack = self.number(pack)?;
            let is_whole = self.packs[pack].lane.bits() >= 32
                || op == Op::I32Add && values.iter().all(|&value| self.is_exact(value));
            if !is_whole {
                return None;
            }
            reduced.push(Reduction { param, op, pack });
        }
        for position in others {
            self.shifted(position)?;
        }
        self.finish(stores, reduced)
    }

    fn finish(self, stores: Vec<Stores>, reductions: Vec<Reduction>) -> Option<Plan> {
        if stores.is_empty() && reductions.is_empty() {
            return None;
        }
        let narrowest = self.packs.iter().map(|pack| pack.lane.bits()).min()?;
        let (lanes, copies) = (128 / narrowest, self.copies as u32);
        let mut iterations = lanes >> copies.trailing_zeros().min(lanes.trailing_zeros());
        let vectors = |elements: u32| -> u32 {
            self.packs.iter().map(|pack| (elements * pack.lane.bits()).div_ceil(128)).sum()
        };
        if vectors(iterations * copies) <= SMALL {
            iterations *= 2;
        }
        let elements = iterations * copies;
        let fits = elements <= 64 && vectors(elements) <= 160;
        let plan = Plan { packs: self.packs, stores, reductions, iterations, elements };
        (fits && self.accesses.keep_order(iterations)).then_some(plan)
    }

    /// The stores in groups of consecutive places, one per copy; sets how many copies there are.
    fn groups(&mut self) -> Option<Vec<Vec<Access>>> {
        let mut stores: Vec<Access> =
            self.accesses.all.iter().filter(|access| access.is_store()).copied().collect();
        stores.sort_by_key(|store| (store.class, store.at));
        let mut groups = Vec::new();
        let mut rest = &stores[..];
        while let Some(first) = rest.first() {
            let step = self.accesses.classes[first.class].step;
            let copies = (step / first.size) as usize;
            if !step.is_multiple_of(first.size)
                || !(1..=MAX_COPIES).contains(&copies)
                || rest.len() < copies
            {
                return None;
            }
            if self.copies != 0 && self.copies != copies {
                return None;
            }
            self.copies = copies;
            let (group, others) = rest.split_at(copies);
            if !self.are_consecutive(group) {
                return None;
            }
            groups.push(group.to_vec());
            rest = others;
        }
        Some(groups)
    }

    /// Whether accesses are alike, side by side, and those of the next iteration next to them.
    fn are_consecutive(&self, accesses: &[Access]) -> bool {
        let first = accesses[0];
        self.accesses.classes[first.class].step == first.size * accesses.len() as u32
            && (0..).zip(accesses).all(|(i, access)| {
                (access.class, access.op) == (first.class, first.op)
                    && access.at == first.at + i * u64::from(first.size)
            })
    }

    /// Rule 6: the operator that joins values to a parameter, and the values.
    fn chain(&self, param: Value, next: Value) -> Option<(Op, Vec<Value>)> {
        let inst = self.graph.inst(self.graph.def_inst(next)?);
        let Opcode::Wasm(op) = inst.op else { return None };
        if !matches!(
            op,
            Op::I32Add
                | Op::I32And
                | Op::I32Or
                | Op::I32Xor
                | Op::I64Add
                | Op::I64And
                | Op::I64Or
                | Op::I64Xor
        ) {
            return None;
        }
        let mut values = Vec::new();
        let mut at = next;
        while at != param {
            let inst = self.graph.def_inst(at)?;
            let is_link = |value: Value| {
                value == param
                    || self.graph.def_inst(value).is_some_and(|inst| {
                        self.graph.inst(inst).op == Opcode::Wasm(op)
                            && self.body.defines(self.graph, value)
                    })
            };
            if self.graph.inst(inst).op != Opcode::Wasm(op) || values.len() == MAX_COPIES {
                return None;
            }
            let &[a, b] = self.graph.args(inst) else { return None };
            let (link, value) = match (a == param || b != param && is_link(a), is_link(b)) {
                (true, _) => (a, b),
                (false, true) => (b, a),
                _ => return None,
            };
            values.push(value);
            at = link;
        }
        values.sort_unstable();
        Some((op, values))
    }

    // ------------------------------------------------------------------------------------------ packs

    fn push(&mut self, node: Node, lane: Lane, is_mask: bool) -> Option<usize> {
        self.packs.push(Pack { node, lane, is_mask });
        (self.packs.len() <= MAX_PACKS).then_some(self.packs.len() - 1)
    }

    fn lane(&self, value: Value) -> Option<Lane> {
        Some(match self.graph.ty(value) {
            Type::I32 => self.int,
            Type::I64 => Lane::I64,
            Type::F32 => Lane::F32,
            Type::F64 => Lane::F64,
            _ => return None,
        })
    }

    /// Rule 5: whether lanes hold all that there is of a value.
    fn is_exact(&self, value: Value) -> bool {
        self.graph.ty(value) != Type::I32
            || self.int == Lane::I32
            || self.forms.bound(self.graph, value) < 1 << self.int.bits()
    }

    /// The pack of a value per copy.
    fn pack(&mut self, values: &[Value]) -> Option<usize> {
        if let Some(&known) = self.memo.get(values) {
            return known;
        }
        // What depends on itself is none.
        self.memo.insert(values.to_vec(), None);
        let pack = self.find(values);
        self.memo.insert(values.to_vec(), pack);
        pack
    }

    fn find(&mut self, values: &[Value]) -> Option<usize> {
        let first = *values.first()?;
        let lane = self.lane(first)?;
        let are_same = values.iter().all(|&value| value == first);
        if !values.iter().any(|&value| self.body.defines(self.graph, value)) {
            if are_same {
                return self.push(Node::Splat(first), lane, false);
            }
            let constants: Option<_> =
                values.iter().map(|&value| self.graph.constant(value)).collect();
            return self.push(Node::Constants(constants?), lane, false);
        }
        if self.graph.ty(first) == Type::I32
            && let Some(node) = self.linear(values)
        {
            return self.push(node, lane, false);
        }
        match self.graph.def(first) {
            Def::Param(_) => {
                let mut params = self.body.params(self.graph);
                let position = params.position(|(param, _)| param == first)?;
                let (_, next) = self.body.params(self.graph).nth(position)?;
                // The loop goes on with the last element, as a whole number.
                if self.forms.step_of_param(first).is_some() || !self.is_exact(next) {
                    return None;
                }
                // Copy `i` must be the one before of the pack that `shifted` takes.
                let of: Vec<_> = values[1..].iter().copied().chain([next]).collect();
                let of = self.pack(&of)?;
                let of = self.number(of)?;
                self.push(Node::Shifted(of, position), lane, false)
            }
            Def::Result(_) => self.operator(values, lane),
            Def::Const(_) | Def::Alias(_) => None,
        }
    }

    /// Rule 1 for linear forms.
    fn linear(&self, values: &[Value]) -> Option<Node> {
        let first = self.forms.of(self.graph, values[0]);
        let step = self.forms.step(self.graph, self.body, &first)? as u32;
        let by = step / self.copies as u32;
        for (i, &value) in (0..).zip(values) {
            let form = self.forms.of(self.graph, value);
            let expected = (first.constant as u32).wrapping_add(by.wrapping_mul(i));
            if form.terms != first.terms || form.constant as u32 != expected {
                return None;
            }
        }
        match step {
            0 => Some(Node::Fixed(first)),
            _ if self.int != Lane::I32 || !step.is_multiple_of(self.copies as u32) => None,
            _ => Some(Node::Ramp(first, by)),
        }
    }

    /// Rule 4, for a parameter that nothing else than its value in the end may want.
    fn shifted(&mut self, position: usize) -> Option<()> {
        let (param, _) = self.body.params(self.graph).nth(position)?;
        // The other copies' values are not known from the parameter; packs that use it have found them.
        let is_known = self
            .packs
            .iter()
            .any(|pack| matches!(pack.node, Node::Shifted(_, of) if of == position));
        if !is_known {
            if self.copies != 1 {
                return None;
            }
            self.pack(&[param])?;
        }
        Some(())
    }

    fn operator(&mut self, values: &[Value], lane: Lane) -> Option<usize> {
        let insts: Option<Vec<Inst>> =
            values.iter().map(|&value| self.graph.def_inst(value)).collect();
        let insts = insts?;
        let Opcode::Wasm(op) = self.graph.inst(insts[0]).op else { return None };
        let inside = |&value: &Value| self.body.defines(self.graph, value);
        let is_alike = |&inst: &Inst| self.graph.inst(inst).op == Opcode::Wasm(op);
        if !values.iter().all(inside) || !insts.iter().all(is_alike) {
            return None;
        }
        if op.class() == Class::Load {
            return self.load(op, &insts, lane);
        }
        let operands = |this: &Self, i: usize| -> Vec<Value> {
            insts.iter().map(|&inst| this.graph.args(inst)[i]).collect()
        };
        let count = self.graph.args(insts[0]).len();
        let all: Vec<Vec<Value>> = (0..count).map(|i| operands(self, i)).collect();
        if op == Op::Select {
            return self.select(&all, lane);
        }
        if is_test(op) {
            return self.test(op, &all);
        }
        if let Some(shift) = lanes::shift(op, self.int) {
            return self.shift(op, shift, &all, lane);
        }
        if let Some((low, high)) = lanes::widening(op) {
            let a = self.pack(&all[0])?;
            let a = self.number(a)?;
            let fits = self.packs[a].lane.bits() == 32;
            return self.push(Node::Widen(low, high, a), lane, false).filter(|_| fits);
        }
        if let Some(conversion) = lanes::conversion(op) {
            let a = self.pack(&all[0])?;
            let a = self.number(a)?;
            let fits = self.packs[a].lane.bits() == 32 && lane.bits() == 32;
            return self.push(Node::Op(conversion, vec![a]), lane, false).filter(|_| fits);
        }
        let vector = lanes::elementwise(op, self.int)?;
        let mut args = Vec::new();
        for operands in &all {
            args.push(self.pack(operands)?);
        }
        let are_masks = matches!(op, Op::I32And | Op::I32Or | Op::I32Xor)
            && args.iter().all(|&arg| self.packs[arg].is_mask)
            && self.packs[args[0]].lane == self.packs[args[1]].lane;
        if are_masks {
            return self.push(Node::Op(vector, args.clone()), self.packs[args[0]].lane, true);
        }
        for arg in &mut args {
            *arg = self.number(*arg)?;
        }
        self.push(Node::Op(vector, args), lane, false)
    }

    /// Rule 2.
    fn load(&mut self, op: Op, insts: &[Inst], lane: Lane) -> Option<usize> {
        let accesses: Option<Vec<Access>> =
            insts.iter().map(|&inst| self.accesses.at(inst).copied()).collect();
        let accesses = accesses?;
        let first = accesses[0];
        let bytes = first.size * 8;
        let fits = match op {
            Op::I32Load8S | Op::I32Load8U | Op::I32Load16S | Op::I32Load16U => bytes <= lane.bits(),
            Op::I32Load | Op::I64Load | Op::F32Load | Op::F64Load => bytes == lane.bits(),
            Op::I64Load32S | Op::I64Load32U => true,
            _ => false,
        };
        if !fits {
            return None;
        }
        if self.accesses.classes[first.class].step == 0 {
            let are_same = accesses.iter().all(|access| {
                (access.class, access.op, access.at) == (first.class, first.op, first.at)
            });
            let node = Node::LoadSplat(first);
            return (are_same && bytes == lane.bits()).then(|| self.push(node, lane, false))?;
        }
        self.are_consecutive(&accesses).then(|| self.push(Node::Load(first), lane, false))?
    }

    fn shift(&mut self, op: Op, vector: Op, all: &[Vec<Value>], lane: Lane) -> Option<usize> {
        let amount = all[1][0];
        let constant = self.graph.constant(amount);
        let is_fixed =
            all[1].iter().all(|&other| other == amount) && !self.body.defines(self.graph, amount);
        let is_small = constant.is_some_and(|amount| amount < u128::from(lane.bits()));
        let is_left = matches!(op, Op::I32Shl | Op::I64Shl);
        let is_exact = is_left || all[0].iter().all(|&value| self.is_exact(value));
        if !is_fixed || !is_exact || !(is_small || lane == Lane::I32) {
            return None;
        }
        let a = self.pack(&all[0])?;
        let a = self.number(a)?;
        self.push(Node::Shift(vector, a, amount), lane, false)
    }

    /// A comparison: a mask.
    fn test(&mut self, op: Op, all: &[Vec<Value>]) -> Option<usize> {
        if !all.iter().flatten().all(|&value| self.is_exact(value)) {
            return None;
        }
        let a = self.pack(&all[0])?;
        if op == Op::I32Eqz {
            if self.packs[a].is_mask {
                let lane = self.packs[a].lane;
                return self.push(Node::Op(Op::V128Not, vec![a]), lane, true);
            }
            let (vector, lane) = lanes::comparison(Op::I32Eq, self.int)?;
            let zero = self.push(Node::Constants(vec![0; self.copies]), lane, false)?;
            return self.push(Node::Op(vector, vec![a, zero]), lane, true);
        }
        let (vector, lane) = lanes::comparison(op, self.int)?;
        let b = self.pack(all.get(1)?)?;
        let (a, b) = (self.number(a)?, self.number(b)?);
        self.push(Node::Op(vector, vec![a, b]), lane.int(), true)
    }

    fn select(&mut self, all: &[Vec<Value>], lane: Lane) -> Option<usize> {
        let [a, b, condition] = [0, 1, 2].map(|i| self.pack(&all[i]));
        let (a, b, condition) = (a?, b?, condition?);
        let mask = if self.packs[condition].is_mask {
            condition
        } else {
            if !all[2].iter().all(|&value| self.is_exact(value)) {
                return None;
            }
            let (vector, of) = lanes::comparison(Op::I32Ne, self.int)?;
            let zero = self.push(Node::Constants(vec![0; self.copies]), of, false)?;
            self.push(Node::Op(vector, vec![condition, zero]), of, true)?
        };
        if self.packs[mask].lane.bits() != lane.bits() {
            return None;
        }
        let (a, b) = (self.number(a)?, self.number(b)?);
        self.push(Node::Op(Op::V128Bitselect, vec![a, b, mask]), lane, false)
    }

    /// A pack whose lanes are numbers: ones and zeros if it was a mask.
    fn number(&mut self, pack: usize) -> Option<usize> {
        if !self.packs[pack].is_mask {
            return Some(pack);
        }
        if self.packs[pack].lane != self.int {
            return None;
        }
        let one = self.push(Node::Constants(vec![1; self.copies]), self.int, false)?;
        self.push(Node::Op(Op::V128And, vec![pack, one]), self.int, false)
    }

    /// The pack to be stored: with lanes at least as wide as what is stored.
    fn stored(&mut self, pack: usize, store: Access) -> Option<usize> {
        let bits = store.size * 8;
        let pack = self.number(pack)?;
        let lane = self.packs[pack].lane;
        let fits = match store.op {
            Op::I32Store8 | Op::I32Store16 => bits <= lane.bits(),
            Op::I32Store | Op::I64Store | Op::F32Store | Op::F64Store => bits == lane.bits(),
            _ => false,
        };
        fits.then_some(pack)
    }
}
