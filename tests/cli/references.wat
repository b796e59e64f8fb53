;; $ sterna run --invoke tree references.wat 3
;; (ref.struct 3 (ref.struct 2 (ref.struct 1 null null) null) null)
;; $ sterna run --invoke ring references.wat
;; (ref.struct 0.5 (ref.struct 0.5 (ref.struct 0.5 (ref.struct 0.5 (ref.struct …)))))
;; $ sterna run --invoke bytes references.wat 40
;; (ref.array 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 255 …)
;; $ sterna run --invoke any references.wat "(ref.i31 -7)"
;; (ref.i31 -7)
;; $ sterna run --invoke any references.wat null
;; null
;; $ sterna run --invoke inside references.wat "(ref.extern 7)"
;; (any.convert_extern (ref.extern 7))
;; (ref.extern 7)
;; $ sterna run --invoke outside references.wat "(ref.i31 7)"
;; (extern.convert_any (ref.i31 7))
;; (extern.convert_any (ref.struct 1 null null))
;; $ sterna run --invoke any references.wat 7
;; error: argument 1 of `any`: `7` is not a reference: null, "(ref.i31 5)" or "(ref.extern 7)"
;; exit 2
;; $ sterna run --invoke any references.wat "(ref.extern 7)"
;; error: parameter 0: type mismatch: expected anyref, found externref
;; exit 1
(module
  (type $tree (struct (field i32) (field (ref null $tree)) (field (ref null $tree))))
  (type $ring (struct (field f64) (field (mut (ref null $ring)))))
  (type $bytes (array i8))
  (func $tree (export "tree") (param i32) (result (ref null $tree))
    (if (result (ref null $tree)) (i32.eqz (local.get 0))
      (then (ref.null $tree))
      (else
        (struct.new $tree
          (local.get 0)
          (call $tree (i32.sub (local.get 0) (i32.const 1)))
          (ref.null $tree)))))
  (func (export "ring") (result eqref) (local $ring (ref $ring))
    (local.set $ring (struct.new $ring (f64.const 0.5) (ref.null $ring)))
    (struct.set $ring 1 (local.get $ring) (local.get $ring))
    (local.get $ring))
  (func (export "bytes") (param i32) (result (ref array)) (array.new $bytes (i32.const -1) (local.get 0)))
  (func (export "any") (param anyref) (result anyref) (local.get 0))
  (func (export "inside") (param externref) (result anyref externref)
    (any.convert_extern (local.get 0))
    (local.get 0))
  (func (export "outside") (param anyref) (result externref externref)
    (extern.convert_any (local.get 0))
    (extern.convert_any (call $tree (i32.const 1)))))
