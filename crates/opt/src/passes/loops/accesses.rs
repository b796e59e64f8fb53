//! Owns the memory accesses of a loop's body: which of them move together, and which orders a vector loop keeps.
//! Does not own the comparisons at run time (`emit`).
//!
//! A *class* is the accesses whose addresses differ by constants only. Rules:
//! 1. Every access has an address of linear form with a constant step that is not negative; nothing else in the body has effects or
//!    traps.
//! 2. In a class, an access may touch what a store touched or will touch only if the vector loop keeps their order: it runs all loads of
//!    a group of iterations, then all stores. A store that is later in the scalar order, or in an earlier group, is in order.
//! 3. Between classes, at least one of them with stores, memory must be disjoint, which is found out at run time.

use std::collections::HashMap;

use sterna_isa::{Class as OpClass, Op};
use sterna_module::Module;

use super::linear::{Body, Forms, Linear};
use crate::graph::{Graph, Inst, Opcode, Value};

/// Largest step in bytes, and farthest accesses of a class from each other.
const MAX_STEP: u32 = 1 << 12;
const MAX_REACH: u64 = 1 << 28;

/// Most classes with accesses, and most pairs of them that are compared.
const MAX_CLASSES: usize = 8;
const MAX_PAIRS: usize = 6;

/// Accesses at constant distances.
pub(super) struct Class {
    /// Index form of the lowest: the address without the static offset.
    pub lowest: Linear,
    /// Bytes per iteration.
    pub step: u32,
    /// Where the accessed bytes of one iteration begin and end, relative to `lowest`.
    pub start: u64,
    pub end: u64,
    pub has_stores: bool,
}

/// One access.
#[derive(Clone, Copy)]
pub(super) struct Access {
    pub inst: Inst,
    pub op: Op,
    pub class: usize,
    /// Relative to the class's lowest index.
    pub at: u64,
    pub size: u32,
}

impl Access {
    pub fn is_store(&self) -> bool {
        self.op.class() == OpClass::Store
    }
}

/// All accesses of a loop, in order.
pub(super) struct Accesses {
    pub memory: u32,
    pub is_64: bool,
    pub page_size_log2: u32,
    pub classes: Vec<Class>,
    pub all: Vec<Access>,
}

impl Accesses {
    /// Rule 1.
    pub fn of(graph: &Graph, module: &Module, body: &Body, forms: &Forms) -> Option<Accesses> {
        let (classes, all) = (Vec::new(), Vec::new());
        let mut this = Accesses { memory: 0, is_64: false, page_size_log2: 0, classes, all };
        let mut places: HashMap<Vec<(Value, u64)>, usize> = HashMap::new();
        // Distances from the first access of the class.
        let mut distances: Vec<i64> = Vec::new();
        let mut bases: Vec<u64> = Vec::new();
        let mut lowest: Vec<i64> = Vec::new();
        for inst in graph.block_insts(body.block) {
            let Opcode::Wasm(op) = graph.inst(inst).op else {
                if graph.inst(inst).op == Opcode::Poll && graph.states_at(inst).is_empty() {
                    continue;
                }
                return None;
            };
            match op.class() {
                OpClass::Load | OpClass::Store => {}
                OpClass::Pure | OpClass::Lane | OpClass::Parametric => continue,
                OpClass::Control if op == Op::BrIf => continue,
                _ if op == Op::Nop => continue,
                _ => return None,
            }
            let form = forms.of(graph, graph.args(inst)[0]);
            let step = forms.step(graph, body, &form)?;
            let access = graph.access(inst);
            if !this.all.is_empty() && this.memory != access.memory || access.offset > MAX_REACH {
                return None;
            }
            let step = u32::try_from(step).ok().filter(|&step| step <= MAX_STEP)?;
            this.memory = access.memory;
            let class = *places.entry(form.terms.clone()).or_insert(this.classes.len());
            if class == this.classes.len() {
                bases.push(form.constant);
                lowest.push(0);
                this.classes.push(Class {
                    lowest: form.clone(),
                    step,
                    start: u64::MAX,
                    end: 0,
                    has_stores: false,
                });
            }
            let distance = form.signed(form.wrap(form.constant.wrapping_sub(bases[class])));
            if distance.unsigned_abs() > MAX_REACH {
                return None;
            }
            lowest[class] = lowest[class].min(distance);
            distances.push(distance);
            let size = op.mem_type()?.bytes();
            this.all.push(Access { inst, op, class, at: access.offset, size });
            this.classes[class].has_stores |= op.class() == OpClass::Store;
        }
        let memory = *module.memories().get(this.memory as usize)?;
        if memory.shared || this.all.is_empty() || this.classes.len() > MAX_CLASSES {
            return None;
        }
        (this.is_64, this.page_size_log2) = (memory.is_64, memory.page_size_log2);
        for (access, distance) in this.all.iter_mut().zip(distances) {
            let class = &mut this.classes[access.class];
            access.at += (distance - lowest[access.class]) as u64;
            class.start = class.start.min(access.at);
            class.end = class.end.max(access.at + u64::from(access.size));
        }
        for ((class, base), lowest) in this.classes.iter_mut().zip(bases).zip(lowest) {
            class.lowest.constant = class.lowest.wrap(base.wrapping_add(lowest as u64));
        }
        let fits = this.classes.iter().all(|class| class.end <= MAX_REACH);
        fits.then_some(this)
    }

    /// The access that an instruction is.
    pub fn at(&self, inst: Inst) -> Option<&Access> {
        let position = self.all.binary_search_by_key(&inst, |access| access.inst).ok()?;
        self.all.get(position)
    }

    /// Rule 3: the classes to compare.
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        let count = self.classes.len();
        let all = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
        all.filter(|&(a, b)| self.classes[a].has_stores || self.classes[b].has_stores).collect()
    }

    /// Rules 2 and 3 for groups of so many iterations.
    pub fn keep_order(&self, iterations: u32) -> bool {
        if self.pairs().len() > MAX_PAIRS {
            return false;
        }
        let last = i64::from(iterations) - 1;
        let stores = self.all.iter().filter(|access| access.is_store());
        stores.into_iter().all(|store| {
            let others = self
                .all
                .iter()
                .filter(|other| other.class == store.class && other.inst != store.inst);
            others.into_iter().all(|other| {
                let step = i64::from(self.classes[store.class].step);
                if step == 0 {
                    return false;
                }
                // `store` touches what `other` does if it is from `first` to `end` iterations later.
                let distance = other.at as i64 - store.at as i64;
                let first = (distance - i64::from(store.size)).div_euclid(step) + 1;
                let end = (distance + i64::from(other.size) + step - 1).div_euclid(step);
                let meets = |from: i64, to: i64| first.max(from) < end.min(to);
                if other.is_store() {
                    !meets(-last, last + 1)
                } else {
                    !meets(-last, 0) && (other.inst < store.inst || !meets(0, 1))
                }
            })
        })
    }
}
