;; $ sterna run link.wat
;; error: cannot link: 2 missing imports
;;   wasi_snapshot_preview1::fd_wirte (function); there is fd_write, fd_pwrite
;;   env::memory (memory)
;; hint: only WASI preview 1 is provided: wasi_snapshot_preview1 and wasi_unstable
;; exit 1
;; $ sterna validate link.wat
;; $ sterna inspect link.wat
;; module      128 B
;; valid       yes
;; features    none beyond 1.0
;; functions   1 in 2 B, the largest 2 B
;; data        0 segments, 0 B
;;
;; sections         offset        size  items
;;   type               0xa        12 B  2
;;   import            0x18        82 B  3
;;   function          0x6c         2 B  1
;;   export            0x70        10 B  1
;;   code              0x7c         4 B  1
;;
;; imports
;;   func    wasi_snapshot_preview1.fd_wirte : (i32, i32, i32, i32) -> i32
;;   memory  env.memory : 1.. pages
;;   func    wasi_snapshot_preview1.fd_read : (i32, i32, i32, i32) -> i32
;;
;; exports
;;   func    _start : ()
(module
  (import "wasi_snapshot_preview1" "fd_wirte" (func (param i32 i32 i32 i32) (result i32)))
  (import "env" "memory" (memory 1))
  (import "wasi_snapshot_preview1" "fd_read" (func (param i32 i32 i32 i32) (result i32)))
  (func (export "_start")))
