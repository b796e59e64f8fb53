//! Owns the bodies of functions over shared memories, tables and globals: statements, one after the other, that each change the digest or
//! what is shared. Does not own what there is to be named (`edges`).
//!
//! Three locals are *pointers*. The generator knows about where each points (a parameter adds a little) and so which constant and which
//! static offset, in which of the ways there are, lead from there to a place: near the beginning or the end of memory, seldom beyond.

use std::fmt::Write;

use super::{MEMORIES, Plan, TABLES};
use crate::random::Random;

/// Static offsets around what machines and guard regions make of them.
const OFFSETS: [u64; 12] = [
    0x7fff_ffff,
    0x8000_0000,
    0xffff_0000,
    0xffff_ffff,
    0x01ff_ffff,
    0x0200_0000,
    0x01ff_0000,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_0000,
    0xffff_ffff_ffff_ffff,
];

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
    random: &'a mut Random,
    plan: &'a Plan,
    /// Where the pointers point, and how far they go in the loops around.
    pointers: [(u64, i64); 3],
    /// Places that were accessed: the pointer, and how far from it.
    places: Vec<(usize, u64)>,
    loops: usize,
    /// Open conditions and loops, in which pointers stay.
    inside: u32,
    out: String,
}

impl Body<'_> {
    pub(super) fn new<'a>(random: &'a mut Random, plan: &'a Plan) -> Body<'a> {
        let pointers = [(0, 0); 3];
        let (places, out) = (Vec::new(), String::new());
        Body { random, plan, pointers, places, loops: 0, inside: 0, out }
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

    fn line(&mut self, text: &str) {
        _ = writeln!(self.out, "    {text}");
    }

    /// Sets a pointer.
    fn point(&mut self, at: usize) {
        let (index, bytes) = (self.plan.memories.index, self.plan.memories.bytes());
        let mask = [0, 1, 7, 8, 15][self.random.below(5) as usize];
        let to = match self.random.below(8) {
            0..3 => 40 + self.random.below(200),
            3..6 => bytes - self.random.below(250),
            6 => 0u64.wrapping_sub(1 + self.random.below(120)),
            _ => bytes / 2,
        };
        let near = match self.random.below(12) {
            0 => "(local.get $a)".to_owned(),
            _ => format!("(i32.and (local.get $a) (i32.const {mask}))"),
        };
        let near = self.extended(near, "u");
        let to = self.wrapped(to);
        self.pointers[at] = (to, 0);
        self.line(&format!("(local.set $p{at} ({index}.add {near} ({index}.const {to})))"));
    }

    /// A number as an index of a memory.
    fn wrapped(&self, number: u64) -> u64 {
        if self.plan.memories.index == "i32" { u64::from(number as u32) } else { number }
    }

    /// An `i32` as an index of a memory.
    fn extended(&self, value: String, sign: &str) -> String {
        match self.plan.memories.index {
            "i64" => format!("(i64.extend_i32_{sign} {value})"),
            _ => value,
        }
    }

    /// The instruction's static part and the index for some place, `size` bytes of which are accessed.
    fn address(&mut self, size: u64) -> (String, String) {
        let (pointer, delta) = match self.places.len() as u64 {
            len if len > 0 && !self.random.one_in(3) => {
                let (pointer, delta) = self.places[self.random.below(len) as usize];
                let by = if self.random.one_in(3) { self.random.below(17) } else { 8 };
                (pointer, delta.wrapping_add(by).wrapping_sub(8))
            }
            _ => self.place(size),
        };
        self.places.push((pointer, delta));
        let place = self.pointers[pointer].0.wrapping_add(delta);
        let offset = match self.random.below(40) {
            0..22 => 0,
            22..32 => self.random.below(64),
            32..35 => self.wrapped(place).saturating_sub(self.random.below(40)),
            35 | 36 => {
                let count = if self.plan.memories.index == "i32" { 7 } else { 12 };
                let offset = OFFSETS[self.random.below(count) as usize];
                let nearer = offset.saturating_sub(self.random.below(3) * 8);
                // Mostly too far: seldom where it would be all that a function does.
                if self.inside > 0 || place > 1 << 21 { nearer } else { 8 }
            }
            // The index wraps before the offset is added.
            37 if self.inside > 0 => self.wrapped(place).saturating_add(1 + self.random.below(20)),
            _ => delta.min(1 << 20),
        };
        let index = self.plan.memories.index;
        let offset = self.wrapped(offset);
        let by = self.wrapped(delta.wrapping_sub(offset));
        let local = format!("(local.get $p{pointer})");
        let at = match (by, self.random.below(4)) {
            (0, _) => local,
            (_, 0) => {
                format!(
                    "({index}.sub {local} ({index}.const {}))",
                    self.wrapped(0u64.wrapping_sub(by))
                )
            }
            _ => format!("({index}.add {local} ({index}.const {by}))"),
        };
        (if offset == 0 { String::new() } else { format!("offset={offset} ") }, at)
    }

    /// A place, as a pointer and how far from it.
    fn place(&mut self, size: u64) -> (usize, u64) {
        let bytes = self.plan.memories.bytes();
        let pointer = self.random.below(3) as usize;
        let (from, span) = self.pointers[pointer];
        // What keeps all of a loop in memory.
        let (up, down) = (span.max(0) as u64, span.min(0).unsigned_abs());
        let to = match self.random.below(16) {
            0..6 => down + self.random.below(300),
            6..11 => bytes - size - up - 16 - self.random.below(120),
            11..13 if from >= down && from + up < bytes => {
                from.saturating_add(self.random.below(9))
            }
            13 => {
                bytes.wrapping_sub(size + up).wrapping_add(self.random.below(20)).wrapping_sub(16)
            }
            14 => down.wrapping_sub(self.random.below(20)).wrapping_add(16),
            _ => down + 64 + self.random.below(64),
        };
        (pointer, to.wrapping_sub(from))
    }

    fn memory(&mut self) -> u64 {
        self.random.below(MEMORIES)
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
            "i32" if self.random.one_in(16) => {
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
        let text = match self.random.below(3) {
            0 => {
                format!("(local.set $x (i32.xor (i32.rotl (local.get $x) (i32.const 5)) {value}))")
            }
            _ => {
                format!("(local.set $x (i32.add (i32.mul (local.get $x) (i32.const 31)) {value}))")
            }
        };
        self.line(&text);
    }

    fn statement(&mut self, depth: u32) {
        match self.random.below(32) {
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
            13..18 => self.set_global(),
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
                self.line(&format!("(br_if $out {condition})"));
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
            27..30 if depth > 0 => self.repeated(depth - 1),
            _ => {
                // The same place by two names.
                let value = self.value();
                self.store(&value);
                let value = self.load();
                self.digest(&value);
            }
        }
    }

    fn store(&mut self, value: &str) {
        let Kind { ty, store, size, .. } = KINDS[self.random.below(10) as usize];
        let ((offset, at), memory) = (self.address(size), self.memory());
        let value = from_i32(ty, value);
        self.line(&format!("({ty}.{store} $m{memory} {offset}{at} {value})"));
    }

    fn set_global(&mut self) {
        let value = self.value();
        let at = self.random.below(self.plan.globals.len() as u64) as usize;
        let (name, ty) = &self.plan.globals[at];
        let value = match *ty {
            "i64" if self.random.one_in(3) => {
                format!("(i64.add (global.get ${name}) (i64.const 7))")
            }
            ty => from_i32(ty, &value),
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
        let text = match self.random.below(4) {
            0 => format!(
                "(memory.init $m{a} $d {to} (i32.const {}) (i32.const {len}))",
                self.random.below(100)
            ),
            1 => format!("(memory.fill $m{a} {to} {value} ({index}.const {len}))"),
            _ => format!("(memory.copy $m{a} $m{b} {to} {from} ({index}.const {len}))"),
        };
        self.line(&text);
    }

    /// An operator on tables.
    fn table(&mut self) {
        let index = self.plan.index;
        let element = |random: &mut Random| {
            let near = if random.one_in(10) { 13 } else { 8 };
            format!("({index}.const {})", random.below(near))
        };
        let (a, b) = (self.random.below(TABLES), self.random.below(TABLES));
        let (i, j) = (element(self.random), element(self.random));
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

    /// A function that exists.
    fn func(&mut self) -> String {
        match self.random.below(4) {
            0 if self.plan.funcs > 0 => format!("$f{}", self.random.below(self.plan.funcs as u64)),
            _ => ["$mix", "$grow", "$throw"][self.random.below(3) as usize].to_owned(),
        }
    }

    fn call(&mut self) {
        let (value, func) = (self.value(), self.func());
        let table = self.random.below(TABLES);
        let call = match self.random.below(8) {
            0 => {
                let (at, index) = (self.random.below(8), self.plan.index);
                format!("(call_indirect $t{table} (type $f) {value} ({index}.const {at}))")
            }
            1 => format!("(call $call {value})"),
            _ => format!("(call {func} {value})"),
        };
        let call = match self.random.one_in(2) {
            true => format!("(block (result i32) (try_table (result i32) (catch $e 0) {call}))"),
            false => call,
        };
        self.digest(&call);
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
        for _ in 0..1 + self.random.below(4) {
            self.statement(depth);
        }
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
        for (at, step) in steps.into_iter().enumerate() {
            let (span, before) = ((step * iterations) as u64, before[at]);
            self.pointers[at] = before;
            if self.inside == 0 {
                self.pointers[at].0 = self.wrapped(before.0.wrapping_add(span));
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
