;; Bounds, type, code: null and mismatch are told apart in the cold path.
(module (type $t (func (param i32) (result i32))) (table 4 4 funcref)
  (func (param i32 i32) (result i32) (call_indirect (type $t) (local.get 0) (local.get 1))))
