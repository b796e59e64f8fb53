;; A type section that claims 4 billion types.
;; $ sterna validate oversized.wat
;; error: oversized.wat: invalid module: types count exceeds limit of 1000000
;;   at byte 0xa
;; exit 1
;; $ sterna inspect oversized.wat
;; error: oversized.wat: malformed module: unexpected end-of-file
;;   at byte 0xf
;; exit 1
(module binary "\00asm\01\00\00\00\01\05\ff\ff\ff\ff\0f")
