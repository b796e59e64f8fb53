;; $ sterna inspect features.wat
;; module      92 B
;; valid       yes
;; features    sign-extension multi-value simd relaxed-simd tail-call multi-memory memory64
;; functions   2 in 19 B, the largest 13 B
;; data        1 segments, 0 B
;;
;; sections         offset        size  items
;;   type               0xa         7 B  1
;;   function          0x13         3 B  2
;;   memory            0x18         6 B  2
;;   export            0x20         5 B  1
;;   code              0x27        22 B  2
;;   data              0x3f         7 B  1
;;   name              0x48        20 B
;;
;; exports
;;   func    f : (v128) -> (v128, i32)
;; $ sterna inspect --json features.wat
;; {
;;   "size": 92,
;;   "invalid": null,
;;   "features": [
;;     "sign-extension",
;;     "multi-value",
;;     "simd",
;;     "relaxed-simd",
;;     "tail-call",
;;     "multi-memory",
;;     "memory64"
;;   ],
;;   "code": {
;;     "functions": 2,
;;     "size": 19,
;;     "largest": 13
;;   },
;;   "data": {
;;     "segments": 1,
;;     "size": 0
;;   },
;;   "start": null,
;;   "sections": [
;;     {
;;       "name": "type",
;;       "offset": 10,
;;       "size": 7,
;;       "items": 1
;;     },
;;     {
;;       "name": "function",
;;       "offset": 19,
;;       "size": 3,
;;       "items": 2
;;     },
;;     {
;;       "name": "memory",
;;       "offset": 24,
;;       "size": 6,
;;       "items": 2
;;     },
;;     {
;;       "name": "export",
;;       "offset": 32,
;;       "size": 5,
;;       "items": 1
;;     },
;;     {
;;       "name": "code",
;;       "offset": 39,
;;       "size": 22,
;;       "items": 2
;;     },
;;     {
;;       "name": "data",
;;       "offset": 63,
;;       "size": 7,
;;       "items": 1
;;     },
;;     {
;;       "name": "name",
;;       "offset": 72,
;;       "size": 20,
;;       "items": null
;;     }
;;   ],
;;   "imports": [],
;;   "exports": [
;;     {
;;       "name": "f",
;;       "kind": "func",
;;       "type": "(v128) -> (v128, i32)"
;;     }
;;   ]
;; }
;; $ sterna print --skeleton features.wat
;; (module
;;   (type (;0;) (func (param v128) (result v128 i32)))
;;   (memory (;0;) i64 1)
;;   (memory $tiny (;1;) 0 1)
;;   (export "f" (func 0))
;;   (func (;0;) (type 0) (param v128) (result v128 i32) ...)
;;   (func $g (;1;) (type 0) (param v128) (result v128 i32) ...)
;;   (data (;0;) (memory $tiny) (i32.const 0) ...)
;; )
;; $ sterna wat features.wat -o /dev/null
(module
  (memory i64 1)
  (memory $tiny 0 1)
  (func (export "f") (param v128) (result v128 i32)
    (return_call $g (local.get 0)))
  (func $g (param v128) (result v128 i32)
    (i8x16.relaxed_swizzle (local.get 0) (local.get 0))
    (i32.extend8_s (i32.const 255)))
  (data (memory $tiny) (i32.const 0) ""))
