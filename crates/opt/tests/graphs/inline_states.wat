;;! inline states
(module
  (import "" "h" (func $h (param i32) (result i32)))
  (func $inner (param i32) (result i32) (local i64)
    (i32.add (i32.const 9) (call $h (local.get 0))))
  (func $middle (param f32 i32) (result i32) (i32.mul (local.get 1) (call $inner (i32.const 4))))
  (func (export "nested") (param i32) (result i32)
    (i32.sub (local.get 0) (call $middle (f32.const 1) (local.get 0)))))
