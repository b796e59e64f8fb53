;; Everything that can hold a reference while objects move: locals, operand stacks of frames below, globals, tables, element
;; segments, fields of old objects, arguments of calls across tiers and instances. Run with collections at every allocation too.

(module $m
  (type $node (struct (field $value (mut i32)) (field $next (mut (ref null $node)))))
  (type $wide (struct (field i8) (field (mut anyref)) (field v128) (field (mut funcref)) (field f64) (field (mut externref))))
  (type $nodes (array (mut (ref null $node))))
  (type $bytes (array (mut i8)))
  (type $callback (func (param (ref null $node) i32) (result (ref null $node))))

  (global $kept (mut (ref null $node)) (ref.null $node))
  (global $first (ref $node) (struct.new $node (i32.const 7) (ref.null $node)))
  (global $second (ref $node) (struct.new $node (i32.const 8) (global.get $first)))
  (table $table 4 (ref null $node))
  (table $funcs funcref (elem $push))
  (elem $segment (ref null $node)
    (item (struct.new $node (i32.const 1) (ref.null $node)))
    (item (struct.new $node (i32.const 2) (struct.new $node (i32.const 3) (ref.null $node)))))
  (elem declare func $push)

  (func $garbage (param $count i32)
    (loop $more
      (drop (struct.new_default $node))
      (drop (array.new $bytes (i32.const 1) (i32.const 100)))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  ;; A list of count, count - 1, …, 1, made by recursion: each frame holds a reference only on its operand stack.
  (func $list (param $count i32) (result (ref null $node))
    (if (i32.eqz (local.get $count)) (then (return (ref.null $node))))
    (struct.new $node (i32.const 5) (ref.null $node))
    (struct.new $node
      (local.get $count)
      (call $list (i32.sub (local.get $count) (i32.const 1))))
    (call $attach))

  ;; Ignores the first but for its value, which must have survived.
  (func $attach (param $witness (ref $node)) (param $list (ref $node)) (result (ref $node))
    (if (i32.ne (struct.get $node $value (local.get $witness)) (i32.const 5)) (then (unreachable)))
    (local.get $list))

  (func $sum (param $list (ref null $node)) (result i32)
    (local $sum i32)
    (loop $more
      (if (i32.eqz (ref.is_null (local.get $list)))
        (then
          (local.set $sum (i32.add (local.get $sum) (struct.get $node $value (local.get $list))))
          (local.set $list (struct.get $node $next (local.get $list)))
          (br $more))))
    (local.get $sum))

  (func (export "list") (param i32) (result i32)
    (call $sum (call $list (local.get 0))))

  (func $push (type $callback)
    (call $garbage (i32.const 1))
    (struct.new $node (local.get 1) (local.get 0)))

  (func (export "globals") (result i32)
    (global.set $kept (struct.new $node (i32.const 100) (global.get $second)))
    (call $garbage (i32.const 20))
    (call $sum (global.get $kept)))

  (func (export "tables") (param $rounds i32) (result i32)
    (local $sum i32)
    (table.set $table (i32.const 1) (struct.new $node (i32.const 10) (ref.null $node)))
    (call $garbage (i32.const 5))
    (drop (table.grow $table (table.get $table (i32.const 1)) (i32.const 3)))
    (table.init $table $segment (i32.const 2) (i32.const 0) (i32.const 2))
    (call $garbage (i32.const 5))
    (loop $more
      (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
      (local.set $sum (i32.add (local.get $sum) (call $sum (table.get $table (local.get $rounds)))))
      (call $garbage (i32.const 2))
      (br_if $more (local.get $rounds)))
    (local.get $sum))

  ;; Old objects get references to new ones: structures, small arrays, arrays with cards.
  (func (export "old") (param $len i32) (result i32)
    (local $nodes (ref $nodes))
    (local $holder (ref $node))
    (local $at i32)
    (local $sum i32)
    (local.set $nodes (array.new_default $nodes (local.get $len)))
    (local.set $holder (struct.new_default $node))
    (call $garbage (i32.const 10))
    (loop $more
      (array.set $nodes (local.get $nodes) (local.get $at)
        (struct.new $node (local.get $at) (struct.get $node $next (local.get $holder))))
      (struct.set $node $next (local.get $holder) (struct.new $node (i32.const 1) (ref.null $node)))
      (local.set $at (i32.add (local.get $at) (i32.const 97)))
      (br_if $more (i32.lt_u (local.get $at) (local.get $len))))
    (call $garbage (i32.const 10))
    (array.copy $nodes $nodes (local.get $nodes) (i32.const 1) (local.get $nodes) (i32.const 0) (i32.const 98))
    (call $garbage (i32.const 10))
    (local.set $at (i32.const 0))
    (loop $more
      (local.set $sum
        (i32.add (local.get $sum) (call $sum (array.get $nodes (local.get $nodes) (local.get $at)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $at) (local.get $len))))
    (local.get $sum))

  ;; Arguments and results of indirect calls.
  (func (export "calls") (param $count i32) (result i32)
    (local $list (ref null $node))
    (loop $more
      (local.set $list
        (call_indirect $funcs (type $callback) (local.get $list) (local.get $count) (i32.const 0)))
      (local.set $list
        (call_ref $callback (local.get $list) (local.get $count) (ref.func $push)))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (call $sum (local.get $list)))

  ;; Fields of every kind survive moving, and both views of one value.
  (func (export "wide") (param $outside externref) (result i32)
    (local $wide (ref $wide))
    (local $any anyref)
    (local.set $wide
      (struct.new $wide (i32.const -1)
        (struct.new $node (i32.const 40) (ref.null $node))
        (v128.const i64x2 1 2) (ref.func $push) (f64.const 0.5) (local.get $outside)))
    (call $garbage (i32.const 3))
    (local.set $any (any.convert_extern (extern.convert_any (struct.get $wide 1 (local.get $wide)))))
    (struct.set $wide 5 (local.get $wide) (extern.convert_any (local.get $any)))
    (call $garbage (i32.const 3))
    (i32.add
      (i32.add
        (struct.get_s $wide 0 (local.get $wide))
        (call $sum (ref.cast (ref $node) (any.convert_extern (struct.get $wide 5 (local.get $wide))))))
      (i32.add
        (i32.wrap_i64 (i64x2.extract_lane 1 (struct.get $wide 2 (local.get $wide))))
        (ref.test (ref $callback) (struct.get $wide 3 (local.get $wide))))))

  ;; Branches on casts keep what lies below their operand.
  (func (export "branches") (param $kind i32) (result i32)
    (local $any anyref)
    (if (i32.eq (local.get $kind) (i32.const 0)) (then (local.set $any (struct.new $node (i32.const 3) (ref.null $node)))))
    (if (i32.eq (local.get $kind) (i32.const 1)) (then (local.set $any (array.new $bytes (i32.const 9) (i32.const 4)))))
    (if (i32.eq (local.get $kind) (i32.const 2)) (then (local.set $any (ref.i31 (i32.const -5)))))
    (call $garbage (i32.const 2))
    (block $node (result i32 (ref $node))
      (block $bytes (result i32 (ref $bytes))
        (br_on_cast $node anyref (ref $node) (i32.const 1000) (local.get $any))
        (br_on_cast $bytes anyref (ref $bytes))
        (block $other (param i32 anyref) (result i32 anyref)
          (br_on_cast_fail $other anyref (ref i31))
          (return (i32.add (i31.get_s))))
        (drop)
        (return (i32.add (i32.const 1))))
      (return (i32.add (array.len))))
    (return (i32.add (struct.get $node $value))))

  (func (export "give") (result anyref) (struct.new $node (i32.const 77) (ref.null $node)))
  (func (export "take") (param (ref null $node) i32) (result i32)
    (call $garbage (local.get 1))
    (call $sum (local.get 0)))
)

(assert_return (invoke "list" (i32.const 10)) (i32.const 55))
(assert_return (invoke "list" (i32.const 100)) (i32.const 5050))
(assert_return (invoke "globals") (i32.const 115))
(assert_return (invoke "tables" (i32.const 7)) (i32.const 46))
(assert_return (invoke "old" (i32.const 300)) (i32.const 585))
(assert_return (invoke "old" (i32.const 5000)) (i32.const 128673))
(assert_return (invoke "calls" (i32.const 20)) (i32.const 420))
(assert_return (invoke "wide" (ref.extern 5)) (i32.const 42))
(assert_return (invoke "branches" (i32.const 0)) (i32.const 1003))
(assert_return (invoke "branches" (i32.const 1)) (i32.const 1004))
(assert_return (invoke "branches" (i32.const 2)) (i32.const 995))
(assert_return (invoke "branches" (i32.const 3)) (i32.const 1001))
(assert_return (invoke "give") (ref.struct))
(assert_return (invoke "take" (ref.null none) (i32.const 3)) (i32.const 0))

(register "m" $m)

;; Functions without references of their own may be compiled; those they call collect.
(module
  (import "m" "calls" (func $calls (param i32) (result i32)))
  (import "m" "list" (func $list (param i32) (result i32)))
  (func (export "sum") (param $count i32) (result i32)
    (local $sum i32)
    (loop $more
      (local.set $sum (i32.add (local.get $sum) (i32.add (call $calls (local.get $count)) (call $list (local.get $count)))))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (local.get $sum)))

(assert_return (invoke "sum" (i32.const 10)) (i32.const 660))

;; Objects that are too large.
(module
  (type $longs (array (mut i64)))
  (func (export "huge") (param i32) (drop (array.new_default $longs (local.get 0)))))

(assert_trap (invoke "huge" (i32.const -1)) "allocation size too large")
(assert_return (invoke "huge" (i32.const 100000)))
