;;! loops
(module (memory 1)
  ;; One loop: what comes before is gone, `1` is loaded though the loop does not assign it.
  (func (param i32 i32) (result i32) (local i32)
    (local.set 1 (i32.mul (local.get 1) (i32.const 3)))
    (loop
      (local.set 2 (i32.add (local.get 2) (local.get 1)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 2))
  ;; Nested, with operands on the stack; the outer loop redefines what the inner one uses.
  (func (param i32 i64) (result i64) (local i32 i64)
    (i64.const 7)
    (loop (param i64) (result i64)
      (local.set 3 (i64.load (local.get 0)))
      (if (i64.eqz (local.get 3))
        (then (nop))
        (else
          (local.set 2 (i32.const 5))
          (loop
            (local.set 1 (i64.add (local.get 1) (local.get 3)))
            (br_if 0 (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))))
      (i64.add (local.get 3))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i64.add (local.get 1))))
