;; $ sterna validate truncated.wat
;; error: truncated.wat: invalid module: unexpected end-of-file
;;   at byte 0xa
;; hint: the file seems to be cut off: compare its size with the original
;; exit 1
;; $ sterna run truncated.wat
;; error: truncated.wat: invalid module: unexpected end-of-file
;;   at byte 0xa
;; hint: the file seems to be cut off: compare its size with the original
;; exit 1
;; $ sterna inspect truncated.wat
;; error: truncated.wat: malformed module: unexpected end-of-file
;;   at byte 0xa
;; exit 1
;; $ sterna print truncated.wat
;; error: truncated.wat: unexpected end-of-file (at offset 0xa)
;; hint: `sterna validate` says more about it
;; exit 1
(module binary "\00asm\01\00\00\00\01\05\01\60")
