;; Loops over a memory of 64 bits, and loops that a counter of 64 bits ends.
(module
  (memory i64 1)
  (memory $small 1)

  ;; to[i] = to[i] + from[i], by pointers.
  (func (param $to i64) (param $from i64) (param $n i64)
    (loop $l
      (i32.store (local.get $to) (i32.add (i32.load (local.get $to)) (i32.load (local.get $from))))
      (local.set $to (i64.add (local.get $to) (i64.const 4)))
      (local.set $from (i64.add (local.get $from) (i64.const 4)))
      (br_if $l (i32.eqz (i64.eqz (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))))

  ;; A sum over a memory of 32 bits, up to a bound of 64.
  (func (param $p i32) (param $n i64) (result i64) (local $i i64) (local $s i64)
    (loop $l
      (local.set $s (i64.add (local.get $s) (i64.load $small (local.get $p))))
      (local.set $p (i32.add (local.get $p) (i32.const 8)))
      (br_if $l (i64.lt_s (local.tee $i (i64.add (local.get $i) (i64.const 1))) (local.get $n))))
    (local.get $s))
)
