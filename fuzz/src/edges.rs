//! Owns the plan of a generated pair of modules that share memories, tables and globals, each imported under several names: what knowledge
//! of places is about. Does not own the bodies of functions (`body`) and their ways to places (`places`).
//!
//! The *owner* exports two objects of each kind; the *program* imports them, mostly some of them twice, and accesses them at the edges:
//! indices near the end of memory, near the end of their type, that wrap, together with offsets of all sizes.

mod body;
mod places;

use std::fmt::Write;

use crate::random::Random;
use body::Body;

/// Calls after which a program traps.
const FUEL: u32 = 150;

/// The memories of a program, all of one type.
#[derive(Clone, Copy, Debug)]
struct Memories {
    /// Type of indices.
    index: &'static str,
    min: u64,
    max: u64,
    page: u64,
    shared: bool,
    /// Whether what they hold is compared; too much otherwise.
    exported: bool,
}

impl Memories {
    fn new(random: &mut Random) -> Memories {
        let index = if random.one_in(3) { "i64" } else { "i32" };
        let memories =
            Memories { index, min: 1, max: 3, page: 1 << 16, shared: false, exported: true };
        match random.below(24) {
            0..4 => Memories { min: 2_000, max: 9_000, page: 1, ..memories },
            4 | 5 => Memories { shared: true, ..memories },
            // Longer than a guard region.
            6 | 7 => Memories { min: 640, max: 642, exported: false, ..memories },
            // As long as can be, or longer than an index of 32 bits reaches.
            8 if index == "i32" => {
                Memories { min: 65_535, max: 65_536, exported: false, ..memories }
            }
            8 => Memories { min: 65_537, max: 65_539, exported: false, ..memories },
            _ => memories,
        }
    }

    fn bytes(&self) -> u64 {
        self.min * self.page
    }

    /// Pages that memories grow by.
    fn step(&self) -> u64 {
        if self.page == 1 { 700 } else { 1 }
    }

    fn ty(&self) -> String {
        let Memories { index, min, max, .. } = self;
        let page = if self.page == 1 { " (pagesize 1)" } else { "" };
        format!("{index} {min} {max}{}{page}", if self.shared { " shared" } else { "" })
    }
}

/// What the bodies of a program can name.
struct Plan {
    memories: Memories,
    /// Names of globals, with the type of each.
    globals: Vec<(String, &'static str)>,
    /// Type of the indices of tables.
    index: &'static str,
    /// Functions made so far.
    funcs: usize,
}

/// How many names the program has for memories and for tables, the last of which are of its own.
const MEMORIES: u64 = 4;
const TABLES: u64 = 3;

/// The text of the owner and of the program.
pub(crate) fn programs(random: &mut Random) -> (String, String) {
    let memories = Memories::new(random);
    let table = if random.one_in(4) { "i64" } else { "i32" };
    let mut text = String::from(
        "(module (type $f (func (param i32) (result i32))) (type $p (func (param i32) (result i64 i64)))\n  (import \"owner\" \"pair\" (func $pair (type $p)))\n  (import \"owner\" \"e\" (tag $e (param i32)))\n  (import \"owner\" \"e\" (tag $d (param i32)))\n",
    );
    for name in ["mix", "grow", "throw", "call"] {
        _ = writeln!(text, "  (import \"owner\" \"{name}\" (func ${name} (type $f)))");
    }
    text += "  (import \"host\" \"host\" (func $host (type $f)))\n";
    let index = memories.index;
    _ = writeln!(text, "  (import \"owner\" \"poke\" (func $poke (param i32 {index})))");
    for at in 0..MEMORIES - 1 {
        let (of, ty) = (random.below(2), memories.ty());
        _ = writeln!(text, "  (import \"owner\" \"m{of}\" (memory $m{at} {ty}))");
    }
    for at in 0..TABLES - 1 {
        let of = random.below(2);
        _ = writeln!(text, "  (import \"owner\" \"t{of}\" (table $t{at} {table} 8 12 funcref))");
    }
    let mut plan = Plan { memories, globals: Vec::new(), index: table, funcs: 0 };
    for (ty, count) in [("i32", 3), ("i64", 2), ("v128", 2)] {
        for at in 0..count {
            let (name, of) = (format!("{ty}_{at}"), random.below(2));
            _ = writeln!(text, "  (import \"owner\" \"{ty}{of}\" (global ${name} (mut {ty})))");
            plan.globals.push((name, ty));
        }
    }
    plan.globals.push(("own".to_owned(), "i32"));
    program(random, &mut plan, &mut text);
    (owner(memories, table), text)
}

fn owner(memories: Memories, table: &str) -> String {
    let (index, delta) = (memories.index, memories.step());
    let mut text = String::from("(module (type $f (func (param i32) (result i32)))\n");
    for at in 0..2 {
        _ = writeln!(text, "  (memory $m{at} (export \"m{at}\") {})", memories.ty());
        _ = writeln!(text, "  (table $t{at} (export \"t{at}\") {table} 8 12 funcref)");
        _ = writeln!(text, "  (global $i{at} (export \"i32{at}\") (mut i32) (i32.const {at}))");
        _ = writeln!(text, "  (global $l{at} (export \"i64{at}\") (mut i64) (i64.const {at}))");
        _ = writeln!(
            text,
            "  (global $v{at} (export \"v128{at}\") (mut v128) (v128.const i64x2 {at} 5))"
        );
    }
    text + &format!(
        r#"  (tag $e (export "e") (param i32))
  (func $mix (export "mix") (param i32) (result i32)
    (global.set $i0 (i32.add (i32.mul (global.get $i0) (i32.const 3)) (local.get 0)))
    (global.set $l1 (i64.add (global.get $l1) (global.get $l0)))
    (global.set $v0 (i32x4.add (global.get $v1) (i32x4.splat (local.get 0))))
    (i32.store $m0 offset=80 ({index}.const 0) (i32.add (local.get 0) (i32.load $m1 ({index}.const 96))))
    (i32.load $m0 offset=88 ({index}.const 0)))
  (func $grow (export "grow") (param i32) (result i32)
    (if (i32.eqz (i32.and (local.get 0) (i32.const 6)))
      (then (drop (memory.grow $m0 ({index}.const {delta})))
        (drop (table.grow $t0 (ref.func $mix) ({table}.const 1)))))
    (if (i32.eqz (i32.and (local.get 0) (i32.const 5)))
      (then (drop (memory.grow $m1 ({index}.const {delta})))
        (drop (table.grow $t1 (ref.func $mix) ({table}.const 1)))))
    (i32.store $m1 offset=120 ({index}.const 8) (local.get 0))
    (global.get $i1))
  (func $throw (export "throw") (param i32) (result i32)
    (global.set $i1 (i32.add (global.get $i1) (i32.const 1)))
    (i32.store $m0 offset=64 ({index}.const 0) (local.get 0))
    (if (i32.and (local.get 0) (i32.const 1)) (then (throw $e (local.get 0))))
    (global.get $i0))
  (func (export "poke") (param i32 {index})
    (i32.store8 $m0 (local.get 1) (local.get 0))
    (i32.store8 $m1 (local.get 1) (local.get 0)))
  (func (export "pair") (param $n i32) (result i64 i64)
    (local.set $n (i32.and (local.get $n) (i32.const 15)))
    (loop $l
      (global.set $l0 (i64.add (global.get $l0) (i64.const 1)))
      (br_if $l (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
    (global.get $l0) (i64.const 77))
  (func (export "call") (param i32) (result i32)
    (global.set $i0 (i32.xor (global.get $i1) (local.get 0)))
    (call_indirect $t1 (type $f) (local.get 0) {}))
  (elem (table $t0) ({table}.const 0) func $mix $grow $throw $mix)
  (elem (table $t1) ({table}.const 0) func $mix $throw $grow $mix))"#,
        match table {
            "i64" => "(i64.extend_i32_u (i32.and (local.get 0) (i32.const 7)))",
            _ => "(i32.and (local.get 0) (i32.const 7))",
        }
    )
}

/// What the program has of its own, and its functions.
fn program(random: &mut Random, plan: &mut Plan, text: &mut String) {
    let Plan { memories, index, .. } = plan;
    let (own, own_table) = (MEMORIES - 1, TABLES - 1);
    _ = writeln!(
        text,
        r#"  (memory $m{own} {}) (table $t{own_table} {index} 8 12 funcref)
  (global $own (export "own") (mut i32) (i32.const 9)) (global $fuel (mut i32) (i32.const {FUEL}))
  (func $burn (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))
    (if (i32.le_s (global.get $fuel) (i32.const 0)) (then (unreachable))))
  (func (export "refuel") (global.set $fuel (i32.const {FUEL})))"#,
        memories.ty()
    );
    for at in 0..plan.globals.len() - 1 {
        let name = &plan.globals[at].0;
        _ = writeln!(text, "  (export \"{name}\" (global ${name}))");
    }
    for at in 0..TABLES {
        _ = writeln!(text, "  (export \"t{at}\" (table $t{at}))");
    }
    for at in 0..MEMORIES {
        if plan.memories.exported {
            _ = writeln!(text, "  (export \"m{at}\" (memory $m{at}))");
        }
        let bytes: String = random.bytes(200).iter().map(|byte| format!("\\{byte:02x}")).collect();
        let (index, end) = (plan.memories.index, plan.memories.bytes() - 200);
        _ = writeln!(text, "  (data (memory $m{at}) ({index}.const {end}) \"{bytes}\")");
        _ = writeln!(text, "  (data (memory $m{at}) ({index}.const 40) \"{bytes}\")");
    }
    _ = writeln!(text, "  (data $d \"{}\")", "0123456789abcdef".repeat(8));
    for _ in 0..random.below(3) {
        // Small enough to be put in place of calls.
        _ = writeln!(
            text,
            "  (func $f{} (type $f) (global.set $own (i32.add (global.get $own) (local.get 0))) (global.get $own))",
            plan.funcs
        );
        plan.funcs += 1;
    }
    for _ in 0..2 + random.below(5) {
        let body = Body::new(random, plan).text();
        text.push_str(&body);
        plan.funcs += 1;
    }
    let funcs: Vec<String> = (0..plan.funcs).map(|at| format!("$f{at}")).collect();
    for at in 0..TABLES {
        let elements: String = (0..8)
            .map(|_| match random.below(8) {
                0 => " $mix",
                1 => " $throw",
                _ => funcs[random.below(funcs.len() as u64) as usize].as_str(),
            })
            .fold(String::new(), |all, func| all + " " + func);
        let index = plan.index;
        _ = writeln!(text, "  (elem (table $t{at}) ({index}.const 0) func{elements})");
    }
    _ = writeln!(
        text,
        "  (elem $s func $mix {func} $grow {func})\n  (elem declare func $pair $mix $grow $throw $host {}))",
        funcs.join(" "),
        func = funcs[0]
    );
}
