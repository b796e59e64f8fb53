;;! polls
(module
  (memory 1)
  ;; Counts, and nobody wants to know.
  (func (param i32) (result i32) (local $i i32)
    (loop $l (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
    (local.get 0))

  ;; One behind the other; the second ends where the first one began.
  (func (param i64) (local $i i64) (local $j i64)
    (loop $l (br_if $l (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 1))) (local.get 0))))
    (local.set $j (i64.const -64))
    (loop $l (br_if $l (i64.ne (local.tee $j (i64.add (local.get $j) (i64.const 8))) (i64.const 0)))))

  ;; The last number is wanted.
  (func (param i32) (result i32) (local $i i32)
    (loop $l (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
    (local.get $i))

  ;; These may go on for ever: by more than one, past the number; up to the last one; not counted.
  (func (param i32) (local $i i32)
    (loop $l (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 8))) (local.get 0)))))
  (func (param i32) (local $i i32)
    (loop $l (br_if $l (i32.le_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0)))))
  (func (param i32) (local $i i32)
    (local.set $i (i32.const 1))
    (loop $l (br_if $l (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const -8))) (i32.const 0)))))
  (func (param i32) (loop $l (br_if $l (local.get 0))))

  ;; It may trap.
  (func (param i32)
    (loop $l
      (drop (i32.load (local.get 0)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
)
