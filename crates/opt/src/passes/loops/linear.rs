//! Owns what is known of the values in a loop's body: linear forms of integers, what they change by per iteration, and bounds.
//! Does not own the loop's condition (`counted`).
//!
//! A *linear form* is a sum of values with factors, and a constant, modulo 2^32 or 2^64 as their type says. Sums, differences, and products with constants have
//! one; any other value is a form of itself.

use std::collections::HashMap;

use sterna_isa::Op;

use crate::graph::{Block, Def, Edge, Graph, Inst, Opcode, Type, Value};

/// Most values in a form: longer ones count as values of their own.
const MAX_TERMS: usize = 6;

/// A loop whose iterations are one block.
pub(super) struct Body {
    /// Where the loop begins.
    pub header: Block,
    /// The block: the header itself, or one that stands for all of the loop's (see `flatten`).
    pub block: Block,
    /// From the block to itself.
    pub back: Edge,
    /// What is branched on, and whether the loop goes on if it is true.
    pub condition: Value,
    pub on_true: bool,
}

impl Body {
    /// The loop that a block is, if it is one.
    pub fn of(graph: &Graph, block: Block) -> Option<Body> {
        let last = graph.block_insts(block).next_back()?;
        if graph.inst(last).op != Opcode::Wasm(Op::BrIf) {
            return None;
        }
        let [taken, not_taken] = [0, 1].map(|i| graph.edges(last).nth(i));
        let (taken, not_taken) = (taken?, not_taken?);
        let leads_back = |edge: Edge| graph.edge(edge).block == block;
        let (back, on_true) = match (leads_back(taken), leads_back(not_taken)) {
            (true, false) => (taken, true),
            (false, true) => (not_taken, false),
            _ => return None,
        };
        Some(Body { header: block, block, back, condition: graph.args(last)[0], on_true })
    }

    /// Whether a value is defined in the loop.
    pub fn defines(&self, graph: &Graph, value: Value) -> bool {
        match graph.def(value) {
            Def::Param(block) => block == self.block,
            Def::Result(inst) => {
                let (first, end) = graph.block(self.block).insts;
                (first..end).contains(&inst)
            }
            Def::Const(_) | Def::Alias(_) => false,
        }
    }

    /// The block's parameters, each with its value in the next iteration.
    pub fn params<'a>(&self, graph: &'a Graph) -> impl Iterator<Item = (Value, Value)> + use<'a> {
        let params = graph.list(graph.block(self.block).params);
        params.iter().copied().zip(graph.list(graph.edge(self.back).args).iter().copied())
    }
}

/// A linear form.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Linear {
    /// Values and their factors, which are not 0, by ascending value.
    pub terms: Vec<(Value, u64)>,
    pub constant: u64,
    /// Whether it is one of 64-bit integers. Factors and the constant of others have 32 bits.
    pub is_64: bool,
}

impl Linear {
    pub fn constant(constant: u64, is_64: bool) -> Linear {
        Linear { terms: Vec::new(), constant, is_64 }
    }

    /// A number as those of the form's type are.
    pub fn wrap(&self, number: u64) -> u64 {
        if self.is_64 { number } else { u64::from(number as u32) }
    }

    /// A number that [`Linear::wrap`] made, with its sign.
    pub fn signed(&self, number: u64) -> i64 {
        if self.is_64 { number as i64 } else { i64::from(number as u32 as i32) }
    }

    /// The sum of this form and `factor` times another one.
    pub fn plus(&self, other: &Linear, factor: u64) -> Linear {
        let mut sum = self.clone();
        sum.constant = self.wrap(sum.constant.wrapping_add(other.constant.wrapping_mul(factor)));
        for &(value, of) in &other.terms {
            let of = self.wrap(of.wrapping_mul(factor));
            match sum.terms.binary_search_by_key(&value, |term| term.0) {
                Ok(at) => sum.terms[at].1 = self.wrap(sum.terms[at].1.wrapping_add(of)),
                Err(at) => sum.terms.insert(at, (value, of)),
            }
        }
        sum.terms.retain(|term| term.1 != 0);
        sum
    }
}

/// The forms of a loop's values.
pub(super) struct Forms {
    forms: HashMap<Value, Linear>,
    /// By parameter of the loop: what it changes by per iteration, if that is constant.
    steps: HashMap<Value, u64>,
    /// Upper bounds of values as unsigned numbers.
    bounds: HashMap<Value, u32>,
}

impl Forms {
    pub fn new(graph: &Graph, body: &Body) -> Forms {
        let (forms, steps, bounds) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut this = Forms { forms, steps, bounds };
        for inst in graph.block_insts(body.block) {
            let data = graph.inst(inst);
            if let Opcode::Wasm(op) = data.op
                && data.results == 1
                && is_integer(graph, data.first_result)
            {
                if let Some(form) = this.compute(graph, op, inst) {
                    this.forms.insert(data.first_result, form);
                }
                if graph.ty(data.first_result) == Type::I32 {
                    let bound = this.bound_of(graph, op, inst);
                    this.bounds.insert(data.first_result, bound);
                }
            }
        }
        for (param, next) in body.params(graph) {
            let next = this.of(graph, next);
            if is_integer(graph, param) && next.terms == [(param, 1)] {
                this.steps.insert(param, next.constant);
            }
        }
        this
    }

    /// The form of an integer.
    pub fn of(&self, graph: &Graph, value: Value) -> Linear {
        let is_64 = graph.ty(value) == Type::I64;
        match (graph.constant(value), self.forms.get(&value)) {
            (Some(bits), _) => Linear::constant(bits as u64, is_64),
            (None, Some(form)) => form.clone(),
            (None, None) => Linear { terms: vec![(value, 1)], constant: 0, is_64 },
        }
    }

    fn compute(&self, graph: &Graph, op: Op, inst: Inst) -> Option<Linear> {
        let &[a, b] = graph.args(inst) else { return None };
        let is_32 = matches!(op, Op::I32Add | Op::I32Sub | Op::I32Mul | Op::I32Shl);
        let is_64 = matches!(op, Op::I64Add | Op::I64Sub | Op::I64Mul | Op::I64Shl);
        if !is_32 && !is_64 {
            return None;
        }
        let (a, b) = (self.of(graph, a), self.of(graph, b));
        let zero = Linear::constant(0, is_64);
        let form = match op {
            Op::I32Add | Op::I64Add => a.plus(&b, 1),
            Op::I32Sub | Op::I64Sub => a.plus(&b, u64::MAX),
            Op::I32Mul | Op::I64Mul if b.terms.is_empty() => zero.plus(&a, b.constant),
            Op::I32Mul | Op::I64Mul if a.terms.is_empty() => zero.plus(&b, a.constant),
            Op::I32Shl | Op::I64Shl if b.terms.is_empty() => {
                let bits = if is_64 { 64 } else { 32 };
                zero.plus(&a, 1 << (b.constant % bits))
            }
            _ => return None,
        };
        (form.terms.len() <= MAX_TERMS).then_some(form)
    }

    /// What a form changes by per iteration, if that is constant.
    pub fn step(&self, graph: &Graph, body: &Body, form: &Linear) -> Option<u64> {
        form.terms.iter().try_fold(0, |sum: u64, &(value, factor)| {
            let step = match self.steps.get(&value) {
                Some(step) => *step,
                None if body.defines(graph, value) => return None,
                None => 0,
            };
            Some(form.wrap(sum.wrapping_add(step.wrapping_mul(factor))))
        })
    }

    /// What a parameter of the loop changes by per iteration, if that is constant.
    pub fn step_of_param(&self, param: Value) -> Option<u64> {
        self.steps.get(&param).copied()
    }

    /// A number that a value of type `i32` never exceeds, as an unsigned number.
    pub fn bound(&self, graph: &Graph, value: Value) -> u32 {
        match (graph.constant(value), self.bounds.get(&value)) {
            (Some(bits), _) => bits as u32,
            (None, bound) => bound.copied().unwrap_or(u32::MAX),
        }
    }

    fn bound_of(&self, graph: &Graph, op: Op, inst: Inst) -> u32 {
        let bound = |i: usize| self.bound(graph, graph.args(inst)[i]);
        let ones = |bound: u32| u32::MAX.checked_shr(bound.leading_zeros()).unwrap_or(0);
        match op {
            Op::I32Load8U => 0xff,
            Op::I32Load16U => 0xffff,
            Op::I32And => bound(0).min(bound(1)),
            Op::I32Or | Op::I32Xor => ones(bound(0)) | ones(bound(1)),
            Op::I32Add => bound(0).saturating_add(bound(1)),
            Op::I32Mul => bound(0).saturating_mul(bound(1)),
            Op::I32ShrU => match graph.constant(graph.args(inst)[1]) {
                Some(amount) => bound(0) >> (amount as u32 & 31),
                None => bound(0),
            },
            Op::Select => bound(0).max(bound(1)),
            _ if is_test(op) => 1,
            _ => u32::MAX,
        }
    }
}

fn is_integer(graph: &Graph, value: Value) -> bool {
    matches!(graph.ty(value), Type::I32 | Type::I64)
}

/// Whether an operator is a comparison.
pub(super) fn is_test(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        I32Eqz
            | I32Eq
            | I32Ne
            | I32LtS
            | I32LtU
            | I32GtS
            | I32GtU
            | I32LeS
            | I32LeU
            | I32GeS
            | I32GeU
            | I64Eqz
            | I64Eq
            | I64Ne
            | I64LtS
            | I64LtU
            | I64GtS
            | I64GtU
            | I64LeS
            | I64LeU
            | I64GeS
            | I64GeU
            | F32Eq
            | F32Ne
            | F32Lt
            | F32Gt
            | F32Le
            | F32Ge
            | F64Eq
            | F64Ne
            | F64Lt
            | F64Gt
            | F64Le
            | F64Ge
    )
}
