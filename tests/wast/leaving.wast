;; Compiled frames that are left while they run, and entered again.
;;
;; Every function here polls in loops, where a configuration that leaves frames (`Config::leave_after`, `Config::torture_tiers` with captured
;; state) makes the interpreter go on with what the frame held. Results are the same in every configuration; what a test is about is how
;; the frame came to be, what it held, or how it ends.

(module
  (type $none (func))
  (type $many (func (param i64 f64 v128 i32 f32 i64 f64 i32 i32 v128)
                    (result i64 f64 v128 i32 f32 i64 f64 i32 i32 v128)))
  (type $node (struct (field i64) (field (ref null $node))))
  (tag $stop (param i64 f32))
  (memory 1)
  (global $steps (mut i64) (i64.const 0))

  ;; Something to do: `n` times around a loop, so often may the frame be left.
  (func $turn (param $n i64)
    (loop $l
      (global.set $steps (i64.add (global.get $steps) (i64.const 1)))
      (local.set $n (i64.sub (local.get $n) (i64.const 1)))
      (br_if $l (i64.gt_s (local.get $n) (i64.const 0)))))

  ;; More parameters and results than registers, of all types, live across a loop in locals and on the operand stack.
  (func $many (type $many) (local $n i32)
    (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)
    (local.set $n (i32.const 5))
    (loop $l
      (local.set 5 (i64.add (local.get 5) (i64.const 1)))
      (local.set 6 (f64.add (local.get 6) (f64.const 0.5)))
      (local.set 9 (i32x4.add (local.get 9) (v128.const i32x4 1 2 3 4)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get 5) (local.get 6) (local.get 7) (local.get 8) (local.get 9))
  (func (export "many") (result i64 f64 v128 i32 f32 i64 f64 i32 i32 v128)
    (call $many (i64.const 1) (f64.const 2) (v128.const i32x4 3 3 3 3) (i32.const 4) (f32.const 5)
      (i64.const 6) (f64.const 7) (i32.const 8) (i32.const 9) (v128.const i32x4 10 10 10 10)))
  ;; The same, called with values of the caller in registers that it does not expect to change.
  (func (export "kept") (param $a i64) (param $b i64) (param $c i64) (param $d f64) (result i64 f64)
    (local $e i64) (local $i i64)
    (local.set $e (i64.mul (local.get $a) (local.get $b)))
    (loop $l
      (call $many (local.get $a) (local.get $d) (v128.const i32x4 3 3 3 3) (i32.const 4) (f32.const 5)
        (local.get $b) (local.get $d) (i32.const 8) (i32.const 9) (v128.const i32x4 10 10 10 10))
      (drop) (drop) (drop)
      (local.set $d)
      (local.set $b)
      (drop) (drop) (drop) (drop) (drop)
      (local.set $c (i64.add (local.get $c) (i64.add (local.get $a) (local.get $e))))
      (br_if $l (i64.lt_s (local.tee $i (i64.add (local.get $i) (i64.const 1))) (i64.const 4))))
    (i64.add (i64.add (local.get $a) (local.get $b)) (i64.add (local.get $c) (local.get $e)))
    (local.get $d))

  ;; A loop with parameters in a loop with parameters.
  (func (export "multi") (param $n i32) (result i32 i64)
    (i32.const 1) (i64.const 2)
    (loop $outer (param i32 i64) (result i32 i64)
      (loop $inner (param i32 i64) (result i32 i64)
        (i64.add (i64.const 3))
        (call $swap)
        (i32.add (i32.const 1))
        (call $swap_back)
        (br_if $inner (i32.and (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 3))))
      (br_if $outer (local.get $n))))
  (func $swap (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
  (func $swap_back (param i64 i32) (result i32 i64) (local.get 1) (local.get 0))

  ;; Frames of functions that were inlined become frames of their own.
  (func $leaf (param $x i32) (result i32) (local $n i32)
    (local.set $n (i32.const 3))
    (loop $l
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 3)) (local.get $n)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $x))
  (func $middle (param $a f64) (param $x i32) (result i32) (local $y i32)
    (local.set $y (i32.const 100))
    (i32.add (i32.trunc_f64_s (local.get $a))
      (i32.sub (local.get $y) (call $leaf (i32.add (local.get $x) (local.get $y))))))
  (func (export "inlined") (param $n i32) (result i32) (local $sum i32)
    (loop $l
      (local.set $sum
        (i32.xor (local.get $sum)
          (i32.add (i32.const 7) (call $middle (f64.const 40.5) (local.get $n)))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))

  ;; Deep in a recursion, each with a loop before and after the call.
  (func $deep (export "deep") (param $n i64) (result i64) (local $own i64)
    (local.set $own (i64.mul (local.get $n) (i64.const 11)))
    (call $turn (i64.const 2))
    (if (i64.eqz (local.get $n)) (then (return (i64.const 5))))
    (local.set $own (i64.add (local.get $own) (call $deep (i64.sub (local.get $n) (i64.const 1)))))
    (call $turn (i64.const 1))
    (loop $l
      (local.set $own (i64.add (local.get $own) (i64.const 1)))
      (br_if $l (i32.wrap_i64 (i64.and (local.get $own) (i64.const 1)))))
    (local.get $own))

  ;; What a left frame throws is caught by its caller, what it catches itself, and what passes through it.
  (func $throws (param $n i64) (result i64)
    (loop $l
      (if (i64.eq (local.get $n) (i64.const 3)) (then (throw $stop (local.get $n) (f32.const 1.5))))
      (local.set $n (i64.sub (local.get $n) (i64.const 1)))
      (br_if $l (i64.gt_s (local.get $n) (i64.const 0))))
    (i64.const -1))
  (func $catches (param $n i64) (result i64) (local $rounds i64)
    (block $h (result i64 f32)
      (try_table (result i64) (catch $stop $h)
        (loop $l
          (local.set $rounds (i64.add (local.get $rounds) (i64.const 1)))
          (br_if $l (i64.lt_s (local.get $rounds) (i64.const 3))))
        (call $throws (local.get $n)))
      (return))
    (drop)
    (i64.add (i64.mul (local.get $rounds) (i64.const 100))))
  (func (export "catch") (param $n i64) (result i64) (local $i i64) (local $sum i64)
    (loop $l
      (local.set $sum (i64.add (local.get $sum) (call $catches (local.get $n))))
      (br_if $l (i64.lt_s (local.tee $i (i64.add (local.get $i) (i64.const 1))) (i64.const 5))))
    (local.get $sum))
  (func (export "uncaught") (param $n i64) (result i64)
    (call $turn (i64.const 2))
    (call $throws (local.get $n)))

  ;; References to objects in locals and operands, which move while the frame is anywhere.
  (func $list (param $n i64) (result (ref null $node)) (local $l (ref null $node))
    (loop $next
      (local.set $l (struct.new $node (local.get $n) (local.get $l)))
      (br_if $next (i64.gt_s (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))
    (local.get $l))
  (func (export "objects") (param $n i64) (result i64) (local $sum i64) (local $a (ref null $node))
    (call $list (local.get $n))
    (struct.new $node (i64.const 1000) (ref.null $node))
    (local.set $a (call $list (local.get $n)))
    (loop $l
      (local.set $sum (i64.add (local.get $sum) (struct.get $node 0 (local.get $a))))
      (drop (struct.new $node (i64.const 0) (local.get $a)))
      (br_if $l (i32.eqz (ref.is_null (local.tee $a (struct.get $node 1 (local.get $a)))))))
    (struct.get $node 0)
    (local.set $sum (i64.add (local.get $sum)))
    (local.set $a)
    (i64.add (local.get $sum) (struct.get $node 0 (local.get $a))))

  ;; Traps in the rest of a left frame, in it or in what it calls.
  (func (export "trap") (param $at i32) (result i32)
    (call $turn (i64.const 2))
    (loop $l
      (local.set $at (i32.add (local.get $at) (i32.const 0x2000)))
      (drop (i32.load (local.get $at)))
      (br $l))
    (unreachable))
  (func $for_ever (export "for-ever") (param $n i64) (result i64)
    (call $turn (local.get $n))
    (i64.add (local.get $n) (call $for_ever (local.get $n))))

  ;; Up and down again without end needs no more stack.
  (func (export "long") (param $n i64) (result i64) (local $sum i64)
    (loop $outer
      (call $turn (i64.const 1))
      (local.set $sum (i64.add (local.get $sum) (local.get $n)))
      (br_if $outer (i64.gt_s (local.tee $n (i64.sub (local.get $n) (i64.const 1))) (i64.const 0))))
    (local.get $sum))

  (func (export "steps") (result i64) (global.get $steps))
  (func (export "reset") (global.set $steps (i64.const 0)))
  (func (export "turn") (param i64) (call $turn (local.get 0))))

(invoke "reset")
(invoke "turn" (i64.const 1000))
(assert_return (invoke "steps") (i64.const 1000))
(assert_return (invoke "many")
  (i64.const 1) (f64.const 2) (v128.const i32x4 3 3 3 3) (i32.const 4) (f32.const 5)
  (i64.const 11) (f64.const 9.5) (i32.const 8) (i32.const 9) (v128.const i32x4 15 20 25 30))
(assert_return (invoke "kept" (i64.const 2) (i64.const 3) (i64.const 4) (f64.const 0.25))
  (i64.const 67) (f64.const 10.25))
(assert_return (invoke "kept" (i64.const -2) (i64.const 30) (i64.const 4) (f64.const -0.25))
  (i64.const -256) (f64.const 9.75))
(assert_return (invoke "multi" (i32.const 24)) (i32.const 25) (i64.const 74))
(assert_return (invoke "multi" (i32.const 1)) (i32.const 2) (i64.const 5))
(assert_return (invoke "inlined" (i32.const 1)) (i32.const -2614))
(assert_return (invoke "inlined" (i32.const 20)) (i32.const 1992))
(assert_return (invoke "deep" (i64.const 0)) (i64.const 5))
(assert_return (invoke "deep" (i64.const 50)) (i64.const 14106))
(assert_return (invoke "catch" (i64.const 9)) (i64.const 1515))
(assert_return (invoke "catch" (i64.const 2)) (i64.const -5))
(assert_exception (invoke "uncaught" (i64.const 6)))
(assert_return (invoke "uncaught" (i64.const 1)) (i64.const -1))
(assert_return (invoke "objects" (i64.const 20)) (i64.const 1211))
(assert_trap (invoke "trap" (i32.const 0)) "out of bounds memory access")
(assert_trap (invoke "trap" (i32.const 0xfffd)) "out of bounds memory access")
(assert_exhaustion (invoke "for-ever" (i64.const 2)) "call stack exhausted")
(assert_return (invoke "long" (i64.const 20000)) (i64.const 200010000))

;; Functions that make tail calls: from a left frame, into one, and with more arguments than it got itself, on the stack.
(module
  (type $few (func (param i64 i64) (result i64)))
  (type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
  (table funcref (elem $even $wide))

  (func $odd (export "odd") (param $n i64) (param $sum i64) (result i64) (local $i i32)
    (local.set $i (i32.const 2))
    (loop $l
      (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
      (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (if (i64.eqz (local.get $n)) (then (return (local.get $sum))))
    (return_call $even (i64.sub (local.get $n) (i64.const 1)) (local.get $sum)))
  (func $even (type $few) (local $i i32)
    (local.set $i (i32.const 3))
    (loop $l
      (local.set 1 (i64.add (local.get 1) (i64.const 2)))
      (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (if (i64.eqz (local.get 0)) (then (return (local.get 1))))
    (return_call $odd (i64.sub (local.get 0) (i64.const 1)) (local.get 1)))

  (func $wide (type $wide)
    (loop $l
      (local.set 9 (i64.add (local.get 9) (i64.add (local.get 7) (local.get 8))))
      (br_if $l (i64.gt_s (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
    (if (i64.eqz (local.get 1)) (then (return (local.get 9))))
    (return_call_indirect (type $few) (local.get 1) (local.get 9) (i32.const 0)))
  (func $narrow (param $n i64) (result i64)
    (loop $l
      (local.set $n (i64.add (local.get $n) (i64.const 1)))
      (br_if $l (i64.lt_s (local.get $n) (i64.const 10))))
    (return_call_indirect (type $wide)
      (i64.const 5) (i64.const 7) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)
      (local.get $n) (i64.const 3) (i64.const 1000) (i32.const 1)))
  ;; A caller that keeps much while it calls them.
  (func (export "mixed") (param $a i64) (param $b f64) (result i64 f64) (local $i i64) (local $sum i64)
    (loop $l
      (local.set $sum (i64.add (local.get $sum) (call $narrow (local.get $a))))
      (local.set $sum (i64.add (local.get $sum) (call $odd (local.get $i) (local.get $a))))
      (local.set $sum (i64.add (local.get $sum)
        (call $wide (i64.const 3) (local.get $i) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)
          (i64.const 0) (local.get $a) (i64.const 2) (i64.const 1))))
      (local.set $b (f64.add (local.get $b) (f64.const 1)))
      (br_if $l (i64.lt_s (local.tee $i (i64.add (local.get $i) (i64.const 1))) (i64.const 6))))
    (local.get $sum)
    (local.get $b)))

(assert_return (invoke "odd" (i64.const 0) (i64.const 0)) (i64.const 2))
(assert_return (invoke "odd" (i64.const 20001) (i64.const 0)) (i64.const 80008))
(assert_return (invoke "mixed" (i64.const 1) (f64.const 0.5)) (i64.const 6810) (f64.const 6.5))
