;; Structures, arrays, i31 and casts; a test that branches.
(module
  (type $node (sub (struct (field $value (mut i32)) (field $next (mut (ref null $node))))))
  (type $leaf (sub final $node (struct (field $value (mut i32)) (field $next (mut (ref null $node))) (field f64))))
  (type $bytes (array (mut i8)))
  (func $push (param $value i32) (param $list (ref null $node)) (result (ref $node))
    (struct.new $node (local.get $value) (local.get $list)))
  (func $sum (param $list (ref null $node)) (result i32) (local $sum i32)
    (block $done
      (loop $more
        (br_on_null $done (local.get $list))
        (struct.get $node $value)
        (local.set $sum (i32.add (local.get $sum)))
        (local.set $list (struct.get $node $next (local.get $list)))
        (br $more)))
    (local.get $sum))
  (func $leaf (param $node (ref $node)) (result f64)
    (block $is (result (ref $leaf))
      (drop (br_on_cast $is (ref $node) (ref $leaf) (local.get $node)))
      (return (f64.const 0)))
    (struct.get $leaf 2))
  (func $mixed (param $array (ref $bytes)) (result i32)
    (array.set $bytes (local.get $array) (i32.const 0) (i31.get_s (ref.i31 (i32.const 5))))
    (drop (ref.eq (local.get $array) (ref.null eq)))
    (i32.add
      (array.get_u $bytes (local.get $array) (i32.const 0))
      (array.len (ref.cast (ref array) (local.get $array))))))
