;; Exceptions thrown to a handler ten frames up, with a number as payload.
(tag $found (param i64))

;; Goes $depth frames further down, then throws.
(func $descend (param $depth i32) (param $value i64) (result i64)
  (if (i32.eqz (local.get $depth)) (then (throw $found (local.get $value))))
  (i64.add
    (call $descend (i32.sub (local.get $depth) (i32.const 1))
      (i64.mul (local.get $value) (i64.const 31)))
    (i64.const 1)))

(func $caught (param $value i64) (result i64)
  (block $handler (result i64)
    (try_table (catch $found $handler)
      (return (call $descend (i32.const 9) (local.get $value))))
    (unreachable)))

(func $round (result i64)
  (local $left i32) (local $sum i64)
  (local.set $left (i32.const 1000))
  (loop $throws
    (local.set $sum (call $mix (local.get $sum) (call $caught (i64.extend_i32_u (local.get $left)))))
    (br_if $throws (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (local.get $sum))

(func $run (export "run") (param $n i32) (result i64)
  (local $sum i64)
  (loop $rounds
    (local.set $sum (call $mix (local.get $sum) (call $round)))
    (br_if $rounds (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $sum))
