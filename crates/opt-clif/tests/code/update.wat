;; Loads become operands, also of a store to the same place.
(module
  (memory 1)
  (func (param i32)
    (i32.store offset=4 (local.get 0) (i32.add (i32.load offset=4 (local.get 0)) (i32.const 1))))
  (func (param i32 i64) (result i64)
    (i64.xor (local.get 1) (i64.load (local.get 0)))))
