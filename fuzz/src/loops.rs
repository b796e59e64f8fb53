//! Owns the generation of programs of simple counted loops over memory: what the passes on loops are about.
//! Does not generate all features: `generate` does.
//!
//! Loops count up or down by one variable or by pointers, over one to four elements per iteration, near each other, near the end of
//! memory, beyond it, or with indices that wrap. Every loop reads through a pointer that goes up, so that it ends, in a trap if in nothing else.

use std::fmt::Write;

use crate::random::Random;

/// Bytes of the memory.
const MEMORY: u64 = 65_536;

/// The text of a module.
pub(crate) fn program(random: &mut Random) -> String {
    let shape =
        ["1 1", "1 2", "1 1 shared"][if random.one_in(12) { 2 } else { random.below(2) as usize }];
    let index = if random.one_in(3) { "i64" } else { "i32" };
    let bytes: String = random.bytes(1_500).iter().map(|byte| format!("\\{byte:02x}")).collect();
    let mut text = format!(
        "(module (memory (export \"memory\") {index} {shape})\n  (data ({index}.const 64) \"{bytes}\") (data ({index}.const {}) \"{bytes}\")\n",
        MEMORY - 1_500
    );
    for at in 0..2 + random.below(4) {
        let func = Loop::new(random, index).text();
        _ = writeln!(
            text,
            "  (global $b{at} (mut i32) (i32.const 0))\n  (func (export \"l{at}\") {func})"
        );
    }
    text + ")"
}

/// What is in memory.
#[derive(Clone, Copy)]
struct Element {
    /// The type of values: `i32`, `f64` …
    ty: &'static str,
    /// What follows `load` and `store`.
    load: &'static str,
    store: &'static str,
    size: u64,
}

const ELEMENTS: [Element; 9] = [
    Element { ty: "f64", load: "load", store: "store", size: 8 },
    Element { ty: "f32", load: "load", store: "store", size: 4 },
    Element { ty: "i64", load: "load", store: "store", size: 8 },
    Element { ty: "i32", load: "load", store: "store", size: 4 },
    Element { ty: "i32", load: "load8_u", store: "store8", size: 1 },
    Element { ty: "i32", load: "load8_s", store: "store8", size: 1 },
    Element { ty: "i32", load: "load16_u", store: "store16", size: 2 },
    Element { ty: "i32", load: "load16_s", store: "store16", size: 2 },
    Element { ty: "i64", load: "load32_u", store: "store32", size: 4 },
];

struct Loop<'a> {
    random: &'a mut Random,
    element: Element,
    /// Elements per iteration.
    copies: u64,
    iterations: u64,
    /// Whether constants are hidden from the compiler.
    hidden: bool,
    /// Byte addresses at which the pointers begin.
    bases: [u64; 3],
    /// Types of pointers and of the counter.
    index: &'static str,
    counter: &'static str,
}

impl Loop<'_> {
    fn new<'a>(random: &'a mut Random, index: &'static str) -> Loop<'a> {
        let element = ELEMENTS[random.below(9) as usize];
        let copies = [1, 1, 1, 2, 3, 4][random.below(6) as usize];
        let iterations = match random.below(4) {
            0 => 1 + random.below(12),
            _ => 1 + random.below(150),
        };
        let bytes = iterations * copies * element.size;
        let first = match random.below(4) {
            0 => (MEMORY - bytes.min(MEMORY)).wrapping_add(random.below(24)).wrapping_sub(12),
            _ => random.below(2_000),
        };
        let other = |random: &mut Random| match random.below(4) {
            0 => first,
            1 => first.wrapping_add(random.below(80)).wrapping_sub(40),
            2 => first.wrapping_add(bytes).wrapping_add(random.below(16)).wrapping_sub(8),
            _ => 8_000 + random.below(4_000),
        };
        let bases = [first, other(random), other(random)];
        let hidden = random.one_in(2);
        let counter = if random.one_in(3) { "i64" } else { "i32" };
        Loop { random, element, copies, iterations, hidden, bases, index, counter }
    }

    fn text(mut self) -> String {
        let Element { ty, size, .. } = self.element;
        let way = self.copies * size;
        let (by, start, test) = self.counter();
        let mut out = String::from("(result i32 i32 i64 ");
        let (index, count) = (self.index, self.counter);
        _ = write!(
            out,
            "{ty} {ty})\n    (local $i {count}) (local $n i32) (local $p {index}) (local $q {index}) (local $r {index})"
        );
        _ = writeln!(
            out,
            "(local $s i32) (local $t i64) (local $v {ty}) (local $k {ty}) (local $x {ty}) (local $c i32)"
        );
        for (name, base) in ["p", "q", "r"].into_iter().zip(self.bases) {
            let base = self.number(base as i32);
            let base = if index == "i64" { format!("(i64.extend_i32_s {base})") } else { base };
            _ = writeln!(out, "    (local.set ${name} {base})");
        }
        let invariant = self.constant();
        _ = writeln!(out, "    (local.set $k {invariant}) (local.set $v {invariant})");
        let start = self.count(start);
        _ = writeln!(out, "    (local.set $i {start})");
        let body = self.body();
        _ = writeln!(out, "    (loop $l\n{body}");
        for name in ["p", "q", "r"] {
            _ = writeln!(
                out,
                "      (local.set ${name} ({index}.add (local.get ${name}) ({index}.const {way})))"
            );
        }
        _ = writeln!(out, "      (local.set $i ({count}.add (local.get $i) ({count}.const {by})))");
        _ = writeln!(out, "      (br_if $l {test}))");
        let i = self.as_i32(self.counter, "i");
        let q = self.as_i32(self.index, "q");
        out + &format!(
            "    (i32.add (local.get $s) {i}) {q} (local.get $t) (local.get $v) (local.get $x)"
        )
    }

    /// A local of a type, or its low half.
    fn as_i32(&self, ty: &str, name: &str) -> String {
        match ty {
            "i64" => format!("(i32.wrap_i64 (local.get ${name}))"),
            _ => format!("(local.get ${name})"),
        }
    }

    /// A number of the counter's type.
    fn count(&mut self, value: i64) -> String {
        match (self.counter, self.hidden) {
            ("i64", true) => {
                format!("(i64.add (i64.extend_i32_u (global.get $b0)) (i64.const {value}))")
            }
            ("i64", false) => format!("(i64.const {value})"),
            _ => self.number(value as i32),
        }
    }

    /// What the counter changes by, where it begins, and when the loop goes on.
    fn counter(&mut self) -> (i64, i64, String) {
        let by = [1, 1, 4, 8, 3, -1, -4][self.random.below(7) as usize];
        let start = match self.random.below(5) {
            0 => 0,
            1 => self.random.below(100) as i64,
            2 => {
                let most = if self.counter == "i64" { i64::MAX } else { i32::MAX.into() };
                most - self.random.below(500) as i64
            }
            3 => -(self.random.below(500) as i64),
            _ => 1_000,
        };
        let mut end = start.wrapping_add((self.iterations as i64).wrapping_mul(by));
        if self.random.one_in(6) {
            end = end.wrapping_add(self.random.below(4) as i64);
        }
        let (end, count) = (self.count(end), self.counter);
        let sign = ["s", "u"][self.random.below(2) as usize];
        let test = match (self.random.below(4), by > 0) {
            (0, true) => format!("({count}.lt_{sign} (local.get $i) {end})"),
            (0, false) => format!("({count}.gt_{sign} (local.get $i) {end})"),
            (1, true) => format!("({count}.ge_{sign} {end} (local.get $i))"),
            (1, false) => format!("({count}.le_{sign} {end} (local.get $i))"),
            (2, _) if count == "i32" => format!("(i32.sub (local.get $i) {end})"),
            (2, _) => {
                format!("(i32.eqz (i64.eqz (i64.sub (local.get $i) {end})))")
            }
            _ => format!("({count}.ne (local.get $i) {end})"),
        };
        (by, start, test)
    }

    fn number(&mut self, value: i32) -> String {
        match self.hidden {
            true => format!("(i32.add (global.get $b0) (i32.const {value}))"),
            false => format!("(i32.const {value})"),
        }
    }

    /// Stores, sums, and the value of the iteration before.
    fn body(&mut self) -> String {
        let index = self.index;
        let Element { ty, load, store, size } = self.element;
        let mut out = String::new();
        // The pointer that ends the loop; behind a store to the same place, it is a loop that cannot run on vectors.
        let ending = format!("      (local.set $x ({ty}.{load} (local.get $p)))\n");
        let is_last = self.random.one_in(4);
        if !is_last {
            out += &ending;
        }
        if self.random.one_in(8) {
            self.choice(&mut out);
        }
        let depth = 1 + u32::from(self.random.one_in(2)) + u32::from(self.random.one_in(4));
        let value = self.value(depth);
        if !self.random.one_in(5) {
            let target = self.random.below(3);
            for copy in 0..self.copies {
                let value = offsets(&value, copy * size);
                let address = self.address(target, copy * size);
                _ = writeln!(out, "      ({ty}.{store} {address} {value})");
            }
        }
        if self.random.one_in(2) {
            let op = ["add", "add", "xor", "or", "and", "sub"][self.random.below(6) as usize];
            for copy in 0..self.copies {
                let value = offsets(&value, copy * size);
                let (local, sum) = match ty {
                    "i32" => ("s", "i32"),
                    "i64" => ("t", "i64"),
                    _ => continue,
                };
                _ = writeln!(
                    out,
                    "      (local.set ${local} ({sum}.{op} (local.get ${local}) {value}))"
                );
            }
        }
        let last = self.copies * size;
        if self.random.one_in(2) {
            let at = self.random.below(3) as usize;
            let name = ["p", "q", "r"][at];
            let back = ["", "offset=8 "][self.random.below(2) as usize];
            _ = writeln!(
                out,
                "      (local.set $v ({ty}.{load} {back}({index}.add (local.get ${name}) ({index}.const {}))))",
                last - size
            );
        }
        if is_last {
            out += &ending;
        }
        out
    }

    /// A value that depends on a condition, in blocks of its own.
    fn choice(&mut self, out: &mut String) {
        let (a, b) = (self.value(1), self.value(1));
        let (a, b) = (offsets(&a, 0), offsets(&b, 0));
        let ty = self.element.ty;
        let test = self.test(&a, &b);
        _ = writeln!(out, "      (local.set $v (if (result {ty}) {test} (then {b}) (else {a})))");
    }

    fn address(&mut self, at: u64, bytes: u64) -> String {
        let name = ["p", "q", "r"][at as usize % 3];
        let index = self.index;
        format!("({index}.add (local.get ${name}) ({index}.const {bytes}))")
    }

    fn constant(&mut self) -> String {
        match self.element.ty {
            "f64" => format!(
                "(f64.const {})",
                ["1.5", "-0.25", "inf", "nan", "3"][self.random.below(5) as usize]
            ),
            "f32" => format!(
                "(f32.const {})",
                ["1.5", "-0.25", "inf", "nan", "3"][self.random.below(5) as usize]
            ),
            ty => format!("({ty}.const {})", self.random.below(300) as i64 - 100),
        }
    }

    fn test(&mut self, a: &str, b: &str) -> String {
        let ty = self.element.ty;
        let op = match ty {
            "i32" | "i64" => {
                ["eq", "ne", "lt_s", "lt_u", "ge_s", "gt_u", "le_u"][self.random.below(7) as usize]
            }
            _ => ["eq", "ne", "lt", "gt", "le", "ge"][self.random.below(6) as usize],
        };
        format!("({ty}.{op} {a} {b})")
    }

    /// An expression; `@` stands for what each copy adds to addresses.
    fn value(&mut self, depth: u32) -> String {
        let (index, i) = (self.index, self.as_i32(self.counter, "i"));
        let Element { ty, load, size, .. } = self.element;
        if depth == 0 || self.random.one_in(6) {
            return match self.random.below(8) {
                0 => "(local.get $k)".to_owned(),
                1 => self.constant(),
                2 if self.random.one_in(2) => "(local.get $v)".to_owned(),
                3 if ty == "i32" => i,
                3 if ty == "f64" => format!("(f64.convert_i32_s {i})"),
                4 if ty == "i64" => format!("(i64.extend_i32_u {i})"),
                5 if ty == "f64" => {
                    "(f64.promote_f32 (f32.load offset=@ (local.get $q)))".to_owned()
                }
                _ => {
                    let name = ["p", "q", "r"][self.random.below(3) as usize];
                    let by = (self.random.below(7) as i64 - 3) * size as i64;
                    let (by, offset) = match self.random.below(6) {
                        0 => (by, by.unsigned_abs()),
                        1 if self.random.one_in(4) => (by + 1, 0),
                        _ => (by, 0),
                    };
                    format!(
                        "({ty}.{load} offset={offset} ({index}.add (local.get ${name}) ({index}.const {by}+@)))"
                    )
                }
            };
        }
        let (a, b) = (self.value(depth - 1), self.value(depth - 1));
        match ty {
            "f64" | "f32" => match self.random.below(10) {
                0 => format!(
                    "({ty}.{} {a})",
                    ["neg", "abs", "sqrt", "floor", "nearest"][self.random.below(5) as usize]
                ),
                1 => format!(
                    "({ty}.{} {a} {b})",
                    ["min", "max", "copysign", "div"][self.random.below(4) as usize]
                ),
                2 => {
                    let test = self.test(&a, &b);
                    format!("(select {a} {b} {test})")
                }
                _ => format!(
                    "({ty}.{} {a} {b})",
                    ["add", "sub", "mul"][self.random.below(3) as usize]
                ),
            },
            _ => match self.random.below(10) {
                0 => format!(
                    "({ty}.{} {a} ({ty}.const {}))",
                    ["shl", "shr_u", "shr_s"][self.random.below(3) as usize],
                    self.random.below(40)
                ),
                1 => {
                    let test = self.test(&a, &b);
                    format!("(select {a} {b} {test})")
                }
                2 if ty == "i32" => self.test(&a, &b),
                3 if ty == "i32" => format!("(i32.and {a} (i32.const 255))"),
                4 if ty == "i32" => format!("(i32.eqz {a})"),
                _ => format!(
                    "({ty}.{} {a} {b})",
                    ["add", "sub", "mul", "and", "or", "xor"][self.random.below(6) as usize]
                ),
            },
        }
    }
}

/// An expression for the copy whose elements are so many bytes behind the first's.
fn offsets(value: &str, bytes: u64) -> String {
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('@') {
        let begin =
            rest[..at].rfind(|c: char| !matches!(c, '0'..='9' | '-' | '+')).map_or(0, |i| i + 1);
        let number = rest[begin..at].trim_end_matches('+');
        out += &rest[..begin];
        let number: i64 = if number.is_empty() { 0 } else { number.parse().expect("a number") };
        _ = write!(out, "{}", number + bytes as i64);
        rest = &rest[at + 1..];
    }
    out + rest
}
