;; $ sterna print annotations.wat
;; (module $annotated
;;   (type $point (;0;) (struct (field $x i32)))
;;   (type (;1;) (func (param i32) (result i32)))
;;   (import "m"
;;     (item "a")
;;     (item "b")
;;     (global i32)
;;   )
;;   (@custom "mine" (after import) "bytes\00\01")
;;   (export "f" (func $"name with spaces"))
;;   (func $"name with spaces" (;0;) (type 1) (param $p i32) (result i32)
;;     local.get $p
;;     (@metadata.code.branch_hint "\01")
;;     if (result i32) ;; label = @1
;;       i32.const 1
;;     else
;;       i32.const 2
;;     end
;;   )
;;   (@custom "last" (after code) "tail")
;; )
;; $ sterna inspect annotations.wat
;; module      187 B
;; valid       yes
;; features    gc compact-imports
;; functions   1 in 12 B, the largest 12 B
;; data        0 segments, 0 B
;;
;; sections                      offset        size  items
;;   type                            0xa        10 B  2
;;   import                         0x16        13 B  1
;;   mine                           0x25        12 B
;;   function                       0x33         2 B  1
;;   export                         0x37         5 B  1
;;   metadata.code.branch_hint      0x3e        32 B
;;   code                           0x60        14 B  1
;;   last                           0x70         9 B
;;   name                           0x7b        64 B
;;
;; imports
;;   global  m.a : i32
;;   global  m.b : i32
;;
;; exports
;;   func    f : (i32) -> i32
(module (@name "annotated")
  (import "m" (item "a") (item "b") (global i32))
  (type $point (struct (field $x i32)))
  (@custom "mine" (before func) "bytes\00\01")
  (@custom "last" (after data) "tail")
  (func (@name "name with spaces") (export "f") (param $p i32) (result i32)
    (@unknown "annotations are comments" (and nest))
    (local.get $p) (@metadata.code.branch_hint "\01") if (result i32) i32.const 1 else i32.const 2 end))
