;; A join has a parameter for exactly those values on which its edges disagree.
(module
  (func (param $c i32) (param $a i64) (param $b i64) (result i64)
    (if (local.get $c)
      (then (local.set $a (i64.const 1)))
      (else (local.set $a (i64.const 1)) (local.set $b (i64.const 2))))
    (i64.add (local.get $a) (local.get $b)))
  (func (param i32) (result i32)
    (if (result i32) (local.get 0) (then (i32.const 7)) (else (local.get 0))))
  ;; if without else, with a parameter
  (func (param i32 i32) (result i32)
    (local.get 0)
    (if (param i32) (result i32) (local.get 1) (then (i32.add (i32.const 5)))))
  ;; early exits of nested blocks
  (func (param i32) (result i32) (local $x i32)
    (block $out (result i32)
      (block $in
        (br_if $in (i32.eqz (local.get 0)))
        (local.set $x (i32.const 3))
        (drop (br_if $out (i32.const 9) (i32.eq (local.get 0) (i32.const 2))))
        (br $in))
      (local.get $x)))
  ;; values changed inside a dead arm do not count
  (func (param i32) (result i32)
    (block
      (br_if 0 (local.get 0))
      (local.set 0 (i32.const 8))
      (unreachable))
    (local.get 0))
)
