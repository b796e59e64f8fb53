//! Tests that odd but valid functions translate in proportionate time and memory, and then run.
//! Does not test limits of the stack (`stack`).

mod harness;

use std::time::{Duration, Instant};

use harness::World;
use sterna_isa::TrapCode;

/// Far more than linear translation needs, far less than anything quadratic.
const PATIENCE: Duration = Duration::from_secs(20);

fn run(source: &str, args: &[u64]) -> Result<Vec<u64>, TrapCode> {
    let mut world = World::new();
    let instance = world.add(source, &[]);
    let start = Instant::now();
    let result = world.call(instance, "f", args);
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
    result
}

#[test]
fn many_locals() {
    let source = format!(
        "(module (func (export \"f\") (result i32) (local {}) {} (local.get 49999)))",
        "i32 ".repeat(50_000),
        "(local.set 49999 (i32.add (local.get 49999) (i32.const 1)))".repeat(1000)
    );
    assert_eq!(run(&source, &[]), Ok(vec![1000]));
}

#[test]
fn one_local_many_times_on_the_stack() {
    let count = 20_000;
    let source = format!(
        "(module (func (export \"f\") (param i32) (result i32) {} {} {} (local.get 0) (i32.add)))",
        "(local.get 0)".repeat(count),
        "(local.set 0 (i32.const 7))",
        "(i32.add)".repeat(count - 1)
    );
    assert_eq!(run(&source, &[3]), Ok(vec![3 * count as u64 + 7]));
}

#[test]
fn deep_nesting_over_a_deep_stack() {
    let depth = 5_000;
    let source = format!(
        "(module (func (export \"f\") (param i32) (result i32) {} {} (local.get 0) {} {}))",
        "(local.get 0)".repeat(1000),
        "block (result i32) ".repeat(depth),
        "end ".repeat(depth),
        "(i32.add)".repeat(1000)
    );
    assert_eq!(run(&source, &[2]), Ok(vec![2002]));
}

#[test]
fn large_branch_tables_with_values() {
    let (blocks, targets) = (100, 50_000);
    let labels: String = (0..targets).map(|i| format!("{} ", i % blocks)).collect();
    let source = format!(
        "(module (func (export \"f\") (param i32) (result i32) {} (br_table {labels} 0 (i32.const 5) (local.get 0)) {}))",
        "(i32.add (i32.const 1) (block (result i32)".repeat(blocks),
        "))".repeat(blocks)
    );
    assert_eq!(run(&source, &[0]), Ok(vec![105]));
    assert_eq!(run(&source, &[49_999]), Ok(vec![6]));
    assert_eq!(run(&source, &[u64::from(u32::MAX)]), Ok(vec![105]));
}

#[test]
fn unreachable_code_of_every_shape_is_skipped() {
    let source = "(module (func (export \"f\") (param i32) (result i32)
        (block (result i32)
            (br 0 (i32.const 4))
            (if (result i32) (then (unreachable) (i32.add)) (else (loop (br 0)) (unreachable) (select)))
            (br_table 0 1 (i32.const 1)) (block (unreachable) (drop)) (i32.add))
        (return) (local.set 0) (call_indirect (param i32)) (unreachable))
        (table 0 funcref))";
    assert_eq!(run(source, &[1]), Ok(vec![4]));
}
