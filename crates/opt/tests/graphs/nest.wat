;;! loops
(module
  ;; Three loops: code that begins at the innermost one has a copy of it, one of the middle one, and the rest of an iteration of each.
  (func (param i32 i32) (result i32) (local i32 i32 i32)
    (loop $outer
      (local.set 2 (local.get 1))
      (loop $middle
        (local.set 3 (local.get 1))
        (loop $inner
          (local.set 4 (i32.add (local.get 4) (local.get 2)))
          (br_if $inner (local.tee 3 (i32.sub (local.get 3) (i32.const 1)))))
        (local.set 4 (i32.xor (local.get 4) (local.get 3)))
        (br_if $middle (local.tee 2 (i32.sub (local.get 2) (i32.const 1)))))
      (br_if $outer (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 4)))
