;; $ sterna validate exceptions.wat
;; $ sterna run --invoke f exceptions.wat
;; error: nothing caught the exception `t`(7, 1.5)
;;    0: g at 0x38
;;    1: function 1 at 0x3f
;; exit 134
;; $ sterna run --tier opt --invoke f exceptions.wat
;; error: nothing caught the exception `t`(7, 1.5)
;;    0: g at 0x38
;;    1: function 1 at 0x3f
;; exit 134
(module
  (tag $t (param i32 f64))
  (func $g (param i32) (throw $t (local.get 0) (f64.const 1.5)))
  (func (export "f") (call $g (i32.const 7))))
