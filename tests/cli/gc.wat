;; $ sterna validate gc.wat
;; $ sterna run --invoke f gc.wat
;; (ref.struct 1 2)
;; $ sterna run --invoke g gc.wat
;; (ref.i31 -3)
;; $ sterna inspect gc.wat
;; module      78 B
;; valid       yes
;; features    reference-types gc
;; functions   2 in 15 B, the largest 9 B
;; data        0 segments, 0 B
;;
;; sections         offset        size  items
;;   type               0xa        16 B  3
;;   function          0x1c         3 B  2
;;   export            0x21         9 B  2
;;   code              0x2c        18 B  2
;;   name              0x40        14 B
;;
;; exports
;;   func    f : () -> (ref (module 0))
;;   func    g : () -> i31ref
(module
  (type $pair (struct (field i32) (field i32)))
  (func (export "f") (result (ref $pair)) (struct.new $pair (i32.const 1) (i32.const 2)))
  (func (export "g") (result i31ref) (ref.i31 (i32.const -3))))
