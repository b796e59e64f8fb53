;; $ sterna run --invoke div invoke.wat 7 2
;; 3
;; $ sterna run --invoke div invoke.wat -7 0x2
;; -3
;; $ sterna run --invoke div invoke.wat 1 0
;; error: the program trapped: integer divide by zero
;;    0: divide at 0x59
;; exit 134
;; $ sterna run --invoke dvi invoke.wat 1 0
;; error: no exported function `dvi`
;; hint: did you mean `div`?
;; exit 1
;; $ sterna run --invoke memory invoke.wat
;; error: the export `memory` is a memory, not a function
;; exit 1
;; $ sterna run --invoke div invoke.wat 1
;; error: `div` takes 2 arguments, 1 given
;; hint: its type is div(i32, i32) -> i32
;; exit 2
;; $ sterna run --invoke div invoke.wat 1 2.5
;; error: argument 2 of `div`: `2.5` is not an i32: an integer from -2147483648 to 4294967295, or hexadecimal with 0x
;; exit 2
;; $ sterna run --invoke results invoke.wat
;; -1
;; 9223372036854775807
;; 0.1
;; -inf
;; (ref.func)
;; $ sterna run --invoke echo invoke.wat "i32x4 1 2 3 -1" nan:0x1 null
;; i32x4 0x00000001 0x00000002 0x00000003 0xffffffff
;; nan:0x1
;; null
;; $ sterna run invoke.wat
;; error: invoke.wat: not a program: it does not export `_start`
;; hint: call one of its functions with --invoke: div(i32, i32) -> i32, results() -> i32, i64, f32, f64, funcref, echo(v128, f64, externref) -> v128, f64, externref
;; exit 1

(module
  (memory (export "memory") 1)
  (func $divide (export "div") (param i32 i32) (result i32)
    (i32.div_s (local.get 0) (local.get 1)))
  (func (export "results") (result i32 i64 f32 f64 funcref)
    (i32.const -1) (i64.const 0x7fffffffffffffff) (f32.const 0.1) (f64.const -inf) (ref.func $divide))
  (func (export "echo") (param v128 f64 externref) (result v128 f64 externref)
    (local.get 0) (local.get 1) (local.get 2)))
