//! Owns the generation of programs of many small functions that call each other in all ways: what inlining is about.
//! Does not generate all features: `generate` and `objects` do.
//!
//! All functions take and return `i32`. Their bodies are expressions of few operators, with traps, memory, globals, loops, returns from
//! within and handlers of exceptions in them. Every call and loop iteration takes fuel, so programs end.

use std::fmt::Write;

use crate::random::Random;

/// Calls and iterations after which a program traps.
const FUEL: u32 = 400;

/// The text of a module.
pub(crate) fn program(random: &mut Random) -> String {
    let mut funcs: Vec<usize> = Vec::new();
    let mut text = format!(
        r#"(module
  (type $f0 (func (result i32))) (type $f1 (func (param i32) (result i32)))
  (type $f2 (func (param i32 i32) (result i32)))
  (memory (export "memory") 1 2) (table (export "table") 8 8 funcref) (tag $e (param i32))
  (global $fuel (mut i32) (i32.const {FUEL}))
  (global $g (export "g") (mut i32) (i32.const 7)) (global $k i32 (i32.const 5))
  (func $burn (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
    (if (i32.le_s (global.get $fuel) (i32.const 0)) (then (unreachable))))
  (func (export "refuel") (global.set $fuel (i32.const {FUEL})))
"#
    );
    for at in 0..4 + random.below(12) as usize {
        let params = random.below(3) as usize;
        let mut body = Body { random, funcs: &funcs, params, tries: 0 };
        let depth = 1 + body.random.below(4) as u32;
        let value = body.value(depth);
        let list = " i32".repeat(params);
        _ = writeln!(
            text,
            "  (func $c{at} (export \"c{at}\") (type $f{params}) {} (result i32) (local $n i32) (local $t i32) {value})",
            if params > 0 { format!("(param{list})") } else { String::new() },
        );
        funcs.push(params);
    }
    let mut methods = String::new();
    for params in 0..3 {
        let fitting: Vec<usize> = (0..funcs.len()).filter(|&at| funcs[at] == params).collect();
        _ = writeln!(text, "  (type $m{params} (struct (field (ref null $f{params}))))");
        for _ in 0..random.below(4) {
            if fitting.is_empty() {
                break;
            }
            let func = fitting[random.below(fitting.len() as u64) as usize];
            _ = writeln!(
                methods,
                "  (global (ref $m{params}) (struct.new $m{params} (ref.func $c{func})))"
            );
        }
        let func = fitting.last().map_or_else(
            || format!("(ref.null $f{params})"),
            |func| format!("(ref.func $c{func})"),
        );
        _ = writeln!(
            methods,
            "  (global $o{params} (mut (ref $m{params})) (struct.new $m{params} {func}))"
        );
    }
    text += &methods;
    let count = funcs.len() as u64;
    let elements: Vec<String> = (0..6).map(|_| format!("$c{}", random.below(count))).collect();
    let all: Vec<String> = (0..count).map(|at| format!("$c{at}")).collect();
    _ = writeln!(text, "  (elem (i32.const 0) func {})", elements.join(" "));
    _ = writeln!(text, "  (elem declare func {}))", all.join(" "));
    text
}

/// A body being generated.
struct Body<'a> {
    random: &'a mut Random,
    /// Parameters of the functions before this one.
    funcs: &'a [usize],
    params: usize,
    /// Open bodies of `try_table`s.
    tries: u32,
}

impl Body<'_> {
    fn values(&mut self, depth: u32, count: usize) -> String {
        (0..count).map(|_| self.value(depth) + " ").collect()
    }

    /// An expression of type `i32`.
    fn value(&mut self, depth: u32) -> String {
        const BINARY: [&str; 12] = [
            "add", "sub", "mul", "and", "xor", "shl", "shr_s", "eq", "lt_s", "div_s", "rem_u",
            "div_u",
        ];
        let below = depth.saturating_sub(1);
        let choice = if depth == 0 { self.random.below(4) } else { self.random.below(17) };
        match choice {
            0 => format!("(i32.const {})", self.random.edgy() as i32),
            1 => format!("(i32.const {})", self.random.below(4)),
            2 if self.params > 0 => {
                format!("(local.get {})", self.random.below(self.params as u64))
            }
            2 | 3 => ["(local.get $t)", "(global.get $g)", "(global.get $k)"]
                [self.random.below(3) as usize]
                .to_owned(),
            4..=6 => {
                let op = BINARY[self.random.below(12) as usize];
                format!("(i32.{op} {})", self.values(below, 2))
            }
            7 => format!("(i32.load offset={} {})", self.random.below(70_000), self.value(below)),
            8 => format!(
                "(block (result i32) (i32.store offset=4 {}) {})",
                self.values(below, 2),
                self.value(below)
            ),
            9 => format!(
                "(block (result i32) (global.set $g {}) {})",
                self.value(below),
                self.value(below)
            ),
            10 => format!(
                "(if (result i32) {} (then {}) (else {}))",
                self.value(below),
                self.value(below),
                self.value(below)
            ),
            11 => format!(
                "(block (result i32) (br_if 0 {}) (drop) (local.tee $t {}))",
                self.values(below, 2),
                self.value(below)
            ),
            12 => format!(
                "(block (result i32) (if {} (then (return {}))) {})",
                self.value(below),
                self.value(below),
                self.value(below)
            ),
            13 => self.repeated(below),
            14 => self.guarded(below),
            _ => self.call(below),
        }
    }

    fn repeated(&mut self, below: u32) -> String {
        let value = self.value(below);
        format!(
            "(block (result i32) (local.set $n (i32.const {})) (loop (call $burn) (local.set $t {value})
              (br_if 0 (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0)))) (local.get $t))",
            self.random.below(5)
        )
    }

    /// A handler, or a throw for one further out.
    fn guarded(&mut self, below: u32) -> String {
        if self.random.one_in(3) {
            return format!("(throw $e {})", self.value(below));
        }
        self.tries += 1;
        let value = self.value(below);
        self.tries -= 1;
        format!("(block (result i32) (try_table (result i32) (catch $e 0) {value}))")
    }

    fn call(&mut self, below: u32) -> String {
        let arity = self.random.below(3) as usize;
        let call = match self.random.below(6) {
            0 => format!(
                "(call_indirect (type $f{arity}) {} (i32.and {} (i32.const 7)))",
                self.values(below, arity),
                self.value(below)
            ),
            1 => format!(
                "(call_ref $f{arity} {} (struct.get $m{arity} 0 (global.get $o{arity})))",
                self.values(below, arity)
            ),
            _ if self.funcs.is_empty() => return self.value(0),
            _ => {
                let func = self.random.below(self.funcs.len() as u64) as usize;
                format!("(call $c{func} {})", self.values(below, self.funcs[func]))
            }
        };
        format!("(block (result i32) (call $burn) {call})")
    }
}
