//! Tests calls between instances and hosts, tail calls, and what the registers hold afterwards.
//! Does not test the stack's depth (`stack`).

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "host functions poke at slots")]

mod harness;

use harness::{Given, World};
use sterna_abi::HostCtx;
use sterna_isa::TrapCode;

/// `(i32, i32) -> i32`: the sum.
unsafe extern "C" fn add(_: *mut HostCtx, fp: *mut u64) {
    // SAFETY: two arguments are there.
    unsafe { *fp = u64::from((*fp as u32).wrapping_add(*fp.add(1) as u32)) }
}

/// `() -> f64`
unsafe extern "C" fn half(_: *mut HostCtx, fp: *mut u64) {
    // SAFETY: there is room for the result.
    unsafe { *fp = 0.5f64.to_bits() }
}

unsafe extern "C" fn fail(ctx: *mut HostCtx, _: *mut u64) {
    // SAFETY: the store is live.
    unsafe { (*(*ctx).store).activation.trap = TrapCode::Host as u32 }
}

const LIBRARY: &str = r#"(module
    (memory (export "memory") 1) (data (i32.const 0) "library!")
    (global $g (export "g") (mut i32) (i32.const 5))
    (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
    (func (export "grow") (result i32) (memory.grow (i32.const 1)))
    (func (export "bump") (global.set $g (i32.add (global.get $g) (i32.const 1)))))"#;

#[test]
fn host_functions() {
    let source = r#"(module
        (import "host" "add" (func $add (param i32 i32) (result i32)))
        (func (export "f") (param i32) (result i32)
            (i32.mul (call $add (local.get 0) (i32.const 4)) (call $add (i32.const 1) (local.get 0)))))"#;
    let mut world = World::new();
    let instance = world.add(source, &[("host", Given::Host(add))]);
    assert_eq!(world.i32(instance, "f", &[6]), 70);
}

#[test]
fn float_results_of_hosts_come_back_in_the_accumulator() {
    let source = r#"(module
        (import "host" "half" (func $half (result f64)))
        (func (export "f") (result f64) (f64.add (call $half) (f64.mul (call $half) (f64.const 8)))))"#;
    let mut world = World::new();
    let instance = world.add(source, &[("host", Given::Host(half))]);
    assert_eq!(world.call(instance, "f", &[]), Ok(vec![4.5f64.to_bits()]));
}

#[test]
fn host_traps_unwind() {
    let source = r#"(module
        (import "host" "fail" (func $fail))
        (func $g (call $fail)) (func (export "f") (call $g)) (func (export "again") (result i32) (i32.const 3)))"#;
    let mut world = World::new();
    let instance = world.add(source, &[("host", Given::Host(fail))]);
    assert_eq!(world.call(instance, "f", &[]), Err(TrapCode::Host));
    assert_eq!(world.i32(instance, "again", &[]), 3);
}

#[test]
fn calls_of_another_instance_switch_memory_and_back() {
    let source = r#"(module
        (import "lib" "peek" (func $peek (param i32) (result i32)))
        (memory 1) (data (i32.const 0) "mine")
        (func (export "f") (param i32) (result i32)
            (i32.sub (call $peek (local.get 0)) (i32.load8_u (local.get 0)))))"#;
    let mut world = World::new();
    let library = world.add(LIBRARY, &[]);
    let instance = world.add(source, &[("lib", Given::From(library))]);
    assert_eq!(world.i32(instance, "f", &[0]), i32::from(b'l') - i32::from(b'm'));
    assert_eq!(world.i32(instance, "f", &[1]), 0);
}

#[test]
fn imported_memory_grown_elsewhere_is_seen() {
    let source = r#"(module
        (import "lib" "grow" (func $grow (result i32)))
        (import "lib" "memory" (memory 1))
        (import "lib" "bump" (func $bump)) (import "lib" "g" (global $g (mut i32)))
        (func (export "f") (result i32)
            (drop (call $grow)) (i32.store (i32.const 70000) (i32.const 9))
            (call $bump) (global.set $g (i32.mul (global.get $g) (i32.const 10)))
            (i32.add (i32.load (i32.const 70000)) (global.get $g))))"#;
    let mut world = World::new();
    let library = world.add(LIBRARY, &[]);
    let instance = world.add(source, &[("lib", Given::From(library))]);
    assert_eq!(world.i32(instance, "f", &[]), 9 + 60);
}

#[test]
fn tables_can_hold_functions_of_other_instances() {
    let exporter = r#"(module (memory 1) (data (i32.const 0) "\07") (table (export "t") 2 funcref)
        (elem (i32.const 0) $f) (func $f (result i32) (i32.load8_u (i32.const 0))))"#;
    let source = r#"(module (type $t (func (result i32))) (import "lib" "t" (table 2 funcref))
        (memory 1) (data (i32.const 0) "\20")
        (elem (i32.const 1) $own) (func $own (result i32) (i32.const 100))
        (func (export "f") (param i32) (result i32)
            (i32.add (call_indirect (type $t) (local.get 0)) (i32.load8_u (i32.const 0)))))"#;
    let mut world = World::new();
    let library = world.add(exporter, &[]);
    let instance = world.add(source, &[("lib", Given::From(library))]);
    assert_eq!(world.i32(instance, "f", &[0]), 7 + 32);
    assert_eq!(world.i32(instance, "f", &[1]), 100 + 32);
}

#[test]
fn tail_calls_run_in_constant_stack() {
    let source = r#"(module
        (type $t (func (param i32 i64 i64) (result i64)))
        (table 2 funcref) (elem (i32.const 0) $odd $even)
        (func $even (type $t)
            (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
            (return_call $odd (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 1) (i64.const 1)) (local.get 2)))
        (func $odd (type $t)
            (return_call_indirect (type $t) (local.get 0) (i64.add (local.get 1) (local.get 2)) (local.get 2) (i32.const 1)))
        (func (export "f") (param i32) (result i64)
            (i64.add (i64.const 1000000) (call $even (local.get 0) (i64.const 0) (i64.const 2)))))"#;
    let mut world = World::with_stack(256);
    let instance = world.add(source, &[]);
    assert_eq!(world.call(instance, "f", &[100_000]), Ok(vec![1_300_000]));
}

#[test]
fn tail_calls_between_instances_restore_the_caller() {
    let pong = r#"(module (memory 1) (data (i32.const 0) "\02")
        (type $t (func (param i32 i32) (result i32)))
        (table (export "t") 1 funcref)
        (func (export "pong") (param i32 i32) (result i32)
            (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
            (return_call_indirect (type $t)
                (i32.sub (local.get 0) (i32.const 1)) (i32.add (local.get 1) (i32.load8_u (i32.const 0))) (i32.const 0))))"#;
    let ping = r#"(module
        (import "lib" "pong" (func $pong (param i32 i32) (result i32))) (import "lib" "t" (table 1 funcref))
        (memory 1) (data (i32.const 0) "\01") (elem (i32.const 0) $ping)
        (func $ping (param i32 i32) (result i32)
            (return_call $pong (local.get 0) (i32.add (local.get 1) (i32.load8_u (i32.const 0)))))
        (func $direct (param i32) (result i32) (return_call $ping (local.get 0) (i32.const 0)))
        (func (export "f") (param i32) (result i32)
            (i32.add (call $direct (local.get 0)) (i32.mul (i32.const 1000000) (i32.load8_u (i32.const 0))))))"#;
    let mut world = World::with_stack(256);
    let library = world.add(pong, &[]);
    let instance = world.add(ping, &[("lib", Given::From(library))]);
    assert_eq!(world.i32(instance, "f", &[10_000]), 1_000_000 + 30_001);
    assert_eq!(world.i32(instance, "f", &[0]), 1_000_001);
}
