;;! inline polls
(module
  (import "" "h" (func $h (param i32) (result i32)))
  ;; Folds to a constant.
  (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "fold") (result i32) (call $add (i32.const 3) (i32.const 4)))
  ;; Two ways out, a local of its own that starts as zero each time.
  (func $abs (param i32) (result i32) (local i32)
    (if (i32.lt_s (local.get 0) (i32.const 0))
      (then (return (i32.sub (i32.const 0) (local.get 0)))))
    (local.tee 1 (i32.or (local.get 0) (local.get 1))))
  (func (export "loop") (param i32) (result i32) (local i32)
    (loop $l
      (local.set 1 (i32.add (local.get 1) (call $abs (local.get 0))))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  ;; Nested: a call of an import in a function inlined in an inlined one.
  (func $inner (param i32) (result i32) (call $h (i32.div_u (i32.const 7) (local.get 0))))
  (func $middle (param i32) (result i32) (i32.add (call $inner (local.get 0)) (i32.const 1)))
  (func (export "nested") (param i32) (result i32) (call $middle (local.get 0)))
  ;; Does not return.
  (func $fail (drop (call $h (i32.const 1))) (unreachable))
  (func (export "never") (result i32) (call $fail) (i32.const 5))
  (func (export "cold") (call $fail) (unreachable))
  ;; Two levels in itself.
  (func $self (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (call $self (i32.sub (local.get 0) (i32.const 1))))
      (else (i32.const 0))))
  ;; Tail calls stay calls.
  (func $tail (param i32) (result i32) (return_call $h (local.get 0)))
  (func (export "tail") (param i32) (result i32) (i32.add (call $tail (local.get 0)) (i32.const 1)))
  ;; A loop with a parameter, in a loop.
  (func $sum (param i32) (result i32) (local i32)
    (loop $l
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (export "loops") (param i32) (result i32) (local i32)
    (loop $l
      (local.set 1 (i32.add (local.get 1) (call $sum (local.get 0))))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1)))
