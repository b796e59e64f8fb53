;; $ sterna run component.wat
;; error: component.wat: this is a component; not yet: only core modules run
;; hint: build for wasm32-wasip1, or extract the core module with `wasm-tools component unbundle`
;; exit 1
;; $ sterna inspect component.wat
;; error: component.wat: this is a component; not yet: only core modules run
;; hint: build for wasm32-wasip1, or extract the core module with `wasm-tools component unbundle`
;; exit 1
(component)
