;; Complete binary trees: many short-lived ones of several depths beside one that lives on.
(type $tree (struct (field $left (ref null $tree)) (field $right (ref null $tree))))

(global $long_lived (mut (ref null $tree)) (ref.null $tree))

(func $make (param $depth i32) (result (ref $tree))
  (if (result (ref $tree)) (local.get $depth)
    (then
      (struct.new $tree
        (call $make (i32.sub (local.get $depth) (i32.const 1)))
        (call $make (i32.sub (local.get $depth) (i32.const 1)))))
    (else (struct.new_default $tree))))

;; The number of nodes.
(func $count (param $tree (ref null $tree)) (result i64)
  (if (ref.is_null (local.get $tree)) (then (return (i64.const 0))))
  (i64.add
    (i64.add (i64.const 1) (call $count (struct.get $tree $left (local.get $tree))))
    (call $count (struct.get $tree $right (local.get $tree)))))

;; Trees of depths 4, 6, … 14, fewer of the deep ones.
(func $round (result i64)
  (local $depth i32) (local $left i32) (local $sum i64)
  (local.set $depth (i32.const 4))
  (loop $depths
    (local.set $left (i32.shl (i32.const 1) (i32.sub (i32.const 14) (local.get $depth))))
    (loop $trees
      (local.set $sum (i64.add (local.get $sum) (call $count (call $make (local.get $depth)))))
      (br_if $trees (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (local.set $depth (i32.add (local.get $depth) (i32.const 2)))
    (br_if $depths (i32.le_u (local.get $depth) (i32.const 14))))
  (local.get $sum))

(func $run (export "run") (param $n i32) (result i64)
  (local $sum i64)
  (global.set $long_lived (call $make (i32.const 16)))
  (loop $rounds
    (local.set $sum (call $mix (local.get $sum) (call $round)))
    (br_if $rounds (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (call $mix (local.get $sum) (call $count (global.get $long_lived))))
