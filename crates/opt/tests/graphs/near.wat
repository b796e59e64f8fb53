;; A guard of 32 MiB behind memories.
(module
  (memory i64 1)
  (memory $m 1)
  (memory $bytes 1 (pagesize 1))

  ;; One comparison for all that are within the guard region, above the first.
  (func (param i64) (result i64)
    (i64.store (local.get 0) (i64.const 1))
    (i64.store offset=0x1fffff8 (local.get 0) (i64.const 1))
    (i64.store offset=0x1fffff9 (local.get 0) (i64.const 1))
    (i64.store (i64.add (local.get 0) (i64.const 16)) (i64.const 1))
    (i64.load (i64.add (local.get 0) (i64.const -16))))

  ;; Hardware checks all of a memory of 32 bits.
  (func (param i32) (result i32)
    (i32.add (i32.load $m (local.get 0)) (i32.load $m offset=4 (local.get 0))))

  ;; Not if its pages are small.
  (func (param i32) (result i32)
    (i32.add (i32.load $bytes offset=4 (local.get 0)) (i32.load $bytes (local.get 0))))
)
