;; A hash map from strings (arrays of bytes) to numbers: chained buckets that grow by doubling, keys made afresh for every operation.
(type $string (array (mut i8)))
(type $entry
  (struct
    (field $key (ref $string))
    (field $hash i32)
    (field $value (mut i64))
    (field $next (mut (ref null $entry)))))
(type $buckets (array (mut (ref null $entry))))
(type $map (struct (field $buckets (mut (ref $buckets))) (field $size (mut i32))))

(data $prefix "https://example.org/item/")
(global $base (mut (ref null $string)) (ref.null $string))

(func $new_map (result (ref $map))
  (struct.new $map (array.new_default $buckets (i32.const 16)) (i32.const 0)))

;; A number in base 10.
(func $decimal (param $value i32) (result (ref $string))
  (local $len i32) (local $rest i32) (local $string (ref $string))
  (local.set $rest (local.get $value))
  (loop $count
    (local.set $len (i32.add (local.get $len) (i32.const 1)))
    (br_if $count (local.tee $rest (i32.div_u (local.get $rest) (i32.const 10)))))
  (local.set $string (array.new_default $string (local.get $len)))
  (loop $digit
    (local.set $len (i32.sub (local.get $len) (i32.const 1)))
    (array.set $string (local.get $string) (local.get $len)
      (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10))))
    (local.set $value (i32.div_u (local.get $value) (i32.const 10)))
    (br_if $digit (local.get $len)))
  (local.get $string))

(func $concat (param $a (ref $string)) (param $b (ref $string)) (result (ref $string))
  (local $string (ref $string))
  (local.set $string
    (array.new_default $string (i32.add (array.len (local.get $a)) (array.len (local.get $b)))))
  (array.copy $string $string (local.get $string) (i32.const 0)
    (local.get $a) (i32.const 0) (array.len (local.get $a)))
  (array.copy $string $string (local.get $string) (array.len (local.get $a))
    (local.get $b) (i32.const 0) (array.len (local.get $b)))
  (local.get $string))

;; The key of a number.
(func $key (param $number i32) (result (ref $string))
  (call $concat (ref.as_non_null (global.get $base)) (call $decimal (local.get $number))))

;; FNV-1a.
(func $hash (param $string (ref $string)) (result i32)
  (local $at i32) (local $hash i32)
  (local.set $hash (i32.const 0x811c9dc5))
  (block $end
    (loop $byte
      (br_if $end (i32.ge_u (local.get $at) (array.len (local.get $string))))
      (local.set $hash
        (i32.mul
          (i32.xor (local.get $hash) (array.get_u $string (local.get $string) (local.get $at)))
          (i32.const 0x01000193)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $byte)))
  (local.get $hash))

(func $equal (param $a (ref $string)) (param $b (ref $string)) (result i32)
  (local $at i32)
  (local.set $at (array.len (local.get $a)))
  (if (i32.ne (local.get $at) (array.len (local.get $b))) (then (return (i32.const 0))))
  (loop $byte
    (if (i32.eqz (local.get $at)) (then (return (i32.const 1))))
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (br_if $byte
      (i32.eq
        (array.get_u $string (local.get $a) (local.get $at))
        (array.get_u $string (local.get $b) (local.get $at)))))
  (i32.const 0))

;; Where the chain of a hash begins.
(func $bucket (param $buckets (ref $buckets)) (param $hash i32) (result i32)
  (i32.and (local.get $hash) (i32.sub (array.len (local.get $buckets)) (i32.const 1))))

(func $find (param $map (ref $map)) (param $key (ref $string)) (param $hash i32) (result (ref null $entry))
  (local $buckets (ref $buckets)) (local $entry (ref null $entry))
  (local.set $buckets (struct.get $map $buckets (local.get $map)))
  (local.set $entry
    (array.get $buckets (local.get $buckets) (call $bucket (local.get $buckets) (local.get $hash))))
  (block $end
    (loop $chain
      (br_if $end (ref.is_null (local.get $entry)))
      (if (i32.eq (struct.get $entry $hash (local.get $entry)) (local.get $hash))
        (then
          (br_if $end (call $equal (struct.get $entry $key (local.get $entry)) (local.get $key)))))
      (local.set $entry (struct.get $entry $next (local.get $entry)))
      (br $chain)))
  (local.get $entry))

;; Puts an entry in front of its chain.
(func $link (param $buckets (ref $buckets)) (param $entry (ref $entry))
  (local $at i32)
  (local.set $at (call $bucket (local.get $buckets) (struct.get $entry $hash (local.get $entry))))
  (struct.set $entry $next (local.get $entry) (array.get $buckets (local.get $buckets) (local.get $at)))
  (array.set $buckets (local.get $buckets) (local.get $at) (local.get $entry)))

;; Twice as many buckets.
(func $grow (param $map (ref $map))
  (local $old (ref $buckets)) (local $new (ref $buckets)) (local $at i32)
  (local $entry (ref null $entry)) (local $next (ref null $entry))
  (local.set $old (struct.get $map $buckets (local.get $map)))
  (local.set $new
    (array.new_default $buckets (i32.shl (array.len (local.get $old)) (i32.const 1))))
  (loop $buckets
    (local.set $entry (array.get $buckets (local.get $old) (local.get $at)))
    (block $end
      (loop $chain
        (br_if $end (ref.is_null (local.get $entry)))
        (local.set $next (struct.get $entry $next (local.get $entry)))
        (call $link (local.get $new) (ref.as_non_null (local.get $entry)))
        (local.set $entry (local.get $next))
        (br $chain)))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $buckets (i32.lt_u (local.get $at) (array.len (local.get $old)))))
  (struct.set $map $buckets (local.get $map) (local.get $new)))

;; Adds to the value of a key, which begins as 0.
(func $add (param $map (ref $map)) (param $key (ref $string)) (param $amount i64)
  (local $hash i32) (local $entry (ref null $entry))
  (local.set $hash (call $hash (local.get $key)))
  (local.set $entry (call $find (local.get $map) (local.get $key) (local.get $hash)))
  (if (ref.is_null (local.get $entry))
    (then
      (if (i32.ge_u (struct.get $map $size (local.get $map))
            (array.len (struct.get $map $buckets (local.get $map))))
        (then (call $grow (local.get $map))))
      (struct.set $map $size (local.get $map)
        (i32.add (struct.get $map $size (local.get $map)) (i32.const 1)))
      (call $link (struct.get $map $buckets (local.get $map))
        (struct.new $entry (local.get $key) (local.get $hash) (local.get $amount) (ref.null $entry))))
    (else
      (struct.set $entry $value (local.get $entry)
        (i64.add (struct.get $entry $value (local.get $entry)) (local.get $amount))))))

;; The value of a key, or 0.
(func $get (param $map (ref $map)) (param $key (ref $string)) (result i64)
  (local $entry (ref null $entry))
  (local.set $entry (call $find (local.get $map) (local.get $key) (call $hash (local.get $key))))
  (if (result i64) (ref.is_null (local.get $entry))
    (then (i64.const 0))
    (else (struct.get $entry $value (local.get $entry)))))

;; A map of up to 10,000 keys: 20,000 additions, then 10,000 look-ups.
(func $round (result i64)
  (local $map (ref $map)) (local $left i32) (local $sum i64)
  (local.set $map (call $new_map))
  (local.set $left (i32.const 20000))
  (loop $adds
    (call $add (local.get $map) (call $key (call $random_below (i32.const 10000)))
      (i64.extend_i32_u (local.get $left)))
    (br_if $adds (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (local.set $left (i32.const 10000))
  (loop $gets
    (local.set $sum
      (call $mix (local.get $sum) (call $get (local.get $map) (call $key (local.get $left)))))
    (br_if $gets (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
  (call $mix (local.get $sum) (i64.extend_i32_u (struct.get $map $size (local.get $map)))))

(func $run (export "run") (param $n i32) (result i64)
  (local $sum i64)
  (global.set $base (array.new_data $string $prefix (i32.const 0) (i32.const 25)))
  (loop $rounds
    (local.set $sum (call $mix (local.get $sum) (call $round)))
    (br_if $rounds (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $sum))
