;;! inline states target=1
(module
  (type $f (func (param i32 i32) (result i32)))
  (type $g (func (param i32)))
  (import "" "h" (func $h (type $g)))
  (table 4 funcref)
  (func $expected (type $f) (i32.sub (local.get 0) (local.get 1)))
  (func (export "table") (param i32 i32) (result i32)
    (i32.add (i32.const 7)
      (call_indirect (type $f) (local.get 0) (i32.const 3) (local.get 1))))
  (func (export "ref") (param i32 (ref null $f)) (result i32)
    (call_ref $f (local.get 0) (local.get 0) (local.get 1)))
  ;; Not of the expected function's type.
  (func (export "other") (param (ref null $g)) (call_ref $g (i32.const 1) (local.get 0))))
