;; Loops in loops, left and gone on with in every way. Code that begins at one of them (tiers move functions there) has copies of the loops around it:
;; whatever is computed in one copy is to be found in the others.
(module
  (memory 1)
  (tag $out (param i32))

  ;; Three loops; each changes what the others use, before and behind the inner one.
  (func (export "three") (param $n i32) (result i64)
    (local $i i32) (local $j i32) (local $k i32) (local $sum i64) (local $row i64) (local $col i64)
    (local.set $sum (i64.const 1))
    (loop $outer
      (local.set $row (i64.extend_i32_u (i32.mul (local.get $i) (i32.const 3))))
      (local.set $j (i32.const 0))
      (loop $middle
        (local.set $col (i64.add (local.get $row) (i64.extend_i32_u (local.get $j))))
        (local.set $k (i32.const 0))
        (loop $inner
          (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (local.get $col)))
          (local.set $col (i64.xor (local.get $col) (local.get $row)))
          (br_if $inner (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (local.get $n))))
        (local.set $row (i64.add (local.get $row) (local.get $col)))
        (br_if $middle (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
      (local.set $sum (i64.add (local.get $sum) (local.get $row)))
      (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i64.add (local.get $sum) (i64.add (local.get $col) (i64.extend_i32_u (local.get $k)))))

  ;; The inner loop leaves for each of the loops around it, in the middle of their iterations too, and for the end.
  (func (export "ways") (param $n i32) (result i32)
    (local $x i32) (local $a i32) (local $b i32) (local $c i32)
    (local.set $x (i32.const 12345))
    (block $end
      (loop $outer
        (local.set $a (i32.add (local.get $a) (i32.const 1)))
        (br_if $end (i32.gt_u (local.get $a) (local.get $n)))
        (loop $middle
          (local.set $b (i32.add (local.get $b) (local.get $a)))
          (block $rest
            (loop $inner
              (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1103515245)) (i32.const 12345)))
              (local.set $c (i32.xor (local.get $c) (local.get $b)))
              (br_table $inner $middle $outer $rest $inner $rest $inner $middle $inner
                (i32.and (i32.shr_u (local.get $x) (i32.const 16)) (i32.const 7)))))
          (local.set $b (i32.sub (local.get $b) (local.get $c)))
          (br_if $middle (i32.and (local.get $x) (i32.const 0x300000))))
        (br $outer)))
    (i32.add (local.get $c) (i32.xor (local.get $x) (local.get $b))))

  ;; Exceptions take the inner loop's control to the outer ones; one operand stays on the stack throughout.
  (func $throws (param i32) (throw $out (local.get 0)))
  (func (export "thrown") (param $n i32) (result i32)
    (local $i i32) (local $j i32) (local $sum i32)
    (i32.const 1000)
    (loop $outer (param i32) (result i32)
      (i32.add (i32.const 1))
      (local.set $j (i32.const 0))
      (block $caught (result i32)
        (loop $inner
          (local.set $sum (i32.add (local.get $sum) (local.get $j)))
          (local.set $j (i32.add (local.get $j) (i32.const 1)))
          (try_table (catch $out $caught)
            (if (i32.gt_u (local.get $j) (local.get $i))
              (then (call $throws (i32.mul (local.get $j) (i32.const 7))))))
          (br $inner))
        (unreachable))
      (local.set $sum (i32.add (local.get $sum)))
      (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i32.add (local.get $sum)))

  ;; A trap in the third loop, long after the first iterations; what was stored before stays.
  (func (export "until") (param $n i32)
    (local $i i32) (local $j i32) (local $k i32) (local $at i32)
    (loop $outer
      (local.set $j (i32.const 0))
      (loop $middle
        (local.set $k (i32.const 0))
        (loop $inner
          (i32.store (local.get $at) (i32.add (local.get $i) (i32.add (local.get $j) (local.get $k))))
          (local.set $at (i32.add (local.get $at) (i32.const 64)))
          (br_if $inner (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (local.get $n))))
        (br_if $middle (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
      (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n)))))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))

(assert_return (invoke "three" (i32.const 1)) (i64.const 32))
(assert_return (invoke "three" (i32.const 9)) (i64.const 5390892698232875624))
(assert_return (invoke "three" (i32.const 40)) (i64.const -5441314089918718416))
(assert_return (invoke "ways" (i32.const 3)) (i32.const -551188307))
(assert_return (invoke "ways" (i32.const 2000)) (i32.const 1815145614))
(assert_return (invoke "thrown" (i32.const 30)) (i32.const 8780))
(assert_return (invoke "thrown" (i32.const 100)) (i32.const 203100))
(assert_return (invoke "until" (i32.const 9)))
(assert_trap (invoke "until" (i32.const 11)) "out of bounds memory access")
(assert_return (invoke "load" (i32.const 65472)) (i32.const 13))
