;; Programs that start threads (wasi-threads).
;;
;; $ sterna run threads.wat
;; four threads
;; $ sterna run --tier interp threads.wat
;; four threads
;; $ sterna run --tier opt threads.wat
;; four threads
;; $ sterna run --invoke thread_traps threads.wat
;; error: the program trapped: unreachable
;;    0: task_trap at 0x19b
;;    1: function 10 at 0x1fd
;; hint: `unreachable` is how compiled programs abort; what they printed before says why
;; exit 134
;; $ sterna run --invoke thread_exits threads.wat
;; exit 7
;; $ sterna run --invoke spin_while_thread_exits --tier opt threads.wat
;; exit 7
;; $ sterna run --timeout 10ms --invoke wait_forever threads.wat
;; error: the program was stopped: --timeout ran out
;; exit 124
;; $ sterna run --timeout 60s --invoke others_go_on threads.wat
;; four threads
;; $ sterna run --invoke too_many threads.wat
;; 256
;; $ sterna run --invoke start --max-memory 64KiB threads.wat 0
;; 1
(module
  (import "env" "memory" (memory 1 3 shared))
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (export "memory" (memory 0))
  ;; 0: how many threads are done. 4: what they count. 8: the tasks' argument. 64: iovec, 80: text. 128 …: a subscription of a clock.
  (data (i32.const 64) "\50\00\00\00\0c\00\00\00")
  (data (i32.const 80) "four threads")
  (data (i32.const 100) "\0a")

  (func $task_count (local $times i32)
    (local.set $times (i32.const 1000))
    (loop $next
      (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
      (br_if $next (local.tee $times (i32.sub (local.get $times) (i32.const 1))))))
  (func $task_trap (unreachable))
  (func $task_exit (call $exit (i32.const 7)))
  ;; Waits for ten minutes in a WASI call.
  (func $task_sleep
    (i32.store (i32.const 144) (i32.const 1))
    (i64.store (i32.const 152) (i64.const 600000000000))
    (call $done)
    (drop (call $poll (i32.const 128) (i32.const 192) (i32.const 1) (i32.const 256))))
  (func $task_wait
    (drop (memory.atomic.wait32 (i32.const 512) (i32.const 0) (i64.const -1))))
  (table funcref (elem $task_count $task_trap $task_exit $task_sleep $task_wait))

  (func $done
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 0) (i32.const -1))))
  (func (export "wasi_thread_start") (param $tid i32) (param $task i32)
    (if (i32.le_s (local.get $tid) (i32.const 0)) (then (unreachable)))
    (call_indirect (local.get $task))
    (call $done))

  ;; Waits until as many threads are done.
  (func $join (param $threads i32) (local $seen i32)
    (loop $again
      (local.set $seen (i32.atomic.load (i32.const 0)))
      (if (i32.lt_u (local.get $seen) (local.get $threads)) (then
        (drop (memory.atomic.wait32 (i32.const 0) (local.get $seen) (i64.const -1)))
        (br $again)))))
  (func $line
    (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 72)))
    (i32.store (i32.const 64) (i32.const 100))
    (i32.store (i32.const 68) (i32.const 1))
    (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 72))))

  (func (export "_start")
    (drop (call $spawn (i32.const 0)))
    (drop (call $spawn (i32.const 0)))
    (drop (call $spawn (i32.const 0)))
    (drop (call $spawn (i32.const 0)))
    (call $join (i32.const 4))
    (if (i32.ne (i32.load (i32.const 4)) (i32.const 4000)) (then (unreachable)))
    (call $line))
  (func (export "thread_traps")
    (drop (call $spawn (i32.const 1)))
    (call $join (i32.const 1)))
  (func (export "thread_exits")
    (drop (call $spawn (i32.const 4)))
    (drop (call $spawn (i32.const 2)))
    (call $join (i32.const 2)))
  (func (export "spin_while_thread_exits")
    (drop (call $spawn (i32.const 2)))
    (loop $forever (br $forever)))
  (func (export "wait_forever")
    (drop (call $spawn (i32.const 4)))
    (call $join (i32.const 1)))
  (func (export "others_go_on")
    (drop (call $spawn (i32.const 3)))
    (call $join (i32.const 1))
    ;; Lets the other come to its call.
    (i32.store (i32.const 336) (i32.const 1))
    (i64.store (i32.const 344) (i64.const 20000000))
    (drop (call $poll (i32.const 320) (i32.const 384) (i32.const 1) (i32.const 448)))
    (call $line))
  ;; The number of threads that there can be.
  (func (export "too_many") (result i32) (local $threads i32)
    (loop $next
      (if (i32.gt_s (call $spawn (i32.const 4)) (i32.const 0)) (then
        (local.set $threads (i32.add (local.get $threads) (i32.const 1)))
        (br $next))))
    (local.get $threads))
  (func (export "start") (param i32) (result i32) (call $spawn (local.get 0))))
