;; Writes one line to standard output through WASI preview 1.
;;   sterna run examples/hello.wat
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param $fd i32) (param $iovs i32) (param $iovs_len i32) (param $written i32)
      (result i32)))
  (memory (export "memory") 1)

  ;; One iovec at 0: the address and the length of the text.
  (data (i32.const 0) "\10\00\00\00\17\00\00\00")
  (data (i32.const 16) "Hello from WebAssembly\n")

  (func (export "_start")
    (call $fd_write
      (i32.const 1)   ;; standard output
      (i32.const 0)   ;; the iovec
      (i32.const 1)   ;; one of them
      (i32.const 8))  ;; where the number of written bytes goes
    drop))
