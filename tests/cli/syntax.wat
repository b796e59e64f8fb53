;; $ sterna validate syntax.wat
;; error: unknown operator or unexpected token
;;   at syntax.wat:15:5
;;   |     i32.cnst 1))
;;   |     ^
;; exit 1
;; $ sterna wat syntax.wat -o -
;; error: unknown operator or unexpected token
;;   at syntax.wat:15:5
;;   |     i32.cnst 1))
;;   |     ^
;; exit 1
(module
  (func (export "f") (result i32)
    i32.cnst 1))
