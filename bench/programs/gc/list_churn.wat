;; Singly linked lists: built, mapped, filtered, reversed in place and sorted; a window of the latest stays alive.
(type $node (struct (field $value i64) (field $next (mut (ref null $node)))))
(type $lists (array (mut (ref null $node))))

(global $window (mut (ref null $lists)) (ref.null $lists))

;; A list of $len random numbers.
(func $build (param $len i32) (result (ref null $node))
  (local $list (ref null $node))
  (loop $next
    (local.set $list (struct.new $node (i64.shr_u (call $random) (i64.const 32)) (local.get $list)))
    (br_if $next (local.tee $len (i32.sub (local.get $len) (i32.const 1)))))
  (local.get $list))

;; Turns a list round.
(func $reverse (param $list (ref null $node)) (result (ref null $node))
  (local $done (ref null $node)) (local $next (ref null $node))
  (block $end
    (loop $step
      (br_if $end (ref.is_null (local.get $list)))
      (local.set $next (struct.get $node $next (local.get $list)))
      (struct.set $node $next (local.get $list) (local.get $done))
      (local.set $done (local.get $list))
      (local.set $list (local.get $next))
      (br $step)))
  (local.get $done))

;; A new list of 3x + 1 for each x, in order.
(func $map (param $list (ref null $node)) (result (ref null $node))
  (local $made (ref null $node))
  (block $end
    (loop $step
      (br_if $end (ref.is_null (local.get $list)))
      (local.set $made
        (struct.new $node
          (i64.add (i64.mul (struct.get $node $value (local.get $list)) (i64.const 3)) (i64.const 1))
          (local.get $made)))
      (local.set $list (struct.get $node $next (local.get $list)))
      (br $step)))
  (call $reverse (local.get $made)))

;; A new list of the even numbers, in reverse.
(func $evens (param $list (ref null $node)) (result (ref null $node))
  (local $made (ref null $node))
  (block $end
    (loop $step
      (br_if $end (ref.is_null (local.get $list)))
      (if (i64.eqz (i64.and (struct.get $node $value (local.get $list)) (i64.const 1)))
        (then
          (local.set $made (struct.new $node (struct.get $node $value (local.get $list)) (local.get $made)))))
      (local.set $list (struct.get $node $next (local.get $list)))
      (br $step)))
  (local.get $made))

;; One sorted list of two, reusing their nodes.
(func $merge (param $a (ref null $node)) (param $b (ref null $node)) (result (ref null $node))
  (local $head (ref $node)) (local $last (ref $node))
  (local.set $head (struct.new $node (i64.const 0) (ref.null $node)))
  (local.set $last (local.get $head))
  (block $end
    (loop $step
      (br_if $end (i32.or (ref.is_null (local.get $a)) (ref.is_null (local.get $b))))
      (if (i64.le_u (struct.get $node $value (local.get $a)) (struct.get $node $value (local.get $b)))
        (then
          (struct.set $node $next (local.get $last) (local.get $a))
          (local.set $last (ref.as_non_null (local.get $a)))
          (local.set $a (struct.get $node $next (local.get $a))))
        (else
          (struct.set $node $next (local.get $last) (local.get $b))
          (local.set $last (ref.as_non_null (local.get $b)))
          (local.set $b (struct.get $node $next (local.get $b)))))
      (br $step)))
  (struct.set $node $next (local.get $last)
    (if (result (ref null $node)) (ref.is_null (local.get $a))
      (then (local.get $b))
      (else (local.get $a))))
  (struct.get $node $next (local.get $head)))

;; Sorts a list of $len nodes: the first half in place, then the rest.
(func $sort (param $list (ref null $node)) (param $len i32) (result (ref null $node))
  (local $half i32) (local $left i32) (local $middle (ref null $node)) (local $rest (ref null $node))
  (if (i32.lt_u (local.get $len) (i32.const 2)) (then (return (local.get $list))))
  (local.set $half (i32.shr_u (local.get $len) (i32.const 1)))
  (local.set $left (local.get $half))
  (local.set $middle (local.get $list))
  (loop $walk
    (if (local.tee $left (i32.sub (local.get $left) (i32.const 1)))
      (then
        (local.set $middle (struct.get $node $next (local.get $middle)))
        (br $walk))))
  (local.set $rest (struct.get $node $next (local.get $middle)))
  (struct.set $node $next (local.get $middle) (ref.null $node))
  (call $merge
    (call $sort (local.get $list) (local.get $half))
    (call $sort (local.get $rest) (i32.sub (local.get $len) (local.get $half)))))

(func $checksum (param $list (ref null $node)) (result i64)
  (local $sum i64)
  (block $end
    (loop $step
      (br_if $end (ref.is_null (local.get $list)))
      (local.set $sum
        (i64.add (i64.mul (local.get $sum) (i64.const 31)) (struct.get $node $value (local.get $list))))
      (local.set $list (struct.get $node $next (local.get $list)))
      (br $step)))
  (local.get $sum))

;; One new list through all of it, into a random place of the window.
(func $round (result i64)
  (local $len i32) (local $list (ref null $node)) (local $sum i64)
  (local.set $len (i32.add (i32.const 100) (call $random_below (i32.const 900))))
  (local.set $list (call $map (call $build (local.get $len))))
  (local.set $sum (call $checksum (call $evens (local.get $list))))
  (if (i32.eqz (call $random_below (i32.const 4)))
    (then (local.set $list (call $sort (local.get $list) (local.get $len))))
    (else (local.set $list (call $reverse (call $map (call $map (local.get $list)))))))
  (array.set $lists (global.get $window) (call $random_below (i32.const 512)) (local.get $list))
  (call $mix (local.get $sum) (call $checksum (local.get $list))))

(func $run (export "run") (param $n i32) (result i64)
  (local $sum i64)
  (global.set $window (array.new_default $lists (i32.const 512)))
  (loop $rounds
    (local.set $sum (call $mix (local.get $sum) (call $round)))
    (br_if $rounds (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $sum))
