;; The rules of passes::loops.
(module
  (memory 1)
  ;; three copies per iteration: two iterations in a group; one class, so nothing is compared at run time
  (func (param $p i32) (param $x f64) (local $i i32)
    (loop $l
      (f64.store (i32.add (local.get $p) (local.get $i))
        (f64.mul (local.get $x) (f64.load (i32.add (local.get $p) (local.get $i)))))
      (f64.store (i32.add (local.get $p) (i32.add (local.get $i) (i32.const 8)))
        (f64.mul (local.get $x) (f64.load (i32.add (local.get $p) (i32.add (local.get $i) (i32.const 8))))))
      (f64.store (i32.add (local.get $p) (i32.add (local.get $i) (i32.const 16)))
        (f64.mul (local.get $x) (f64.load (i32.add (local.get $p) (i32.add (local.get $i) (i32.const 16))))))
      (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 24))) (i32.const 1920)))))
  ;; two pointers, compared; bytes; the value of the iteration before
  (func (param $p i32) (param $q i32) (param $n i32) (local $v i32)
    (loop $l
      (i32.store8 (local.get $q) (i32.add (local.get $v) (local.tee $v (i32.load8_u (local.get $p)))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (local.set $q (i32.add (local.get $q) (i32.const 1)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  ;; a sum of what a condition chooses, counted by an unsigned comparison
  (func (param $p i32) (param $n i32) (result i32) (local $i i32) (local $s i32)
    (loop $l
      (if (i32.gt_u (i32.load16_u (i32.add (local.get $p) (i32.shl (local.get $i) (i32.const 1)))) (i32.const 9))
        (then (local.set $s (i32.add (local.get $s) (i32.const 1)))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $s))
  ;; not: each iteration reads what the one before wrote
  (func (param $p i32) (param $n i32)
    (loop $l
      (i32.store offset=4 (local.get $p) (i32.load (local.get $p)))
      (local.set $p (i32.add (local.get $p) (i32.const 4)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  ;; not on vectors, but in copies: a sum of floats has an order
  (func (param $p i32) (param $n i32) (result f32) (local $s f32)
    (loop $l
      (local.set $s (f32.add (local.get $s) (f32.load (local.get $p))))
      (local.set $p (i32.add (local.get $p) (i32.const 4)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $s))
  ;; not: a store that not every iteration does
  (func (param $p i32) (param $n i32) (result i32) (local $v i32)
    (loop $l
      (if (i32.load (local.get $p)) (then (i32.store (local.get $p) (i32.const 0))) (else (local.set $v (local.get $n))))
      (local.set $p (i32.add (local.get $p) (i32.const 4)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $v))
)
