;; The rules of passes::fold.
(module
  (memory 1)
  (func (result i32 i64 f64) (i32.add (i32.const -3) (i32.const 5)) (i64.clz (i64.const 1)) (f64.sqrt (f64.const 4)))
  ;; not folded: a trap, and a NaN
  (func (result i32 f32) (i32.div_u (i32.const 1) (i32.const 0)) (f32.div (f32.const 0) (f32.const 0)))
  (func (param i32 i64) (result i32 i64 i32 i32)
    (i32.add (i32.const 0) (local.get 0))
    (i64.and (local.get 1) (i64.const -1))
    (i32.xor (local.get 0) (local.get 0))
    (i32.eqz (i32.lt_u (local.get 0) (i32.const 9))))
  (func (param i32) (result i32)
    (i32.load offset=4 (i32.add (i32.add (i32.const 8) (local.get 0)) (i32.const 8))))
  (func (param i32) (result i32)
    (if (result i32) (i32.const 1) (then (local.get 0)) (else (i32.load (local.get 0)))))
  (func (param i32) (result i32)
    (if (result i32) (i32.const 0) (then (unreachable)) (else (i32.load (local.get 0)))))
  (func (param i32) (result i32) (select (local.get 0) (i32.const 2) (i32.const 0)))
  ;; unused, but it may trap
  (func (param i32) (drop (i32.div_s (local.get 0) (local.get 0))) (drop (i32.mul (local.get 0) (local.get 0))))
)
