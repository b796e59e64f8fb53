;; Two imported globals can be one and the same: what is written to one is read from the other.
(module $owner
  (global (export "g") (mut i32) (i32.const 0))
  (func (export "get") (result i32) (global.get 0)))
(register "owner" $owner)

(module
  (import "owner" "g" (global $a (mut i32)))
  (import "owner" "g" (global $b (mut i32)))

  ;; Each is accessed often enough to be kept in a value, or one of them once only.
  (func (export "both") (param i32) (result i32)
    (global.set $a (i32.const 1))
    (global.set $b (local.get 0))
    (global.set $b (i32.add (global.get $a) (global.get $b)))
    (i32.mul (global.get $a) (global.get $b)))
  (func (export "written-once") (param i32) (result i32)
    (local $first i32)
    (local.set $first (global.get $a))
    (global.set $b (local.get 0))
    (i32.sub (global.get $a) (local.get $first)))
  (func (export "read-once") (param i32) (result i32)
    (local $seen i32)
    (global.set $a (local.get 0))
    (local.set $seen (global.get $b))
    (global.set $a (i32.const 7))
    (local.get $seen))
  (func (export "in-loop") (param $n i32) (result i32)
    (global.set $a (i32.const 0))
    (loop $l
      (global.set $b (i32.add (global.get $a) (local.get $n)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (global.get $a)))

(assert_return (invoke "both" (i32.const 5)) (i32.const 100))
(assert_return (invoke "written-once" (i32.const 30)) (i32.const 20))
(assert_return (invoke "read-once" (i32.const 4)) (i32.const 4))
(assert_return (invoke $owner "get") (i32.const 7))
(assert_return (invoke "in-loop" (i32.const 100)) (i32.const 5050))
(assert_return (invoke $owner "get") (i32.const 5050))
