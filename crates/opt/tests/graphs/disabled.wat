;;! inline -fold -dead -params
(module
  (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func (param i32) (result i32) (local i32)
    (drop (i32.add (local.get 0) (local.get 0)))
    (loop (local.set 1 (i32.add (i32.const 1) (i32.const 2))))
    (call $double (i32.add (local.get 0) (i32.const 0)))))
