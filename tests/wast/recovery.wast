;; An instance goes on after a trap: what was written stays, the stacks are whole again, and calls work as before.
(module
  (memory 1)
  (global $depth (mut i32) (i32.const 0))
  (table funcref (elem $recurse $divide))
  (type $void (func))

  (func $recurse (export "recurse")
    (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
    (call $recurse))
  (func (export "recurse_indirectly") (call_indirect (type $void) (i32.const 0)))
  (func $divide (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "was_deep") (result i32) (i32.gt_u (global.get $depth) (i32.const 1000)))
  (func (export "store_then_trap") (param i32)
    (i32.store (i32.const 8) (local.get 0))
    (i32.store (i32.const 0xffff) (local.get 0)))
  (func (export "load") (result i32) (i32.load (i32.const 8)))
  (func (export "sum") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1)))

(assert_exhaustion (invoke "recurse") "call stack exhausted")
(assert_return (invoke "was_deep") (i32.const 1))
(assert_exhaustion (invoke "recurse_indirectly") "call stack exhausted")
(assert_return (invoke "sum" (i32.const 1000)) (i32.const 500500))

(assert_trap (invoke "divide" (i32.const 1) (i32.const 0)) "integer divide by zero")
(assert_trap (invoke "divide" (i32.const 0x80000000) (i32.const -1)) "integer overflow")
(assert_return (invoke "divide" (i32.const -7) (i32.const 2)) (i32.const -3))

(assert_trap (invoke "store_then_trap" (i32.const 42)) "out of bounds memory access")
(assert_return (invoke "load") (i32.const 42))
(assert_return (invoke "sum" (i32.const 10)) (i32.const 55))
