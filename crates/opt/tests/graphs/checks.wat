;;! compare -loops
(module
  (import "" "f" (func $f))
  (memory 1)
  (memory $m 1)
  (tag $t)

  ;; What ends where or before an access that was checked did is in bounds; memories differ; indices below do not count.
  (func (param i32) (result i32)
    (i32.store offset=8 (local.get 0) (i32.const 1))
    (i32.store (local.get 0) (i32.const 1))
    (i32.store offset=9 (local.get 0) (i32.const 1))
    (i32.store $m (local.get 0) (i32.const 1))
    (i32.store offset=4 (i32.add (local.get 0) (i32.const 4)) (i32.const 1))
    (i32.store offset=6 (i32.add (local.get 0) (i32.const 4)) (i32.const 1))
    (i32.load (i32.add (local.get 0) (i32.const -4))))

  ;; The first access below the others.
  (func (param i32) (result i32)
    (i32.add (i32.load offset=12 (i32.add (local.get 0) (i32.const -8))) (i32.load (local.get 0))))

  ;; What is checked on one way only is not checked behind it; calls change nothing.
  (func (param i32) (result i32)
    (if (i32.load (local.get 0))
      (then (i32.store offset=4 (local.get 0) (i32.load16_u offset=2 (local.get 0)))))
    (call $f)
    (i32.add (i32.load offset=4 (local.get 0)) (i32.load8_u (local.get 0))))

  ;; In a loop, of what does not change.
  (func (param i32 i32)
    (drop (i64.load (local.get 0)))
    (loop $l
      (i32.store (local.get 0) (i32.load offset=4 (local.get 0)))
      (i32.store8 offset=3 (local.get 1) (i32.load8_u (local.get 1)))
      (br_if $l (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))))

  ;; A handler may be entered before accesses that follow the call.
  (func (param i32) (result i32)
    (block $h
      (try_table (catch $t $h)
        (call $f)
        (drop (i64.load (local.get 0))))
      (return (i32.load (local.get 0))))
    (i32.load (local.get 0)))
)
