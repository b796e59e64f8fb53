;; $ sterna run link-type.wat
;; error: cannot link: incompatible import type for `wasi_snapshot_preview1::fd_write`: expected (func (param i32) (result i32)), found (func (param i32 i32 i32 i32) (result i32))
;; exit 1
(module
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32) (result i32)))
  (func (export "_start")))
