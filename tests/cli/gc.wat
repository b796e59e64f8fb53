;; $ sterna validate gc.wat
;; error: gc.wat: invalid module: struct indexed types not supported without the gc feature
;;   at byte 0xb
;; hint: the module needs a feature that is not built yet; `sterna inspect` lists what it uses
;; exit 1
;; $ sterna run gc.wat
;; error: gc.wat: invalid module: struct indexed types not supported without the gc feature
;;   at byte 0xb
;; hint: the module needs a feature that is not built yet; `sterna inspect` lists what it uses
;; exit 1
;; $ sterna inspect gc.wat
;; module      62 B
;; valid       yes
;; features    reference-types gc
;; functions   1 in 9 B, the largest 9 B
;; data        0 segments, 0 B
;;
;; sections         offset        size  items
;;   type               0xa        12 B  2
;;   function          0x18         2 B  1
;;   export            0x1c         5 B  1
;;   code              0x23        11 B  1
;;   name              0x30        14 B
;;
;; exports
;;   func    f : () -> (ref (module 0))
(module
  (type $pair (struct (field i32) (field i32)))
  (func (export "f") (result (ref $pair)) (struct.new $pair (i32.const 1) (i32.const 2))))
