;; The frame of every program in this folder, which build.sh puts in front of the program's own fields: as bench.h for the C programs,
;; iterations from argv[1], checksum on standard output, elapsed time on standard error. An eighth of the iterations run before the
;; clock starts, so that engines that compile while they run have seen the code, and heaps have their size.
(import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))

(memory (export "memory") 1)
(data (i32.const 256) "checksum: ")
(data (i32.const 272) "time_ns: ")

;; One step of a 64-bit mixing checksum (order matters).
(func $mix (param $sum i64) (param $value i64) (result i64)
  (i64.mul
    (i64.xor (local.get $sum)
      (i64.add (i64.add (local.get $value) (i64.const 0x9e3779b97f4a7c15))
        (i64.add (i64.shl (local.get $sum) (i64.const 6)) (i64.shr_u (local.get $sum) (i64.const 2)))))
    (i64.const 0xff51afd7ed558ccd)))

;; Pseudo-random numbers (xorshift64*), the same in every run.
(global $seed (mut i64) (i64.const 0x2545f4914f6cdd1d))
(func $random (result i64)
  (local $x i64)
  (local.set $x (global.get $seed))
  (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 12))))
  (local.set $x (i64.xor (local.get $x) (i64.shl (local.get $x) (i64.const 25))))
  (local.set $x (i64.xor (local.get $x) (i64.shr_u (local.get $x) (i64.const 27))))
  (global.set $seed (local.get $x))
  (i64.mul (local.get $x) (i64.const 0x2545f4914f6cdd1d)))

;; A number below $bound.
(func $random_below (param $bound i32) (result i32)
  (i32.wrap_i64 (i64.rem_u (i64.shr_u (call $random) (i64.const 16)) (i64.extend_i32_u (local.get $bound)))))

;; The first argument as a number.
(func $rounds (result i32)
  (local $at i32) (local $digit i32) (local $value i32)
  (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
  (if (i32.lt_u (i32.load (i32.const 0)) (i32.const 2)) (then (return (i32.const 1))))
  (drop (call $args_get (i32.const 1024) (i32.const 4096)))
  (local.set $at (i32.load (i32.const 1028)))
  (loop $next
    (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
    (if (i32.lt_u (local.get $digit) (i32.const 10))
      (then
        (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 10)) (local.get $digit)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next))))
  (local.get $value))

(func $now (result i64)
  (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 16)))
  (i64.load (i32.const 16)))

;; Writes a label and a number, in base 10 or 16, to a file.
(func $report (param $fd i32) (param $label i32) (param $label_len i32) (param $value i64) (param $base i64)
  (local $at i32)
  (local.set $at (i32.const 511))
  (i32.store8 (local.get $at) (i32.const 10))
  (loop $digit
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (i32.store8 (local.get $at)
      (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $value) (local.get $base)))))
    (if (i32.gt_u (i32.load8_u (local.get $at)) (i32.const 57))
      (then (i32.store8 (local.get $at) (i32.add (i32.load8_u (local.get $at)) (i32.const 39)))))
    (local.set $value (i64.div_u (local.get $value) (local.get $base)))
    (br_if $digit (i64.ne (local.get $value) (i64.const 0))))
  (local.set $at (i32.sub (local.get $at) (local.get $label_len)))
  (memory.copy (local.get $at) (local.get $label) (local.get $label_len))
  (i32.store (i32.const 32) (local.get $at))
  (i32.store (i32.const 36) (i32.sub (i32.const 512) (local.get $at)))
  (drop (call $fd_write (local.get $fd) (i32.const 32) (i32.const 1) (i32.const 48))))

(func (export "_start")
  (local $rounds i32) (local $start i64) (local $sum i64) (local $end i64)
  (local.set $rounds (call $rounds))
  (local.set $sum (call $run (i32.div_u (i32.add (local.get $rounds) (i32.const 7)) (i32.const 8))))
  (local.set $start (call $now))
  (local.set $sum (call $mix (local.get $sum) (call $run (local.get $rounds))))
  (local.set $end (call $now))
  (call $report (i32.const 1) (i32.const 256) (i32.const 10) (local.get $sum) (i64.const 16))
  (call $report (i32.const 2) (i32.const 272) (i32.const 9)
    (i64.sub (local.get $end) (local.get $start)) (i64.const 10)))
