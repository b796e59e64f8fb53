;; Formulas as trees of objects of several classes: made at random, differentiated, simplified and evaluated by virtual methods
;; (`call_ref`), with type tests (`br_on_cast`) where a simplification depends on what the operands are.
(rec
  (type $derive (func (param (ref $formula)) (result (ref $formula))))
  (type $eval (func (param (ref $formula) i64) (result i64)))
  (type $methods (struct (field $derive (ref $derive)) (field $simplify (ref $derive)) (field $eval (ref $eval))))
  (type $formula (sub (struct (field $methods (ref $methods)))))
  (type $constant (sub final $formula (struct (field $methods (ref $methods)) (field $value i64))))
  (type $variable (sub final $formula (struct (field $methods (ref $methods)))))
  (type $binary
    (sub $formula
      (struct (field $methods (ref $methods)) (field $left (ref $formula)) (field $right (ref $formula)))))
  (type $sum
    (sub final $binary
      (struct (field $methods (ref $methods)) (field $left (ref $formula)) (field $right (ref $formula)))))
  (type $product
    (sub final $binary
      (struct (field $methods (ref $methods)) (field $left (ref $formula)) (field $right (ref $formula)))))
  (type $power
    (sub final $formula
      (struct (field $methods (ref $methods)) (field $base (ref $formula)) (field $exponent i32)))))

(elem declare func $derive_constant $same $eval_constant $derive_variable $eval_variable $derive_sum $simplify_sum
  $eval_sum $derive_product $simplify_product $eval_product $derive_power $simplify_power $eval_power)
(global $constant_methods (ref $methods)
  (struct.new $methods (ref.func $derive_constant) (ref.func $same) (ref.func $eval_constant)))
(global $variable_methods (ref $methods)
  (struct.new $methods (ref.func $derive_variable) (ref.func $same) (ref.func $eval_variable)))
(global $sum_methods (ref $methods)
  (struct.new $methods (ref.func $derive_sum) (ref.func $simplify_sum) (ref.func $eval_sum)))
(global $product_methods (ref $methods)
  (struct.new $methods (ref.func $derive_product) (ref.func $simplify_product) (ref.func $eval_product)))
(global $power_methods (ref $methods)
  (struct.new $methods (ref.func $derive_power) (ref.func $simplify_power) (ref.func $eval_power)))

;; ---------------------------------------------------------------------------------------------------- making and calling

(func $constant (param $value i64) (result (ref $formula))
  (struct.new $constant (global.get $constant_methods) (local.get $value)))
(func $variable (result (ref $formula)) (struct.new $variable (global.get $variable_methods)))
(func $sum (param $left (ref $formula)) (param $right (ref $formula)) (result (ref $formula))
  (struct.new $sum (global.get $sum_methods) (local.get $left) (local.get $right)))
(func $product (param $left (ref $formula)) (param $right (ref $formula)) (result (ref $formula))
  (struct.new $product (global.get $product_methods) (local.get $left) (local.get $right)))
(func $power (param $base (ref $formula)) (param $exponent i32) (result (ref $formula))
  (struct.new $power (global.get $power_methods) (local.get $base) (local.get $exponent)))

(func $derive (param $f (ref $formula)) (result (ref $formula))
  (call_ref $derive (local.get $f)
    (struct.get $methods $derive (struct.get $formula $methods (local.get $f)))))
(func $simplify (param $f (ref $formula)) (result (ref $formula))
  (call_ref $derive (local.get $f)
    (struct.get $methods $simplify (struct.get $formula $methods (local.get $f)))))
(func $eval (param $f (ref $formula)) (param $x i64) (result i64)
  (call_ref $eval (local.get $f) (local.get $x)
    (struct.get $methods $eval (struct.get $formula $methods (local.get $f)))))

;; Whether a formula is the constant $value.
(func $is (param $f (ref $formula)) (param $value i64) (result i32)
  (block $no (result (ref $formula))
    (br_on_cast_fail $no (ref $formula) (ref $constant) (local.get $f))
    (return (i64.eq (struct.get $constant $value) (local.get $value))))
  (drop)
  (i32.const 0))

;; ---------------------------------------------------------------------------------------------------- constants and the variable

(func $same (type $derive) (local.get 0))
(func $derive_constant (type $derive) (call $constant (i64.const 0)))
(func $eval_constant (type $eval)
  (struct.get $constant $value (ref.cast (ref $constant) (local.get 0))))
(func $derive_variable (type $derive) (call $constant (i64.const 1)))
(func $eval_variable (type $eval) (local.get 1))

;; ---------------------------------------------------------------------------------------------------- sums

(func $derive_sum (type $derive)
  (local $this (ref $sum))
  (local.set $this (ref.cast (ref $sum) (local.get 0)))
  (call $sum
    (call $derive (struct.get $sum $left (local.get $this)))
    (call $derive (struct.get $sum $right (local.get $this)))))

(func $simplify_sum (type $derive)
  (local $this (ref $sum)) (local $left (ref $formula)) (local $right (ref $formula))
  (local.set $this (ref.cast (ref $sum) (local.get 0)))
  (local.set $left (call $simplify (struct.get $sum $left (local.get $this))))
  (local.set $right (call $simplify (struct.get $sum $right (local.get $this))))
  (if (call $is (local.get $left) (i64.const 0)) (then (return (local.get $right))))
  (if (call $is (local.get $right) (i64.const 0)) (then (return (local.get $left))))
  (if (i32.and (ref.test (ref $constant) (local.get $left)) (ref.test (ref $constant) (local.get $right)))
    (then
      (return
        (call $constant
          (i64.add
            (struct.get $constant $value (ref.cast (ref $constant) (local.get $left)))
            (struct.get $constant $value (ref.cast (ref $constant) (local.get $right))))))))
  (call $sum (local.get $left) (local.get $right)))

(func $eval_sum (type $eval)
  (local $this (ref $binary))
  (local.set $this (ref.cast (ref $binary) (local.get 0)))
  (i64.add
    (call $eval (struct.get $binary $left (local.get $this)) (local.get 1))
    (call $eval (struct.get $binary $right (local.get $this)) (local.get 1))))

;; ---------------------------------------------------------------------------------------------------- products

(func $derive_product (type $derive)
  (local $this (ref $product))
  (local.set $this (ref.cast (ref $product) (local.get 0)))
  (call $sum
    (call $product
      (call $derive (struct.get $product $left (local.get $this)))
      (struct.get $product $right (local.get $this)))
    (call $product
      (struct.get $product $left (local.get $this))
      (call $derive (struct.get $product $right (local.get $this))))))

(func $simplify_product (type $derive)
  (local $this (ref $product)) (local $left (ref $formula)) (local $right (ref $formula))
  (local.set $this (ref.cast (ref $product) (local.get 0)))
  (local.set $left (call $simplify (struct.get $product $left (local.get $this))))
  (local.set $right (call $simplify (struct.get $product $right (local.get $this))))
  (if (call $is (local.get $left) (i64.const 0)) (then (return (local.get $left))))
  (if (call $is (local.get $right) (i64.const 0)) (then (return (local.get $right))))
  (if (call $is (local.get $left) (i64.const 1)) (then (return (local.get $right))))
  (if (call $is (local.get $right) (i64.const 1)) (then (return (local.get $left))))
  (if (i32.and (ref.test (ref $constant) (local.get $left)) (ref.test (ref $constant) (local.get $right)))
    (then
      (return
        (call $constant
          (i64.mul
            (struct.get $constant $value (ref.cast (ref $constant) (local.get $left)))
            (struct.get $constant $value (ref.cast (ref $constant) (local.get $right))))))))
  (call $product (local.get $left) (local.get $right)))

(func $eval_product (type $eval)
  (local $this (ref $binary))
  (local.set $this (ref.cast (ref $binary) (local.get 0)))
  (i64.mul
    (call $eval (struct.get $binary $left (local.get $this)) (local.get 1))
    (call $eval (struct.get $binary $right (local.get $this)) (local.get 1))))

;; ---------------------------------------------------------------------------------------------------- powers

(func $derive_power (type $derive)
  (local $this (ref $power)) (local $exponent i32)
  (local.set $this (ref.cast (ref $power) (local.get 0)))
  (local.set $exponent (struct.get $power $exponent (local.get $this)))
  (call $product
    (call $product
      (call $constant (i64.extend_i32_s (local.get $exponent)))
      (call $power (struct.get $power $base (local.get $this)) (i32.sub (local.get $exponent) (i32.const 1))))
    (call $derive (struct.get $power $base (local.get $this)))))

(func $simplify_power (type $derive)
  (local $this (ref $power)) (local $base (ref $formula)) (local $exponent i32)
  (local.set $this (ref.cast (ref $power) (local.get 0)))
  (local.set $exponent (struct.get $power $exponent (local.get $this)))
  (if (i32.eqz (local.get $exponent)) (then (return (call $constant (i64.const 1)))))
  (local.set $base (call $simplify (struct.get $power $base (local.get $this))))
  (if (i32.eq (local.get $exponent) (i32.const 1)) (then (return (local.get $base))))
  (if (ref.test (ref $constant) (local.get $base))
    (then
      (return
        (call $constant
          (call $eval (call $power (local.get $base) (local.get $exponent)) (i64.const 0))))))
  (call $power (local.get $base) (local.get $exponent)))

(func $eval_power (type $eval)
  (local $this (ref $power)) (local $base i64) (local $result i64) (local $left i32)
  (local.set $this (ref.cast (ref $power) (local.get 0)))
  (local.set $base (call $eval (struct.get $power $base (local.get $this)) (local.get 1)))
  (local.set $left (struct.get $power $exponent (local.get $this)))
  (local.set $result (i64.const 1))
  (block $end
    (loop $factor
      (br_if $end (i32.eqz (local.get $left)))
      (local.set $result (i64.mul (local.get $result) (local.get $base)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $factor)))
  (local.get $result))

;; ---------------------------------------------------------------------------------------------------- the workload

;; A formula of at most $depth levels.
(func $make (param $depth i32) (result (ref $formula))
  (local $choice i32)
  (if (i32.eqz (local.get $depth))
    (then
      (if (call $random_below (i32.const 2)) (then (return (call $variable))))
      (return (call $constant (i64.extend_i32_u (call $random_below (i32.const 3)))))))
  (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
  (local.set $choice (call $random_below (i32.const 8)))
  (if (i32.lt_u (local.get $choice) (i32.const 4))
    (then (return (call $sum (call $make (local.get $depth)) (call $make (local.get $depth))))))
  (if (i32.lt_u (local.get $choice) (i32.const 7))
    (then (return (call $product (call $make (local.get $depth)) (call $make (local.get $depth))))))
  (call $power (call $make (local.get $depth)) (i32.add (i32.const 2) (call $random_below (i32.const 2)))))

;; A formula, its first and second derivative, each simplified and evaluated at a few places.
(func $round (result i64)
  (local $f (ref $formula)) (local $order i32) (local $x i64) (local $sum i64)
  (local.set $f (call $make (i32.const 7)))
  (loop $orders
    (local.set $f (call $simplify (local.get $f)))
    (local.set $x (i64.const 4))
    (loop $places
      (local.set $sum (call $mix (local.get $sum) (call $eval (local.get $f) (local.get $x))))
      (local.set $x (i64.sub (local.get $x) (i64.const 1)))
      (br_if $places (i64.ne (local.get $x) (i64.const 0))))
    (local.set $f (call $derive (local.get $f)))
    (local.set $order (i32.add (local.get $order) (i32.const 1)))
    (br_if $orders (i32.lt_u (local.get $order) (i32.const 3))))
  (local.get $sum))

(func $run (export "run") (param $n i32) (result i64)
  (local $sum i64)
  (loop $rounds
    (local.set $sum (call $mix (local.get $sum) (call $round)))
    (br_if $rounds (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $sum))
