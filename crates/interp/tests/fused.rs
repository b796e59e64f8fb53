//! Tests instructions that carry out two operators: that they are used, and that they compute what the two compute.
//! Does not test single operators.

mod harness;

use harness::World;
use sterna_base::FuncIndex;
use sterna_interp::dump;

/// A function of three locals `a`, `b`, `c` of one type; with `apart`, the inner operator's result passes a label.
fn function(ty: &str, inner: &str, outer: &str, left: bool, apart: bool) -> String {
    let inner = match apart {
        true => format!("(block (result {ty}) (br_if 0 {inner} (local.get $d)))"),
        false => inner.to_owned(),
    };
    let operands =
        if left { format!("{inner} (local.get $c)") } else { format!("(local.get $c) {inner}") };
    format!(
        "(module (func (export \"f\") (param $a {ty}) (param $b {ty}) (param $c {ty}) (param $d i32) (result {ty})
            ({outer} {operands})))"
    )
}

const VALUES: [u64; 6] = [0, 1, 0x7fff_ffff, 0x8000_0001, 0x1234_5678, 0xffff_fff3];

/// Compares both functions on all triples of values, of which `bits` makes operands.
fn compare(ty: &str, inner: &str, outer: &str, left: bool, bits: fn(u64) -> u64) {
    let mut world = World::new();
    let fused = world.add(function(ty, inner, outer, left, false), &[]);
    let apart = world.add(function(ty, inner, outer, left, true), &[]);
    let listing = dump(&world.instances[fused].module, FuncIndex::from_u32(0));
    assert_eq!(listing.lines().count(), 4, "entry, enter, fused, return:\n{listing}");
    for a in VALUES {
        for b in VALUES {
            for c in VALUES {
                let args = [bits(a), bits(b), bits(c), 0];
                assert_eq!(
                    world.call(fused, "f", &args),
                    world.call(apart, "f", &args),
                    "{inner} {outer} {args:x?}"
                );
            }
        }
    }
}

#[test]
fn shifts_and_masks_with_combinations() {
    for (ty, bits) in [("i32", 0u64), ("i64", 0xdead_beef_0000_0000)] {
        let wide: fn(u64) -> u64 = if bits == 0 { |x| x } else { |x| x | 0xdead_beef_0000_0000 };
        for inner in ["shl", "shr_u", "rotl"] {
            for outer in ["add", "xor"] {
                let inner = format!("({ty}.{inner} (local.get $a) ({ty}.const 5))");
                compare(ty, &inner, &format!("{ty}.{outer}"), true, wide);
                compare(ty, &inner, &format!("{ty}.{outer}"), false, wide);
            }
        }
    }
    for outer in ["i32.add", "i32.or", "i32.xor"] {
        compare("i32", "(i32.and (local.get $a) (i32.const 255))", outer, true, |x| x);
    }
}

#[test]
fn products_with_sums() {
    for ty in ["i32", "i64"] {
        let inner = format!("({ty}.mul (local.get $a) (local.get $b))");
        compare(ty, &inner, &format!("{ty}.add"), false, |x| x);
    }
    compare("i32", "(i32.mul (local.get $a) (i32.const 12))", "i32.add", true, |x| x);
    let single: fn(u64) -> u64 = |x| u64::from((x as u32 as f32 / 7.0).to_bits());
    let double: fn(u64) -> u64 = |x| (x as f64 / 7.0).to_bits();
    for (ty, bits) in [("f32", single), ("f64", double)] {
        let inner = format!("({ty}.mul (local.get $a) (local.get $b))");
        compare(ty, &inner, &format!("{ty}.add"), true, bits);
        compare(ty, &inner, &format!("{ty}.sub"), true, bits);
        compare(ty, &inner, &format!("{ty}.sub"), false, bits);
    }
    for inner in ["f64.add", "f64.sub"] {
        compare(
            "f64",
            &format!("({inner} (local.get $a) (local.get $b))"),
            "f64.add",
            false,
            double,
        );
    }
}

#[test]
fn addresses_that_are_sums_wrap_before_the_offset_is_added() {
    for (address, form) in [
        ("(i32.add (local.get 0) (i32.const -8))", "s+i"),
        ("(i32.add (local.get 0) (local.get 1))", "s+s"),
        ("(i32.add (i32.clz (local.get 0)) (i32.const 3))", "a+i"),
        ("(i32.add (i32.clz (local.get 0)) (local.get 1))", "a+s"),
        ("(i32.add (i32.shl (local.get 0) (i32.const 1)) (i32.const 24))", "s<<1+i"),
        ("(i32.add (i32.shl (local.get 0) (i32.const 2)) (i32.const -4))", "s<<2+i"),
        ("(i32.add (i32.shl (local.get 0) (i32.const 3)) (local.get 1))", "s<<3+s"),
        ("(i32.add (local.get 1) (i32.shl (local.get 0) (i32.const 2)))", "s<<2+s"),
    ] {
        for load in ["i32.load", "i32.load8_u", "i32.load16_s"] {
            let function = |address: &str| {
                format!(
                    "(module (memory 1) (data (i32.const 0) \"{}\")
                    (func (export \"f\") (param i32 i32) (result i32) ({load} offset=2 {address})))",
                    "\\80\\07\\c1\\f3\\25".repeat(80)
                )
            };
            let mut world = World::new();
            let fused = world.add(function(address), &[]);
            let apart = format!("(block (result i32) (br_if 0 {address} (i32.const 0)))");
            let apart = world.add(function(&apart), &[]);
            let listing = dump(&world.instances[fused].module, FuncIndex::from_u32(0));
            assert!(listing.contains(&format!(".{form}")), "{form}:\n{listing}");
            for a in [0, 1, 8, 40, 0x3fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff] {
                for b in [0, 16, 0xffff_fffc, 65_500] {
                    assert_eq!(
                        world.call(fused, "f", &[a, b]),
                        world.call(apart, "f", &[a, b]),
                        "{load} {address} {a:x} {b:x}"
                    );
                }
            }
        }
    }
}

#[test]
fn loop_steps_with_their_branch() {
    for (compare, start, step, limit, rounds) in [
        ("i32.ne", 0, 1, 10, 10),
        ("i32.lt_s", -5, 2, 6, 6),
        ("i32.lt_u", 0, 3, 10, 4),
        ("i32.gt_s", 5, -1, -3, 8),
        ("i32.ge_u", 9, -2, 3, 4),
        ("i32.eq", 4, 0, 5, 1),
    ] {
        for limit_text in [format!("(i32.const {limit})"), "(local.get $limit)".to_owned()] {
            let source = format!(
                "(module (func (export \"f\") (param $i i32) (param $limit i32) (result i32 i32) (local $n i32)
                    (loop $l
                        (local.set $n (i32.add (local.get $n) (i32.const 1)))
                        (br_if $l ({compare} (local.tee $i (i32.add (local.get $i) (i32.const {step}))) {limit_text})))
                    (local.get $n) (local.get $i)))"
            );
            let mut world = World::new();
            let instance = world.add(source, &[]);
            let listing = dump(&world.instances[instance].module, FuncIndex::from_u32(0));
            assert!(listing.contains("step br_if"), "{listing}");
            let bits = |value: i32| u64::from(value as u32);
            let result = world.call(instance, "f", &[bits(start), bits(limit)]);
            assert_eq!(result, Ok(vec![bits(rounds), bits(start + step * rounds)]), "{compare}");
        }
    }
}

#[test]
fn a_limit_that_is_the_stepped_local_is_read_after_the_step() {
    let source = "(module (func (export \"f\") (param $i i32) (result i32)
        (loop $l (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $i))))
        (local.get $i)))";
    let mut world = World::new();
    let instance = world.add(source, &[]);
    assert_eq!(world.i32(instance, "f", &[5]), 6);
}

#[test]
fn copies_in_a_row_happen_in_order() {
    let source = "(module (func (export \"f\") (param $a i32) (param $b i32) (result i32 i32 i32) (local $t i32)
        (local.set $t (local.get $a)) (local.set $a (local.get $b)) (local.set $b (local.get $t))
        (local.get $a) (local.get $b) (local.get $t)))";
    let mut world = World::new();
    let instance = world.add(source, &[]);
    assert_eq!(world.call(instance, "f", &[1, 2]), Ok(vec![2, 1, 1]));
    assert!(dump(&world.instances[instance].module, FuncIndex::from_u32(0)).contains("copy.pair"));
}

#[test]
fn an_old_local_on_the_stack_survives_its_change() {
    let source = "(module (memory 1) (func (export \"f\") (param $a i32) (result i32)
        (i32.store (local.get $a) (i32.load (local.tee $a (i32.add (local.get $a) (i32.const 4)))))
        (i32.add (local.get $a) (i32.load (i32.const 0))))
        (data (i32.const 4) \"\\2a\"))";
    let mut world = World::new();
    let instance = world.add(source, &[]);
    assert_eq!(world.i32(instance, "f", &[0]), 4 + 42);
}
