;; $ sterna validate invalid.wat
;; error: invalid.wat: invalid module: type mismatch: expected i32, found i64
;;   at byte 0x26
;; exit 1
;; $ sterna run invalid.wat
;; error: invalid.wat: invalid module: type mismatch: expected i32, found i64
;;   at byte 0x26
;; exit 1
;; $ sterna compile invalid.wat -o -
;; error: invalid.wat: invalid module: type mismatch: expected i32, found i64
;;   at byte 0x26
;; exit 1
;; $ sterna inspect invalid.wat
;; module      39 B
;; valid       no: type mismatch: expected i32, found i64 (at offset 0x26)
;; features    none beyond 1.0
;; functions   1 in 4 B, the largest 4 B
;; data        0 segments, 0 B
;;
;; sections         offset        size  items
;;   type               0xa         5 B  1
;;   function          0x11         2 B  1
;;   export            0x15        10 B  1
;;   code              0x21         6 B  1
;;
;; exports
;;   func    _start : () -> i32
(module (func (export "_start") (result i32) (i64.const 1)))
