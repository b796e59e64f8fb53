;; Objects that compiled code makes without a call, from operands wherever they can be, while references wait below them on the stack.

(module
  (type $cell (struct (field (mut i32))))
  (type $many (struct
    (field i8) (field i16) (field i32) (field i64) (field f32) (field f64) (field v128)
    (field (ref null $cell)) (field (ref null i31)) (field (mut i64)) (field i8)))
  (type $wide (struct
    (field i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (type $cells (array (mut (ref null $cell))))
  (type $bytes (array (mut i8)))
  (type $empty (struct))

  (func $cell (param i32) (result (ref $cell)) (struct.new $cell (local.get 0)))

  ;; Operands in registers, locals, constants and results of calls; a reference below them, and one in a local.
  (func (export "many") (param $n i32) (result i64)
    (local $kept (ref null $cell)) (local $sum i64) (local $many (ref null $many)) (local $below (ref null $cell))
    (loop $next
      (local.set $kept (call $cell (local.get $n)))
      (call $cell (i32.const 5))
      (struct.new $many
        (local.get $n) (i32.const -2) (i32.mul (local.get $n) (local.get $n)) (i64.const 0x123456789abcdef0)
        (f32.convert_i32_s (local.get $n)) (f64.const 0.5) (i32x4.splat (local.get $n))
        (local.get $kept) (ref.i31 (local.get $n)) (i64.extend_i32_u (local.get $n)) (i32.const 300))
      (local.set $many)
      (local.set $below)
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s (struct.get $cell 0 (local.get $below)))))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s (struct.get $cell 0 (local.get $kept)))))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s (struct.get_u $many 0 (local.get $many)))))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s (struct.get_s $many 1 (local.get $many)))))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s (struct.get $many 2 (local.get $many)))))
      (local.set $sum (i64.xor (local.get $sum) (struct.get $many 3 (local.get $many))))
      (local.set $sum (i64.add (local.get $sum) (i64.trunc_f32_s (struct.get $many 4 (local.get $many)))))
      (local.set $sum (i64.add (local.get $sum)
        (i64.trunc_f64_s (f64.mul (f64.const 8) (struct.get $many 5 (local.get $many))))))
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_s (i32x4.extract_lane 3 (struct.get $many 6 (local.get $many))))))
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_s (struct.get $cell 0 (struct.get $many 7 (local.get $many))))))
      (local.set $sum (i64.add (local.get $sum)
        (i64.extend_i32_s (i31.get_s (struct.get $many 8 (local.get $many))))))
      (local.set $sum (i64.add (local.get $sum) (struct.get $many 9 (local.get $many))))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s (struct.get_s $many 10 (local.get $many)))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))

  ;; More operands than registers.
  (func (export "wide") (param $a i32) (result i32)
    (local $wide (ref null $wide)) (local $sum i32) (local $n i32)
    (local.set $n (i32.const 100))
    (loop $next
      (local.set $wide (struct.new $wide
        (i32.add (local.get $a) (i32.const 1)) (i32.add (local.get $a) (i32.const 2))
        (i32.add (local.get $a) (i32.const 3)) (i32.add (local.get $a) (i32.const 4))
        (i32.add (local.get $a) (i32.const 5)) (i32.add (local.get $a) (i32.const 6))
        (i32.add (local.get $a) (i32.const 7)) (i32.add (local.get $a) (i32.const 8))
        (i32.add (local.get $a) (i32.const 9)) (i32.add (local.get $a) (i32.const 10))
        (i32.add (local.get $a) (i32.const 11)) (i32.add (local.get $a) (i32.const 12))))
      (local.set $sum (i32.add (local.get $sum) (struct.get $wide 0 (local.get $wide))))
      (local.set $sum (i32.add (local.get $sum) (struct.get $wide 5 (local.get $wide))))
      (local.set $sum (i32.add (local.get $sum) (struct.get $wide 11 (local.get $wide))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))

  ;; Elements of arrays, references among them; default values; nothing at all.
  (func (export "arrays") (param $n i32) (result i32)
    (local $cells (ref null $cells)) (local $bytes (ref null $bytes)) (local $sum i32)
    (loop $next
      (local.set $cells (array.new_fixed $cells 3
        (call $cell (local.get $n)) (ref.null $cell) (struct.new_default $cell)))
      (local.set $bytes (array.new_fixed $bytes 5
        (local.get $n) (i32.const 2) (i32.const -1) (array.len (local.get $cells)) (local.get $sum)))
      (drop (array.new_fixed $cells 0))
      (drop (struct.new $empty))
      (local.set $sum (i32.add (local.get $sum)
        (struct.get $cell 0 (array.get $cells (local.get $cells) (i32.const 0)))))
      (local.set $sum (i32.add (local.get $sum)
        (ref.is_null (array.get $cells (local.get $cells) (i32.const 1)))))
      (local.set $sum (i32.add (local.get $sum)
        (struct.get $cell 0 (array.get $cells (local.get $cells) (i32.const 2)))))
      (local.set $sum (i32.add (local.get $sum) (array.get_u $bytes (local.get $bytes) (i32.const 2))))
      (local.set $sum (i32.add (local.get $sum) (array.get_s $bytes (local.get $bytes) (i32.const 3))))
      (local.set $sum (i32.add (local.get $sum) (array.len (local.get $bytes))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))

  ;; Where each allocation collects, there is never room, while all of a list lives. Its length counts twice there.
  (type $node (struct (field i32) (field (ref null $node))))
  (func (export "list") (param $n i32) (result i64)
    (local $list (ref null $node)) (local $sum i64)
    (loop $next
      (local.set $list (struct.new $node (local.get $n) (local.get $list)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (loop $next
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_s (struct.get $node 0 (local.get $list)))))
      (br_if $next (i32.eqz (ref.is_null (local.tee $list (struct.get $node 1 (local.get $list)))))))
    (local.get $sum))

  ;; More than the nursery holds, of which two live at a time.
  (func (export "garbage") (param $n i32) (result i32)
    (local $last (ref null $node)) (local $sum i32)
    (loop $next
      (local.set $last (struct.new $node (local.get $n)
        (struct.new $node (i32.const 3) (ref.null $node))))
      (local.set $sum (i32.add (local.get $sum) (struct.get $node 0 (struct.get $node 1 (local.get $last)))))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.add (local.get $sum) (struct.get $node 0 (local.get $last)))))

(assert_return (invoke "many" (i32.const 300)) (i64.const 13201072))
(assert_return (invoke "wide" (i32.const 10)) (i32.const 4900))
(assert_return (invoke "arrays" (i32.const 100)) (i32.const 31450))
(assert_return (invoke "list" (i32.const 3000)) (i64.const 4501500))
(assert_return (invoke "garbage" (i32.const 40000)) (i32.const 120001))
