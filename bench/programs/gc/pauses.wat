;; For the pauses suite: a heap with about as many megabytes of live objects as the argument says, in trees of 1,023 nodes, one of
;; which is replaced by a new one at every step; three further trees become garbage at once. Each step writes to old objects.
(type $tree (struct (field $left (mut (ref null $tree))) (field $right (ref null $tree)) (field $value i64)))
(type $forest (array (mut (ref null $tree))))

(global $called (mut i32) (i32.const 0))
(global $forest (mut (ref null $forest)) (ref.null $forest))

(func $make (param $depth i32) (result (ref null $tree))
  (if (i32.eqz (local.get $depth)) (then (return (ref.null $tree))))
  (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
  (struct.new $tree (call $make (local.get $depth)) (call $make (local.get $depth))
    (i64.extend_i32_u (local.get $depth))))

(func $sum (param $tree (ref null $tree)) (result i64)
  (if (ref.is_null (local.get $tree)) (then (return (i64.const 0))))
  (i64.add
    (struct.get $tree $value (local.get $tree))
    (i64.add
      (call $sum (struct.get $tree $left (local.get $tree)))
      (call $sum (struct.get $tree $right (local.get $tree))))))

(func $step
  (local $at i32) (local $tree (ref null $tree))
  (local.set $at (call $random_below (array.len (global.get $forest))))
  (array.set $forest (global.get $forest) (local.get $at) (call $make (i32.const 10)))
  ;; A branch of an old tree is made anew too.
  (local.set $at (call $random_below (array.len (global.get $forest))))
  (local.set $tree (array.get $forest (global.get $forest) (local.get $at)))
  (struct.set $tree $left (local.get $tree) (call $make (i32.const 9)))
  (drop (call $make (i32.const 10)))
  (drop (call $make (i32.const 10)))
  (drop (call $make (i32.const 10))))

;; The frame's first call does nothing: only collections of the heap that is asked for count.
(func $run (export "run") (param $n i32) (result i64)
  (local $at i32) (local $left i32) (local $sum i64)
  (if (i32.eqz (global.get $called))
    (then
      (global.set $called (i32.const 1))
      (return (i64.const 0))))
  ;; 1,023 nodes of 24 bytes are 24,552 bytes.
  (local.set $left (i32.mul (local.get $n) (i32.const 41)))
  (global.set $forest (array.new_default $forest (local.get $left)))
  (loop $fill
    (array.set $forest (global.get $forest) (local.get $at) (call $make (i32.const 10)))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $fill (i32.lt_u (local.get $at) (local.get $left))))
  ;; Every tree is replaced about twice, and no heap sees fewer than 20,000 steps (2 GB).
  (local.set $left (i32.add (i32.mul (local.get $left) (i32.const 2)) (i32.const 20000)))
  (loop $steps
    (call $step)
    (br_if $steps (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (local.set $at (array.len (global.get $forest)))
  (loop $count
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (local.set $sum (call $mix (local.get $sum)
      (call $sum (array.get $forest (global.get $forest) (local.get $at)))))
    (br_if $count (local.get $at)))
  (local.get $sum))
