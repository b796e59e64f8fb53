(module
  (import "" "f" (func $f))
  (memory 1)
  (memory $m i64 1)
  (memory $s 1 1 shared)

  ;; A stack frame in memory: what is stored beside a place leaves it.
  (func (param i32) (result i32)
    (i32.store offset=12 (local.get 0) (i32.const 7))
    (i32.store offset=8 (local.get 0) (i32.const 8))
    (i32.store16 offset=16 (local.get 0) (i32.const 9))
    (i32.add (i32.load offset=12 (local.get 0)) (i32.load offset=4 (i32.add (local.get 0) (i32.const 4)))))

  ;; What overlaps makes unknown, another root makes all unknown, another memory nothing.
  (func (param i32 i32 i64) (result i32)
    (i32.store offset=12 (local.get 0) (i32.const 7))
    (i32.store offset=20 (local.get 0) (i32.const 7))
    (i32.store8 offset=15 (local.get 0) (i32.const 8))
    (i32.store $m (local.get 2) (i32.const 8))
    (i32.add (i32.load offset=12 (local.get 0)) (i32.load offset=20 (local.get 0)))
    (i32.store (local.get 1) (i32.const 8))
    (i32.add (i32.load offset=20 (local.get 0)))
    (i32.add (i32.load $m (local.get 2))))

  ;; Only loads of the same kind; a narrow store is no value; calls.
  (func (param i32) (result i32)
    (i32.add (i32.load8_u (local.get 0)) (i32.load8_s (local.get 0)))
    (i32.add (i32.load8_u (local.get 0)))
    (i32.store8 (local.get 0) (i32.const 300))
    (i32.add (i32.load8_u (local.get 0)))
    (call $f)
    (i32.add (i32.load8_u (local.get 0))))

  ;; In blocks that one leads to; not where several meet, nor in loops.
  (func (param i32 i32) (result i32)
    (i32.store (local.get 0) (local.get 1))
    (if (local.get 1) (then (i32.store offset=4 (local.get 0) (i32.load (local.get 0)))))
    (loop $l
      (i32.store offset=8 (local.get 0) (i32.load (local.get 0)))
      (br_if $l (i32.load offset=8 (local.get 0))))
    (i32.load offset=8 (local.get 0)))

  ;; Others may write to a shared memory.
  (func (param i32) (result i32)
    (i32.store $s (local.get 0) (i32.const 1))
    (i32.load $s (local.get 0)))
)
