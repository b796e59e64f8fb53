;; The memory base is loaded once, the address is an addressing mode, nothing checks bounds.
(module (memory 1)
  (func (param $p i32) (param $n i32) (result i32) (local $s i32)
    (loop $l
      (local.set $s (i32.add (local.get $s) (i32.load offset=16 (local.get $p))))
      (local.set $p (i32.add (local.get $p) (i32.const 4)))
      (br_if $l (i32.lt_u (local.get $p) (local.get $n))))
    (local.get $s)))
