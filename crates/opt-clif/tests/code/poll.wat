;;! poll
;; A poll is a load and a branch; the thunk's address is loaded in the cold path, not kept in a register.
(module
  (func (param $n i32) (result i32) (local $s i32)
    (loop $l
      (local.set $s (i32.mul (i32.add (local.get $s) (local.get $n)) (local.get $n)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $s)))
