;; $ sterna run program.wat
;; hi
;; exit 7
;; $ sterna run --tier interp program.wat
;; hi
;; exit 7
;; $ sterna run --tier opt program.wat
;; hi
;; exit 7
;; $ sterna run --env GREETING program.wat
;; hi
;; exit 7
;; $ sterna run --env MISSING program.wat
;; error: --env MISSING: no such variable here to pass on
;; hint: give it a value: --env MISSING=VALUE
;; exit 2
;; $ sterna run --dir nowhere program.wat
;; error: cannot open the folder nowhere: no such file or directory
;; exit 1
;; $ sterna run --dir .::/::rx program.wat
;; error: invalid value '.::/::rx' for '--dir <HOST[::GUEST[::ro]]>': expected HOST, HOST::GUEST or HOST::GUEST::ro
;;
;; For more information, try '--help'.
;; exit 2
;; $ sterna run --fuel 100 program.wat
;; error: --fuel: not yet: this version does not count work
;; hint: --timeout bounds the time, --max-memory the memory
;; exit 2
;; $ sterna run --timeout 5 program.wat
;; error: invalid value '5' for '--timeout <TIME>': expected a number with a unit, such as `500ms`, `1.5s` or `2m`
;;
;; For more information, try '--help'.
;; exit 2
;; $ sterna run --max-memory 64KiB program.wat
;; hi
;; exit 7
;; $ sterna run --max-memory 63KiB program.wat
;; error: cannot link: a memory of 65536 bytes exceeds the limit of 64512 bytes for all memories
;; exit 1
;; $ sterna run --teir opt program.wat
;; error: unknown option `--teir`
;; hint: did you mean `--dir` or `--tier` or `--env`?
;; exit 2
;; $ sterna run nowhere.wat
;; error: cannot read nowhere.wat: no such file or directory
;; exit 1
;; $ sterna run
;; error: the following required arguments were not provided:
;;   <FILE>...
;;
;; Usage: sterna run [OPTIONS] <FILE> [ARGS]...
;;
;; For more information, try '--help'.
;; exit 2

;; Prints a line and exits with code 7.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\03\00\00\00hi\0a")
  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
    (call $proc_exit (i32.const 7))))
