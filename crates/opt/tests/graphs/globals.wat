(module
  (import "" "a" (global $a (mut i32)))
  (import "" "b" (global $b (mut i32)))
  (import "" "f" (func $f))
  (tag $t)
  (memory 1)
  (global $g (mut i32) (i32.const 1))
  (global $h (mut i32) (i32.const 2))
  (global $i (mut i64) (i64.const 2))
  (global $x (mut externref) (ref.null extern))

  ;; A write is what the next read reads; writes in front of what may trap stay.
  (func (param i32) (result i32)
    (global.set $g (i32.sub (global.get $g) (i32.const 16)))
    (i32.store (global.get $g) (local.get 0))
    (global.set $g (i32.add (global.get $g) (i32.const 16)))
    (global.get $g))

  ;; After a call nothing is known; the last write of two in a row stays.
  (func (result i32)
    (global.set $g (i32.const 1))
    (global.set $h (i32.const 5))
    (global.set $g (i32.const 2))
    (call $f)
    (i32.add (global.get $g) (global.get $g)))

  ;; Where different values meet.
  (func (param i32) (result i32)
    (if (local.get 0)
      (then (global.set $g (i32.const 1)))
      (else (global.set $g (local.get 0))))
    (i32.add (global.get $g) (i32.const 1)))

  ;; On one way it is unknown.
  (func (param i32) (result i32)
    (global.set $g (i32.const 1))
    (if (local.get 0) (then (call $f)))
    (global.get $g))

  ;; A sum in a global, up to a bound in another: read in front of the loop, written in it.
  (func (local $n i32)
    (loop $l
      (global.set $g (i32.add (global.get $g) (local.get $n)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $n) (global.get $h)))))

  ;; Nothing is known at the head of a loop that calls.
  (func (loop $l (call $f) (br_if $l (global.get $g))))

  ;; Imported globals may be the same one, but none of the module's own.
  (func (result i32)
    (global.set $g (i32.const 3))
    (global.set $a (i32.const 1))
    (global.set $b (i32.const 2))
    (i32.add (i32.add (global.get $a) (global.get $b)) (global.get $g)))

  ;; References to objects stay where collections find them.
  (func (param externref) (result externref)
    (global.set $x (local.get 0))
    (global.get $x))

  ;; What the callee wrote is there where its exception lands.
  (func (result i32)
    (global.set $g (i32.const 1))
    (block $h (try_table (catch $t $h) (call $f)) (return (i32.const 0)))
    (global.get $g))

  ;; A write is dropped only if all ways lead to others, past nothing that could trap.
  (func (param i32 i64) (result i64)
    (global.set $g (i32.const 1))
    (global.set $i (local.get 1))
    (if (local.get 0)
      (then (global.set $g (i32.const 2)) (drop (i32.load (local.get 0))))
      (else (drop (i32.div_u (i32.const 1) (local.get 0))) (global.set $g (i32.const 3))))
    (global.set $i (i64.const 5))
    (global.get $i))

  ;; Nothing leads back: not a loop.
  (func (result i32) (loop $l (result i32) (global.get $g) (br_if 1 (global.get $g))))
)
