//! Owns the first look at a body: which locals each loop assigns, and whether the function calls.
//! Does not look at types or reachability: assignments in dead code count, which is harmless.

use sterna_isa::{Class, Op};
use sterna_module::{Imm, Operators};

use super::BuildError;

/// Locals assigned in each loop of a body, loops in order of their `loop` operators.
#[derive(Default)]
pub(super) struct Loops {
    /// Range of `locals` of each loop.
    ranges: Vec<(u32, u32)>,
    locals: Vec<u32>,
    open: Vec<Open>,
    /// Per local, one more than the loop whose list it was last put on.
    seen: Vec<u32>,
    /// Lists of open loops, outer ones first.
    stack: Vec<u32>,
}

/// What a body contains.
#[derive(Clone, Copy, Default)]
pub(super) struct Scanned {
    /// Calls, tail calls included.
    pub calls: bool,
    pub tail_calls: bool,
    pub throws: bool,
}

/// A construct being scanned.
#[derive(Clone, Copy)]
struct Open {
    is_loop: bool,
    /// The innermost loop, this one included.
    innermost: u32,
    /// How many loops there are around what is in it.
    depth: u32,
    /// Where the loop's list starts.
    start: u32,
}

/// Outside of all loops.
const NO_LOOP: u32 = u32::MAX;

/// Most entries of all lists together: deeply nested loops could otherwise repeat each other's lists without end.
const MAX_LOCALS: usize = 1 << 22;

/// Most loops in each other: analyses behind this one look at all loops around each block.
const MAX_DEPTH: u32 = 1000;

impl Loops {
    /// Locals assigned in the `index`th loop.
    pub fn assigned(&self, index: u32) -> &[u32] {
        let (start, end) = self.ranges[index as usize];
        &self.locals[start as usize..end as usize]
    }

    pub fn clear(&mut self) {
        self.ranges.clear();
        self.locals.clear();
        self.seen.clear();
    }

    /// How many loops have been scanned: the index of the next one.
    pub fn len(&self) -> u32 {
        self.ranges.len() as u32
    }

    /// Scans a body whose first local is numbered `base`.
    pub fn scan(&mut self, operators: Operators<'_>, base: u32) -> Result<Scanned, BuildError> {
        self.open.clear();
        self.stack.clear();
        let mut scanned = Scanned::default();
        for operator in operators {
            match operator.op {
                Op::Block | Op::If | Op::TryTable | Op::Try => {
                    let (innermost, depth) = (self.innermost(), self.depth());
                    self.open.push(Open { is_loop: false, innermost, depth, start: 0 });
                }
                Op::Loop => {
                    let id = self.ranges.len() as u32;
                    let depth = self.depth() + 1;
                    if depth > MAX_DEPTH {
                        return Err(BuildError::TooLarge);
                    }
                    self.open.push(Open {
                        is_loop: true,
                        innermost: id,
                        depth,
                        start: self.stack.len() as u32,
                    });
                    self.ranges.push((0, 0));
                }
                Op::End | Op::Delegate => self.close(),
                Op::LocalSet | Op::LocalTee => {
                    if let Imm::Index(local) = operator.imm {
                        self.assign(base + local);
                    }
                }
                Op::Throw | Op::ThrowRef | Op::Rethrow => scanned.throws = true,
                op => {
                    scanned.calls |= op.class() == Class::Call;
                    scanned.tail_calls |=
                        matches!(op, Op::ReturnCall | Op::ReturnCallIndirect | Op::ReturnCallRef);
                }
            }
            if self.locals.len() > MAX_LOCALS {
                return Err(BuildError::TooLarge);
            }
        }
        Ok(scanned)
    }

    fn innermost(&self) -> u32 {
        self.open.last().map_or(NO_LOOP, |open| open.innermost)
    }

    fn depth(&self) -> u32 {
        self.open.last().map_or(0, |open| open.depth)
    }

    fn assign(&mut self, local: u32) {
        let id = self.innermost();
        if id == NO_LOOP {
            return;
        }
        if self.seen.len() <= local as usize {
            self.seen.resize(local as usize + 1, 0);
        }
        let seen = &mut self.seen[local as usize];
        if *seen != id + 1 {
            *seen = id + 1;
            self.stack.push(local);
        }
    }

    /// Ends a construct. A loop's list is sorted, stripped of repetitions, stored, and becomes part of the enclosing loop's.
    fn close(&mut self) {
        let Some(Open { is_loop: true, innermost: id, start, .. }) = self.open.pop() else {
            return;
        };
        let list = &mut self.stack[start as usize..];
        list.sort_unstable();
        let from = self.locals.len() as u32;
        self.locals.extend_from_slice(list);
        let mut end = from as usize;
        for i in from as usize..self.locals.len() {
            if i == from as usize || self.locals[i] != self.locals[end - 1] {
                self.locals[end] = self.locals[i];
                end += 1;
            }
        }
        self.locals.truncate(end);
        self.ranges[id as usize] = (from, end as u32);
        self.stack.truncate(start as usize);
        if self.innermost() != NO_LOOP {
            self.stack.extend_from_slice(&self.locals[from as usize..]);
        }
    }
}
