;; Loop headers get parameters for what the loop changes and uses, and for nothing else.
(module
  (func (param $n i32) (result i32) (local $i i32) (local $sum i32) (local $scratch i32)
    (loop $next
      (local.set $scratch (i32.mul (local.get $i) (local.get $i)))
      (local.set $sum (i32.add (local.get $sum) (local.get $scratch)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_s (local.get $i) (local.get $n))))
    (local.get $sum))
  ;; Nested loops, the inner of which leaves $k alone.
  (func (param $n i32) (result i32) (local $i i32) (local $j i32) (local $k i32)
    (loop $outer
      (local.set $j (i32.const 0))
      (loop $inner
        (local.set $j (i32.add (local.get $j) (local.get $k)))
        (br_if $inner (i32.lt_u (local.get $j) (local.get $n))))
      (local.set $k (i32.add (local.get $k) (local.get $j)))
      (br_if $outer (i32.lt_u (local.get $k) (local.get $n))))
    (local.get $k))
  ;; A loop that never repeats, and one that only repeats.
  (func (param i32) (result i32)
    (loop (local.set 0 (i32.add (local.get 0) (i32.const 1))))
    (local.get 0))
  (func (loop $forever (br $forever)))
  ;; Parameters of the loop itself.
  (func (param i64) (result i64)
    (local.get 0) (i64.const 1)
    (loop (param i64 i64) (result i64)
      (i64.mul)
      (local.tee 0)
      (i64.const 3)
      (br_if 0 (i64.lt_u (local.get 0) (i64.const 100)))
      (i64.add)))
)
