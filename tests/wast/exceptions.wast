;; What the official tests of exceptions leave out: tags and throws across instances, payloads of all types, labels of all kinds,
;; references that outlive their catch, interplay with tail calls and traps.

(module $a
  (tag $e (export "e") (param i32))
  (tag $other (export "other") (param i32))
  (func (export "throw") (param i32) (throw $e (local.get 0)))
  (func (export "throw-other") (param i32) (throw $other (local.get 0))))
(register "a" $a)

(module $b
  (tag $e (import "a" "e") (param i32))
  (tag $same (import "a" "e") (param i32))
  (func $throw (import "a" "throw") (param i32))
  (func $throw-other (import "a" "throw-other") (param i32))
  (tag $mine (param i32))
  (memory 1)
  (type $t (func (param i32)))
  (table funcref (elem $throw $throw-other $own))
  (func $own (param i32) (throw $mine (local.get 0)))
  ;; 1000, 2000, 3000 say who caught; the memory must be this instance's afterwards.
  (func (export "catch") (param i32 i32) (result i32)
    (i32.store (i32.const 8) (i32.const 5))
    (block $all
      (block $mine (result i32)
        (block $e (result i32)
          (try_table (catch $mine $mine) (catch $same $e) (catch_all $all)
            (call_indirect (type $t) (local.get 1) (local.get 0)))
          (return (i32.const -1)))
        (return (i32.add (i32.add (i32.const 1000) (i32.load (i32.const 8))))))
      (return (i32.add (i32.add (i32.const 2000) (i32.load (i32.const 8))))))
    (i32.add (i32.const 3000) (i32.load (i32.const 8)))))

(assert_return (invoke $b "catch" (i32.const 0) (i32.const 10)) (i32.const 1015))
(assert_return (invoke $b "catch" (i32.const 1) (i32.const 10)) (i32.const 3005))
(assert_return (invoke $b "catch" (i32.const 2) (i32.const 10)) (i32.const 2015))

(module
  (tag $wide (param i32 i64 f32 f64 v128 externref funcref))
  (tag $n)
  (tag $i (param i32))
  (global $kept (mut exnref) (ref.null exn))
  (table $t 3 exnref)
  (elem declare func $f)
  (func $f)

  (func $throw-wide
    (throw $wide (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4)
      (v128.const i64x2 5 6) (ref.null extern) (ref.func $f)))
  (func (export "payload") (result i32 i64 f32 f64 v128 externref i32)
    (block $h (result i32 i64 f32 f64 v128 externref funcref)
      (try_table (catch $wide $h) (call $throw-wide))
      (unreachable))
    ref.is_null)

  ;; The label is the function's.
  (func (export "to-function") (param i32) (result i32)
    (try_table (result i32) (catch $i 0)
      (if (local.get 0) (then (throw $i (i32.const 9))))
      (i32.const 1)))

  ;; The label is a loop with parameters.
  (func (export "count") (param i32) (result i32)
    (local i32)
    (i32.const 0)
    (loop $l (param i32) (result i32)
      (local.tee 1)
      (if (i32.lt_u (local.get 0))
        (then
          (try_table (catch $i $l)
            (throw $i (i32.add (local.get 1) (i32.const 1))))))
      (local.get 1)))

  ;; An exception that stays after it was caught, thrown again from elsewhere.
  (func $keep (param i32)
    (block $h (result i32 exnref)
      (try_table (catch_ref $i $h) (throw $i (local.get 0)))
      (unreachable))
    (global.set $kept)
    (table.set $t (i32.const 1) (global.get $kept))
    (drop))
  (func (export "again") (result i32)
    (call $keep (i32.const 55))
    (block $n (try_table (catch $n $n) (throw $n)))
    (block $i2 (result i32)
      (try_table (catch $i $i2) (throw $i (i32.const 1)))
      (unreachable))
    (drop)
    (block $h (result i32)
      (try_table (catch $i $h) (throw_ref (table.get $t (i32.const 1))))
      (unreachable)))
  (func (export "null") (block $h (try_table (catch_all $h) (throw_ref (ref.null exn)))))

  ;; Many exceptions that are kept in turn: their memory must come back.
  (func (export "churn") (param i32) (result i32)
    (loop $l
      (call $keep (local.get 0))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (block $h (result i32)
      (try_table (catch $i $h) (throw_ref (global.get $kept)))
      (unreachable)))
  (func (export "churn-all") (param i32) (result i32)
    (loop $l
      (block $h (try_table (catch_all $h) (throw $i (local.get 0))))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 0))

  ;; Traps are not exceptions.
  (func (export "trap") (block $h (try_table (catch_all $h) (unreachable))))
  (func $overflow (call $overflow))
  (func (export "overflow") (block $h (try_table (catch_all $h) (call $overflow))))

  ;; A tail call has left the try.
  (func $tail (return_call $thrower))
  (func $thrower (throw $n))
  (func (export "tail") (result i32)
    (block $h (try_table (catch $n $h) (call $tail)) (return (i32.const 0)))
    (i32.const 1))
  (func $leaves (try_table (catch_all 0) (return_call $thrower)))
  (func (export "tail-leaves") (result i32)
    (block $h (try_table (catch $n $h) (call $leaves)) (return (i32.const 0)))
    (i32.const 1))

  ;; Through frames that catch something else.
  (func $deep (param i32)
    (block $h (result i32)
      (try_table (catch $i $h)
        (if (local.get 0)
          (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
          (else (throw $n))))
      (return))
    (drop))
  (func (export "deep") (param i32) (result i32)
    (block $h (try_table (catch $n $h) (call $deep (local.get 0))) (return (i32.const 0)))
    (i32.const 1))

  ;; Nested handlers in one function; the inner one throws on.
  (func (export "nested") (result i32)
    (block $outer (result i32)
      (try_table (catch $i $outer)
        (block $inner
          (try_table (catch $n $inner) (call $thrower))
          (unreachable))
        (throw $i (i32.const 3)))
      (unreachable)))

  ;; Locals, and operands that live across.
  (func $maybe (param i32) (result i32)
    (if (local.get 0) (then (throw $i (local.get 0))))
    (i32.const 7))
  (func (export "live") (param i32 i32) (result i32)
    (local i32 f64)
    (local.set 3 (f64.const 1.5))
    (i32.add
      (i32.mul (local.get 1) (i32.const 3))
      (block $h (result i32)
        (try_table (result i32) (catch $i $h)
          (local.set 2 (i32.const 10))
          (local.set 3 (f64.add (local.get 3) (f64.const 1)))
          (drop (call $maybe (i32.const 0)))
          (local.set 2 (i32.const 20))
          (call $maybe (local.get 0)))))
    (i32.add (local.get 2))
    (i32.add (i32.trunc_f64_s (f64.mul (local.get 3) (f64.const 2))))))

(assert_return (invoke "payload")
  (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (v128.const i64x2 5 6) (ref.null extern)
  (i32.const 0))
(assert_return (invoke "to-function" (i32.const 0)) (i32.const 1))
(assert_return (invoke "to-function" (i32.const 1)) (i32.const 9))
(assert_return (invoke "count" (i32.const 1000)) (i32.const 1000))
(assert_return (invoke "again") (i32.const 55))
(assert_trap (invoke "null") "null exception reference")
(assert_return (invoke "churn" (i32.const 200000)) (i32.const 1))
(assert_return (invoke "churn-all" (i32.const 200000)) (i32.const 0))
(assert_trap (invoke "trap") "unreachable")
(assert_exhaustion (invoke "overflow") "call stack exhausted")
(assert_return (invoke "tail") (i32.const 1))
(assert_return (invoke "tail-leaves") (i32.const 1))
(assert_return (invoke "deep" (i32.const 0)) (i32.const 1))
(assert_return (invoke "deep" (i32.const 100)) (i32.const 1))
(assert_return (invoke "nested") (i32.const 3))
(assert_return (invoke "live" (i32.const 0) (i32.const 100)) (i32.const 332))
(assert_return (invoke "live" (i32.const 5) (i32.const 100)) (i32.const 330))
