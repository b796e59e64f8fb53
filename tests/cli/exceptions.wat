;; $ sterna validate exceptions.wat
;; error: exceptions.wat: invalid module: exceptions proposal not enabled
;;   at byte 0x14
;; hint: the module needs a feature that is not built yet; `sterna inspect` lists what it uses
;; exit 1
(module
  (tag $t)
  (func (export "f") (throw $t)))
