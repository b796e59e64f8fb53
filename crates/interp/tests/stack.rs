//! Tests the native and the value stack: that dispatch uses none, that exhaustion traps, that suspended frames can be read.
//! Does not test what operators compute.

mod harness;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

use harness::{Given, World};
use sterna_abi::{HostCtx, Interpreter, Profile, StoreCtx};
use sterna_interp::Interp;
use sterna_isa::{Class, Op, TrapCode, Ty};

thread_local! {
    static STACK_POINTERS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// `()`: notes the native stack pointer.
unsafe extern "C" fn note(_: *mut HostCtx, _: *mut u64) {
    let sp = sterna_sys::activation::stack_pointer();
    STACK_POINTERS.with_borrow_mut(|noted| noted.push(sp));
}

fn literal(ty: &str) -> String {
    match ty {
        "v128" => "(v128.const i32x4 5 6 7 8)".into(),
        ty => format!("({ty}.const 3)"),
    }
}

fn text(ty: Ty) -> &'static str {
    match ty {
        Ty::I32 | Ty::Addr => "i32",
        Ty::I64 => "i64",
        Ty::F32 => "f32",
        Ty::F64 => "f64",
        Ty::V128 => "v128",
        _ => panic!("not a number"),
    }
}

/// Immediates that validate.
fn immediates(op: Op) -> &'static str {
    match (op.class(), op.text()) {
        (Class::Lane, "i8x16.shuffle") => "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        (Class::Lane | Class::LoadLane | Class::StoreLane, _) => "1",
        // Added to 4 or 12, this makes a multiple of 8.
        (_, text) if text.contains("atomic") => "offset=4",
        _ => "",
    }
}

/// Values with which nothing traps.
const RESET: &str = "\n(local.set $i32 (i32.const 12)) (local.set $i64 (i64.const 7))
    (local.set $f32 (f32.const 2)) (local.set $f64 (f64.const 3))\n";

/// Text that applies `op` to every combination of operands from locals, constants and results just computed, and stores the results in
/// locals.
fn every_form(op: Op, operands: &[Ty], results: &[Ty]) -> String {
    let source = |ty: Ty, way: usize| {
        let atomic = op.text().contains("atomic") && ty == Ty::Addr;
        let ty = text(ty);
        let literal = |ty| if atomic { "(i32.const 4)".to_owned() } else { literal(ty) };
        match way {
            0 => format!("(local.get ${ty})"),
            1 => literal(ty),
            _ if ty == "v128" => "(v128.not (local.get $v128))".into(),
            _ if ty.starts_with('f') => format!("({ty}.abs (local.get ${ty}))"),
            _ => format!("({ty}.or (local.get ${ty}) {})", literal(ty)),
        }
    };
    let mut text = String::new();
    for combination in 0..3usize.pow(operands.len() as u32) {
        for consume in 0..3 {
            let operands: Vec<String> = (0..operands.len())
                .map(|i| source(operands[i], combination / 3usize.pow(i as u32) % 3))
                .collect();
            let call = format!("({} {} {})", op.text(), immediates(op), operands.join(" "));
            text += &match (results, consume) {
                ([], _) => call,
                ([ty], 0) => format!("(local.set ${} {call})", self::text(*ty)),
                // Left on the stack while something else is computed.
                ([_], 1) => format!("{call} (local.set $i32 (i32.clz (local.get $i32))) (drop)"),
                ([Ty::I32], _) => format!("(block (br_if 0 {call})) (if {call} (then (nop)))"),
                _ => format!("{call} {}", "(drop)".repeat(results.len())),
            };
            text += RESET;
        }
    }
    text
}

/// A module that runs `body` in a loop and calls the host before and after each iteration.
fn looped(body: &str) -> String {
    format!(
        r#"(module (import "host" "note" (func $note)) (memory 1)
        (func (export "f") (param $n i32) (local $i32 i32) (local $i64 i64) (local $f32 f32) (local $f64 f64) (local $v128 v128)
            (loop $again
                (call $note)
                {RESET}
                {body}
                (call $note)
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#
    )
}

fn assert_constant_stack(body: &str) {
    let mut world = World::new();
    let instance = world.add(looped(body), &[("host", Given::Host(note))]);
    STACK_POINTERS.with_borrow_mut(Vec::clear);
    world.call(instance, "f", &[3]).unwrap_or_else(|trap| panic!("{trap}: {body}"));
    STACK_POINTERS.with_borrow(|noted| {
        assert_eq!(noted.len(), 6);
        // Only the very first call may come from elsewhere: a stub that translates.
        assert!(noted.iter().all(|sp| *sp == noted[1]), "{noted:x?} {body}");
    });
}

#[test]
fn no_operator_uses_native_stack() {
    for &op in Op::ALL {
        let covered = matches!(
            op.class(),
            Class::Pure
                | Class::Trapping
                | Class::Wide
                | Class::Lane
                | Class::Load
                | Class::Store
                | Class::LoadLane
                | Class::StoreLane
                | Class::AtomicLoad
                | Class::AtomicStore
                | Class::AtomicRmw
                | Class::AtomicCmpxchg
        );
        if let (true, Some((operands, results))) = (covered, op.signature()) {
            assert_constant_stack(&every_form(op, operands, results));
        }
    }
}

#[test]
fn no_control_or_builtin_uses_native_stack() {
    for body in [
        "(block (br_table 0 0 0 (local.get $i32)))",
        "(block $a (block $b (br_if $a (i32.lt_s (local.get $i32) (i32.const 3))) (br $b)))",
        "(drop (block (result i64) (br_if 0 (i64.const 3) (i32.eqz (local.get $i32)))))",
        "(drop (memory.grow (i32.const 0)))",
        "(drop (memory.size))",
        // Instructions that carry out two operators.
        "(local.set $i32 (i32.load (i32.add (i32.shl (local.get $i32) (i32.const 2)) (i32.const 8))))",
        "(local.set $i32 (i32.load (i32.add (local.get $n) (i32.shl (local.get $i32) (i32.const 1)))))",
        "(local.set $i64 (i64.load (i32.add (local.get $n) (local.get $i32))))",
        "(local.set $f64 (f64.add (f64.mul (local.get $f64) (local.get $f64)) (local.get $f64)))",
        "(local.set $i64 (i64.xor (i64.shr_u (local.get $i64) (i64.const 7)) (local.get $i64)))",
        "(loop $l (br_if $l (i32.ne (local.tee $i32 (i32.add (local.get $i32) (i32.const -1))) (i32.const 0))))",
        "(memory.fill (i32.const 0) (i32.const 0) (i32.const 9))",
        "(memory.copy (i32.const 0) (i32.const 8) (i32.const 9))",
        "(local.set $i32 (select (local.get $i32) (i32.const 2) (i32.lt_u (local.get $i32) (i32.const 4))))",
        "(local.set $f64 (select (f64.const 1) (local.get $f64) (local.get $i32)))",
        "(local.set $v128 (select (local.get $v128) (v128.not (local.get $v128)) (local.get $i32)))",
    ] {
        assert_constant_stack(body);
    }
}

#[test]
fn calls_and_polls_use_no_native_stack() {
    let source = r#"(module (import "host" "note" (func $note)) (memory 1)
        (type $t (func (param i32 i64) (result i64))) (table 1 funcref) (elem (i32.const 0) $callee)
        (func $callee (param i32 i64) (result i64) (i64.add (local.get 1) (i64.extend_i32_u (local.get 0))))
        (func $many (param i32) (result i32 i64 v128) (local.get 0) (i64.const 4) (v128.const i64x2 1 2))
        (func (export "f") (param $n i32) (local $s i64)
            (loop $again
                (call $note)
                (local.set $s (call $callee (local.get $n) (local.get $s)))
                (local.set $s (call_indirect (type $t) (local.get $n) (local.get $s) (i32.const 0)))
                (call $many (local.get $n)) (drop) (drop) (drop)
                (call $note)
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    let mut world = World::new();
    let instance = world.add(source, &[("host", Given::Host(note))]);
    world.store.interrupt.store(1, Ordering::Relaxed);
    STACK_POINTERS.with_borrow_mut(Vec::clear);
    assert_eq!(world.call(instance, "f", &[1000]), Ok(vec![]));
    assert!(world.polls >= 4000, "entries and the loop poll: {}", world.polls);
    STACK_POINTERS.with_borrow(|noted| assert!(noted.iter().all(|sp| *sp == noted[0])));
    world.poll_traps = true;
    assert_eq!(world.call(instance, "f", &[10]), Err(TrapCode::Interrupt));
}

#[test]
fn deep_recursion_uses_only_the_value_stack() {
    let source = r#"(module (func $f (export "f") (param i32) (result i32)
        (if (result i32) (local.get 0)
            (then (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1)))))
            (else (i32.const 0)))))"#;
    let mut world = World::with_stack(8 << 20);
    let instance = world.add(source, &[]);
    assert_eq!(world.i32(instance, "f", &[1_000_000]), 1_000_000);
    assert_eq!(world.call(instance, "f", &[10_000_000]), Err(TrapCode::StackOverflow));
    assert!(world.backtrace.len() > 1_000_000);
}

thread_local! {
    static FRAMES: RefCell<Vec<sterna_abi::CapturedFrame>> = const { RefCell::new(Vec::new()) };
    static WORLD: RefCell<*mut World> = const { RefCell::new(std::ptr::null_mut()) };
}

fn capture(store: *const StoreCtx) -> Vec<sterna_abi::CapturedFrame> {
    let mut frames = Vec::new();
    let mut visit = |frame: sterna_abi::InterpFrame| {
        // SAFETY: the frame is suspended.
        frames.push(unsafe { (frame.describe)(&frame) });
        true
    };
    // SAFETY: guest code is suspended in a host function.
    unsafe { Interp.frames(store, &mut visit) };
    frames
}

unsafe extern "C" fn capture_frames(ctx: *mut HostCtx, _: *mut u64) {
    // SAFETY: the store is live.
    let store = unsafe { (*ctx).store };
    FRAMES.set(capture(store));
}

#[test]
fn suspended_frames_show_locals_and_operands() {
    let source = r#"(module (import "host" "capture" (func $capture (param i32)))
        (func $inner (param $a i32) (param $b f64) (result i32) (local $c v128)
            (local.set $c (v128.const i64x2 1 2))
            (i32.const 77) (local.get $a) (i32.add (local.get $a) (i32.const 1)) (local.get $c)
            (local.set $a (i32.const -1))
            (call $capture (i32.const 5))
            (drop) (drop) (drop))
        (func (export "f") (result i32)
            (i64.const 123456789012) (call $inner (i32.const 40) (f64.const 1.5)) (i32.wrap_i64 (i64.const 9)) (i32.add)
            (drop) (i32.wrap_i64)))"#;
    let mut world = World::new();
    let instance = world.add(source, &[("host", Given::Host(capture_frames))]);
    world.call(instance, "f", &[]).unwrap();
    let frames = FRAMES.take();
    let bits = |values: &[sterna_abi::CapturedValue]| {
        values.iter().map(|value| value.bits).collect::<Vec<_>>()
    };
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].func.as_u32(), 1);
    assert_eq!(
        bits(&frames[0].locals),
        [u128::from(u32::MAX), u128::from(1.5f64.to_bits()), 1 | 2 << 64]
    );
    assert_eq!(bits(&frames[0].stack), [77, 40, 41, 1 | 2 << 64]);
    assert_eq!(frames[1].func.as_u32(), 2);
    assert_eq!(bits(&frames[1].stack), [123_456_789_012]);
    let module = &world.instances[instance].module;
    for frame in &frames {
        let mut operators = module.body(frame.func).operators();
        let operator = operators.find(|operator| operator.offset == frame.wasm_offset);
        assert_eq!(operator.map(|operator| operator.op), Some(Op::Call));
    }
}

#[test]
fn traps_have_a_backtrace_with_the_operand_in_the_accumulator() {
    let source = r#"(module (memory 1)
        (func $inner (param i32) (result i32)
            (i32.mul (local.get 0) (i32.const 3)) (i32.load (i32.const -4)) (i32.add))
        (func (export "f") (result i32) (call $inner (i32.const 5))))"#;
    let mut world = World::new();
    let instance = world.add(source, &[]);
    assert_eq!(world.call(instance, "f", &[]), Err(TrapCode::MemoryOutOfBounds));
    let frames = &world.backtrace;
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0].stack[0].bits, 15);
    let mut operators = world.instances[instance].module.body(frames[0].func).operators();
    assert_eq!(
        operators.find(|operator| operator.offset == frames[0].wasm_offset).unwrap().op,
        Op::I32Load
    );
}

#[test]
fn hot_functions_are_reported_once() {
    let source = r#"(module (func $g (export "f") (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;
    let mut world = World::new();
    world.settings.hot_budget = 100;
    let instance = world.add(source, &[]);
    world.call(instance, "f", &[50]).unwrap();
    assert_eq!(world.hot, [0u32; 0]);
    world.call(instance, "f", &[500]).unwrap();
    world.call(instance, "f", &[500]).unwrap();
    assert_eq!(world.hot, [0]);
}

#[test]
fn frames_beyond_the_limit_are_refused_with_a_trap() {
    let source = r#"(module (func (export "f") (local v128)) (func (export "g")))"#;
    let mut world = World::new();
    let instance = world.add(source.replace("v128", &"v128 ".repeat(40_000)), &[]);
    assert_eq!(world.call(instance, "f", &[]), Err(TrapCode::LimitExceeded));
    assert_eq!(world.call(instance, "g", &[]), Ok(vec![]));
}

#[test]
fn usual_targets_of_indirect_calls_are_recorded() {
    let source = r#"(module
        (type $t (func (result i32)))
        (table 2 funcref) (elem (i32.const 0) $zero $one)
        (func $zero (result i32) (i32.const 0)) (func $one (result i32) (i32.const 1))
        (func (export "f") (param $n i32) (result i32) (local $sum i32)
            (loop $next
                (local.set $sum (i32.add (local.get $sum)
                    (call_indirect (type $t) (i32.eqz (i32.rem_u (local.get $n) (i32.const 50))))))
                (local.set $sum (i32.add (local.get $sum)
                    (call_indirect (type $t) (i32.and (local.get $n) (i32.const 1)))))
                (local.set $sum (i32.add (local.get $sum) (call_ref $t (ref.func $one))))
                (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum))
        (elem declare func $one))"#;
    let mut world = World::new();
    world.settings.hot_budget = u32::MAX;
    let instance = world.add(source, &[]);
    assert_eq!(world.call(instance, "f", &[1000]), Ok(vec![20 + 500 + 1000]));
    let mut targets = HashMap::new();
    let recorder = &world.instances[instance].recorder;
    recorder.call_targets(&mut |at, func| _ = targets.insert(at, func));
    let mut found: Vec<_> = targets.iter().collect();
    found.sort();
    // The first call mostly goes to function 0, the second one to either, the third always to function 1.
    assert_eq!(found.iter().map(|(_, func)| func.as_u32()).collect::<Vec<_>>(), [0, 1]);
    let module = &world.instances[instance].module;
    let profile = Profile { targets: Some(Box::new(targets.clone())), counts: Vec::new() };
    assert_eq!(Profile::from_bytes(&profile.to_bytes(), module), profile);
    assert_eq!(
        Profile::from_bytes(&[1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 9], module),
        Profile::EMPTY
    );
}
