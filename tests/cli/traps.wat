;; $ sterna run --invoke unreachable traps.wat
;; error: the program trapped: unreachable
;;    0: inner at 0xbe
;;    1: function 3 at 0xc2
;; hint: `unreachable` is how compiled programs abort; what they printed before says why
;; exit 134
;; $ sterna run --tier opt --invoke unreachable traps.wat
;; error: the program trapped: unreachable
;;    0: inner at 0xbe
;;    1: function 3 at 0xc2
;; hint: `unreachable` is how compiled programs abort; what they printed before says why
;; exit 134
;; $ sterna run --invoke out_of_bounds traps.wat
;; error: the program trapped: out of bounds memory access
;;    0: function 4 at 0xc9
;; exit 134
;; $ sterna run --tier opt --invoke out_of_bounds traps.wat
;; error: the program trapped: out of bounds memory access
;;    0: function 4 at 0xc9
;; exit 134
;; $ sterna run --timeout 50ms --invoke spin traps.wat
;; error: the program was stopped: --timeout ran out
;; exit 124
;; $ sterna run --timeout 50ms --tier opt --invoke spin traps.wat
;; error: the program was stopped: --timeout ran out
;; exit 124
;; $ sterna run --timeout 50ms --tier interp --invoke spin traps.wat
;; error: the program was stopped: --timeout ran out
;; exit 124
;; $ sterna run --timeout 50ms --invoke wait traps.wat
;; error: the program was stopped: --timeout ran out
;; exit 124
;; $ sterna run --invoke raise traps.wat
;; error: the program raised the signal ABRT
;;    0: function 7 at 0xe9
;; exit 134
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_raise" (func $raise (param i32) (result i32)))
  (memory (export "memory") 1)
  (func $inner unreachable)
  (func (export "unreachable") (call $inner))
  (func (export "out_of_bounds") (result i32) (i32.load (i32.const -4)))
  (func (export "spin") (loop br 0))
  ;; A subscription to the monotonic clock, one hour from now.
  (data (i32.const 16) "\01\00\00\00\00\00\00\00\00\a0\b8\30\46\03\00\00")
  (func (export "wait") (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))))
  (func (export "raise") (drop (call $raise (i32.const 6)))))
