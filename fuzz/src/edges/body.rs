//! Owns the bodies of functions over shared memories, tables and globals: statements, one after the other, that each change the digest or
//! what is shared. Does not own what there is to be named (`edges`).
//!
//! Three locals are *pointers*. The generator knows about where each points (a parameter adds a little) and so which constant and which
//! static offset, in which of the ways there are, lead from there to a place: near the beginning or the end of memory, seldom beyond.

use std::fmt::Write;

use super::{MEMORIES, Plan, TABLES};
use crate::random::Random;

/// Memories from this size on, in bytes, are not written whole.
const MOST_WRITTEN: u64 = 64 << 20;

/// How a place is read and written.
struct Kind {
    ty: &'static str,
    load: &'static str,
    store: &'static str,
    size: u64,
}

const KINDS: [Kind; 10] = [
    Kind { ty: "i32", load: "load", store: "store", size: 4 },
    Kind { ty: "i32", load: "load", store: "store", size: 4 },
    Kind { ty: "i64", load: "load", store: "store", size: 8 },
    Kind { ty: "i32", load: "load8_u", store: "store8", size: 1 },
    Kind { ty: "i32", load: "load16_s", store: "store16", size: 2 },
    Kind { ty: "i64", load: "load32_u", store: "store32", size: 4 },
    Kind { ty: "f32", load: "load", store: "store", size: 4 },
    Kind { ty: "f64", load: "load", store: "store", size: 8 },
    Kind { ty: "v128", load: "load", store: "store", size: 16 },
    Kind { ty: "v128", load: "load32_splat", store: "store", size: 16 },
];

pub(super) struct Body<'a> {
    pub(super) random: &'a mut Random,
    pub(super) plan: &'a Plan,
    /// Where the pointers point, and how far they go in the loops around.
    pub(super) pointers: [(u64, i64); 3],
    /// Places that were accessed: the pointer, and how far from it.
    pub(super) places: Vec<(usize, u64)>,
    loops: usize,
    /// Open conditions and loops, in which pointers stay.
    pub(super) inside: u32,
    /// The memory that is accessed; any, if there is none.
    only: Option<u64>,
    out: String,
}

impl Body<'_> {
    pub(super) fn new<'a>(random: &'a mut Random, plan: &'a Plan) -> Body<'a> {
        let pointers = [(0, 0); 3];
        let (places, out) = (Vec::new(), String::new());
        Body { random, plan, pointers, places, loops: 0, inside: 0, only: None, out }
    }

    /// The function.
    pub(super) fn text(mut self) -> String {
        let (at, index) = (self.plan.funcs, self.plan.memories.index);
        let twice =
            if self.random.one_in(2) { format!(" (export \"f{at}'\")") } else { String::new() };
        self.line(&format!(
            "(func $f{at} (export \"f{at}\"){twice} (type $f) (param $a i32) (result i32)"
        ));
        self.line(&format!("  (local $p0 {index}) (local $p1 {index}) (local $p2 {index}) (local $e {index}) (local $x i32) (local $n0 i32) (local $n1 i32)"));
        self.line("  (call $burn)");
        for at in 0..3 {
            self.point(at);
        }
        self.line("(block $out");
        for _ in 0..3 + self.random.below(9) {
            self.statement(2);
        }
        self.line(")\n  (local.get $x))");
        self.out
    }

    pub(super) fn line(&mut self, text: &str) {
        _ = writeln!(self.out, "    {text}");
    }

    fn memory(&mut self) -> u64 {
        self.only.unwrap_or_else(|| self.random.below(MEMORIES))
    }

    /// A global of any type, as `i32`.
    fn global(&mut self) -> String {
        let (name, ty) =
            &self.plan.globals[self.random.below(self.plan.globals.len() as u64) as usize];
        let get = format!("(global.get ${name})");
        match *ty {
            "i32" => get,
            "i64" => format!("(i32.wrap_i64 {get})"),
            _ => format!("(i32x4.extract_lane {} {get})", self.random.below(4)),
        }
    }

    /// A load, as `i32`.
    fn load(&mut self) -> String {
        let Kind { ty, load, size, .. } = KINDS[self.random.below(10) as usize];
        let ((offset, at), memory) = (self.address(size), self.memory());
        match ty {
            "i32" if self.random.one_in(40) => {
                format!("(i32.atomic.rmw.add $m{memory} {offset}{at} (local.get $x))")
            }
            "v128" if self.random.one_in(4) => format!(
                "(i32x4.extract_lane 2 (v128.load16_lane $m{memory} {offset}3 {at} (i32x4.splat (local.get $x))))"
            ),
            _ => as_i32(ty, &format!("({ty}.{load} $m{memory} {offset}{at})")),
        }
    }

    /// An `i32` that is cheap.
    fn value(&mut self) -> String {
        match self.random.below(9) {
            0 | 1 => "(local.get $x)".to_owned(),
            2 => "(local.get $a)".to_owned(),
            3 => format!("(i32.const {})", self.random.below(90) as i64 - 20),
            4 | 5 => self.global(),
            6 => format!("(i32.add {} (i32.const 3))", self.global()),
            _ => self.load(),
        }
    }

    fn condition(&mut self) -> String {
        match self.random.below(6) {
            0 => format!("(i32.and (local.get $a) (i32.const {}))", 1 << self.random.below(4)),
            1 => format!("(i32.lt_s (local.get $x) {})", self.value()),
            2 => format!("(i32.lt_u {} (i32.const {}))", self.global(), self.random.below(200)),
            3 => format!("(i32.and {} (i32.const 1))", self.value()),
            _ => format!("(i32.gt_u (local.get $a) (i32.const {}))", self.random.below(250)),
        }
    }

    fn digest(&mut self, value: &str) {
        let text = match self.random.below(4) {
            0 => format!("(local.set $x (i32.add (local.get $x) {value}))"),
            1 => {
                format!("(local.set $x (i32.xor (i32.rotl (local.get $x) (i32.const 5)) {value}))")
            }
            _ => {
                format!("(local.set $x (i32.add (i32.mul (local.get $x) (i32.const 31)) {value}))")
            }
        };
        self.line(&text);
    }

    fn statement(&mut self, depth: u32) {
        match self.random.below(36) {
            0..6 => {
                let value = self.value();
                self.store(&value);
            }
            6..11 => {
                let value = self.load();
                self.digest(&value);
            }
            11..13 => {
                let value = self.global();
                self.digest(&value);
            }
            13..16 => self.set_global(),
            16 | 17 => {
                // With nothing in between that could look at globals.
                for _ in 0..3 + self.random.below(3) {
                    let value = self.global();
                    match self.random.one_in(2) {
                        true => self.digest(&value),
                        false => self.set_global_to(&value),
                    }
                }
            }
            18 => self.grow(),
            19 | 20 => self.bulk(),
            21 => self.table(),
            22 | 23 => self.call(),
            24 if self.inside == 0 && self.random.one_in(2) => {
                let at = self.random.below(3) as usize;
                self.places.retain(|place| place.0 != at);
                self.point(at);
            }
            24 if self.random.one_in(3) => {
                let condition = self.condition();
                let (tag, thrown) = (self.tag(), self.global());
                let text = match self.random.below(3) {
                    0 => format!("(if {condition} (then (throw {tag} {thrown})))"),
                    _ => format!("(br_if $out {condition})"),
                };
                self.line(&text);
            }
            25 | 26 if depth > 0 => {
                let condition = self.condition();
                self.line(&format!("(if {condition} (then"));
                self.inside += 1;
                self.statement(depth - 1);
                self.statement(depth - 1);
                if self.random.one_in(2) {
                    self.line(") (else");
                    self.statement(depth - 1);
                }
                self.inside -= 1;
                self.line("))");
            }
            27..29 if depth > 0 => self.repeated(depth - 1),
            _ => self.again(),
        }
    }

    /// Reads one place several times, in different ways, and writes there by another name in between.
    fn again(&mut self) {
        let Kind { ty, load, store, size } = KINDS[self.random.below(9) as usize];
        let (pointer, delta) = self.place(size);
        let (first, second) = (self.memory(), self.memory());
        for step in 0..2 + self.random.below(4) {
            let (offset, at) = self.way(pointer, delta, 6);
            let part = static_part(offset);
            if (step % 2 == 1) != self.random.one_in(6) {
                let value = self.global();
                self.write_there(second, &at, offset, (ty, store, size), &value);
            } else if self.random.one_in(4) {
                let value = from_i32(ty, &self.global());
                self.line(&format!("({ty}.{store} $m{first} {part}{at} {value})"));
            } else {
                self.digest(&as_i32(ty, &format!("({ty}.{load} $m{first} {part}{at})")));
            }
        }
    }

    /// Writes to a place in one of the ways that there are.
    fn write_there(
        &mut self,
        memory: u64,
        at: &str,
        offset: u64,
        (ty, store, size): (&str, &str, u64),
        value: &str,
    ) {
        let index = self.plan.memories.index;
        let part = static_part(offset);
        let whole = format!("({index}.add {at} ({index}.const {offset}))");
        let text = match self.random.below(8) {
            0 => format!("(memory.fill $m{memory} {whole} {value} ({index}.const {size}))"),
            1 => format!("(memory.init $m{memory} $d {whole} (i32.const 7) (i32.const {size}))"),
            2 => format!("(call $poke {value} {whole})"),
            _ => format!("({ty}.{store} $m{memory} {part}{at} {})", from_i32(ty, value)),
        };
        self.line(&text);
    }

    fn store(&mut self, value: &str) {
        let Kind { ty, store, size, .. } = KINDS[self.random.below(10) as usize];
        let ((offset, at), memory) = (self.address(size), self.memory());
        let value = from_i32(ty, value);
        self.line(&format!("({ty}.{store} $m{memory} {offset}{at} {value})"));
    }

    fn set_global(&mut self) {
        let value = self.value();
        self.set_global_to(&value);
    }

    fn set_global_to(&mut self, value: &str) {
        let at = self.random.below(self.plan.globals.len() as u64) as usize;
        let (name, ty) = &self.plan.globals[at];
        let value = match *ty {
            "i64" if self.random.one_in(3) => {
                format!("(i64.add (global.get ${name}) (i64.const 7))")
            }
            ty => from_i32(ty, value),
        };
        self.line(&format!("(global.set ${name} {value})"));
    }

    fn grow(&mut self) {
        let (memory, index) = (self.memory(), self.plan.memories.index);
        let value = match self.random.below(3) {
            0 => format!("(memory.size $m{memory})"),
            _ => {
                let by = self.plan.memories.step() * self.random.below(3);
                format!("(memory.grow $m{memory} ({index}.const {by}))")
            }
        };
        let value = as_i32(index, &value);
        self.digest(&value);
    }

    /// An operator on many bytes.
    fn bulk(&mut self) {
        let len = [0, 1, 16, 24, 40][self.random.below(5) as usize];
        let ((_, to), (_, from)) = (self.address(len), self.address(len));
        let (index, value) = (self.plan.memories.index, self.value());
        let (a, b) = (self.memory(), self.memory());
        // Too long in one way or another, where that is not all that a function does.
        let len = match self.random.below(4) {
            0 if self.inside > 0 => {
                let far = self.plan.memories.bytes() - self.random.below(2) * 100;
                let near = self.random.below(120);
                let lens = [far, u64::from(u32::MAX) - near, u64::MAX - near];
                let long = lens[self.random.below(3) as usize];
                // Where it is not too long, each configuration writes all of it.
                if self.plan.memories.bytes() < MOST_WRITTEN { self.wrapped(long) } else { len }
            }
            _ => len,
        };
        let text = match self.random.below(4) {
            0 => format!(
                "(memory.init $m{a} $d {to} (i32.const {}) (i32.const {}))",
                self.random.below(100),
                len as u32
            ),
            1 => format!("(memory.fill $m{a} {to} {value} ({index}.const {len}))"),
            _ => format!("(memory.copy $m{a} $m{b} {to} {from} ({index}.const {len}))"),
        };
        self.line(&text);
    }

    /// An operator on tables.
    fn table(&mut self) {
        let index = self.plan.index;
        let (a, b) = (self.random.below(TABLES), self.random.below(TABLES));
        let (i, j) = (self.element(), self.element());
        let func = self.func();
        let text = match self.random.below(6) {
            0 => format!("(table.set $t{a} {i} (ref.func {func}))"),
            1 => format!("(table.set $t{a} {i} (table.get $t{b} {j}))"),
            2 => {
                format!("(table.copy $t{a} $t{b} {i} {j} ({index}.const {}))", self.random.below(5))
            }
            3 => format!(
                "(table.init $t{a} $s {i} (i32.const 1) (i32.const {}))",
                self.random.below(4)
            ),
            4 => format!("(table.fill $t{a} {i} (ref.func {func}) ({index}.const 2))"),
            _ => {
                let value = format!("(table.grow $t{a} (ref.func {func}) ({index}.const 1))");
                let value = as_i32(index, &value);
                return self.digest(&value);
            }
        };
        self.line(&text);
    }

    /// An index of a table, seldom beyond its end.
    fn element(&mut self) -> String {
        let index = self.plan.index;
        let end = if self.random.one_in(16) { 13 } else { 7 };
        let near = self.random.below(end);
        let at = match index {
            // What is beyond by the upper half only.
            "i64" if self.inside > 0 && self.random.one_in(16) => near | 1 << 32,
            _ if self.inside > 0 && self.random.one_in(30) => u64::from(u32::MAX) - near,
            _ => near,
        };
        match (self.random.below(3), index) {
            (0, "i64") => format!(
                "(i64.add (i64.extend_i32_u (i32.and (local.get $a) (i32.const 1))) (i64.const {at}))"
            ),
            (0, _) => format!("(i32.add (i32.and (local.get $x) (i32.const 1)) (i32.const {at}))"),
            _ => format!("({index}.const {at})"),
        }
    }

    /// A name of the one tag.
    fn tag(&mut self) -> &'static str {
        ["$e", "$d"][self.random.below(2) as usize]
    }

    /// A function that exists.
    fn func(&mut self) -> String {
        match self.random.below(4) {
            0 if self.plan.funcs > 0 => format!("$f{}", self.random.below(self.plan.funcs as u64)),
            _ => ["$mix", "$grow", "$throw", "$host"][self.random.below(4) as usize].to_owned(),
        }
    }

    fn call(&mut self) {
        let (value, func) = (self.value(), self.func());
        let table = self.random.below(TABLES);
        let call = match self.random.below(8) {
            0..3 => {
                let at = self.element();
                format!("(call_indirect $t{table} (type $f) {value} {at})")
            }
            3 => format!("(call $call {value})"),
            4 | 5 => {
                let call = match self.random.one_in(2) {
                    true => format!("(call $pair {value})"),
                    false => format!("(call_ref $p {value} (ref.func $pair))"),
                };
                format!("(block (result i32) {call} i64.const 3 i64.mul i64.add i32.wrap_i64)")
            }
            _ => format!("(call {func} {value})"),
        };
        let call = match self.random.one_in(2) {
            true => format!(
                "(block (result i32) (try_table (result i32) (catch {} 0) {call}))",
                self.tag()
            ),
            false => call,
        };
        self.digest(&call);
    }

    /// An access to memory, and nothing else.
    fn simple(&mut self) {
        let value = match self.random.below(3) {
            0 => "(local.get $x)".to_owned(),
            1 => "(i32.const 7)".to_owned(),
            _ => self.load(),
        };
        match self.random.one_in(2) {
            true => self.store(&value),
            false => self.digest(&value),
        }
    }

    /// A loop in which some pointers go up or down.
    fn repeated(&mut self, depth: u32) {
        let index = self.plan.memories.index;
        let (at, iterations) = (self.loops, 1 + self.random.below(25) as i64);
        let counter = format!("$n{}", depth.min(1));
        self.loops += 1;
        let before = self.pointers;
        let mut steps = [0i64; 3];
        for (step, pointer) in steps.iter_mut().zip(&mut self.pointers) {
            *step = [0, 4, 8, 1, -4, -8, -1, 16][self.random.below(8) as usize];
            pointer.1 += *step * iterations;
        }
        self.places.clear();
        let leader = self.random.below(3) as usize;
        let by_pointer = depth > 0 && steps[leader] != 0 && self.random.one_in(2);
        if by_pointer {
            let span = self.wrapped((steps[leader] * iterations) as u64);
            self.line(&format!(
                "(local.set $e ({index}.add (local.get $p{leader}) ({index}.const {span})))"
            ));
        } else {
            self.line(&format!("(local.set {counter} (i32.const {iterations}))"));
        }
        self.line(&format!("(loop $l{at}"));
        self.inside += 1;
        // Half of the loops are such as several iterations of which are run at a time.
        let is_simple = self.random.one_in(2);
        if is_simple {
            self.only = Some(self.random.below(MEMORIES));
        }
        for _ in 0..1 + self.random.below(4) {
            match is_simple {
                true => self.simple(),
                false => self.statement(depth),
            }
        }
        self.only = None;
        self.inside -= 1;
        for (at, step) in steps.iter().enumerate().filter(|(_, step)| **step != 0) {
            let step = self.wrapped(*step as u64);
            self.line(&format!(
                "(local.set $p{at} ({index}.add (local.get $p{at}) ({index}.const {step})))"
            ));
        }
        let test = match by_pointer {
            true => {
                let op = match (self.random.below(3), steps[leader] > 0) {
                    (0, _) => "ne",
                    (1, true) => "lt_u",
                    (1, false) => "gt_u",
                    (_, true) => "lt_s",
                    (_, false) => "gt_s",
                };
                format!("({index}.{op} (local.get $p{leader}) (local.get $e))")
            }
            false => format!("(local.tee {counter} (i32.sub (local.get {counter}) (i32.const 1)))"),
        };
        self.line(&format!("(br_if $l{at} {test}))"));
        self.places.clear();
        self.leave_loop(before, steps.map(|step| (step * iterations) as u64));
    }

    /// Where the pointers are behind a loop in which they go so far.
    fn leave_loop(&mut self, before: [(u64, i64); 3], spans: [u64; 3]) {
        let index = self.plan.memories.index;
        for (at, span) in spans.into_iter().enumerate() {
            self.pointers[at] = before[at];
            if self.inside == 0 {
                self.pointers[at].0 = self.wrapped(before[at].0.wrapping_add(span));
            } else if span != 0 {
                // Loops around count on their pointers.
                let span = self.wrapped(span);
                self.line(&format!(
                    "(local.set $p{at} ({index}.sub (local.get $p{at}) ({index}.const {span})))"
                ));
            }
        }
    }
}

pub(super) fn static_part(offset: u64) -> String {
    if offset == 0 { String::new() } else { format!("offset={offset} ") }
}

fn as_i32(ty: &str, value: &str) -> String {
    match ty {
        "i64" => format!("(i32.wrap_i64 {value})"),
        "f32" => format!("(i32.reinterpret_f32 {value})"),
        "f64" => format!("(i32.wrap_i64 (i64.reinterpret_f64 {value}))"),
        "v128" => format!("(i32x4.extract_lane 3 {value})"),
        _ => value.to_owned(),
    }
}

fn from_i32(ty: &str, value: &str) -> String {
    match ty {
        "i64" => format!("(i64.extend_i32_s {value})"),
        "f32" => format!("(f32.reinterpret_i32 {value})"),
        "f64" => format!("(f64.convert_i32_s {value})"),
        "v128" => format!("(i32x4.splat {value})"),
        _ => value.to_owned(),
    }
}
