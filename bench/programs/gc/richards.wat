;; Martin Richards' simulation of an operating system's task scheduler: objects with fields that change, virtual methods through
;; tables of functions (`call_ref`), and casts of `this` as compilers of object-oriented languages emit them.
(rec
  (type $packet
    (struct
      (field $link (mut (ref null $packet)))
      (field $id (mut i32)) ;; of the task that it goes to, then of the one it came from
      (field $work i32)
      (field $at (mut i32))
      (field $data (ref $data))))
  (type $data (array (mut i32)))
  ;; A task's place in the scheduler.
  (type $tcb
    (struct
      (field $link (ref null $tcb))
      (field $id i32)
      (field $priority i32)
      (field $queue (mut (ref null $packet)))
      (field $state (mut i32))
      (field $task (ref $task))))
  (type $blocks (array (mut (ref null $tcb))))
  (type $scheduler
    (struct
      (field $queued (mut i32))
      (field $held (mut i32))
      (field $blocks (ref $blocks))
      (field $list (mut (ref null $tcb)))
      (field $current (mut (ref null $tcb)))
      (field $current_id (mut i32))))
  ;; Runs a task on a packet or none; what to go on with.
  (type $step (func (param (ref $task) (ref null $packet)) (result (ref null $tcb))))
  (type $methods (struct (field $step (ref $step))))
  (type $task (sub (struct (field $methods (ref $methods)) (field $scheduler (ref $scheduler)))))
  (type $idle
    (sub final $task
      (struct
        (field $methods (ref $methods))
        (field $scheduler (ref $scheduler))
        (field $bits (mut i32))
        (field $count (mut i32)))))
  (type $device
    (sub final $task
      (struct
        (field $methods (ref $methods))
        (field $scheduler (ref $scheduler))
        (field $pending (mut (ref null $packet))))))
  (type $worker
    (sub final $task
      (struct
        (field $methods (ref $methods))
        (field $scheduler (ref $scheduler))
        (field $next (mut i32))
        (field $count (mut i32)))))
  (type $handler
    (sub final $task
      (struct
        (field $methods (ref $methods))
        (field $scheduler (ref $scheduler))
        (field $work (mut (ref null $packet)))
        (field $devices (mut (ref null $packet)))))))

(elem declare func $idle_step $device_step $worker_step $handler_step)
(global $idle_methods (ref $methods) (struct.new $methods (ref.func $idle_step)))
(global $device_methods (ref $methods) (struct.new $methods (ref.func $device_step)))
(global $worker_methods (ref $methods) (struct.new $methods (ref.func $worker_step)))
(global $handler_methods (ref $methods) (struct.new $methods (ref.func $handler_step)))

;; Tasks: 0 idle, 1 worker, 2 and 3 handlers, 4 and 5 devices.
;; States: bit 0 has a packet, bit 1 suspended, bit 2 held.

;; ---------------------------------------------------------------------------------------------------- packets

(func $new_packet (param $link (ref null $packet)) (param $id i32) (param $work i32) (result (ref $packet))
  (struct.new $packet (local.get $link) (local.get $id) (local.get $work) (i32.const 0)
    (array.new_default $data (i32.const 4))))

;; Appends a packet to a queue; the queue.
(func $append (param $packet (ref $packet)) (param $queue (ref null $packet)) (result (ref $packet))
  (local $last (ref null $packet)) (local $next (ref null $packet))
  (struct.set $packet $link (local.get $packet) (ref.null $packet))
  (if (ref.is_null (local.get $queue)) (then (return (local.get $packet))))
  (local.set $next (local.get $queue))
  (loop $walk
    (local.set $last (local.get $next))
    (local.set $next (struct.get $packet $link (local.get $last)))
    (br_if $walk (i32.eqz (ref.is_null (local.get $next)))))
  (struct.set $packet $link (local.get $last) (local.get $packet))
  (ref.as_non_null (local.get $queue)))

;; ---------------------------------------------------------------------------------------------------- the scheduler

(func $add_task (param $s (ref $scheduler)) (param $id i32) (param $priority i32)
    (param $queue (ref null $packet)) (param $task (ref $task)) (result (ref $tcb))
  (local $tcb (ref $tcb))
  (local.set $tcb
    (struct.new $tcb (struct.get $scheduler $list (local.get $s)) (local.get $id) (local.get $priority)
      (local.get $queue)
      (select (i32.const 2) (i32.const 3) (ref.is_null (local.get $queue)))
      (local.get $task)))
  (struct.set $scheduler $list (local.get $s) (local.get $tcb))
  (array.set $blocks (struct.get $scheduler $blocks (local.get $s)) (local.get $id) (local.get $tcb))
  (local.get $tcb))

(func $schedule (param $s (ref $scheduler))
  (local $tcb (ref null $tcb)) (local $state i32)
  (struct.set $scheduler $current (local.get $s) (struct.get $scheduler $list (local.get $s)))
  (block $end
    (loop $next
      (local.set $tcb (struct.get $scheduler $current (local.get $s)))
      (br_if $end (ref.is_null (local.get $tcb)))
      (local.set $state (struct.get $tcb $state (local.get $tcb)))
      (if (i32.or (i32.and (local.get $state) (i32.const 4)) (i32.eq (local.get $state) (i32.const 2)))
        (then (struct.set $scheduler $current (local.get $s) (struct.get $tcb $link (local.get $tcb))))
        (else
          (struct.set $scheduler $current_id (local.get $s) (struct.get $tcb $id (local.get $tcb)))
          (struct.set $scheduler $current (local.get $s)
            (call $run_tcb (ref.as_non_null (local.get $tcb))))))
      (br $next))))

(func $run_tcb (param $tcb (ref $tcb)) (result (ref null $tcb))
  (local $packet (ref null $packet)) (local $task (ref $task))
  (if (i32.eq (struct.get $tcb $state (local.get $tcb)) (i32.const 3))
    (then
      (local.set $packet (struct.get $tcb $queue (local.get $tcb)))
      (struct.set $tcb $queue (local.get $tcb) (struct.get $packet $link (local.get $packet)))
      (struct.set $tcb $state (local.get $tcb)
        (i32.eqz (ref.is_null (struct.get $tcb $queue (local.get $tcb)))))))
  (local.set $task (struct.get $tcb $task (local.get $tcb)))
  (call_ref $step (local.get $task) (local.get $packet)
    (struct.get $methods $step (struct.get $task $methods (local.get $task)))))

(func $block_of (param $s (ref $scheduler)) (param $id i32) (result (ref null $tcb))
  (array.get $blocks (struct.get $scheduler $blocks (local.get $s)) (local.get $id)))

;; Lets a task run again: it, or the current one if that is more urgent.
(func $release (param $s (ref $scheduler)) (param $id i32) (result (ref null $tcb))
  (local $tcb (ref null $tcb)) (local $current (ref null $tcb))
  (local.set $tcb (call $block_of (local.get $s) (local.get $id)))
  (local.set $current (struct.get $scheduler $current (local.get $s)))
  (struct.set $tcb $state (local.get $tcb)
    (i32.and (struct.get $tcb $state (local.get $tcb)) (i32.const -5)))
  (select (result (ref null $tcb)) (local.get $tcb) (local.get $current)
    (i32.gt_s
      (struct.get $tcb $priority (local.get $tcb))
      (struct.get $tcb $priority (local.get $current)))))

(func $hold (param $s (ref $scheduler)) (result (ref null $tcb))
  (local $current (ref null $tcb))
  (local.set $current (struct.get $scheduler $current (local.get $s)))
  (struct.set $scheduler $held (local.get $s)
    (i32.add (struct.get $scheduler $held (local.get $s)) (i32.const 1)))
  (struct.set $tcb $state (local.get $current)
    (i32.or (struct.get $tcb $state (local.get $current)) (i32.const 4)))
  (struct.get $tcb $link (local.get $current)))

(func $suspend (param $s (ref $scheduler)) (result (ref null $tcb))
  (local $current (ref null $tcb))
  (local.set $current (struct.get $scheduler $current (local.get $s)))
  (struct.set $tcb $state (local.get $current)
    (i32.or (struct.get $tcb $state (local.get $current)) (i32.const 2)))
  (local.get $current))

;; Sends a packet to the task it names.
(func $send (param $s (ref $scheduler)) (param $packet (ref $packet)) (result (ref null $tcb))
  (local $to (ref null $tcb)) (local $current (ref null $tcb))
  (local.set $to (call $block_of (local.get $s) (struct.get $packet $id (local.get $packet))))
  (local.set $current (struct.get $scheduler $current (local.get $s)))
  (struct.set $scheduler $queued (local.get $s)
    (i32.add (struct.get $scheduler $queued (local.get $s)) (i32.const 1)))
  (struct.set $packet $link (local.get $packet) (ref.null $packet))
  (struct.set $packet $id (local.get $packet) (struct.get $scheduler $current_id (local.get $s)))
  (if (ref.is_null (struct.get $tcb $queue (local.get $to)))
    (then
      (struct.set $tcb $queue (local.get $to) (local.get $packet))
      (struct.set $tcb $state (local.get $to)
        (i32.or (struct.get $tcb $state (local.get $to)) (i32.const 1)))
      (if (i32.gt_s
            (struct.get $tcb $priority (local.get $to))
            (struct.get $tcb $priority (local.get $current)))
        (then (return (local.get $to)))))
    (else
      (struct.set $tcb $queue (local.get $to)
        (call $append (local.get $packet) (struct.get $tcb $queue (local.get $to))))))
  (local.get $current))

;; ---------------------------------------------------------------------------------------------------- the tasks

;; Releases one device or the other, as a shift register says, until its count is used up.
(func $idle_step (type $step) (param $task (ref $task)) (param $packet (ref null $packet)) (result (ref null $tcb))
  (local $this (ref $idle)) (local $s (ref $scheduler))
  (local.set $this (ref.cast (ref $idle) (local.get $task)))
  (local.set $s (struct.get $idle $scheduler (local.get $this)))
  (struct.set $idle $count (local.get $this)
    (i32.sub (struct.get $idle $count (local.get $this)) (i32.const 1)))
  (if (i32.eqz (struct.get $idle $count (local.get $this))) (then (return (call $hold (local.get $s)))))
  (if (i32.and (struct.get $idle $bits (local.get $this)) (i32.const 1))
    (then
      (struct.set $idle $bits (local.get $this)
        (i32.xor
          (i32.shr_u (struct.get $idle $bits (local.get $this)) (i32.const 1))
          (i32.const 0xd008)))
      (return (call $release (local.get $s) (i32.const 5)))))
  (struct.set $idle $bits (local.get $this)
    (i32.shr_u (struct.get $idle $bits (local.get $this)) (i32.const 1)))
  (call $release (local.get $s) (i32.const 4)))

(func $device_step (type $step) (param $task (ref $task)) (param $packet (ref null $packet)) (result (ref null $tcb))
  (local $this (ref $device)) (local $s (ref $scheduler)) (local $pending (ref null $packet))
  (local.set $this (ref.cast (ref $device) (local.get $task)))
  (local.set $s (struct.get $device $scheduler (local.get $this)))
  (if (i32.eqz (ref.is_null (local.get $packet)))
    (then
      (struct.set $device $pending (local.get $this) (local.get $packet))
      (return (call $hold (local.get $s)))))
  (local.set $pending (struct.get $device $pending (local.get $this)))
  (if (ref.is_null (local.get $pending)) (then (return (call $suspend (local.get $s)))))
  (struct.set $device $pending (local.get $this) (ref.null $packet))
  (call $send (local.get $s) (ref.as_non_null (local.get $pending))))

;; Fills each packet with letters and sends it to the handlers in turn.
(func $worker_step (type $step) (param $task (ref $task)) (param $packet (ref null $packet)) (result (ref null $tcb))
  (local $this (ref $worker)) (local $s (ref $scheduler)) (local $at i32) (local $count i32)
  (local.set $this (ref.cast (ref $worker) (local.get $task)))
  (local.set $s (struct.get $worker $scheduler (local.get $this)))
  (if (ref.is_null (local.get $packet)) (then (return (call $suspend (local.get $s)))))
  (struct.set $worker $next (local.get $this)
    (i32.sub (i32.const 5) (struct.get $worker $next (local.get $this))))
  (struct.set $packet $id (local.get $packet) (struct.get $worker $next (local.get $this)))
  (struct.set $packet $at (local.get $packet) (i32.const 0))
  (loop $fill
    (local.set $count (i32.add (struct.get $worker $count (local.get $this)) (i32.const 1)))
    (if (i32.gt_u (local.get $count) (i32.const 26)) (then (local.set $count (i32.const 1))))
    (struct.set $worker $count (local.get $this) (local.get $count))
    (array.set $data (struct.get $packet $data (local.get $packet)) (local.get $at) (local.get $count))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $fill (i32.lt_u (local.get $at) (i32.const 4))))
  (call $send (local.get $s) (ref.as_non_null (local.get $packet))))

;; Copies the letters of work packets, one by one, into packets for its device.
(func $handler_step (type $step) (param $task (ref $task)) (param $packet (ref null $packet)) (result (ref null $tcb))
  (local $this (ref $handler)) (local $s (ref $scheduler))
  (local $work (ref null $packet)) (local $device (ref null $packet)) (local $at i32)
  (local.set $this (ref.cast (ref $handler) (local.get $task)))
  (local.set $s (struct.get $handler $scheduler (local.get $this)))
  (if (i32.eqz (ref.is_null (local.get $packet)))
    (then
      (if (struct.get $packet $work (local.get $packet))
        (then
          (struct.set $handler $work (local.get $this)
            (call $append (ref.as_non_null (local.get $packet)) (struct.get $handler $work (local.get $this)))))
        (else
          (struct.set $handler $devices (local.get $this)
            (call $append (ref.as_non_null (local.get $packet)) (struct.get $handler $devices (local.get $this))))))))
  (local.set $work (struct.get $handler $work (local.get $this)))
  (if (ref.is_null (local.get $work)) (then (return (call $suspend (local.get $s)))))
  (local.set $at (struct.get $packet $at (local.get $work)))
  (if (i32.ge_u (local.get $at) (i32.const 4))
    (then
      (struct.set $handler $work (local.get $this) (struct.get $packet $link (local.get $work)))
      (return (call $send (local.get $s) (ref.as_non_null (local.get $work))))))
  (local.set $device (struct.get $handler $devices (local.get $this)))
  (if (ref.is_null (local.get $device)) (then (return (call $suspend (local.get $s)))))
  (struct.set $handler $devices (local.get $this) (struct.get $packet $link (local.get $device)))
  (struct.set $packet $at (local.get $device)
    (array.get $data (struct.get $packet $data (local.get $work)) (local.get $at)))
  (struct.set $packet $at (local.get $work) (i32.add (local.get $at) (i32.const 1)))
  (call $send (local.get $s) (ref.as_non_null (local.get $device))))

;; ---------------------------------------------------------------------------------------------------- the simulation

(func $three_packets (param $id i32) (result (ref $packet))
  (call $new_packet
    (call $new_packet
      (call $new_packet (ref.null $packet) (local.get $id) (i32.const 0))
      (local.get $id) (i32.const 0))
    (local.get $id) (i32.const 0)))

(func $round (result i64)
  (local $s (ref $scheduler))
  (local.set $s
    (struct.new $scheduler (i32.const 0) (i32.const 0) (array.new_default $blocks (i32.const 6))
      (ref.null $tcb) (ref.null $tcb) (i32.const 0)))
  (struct.set $tcb $state
    (call $add_task (local.get $s) (i32.const 0) (i32.const 0) (ref.null $packet)
      (struct.new $idle (global.get $idle_methods) (local.get $s) (i32.const 1) (i32.const 10000)))
    (i32.const 0))
  (drop (call $add_task (local.get $s) (i32.const 1) (i32.const 1000)
    (call $new_packet
      (call $new_packet (ref.null $packet) (i32.const 1) (i32.const 1))
      (i32.const 1) (i32.const 1))
    (struct.new $worker (global.get $worker_methods) (local.get $s) (i32.const 2) (i32.const 0))))
  (drop (call $add_task (local.get $s) (i32.const 2) (i32.const 2000) (call $three_packets (i32.const 4))
    (struct.new $handler (global.get $handler_methods) (local.get $s) (ref.null $packet) (ref.null $packet))))
  (drop (call $add_task (local.get $s) (i32.const 3) (i32.const 3000) (call $three_packets (i32.const 5))
    (struct.new $handler (global.get $handler_methods) (local.get $s) (ref.null $packet) (ref.null $packet))))
  (drop (call $add_task (local.get $s) (i32.const 4) (i32.const 4000) (ref.null $packet)
    (struct.new $device (global.get $device_methods) (local.get $s) (ref.null $packet))))
  (drop (call $add_task (local.get $s) (i32.const 5) (i32.const 5000) (ref.null $packet)
    (struct.new $device (global.get $device_methods) (local.get $s) (ref.null $packet))))
  (call $schedule (local.get $s))
  ;; The known result of this simulation.
  (if (i32.ne (struct.get $scheduler $queued (local.get $s)) (i32.const 23246)) (then (unreachable)))
  (if (i32.ne (struct.get $scheduler $held (local.get $s)) (i32.const 9297)) (then (unreachable)))
  (i64.extend_i32_u (struct.get $scheduler $queued (local.get $s))))

(func $run (export "run") (param $n i32) (result i64)
  (local $sum i64)
  (loop $rounds
    (local.set $sum (call $mix (local.get $sum) (call $round)))
    (br_if $rounds (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
  (local.get $sum))
