//! Tests the scalar core: arithmetic, control, calls, memory, traps.
//! Does not test vectors (`vectors`) nor stack behaviour (`stack`).

mod harness;

use harness::World;
use sterna_isa::TrapCode;

fn run(source: &str, args: &[u64]) -> Result<Vec<u64>, TrapCode> {
    let mut world = World::new();
    let instance = world.add(source, &[]);
    world.call(instance, "f", args)
}

#[test]
fn arithmetic_and_locals() {
    let source = r#"(module (func (export "f") (param i32 i32) (result i32) (local i32)
        (local.set 2 (i32.sub (local.get 0) (i32.const 3)))
        (i32.add (i32.mul (local.get 0) (local.get 1)) (i32.xor (local.get 2) (i32.add (local.get 1) (local.get 2))))))"#;
    assert_eq!(run(source, &[10, 4]), Ok(vec![40 + (7 ^ 11)]));
}

#[test]
fn locals_on_the_stack_keep_their_value() {
    let source = r#"(module (func (export "f") (param i32) (result i32)
        (local.get 0) (local.get 0) (local.set 0 (i32.const 100)) (local.get 0) (i32.add) (i32.mul)))"#;
    assert_eq!(run(source, &[7]), Ok(vec![7 * 107]));
}

#[test]
fn loops_sum() {
    let source = r#"(module (func (export "f") (param i64) (result i64) (local $s i64)
        (loop $l
            (local.set $s (i64.add (local.get $s) (local.get 0)))
            (br_if $l (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
        (local.get $s)))"#;
    assert_eq!(run(source, &[1000]), Ok(vec![500_500]));
}

#[test]
fn recursive_calls() {
    let source = r#"(module (func $fib (export "f") (param i32) (result i32)
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
            (then (local.get 0))
            (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                           (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#;
    assert_eq!(run(source, &[20]), Ok(vec![6765]));
}

#[test]
fn floats() {
    let source = r#"(module (func (export "f") (param f64 f64) (result f64)
        (f64.div (f64.add (f64.mul (local.get 0) (f64.const 0.5)) (f64.sqrt (local.get 1))) (f64.const 2))))"#;
    let result = run(source, &[3f64.to_bits(), 16f64.to_bits()]).unwrap()[0];
    assert_eq!(f64::from_bits(result), (1.5 + 4.0) / 2.0);
}

#[test]
fn memory_and_bounds() {
    let source = r#"(module (memory 1) (func (export "f") (param i32) (result i32)
        (i32.store offset=4 (local.get 0) (i32.const 0x01020384))
        (i32.add (i32.load8_s offset=4 (local.get 0)) (i32.load16_u offset=6 (local.get 0)))))"#;
    assert_eq!(run(source, &[16]), Ok(vec![u64::from((-0x7ci32 + 0x102) as u32)]));
    assert_eq!(run(source, &[65528]), Ok(vec![u64::from((-0x7ci32 + 0x102) as u32)]));
    assert_eq!(run(source, &[65529]), Err(TrapCode::MemoryOutOfBounds));
    assert_eq!(run(source, &[u64::from(u32::MAX)]), Err(TrapCode::MemoryOutOfBounds));
}

#[test]
fn traps() {
    let source = r#"(module (func (export "f") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1))))"#;
    assert_eq!(run(source, &[7, 2]), Ok(vec![3]));
    assert_eq!(run(source, &[7, 0]), Err(TrapCode::IntegerDivideByZero));
    assert_eq!(run(source, &[0x8000_0000, 0xffff_ffff]), Err(TrapCode::IntegerOverflow));
    assert_eq!(run("(module (func (export \"f\") unreachable))", &[]), Err(TrapCode::Unreachable));
}

#[test]
fn deep_recursion_overflows_the_value_stack() {
    let source =
        r#"(module (func $f (export "f") (param i32) (result i32) (call $f (local.get 0))))"#;
    assert_eq!(run(source, &[0]), Err(TrapCode::StackOverflow));
}

#[test]
fn branch_tables_with_values() {
    let source = r#"(module (func (export "f") (param i32) (result i32)
        (i32.add (i32.const 1000)
        (block $a (result i32)
            (i32.add (i32.const 100)
            (block $b (result i32)
                (i32.add (i32.const 10)
                (block $c (result i32)
                    (br_table $a $b $c (i32.const 1) (local.get 0))))))))))"#;
    assert_eq!(run(source, &[0]), Ok(vec![1001]));
    assert_eq!(run(source, &[1]), Ok(vec![1101]));
    assert_eq!(run(source, &[2]), Ok(vec![1111]));
    assert_eq!(run(source, &[77]), Ok(vec![1111]));
}

#[test]
fn select_and_conditions() {
    let source = r#"(module (func (export "f") (param i32 i32) (result i32)
        (select (local.get 0) (local.get 1) (i32.eqz (i32.lt_u (local.get 0) (local.get 1))))))"#;
    assert_eq!(run(source, &[3, 9]), Ok(vec![9]));
    assert_eq!(run(source, &[12, 9]), Ok(vec![12]));
}

#[test]
fn indirect_calls() {
    let source = r#"(module
        (type $t (func (param i32) (result i32)))
        (table 4 funcref) (elem (i32.const 0) $double $negate $void)
        (func $double (type $t) (i32.shl (local.get 0) (i32.const 1)))
        (func $negate (type $t) (i32.sub (i32.const 0) (local.get 0)))
        (func $void)
        (func (export "f") (param i32 i32) (result i32) (call_indirect (type $t) (local.get 0) (local.get 1))))"#;
    assert_eq!(run(source, &[21, 0]), Ok(vec![42]));
    assert_eq!(run(source, &[21, 1]), Ok(vec![u64::from(-21i32 as u32)]));
    assert_eq!(run(source, &[21, 2]), Err(TrapCode::IndirectCallTypeMismatch));
    assert_eq!(run(source, &[21, 3]), Err(TrapCode::UninitializedElement));
    assert_eq!(run(source, &[21, 4]), Err(TrapCode::UndefinedElement));
}

#[test]
fn multiple_values_and_block_parameters() {
    let source = r#"(module
        (func $two (param i32) (result i32 i64) (i32.add (local.get 0) (i32.const 1)) (i64.extend_i32_u (local.get 0)))
        (func (export "f") (param i32) (result i32 i32)
            (call $two (local.get 0))
            (block (param i32 i64) (result i32 i32)
                (i32.wrap_i64)
                (br_if 0 (local.get 0))
                (drop) (drop) (i32.const 5) (i32.const 6))))"#;
    assert_eq!(run(source, &[3]), Ok(vec![4, 3]));
    assert_eq!(run(source, &[0]), Ok(vec![5, 6]));
}
