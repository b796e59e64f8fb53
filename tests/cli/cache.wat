;; $ sterna cache info --cache-dir missing
;; folder   missing
;; holds    0 modules, 0 B
;; limit    512.0 MiB
;; $ sterna cache clear --cache-dir missing
;; removed 0 modules, 0 B
;; $ sterna cache info
;; error: there is no cache: it is switched off, or HOME is not set
;; hint: --cache-dir names a folder
;; exit 1
;; $ sterna run --no-cache --cache-dir x --verbose cache.wat
;; error: the argument '--no-cache' cannot be used with '--cache-dir <FOLDER>'
;;
;; Usage: sterna run [OPTIONS] <FILE> [ARGS]...
;;
;; For more information, try '--help'.
;; exit 2
;; $ sterna run --no-cache --verbose cache.wat
;; cache: not used
;; $ sterna run --cache-dir cache.wat --verbose cache.wat
;; cache: nothing from earlier runs; cannot use it: Not a directory (os error 20) (cache.wat)
(module (func (export "_start")))
