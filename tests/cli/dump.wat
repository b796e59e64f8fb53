;; $ sterna dump --stage graph dump.wat
;; ;; function 0 add
;; function -> (i32)
;; block0(v0: i32, v1: i32):
;;     v2: i32 = i32.add v0, v1 @0x21
;;     return v2 @0x22
;;
;; $ sterna dump --stage passes --func add dump.wat
;; ;; function 0 add
;; function -> (i32)
;; block0(v0: i32, v1: i32):
;;     v2: i32 = i32.add v0, v1 @0x21
;;     return v2 @0x22
;;
;; $ sterna dump --func nothing dump.wat
;; error: no function `nothing` is defined in dump.wat
;; exit 1
;; $ sterna dump --stage passes --disable-pass fold --func add dump.wat
;; ;; function 0 add
;; function -> (i32)
;; block0(v0: i32, v1: i32):
;;     v2: i32 = i32.add v1, i32:0 @0x20
;;     v3: i32 = i32.add v0, v2 @0x21
;;     return v3 @0x22
;;
;; $ sterna dump --disable-pass flod dump.wat
;; error: invalid value 'flod' for '--disable-pass <NAME>'
;;   [possible values: fold, inline, expect, counts, globals, params, reloads, dead, unused, loops, checks, cold]
;;
;;   tip: a similar value exists: 'fold'
;;
;; For more information, try '--help'.
;; exit 2
(module
  (func $add (param i32 i32) (result i32)
    (i32.add (local.get 0) (i32.add (local.get 1) (i32.const 0)))))
