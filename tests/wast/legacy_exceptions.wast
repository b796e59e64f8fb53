;; The form of exception handling before WebAssembly 3.0: try, catch, catch_all, rethrow, delegate.

(module
  (tag $e (param i32))
  (tag $f (param i64 f64))
  (tag $n)
  (global $seen (mut i32) (i32.const 0))

  (func $throw (param i32)
    (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $e (i32.const 41))))
    (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $f (i64.const 7) (f64.const 0.5))))
    (if (i32.eq (local.get 0) (i32.const 3)) (then (throw $n))))

  (func (export "which") (param i32) (result i32)
    try (result i32)
      local.get 0
      call $throw
      i32.const 100
    catch $e
      i32.const 1
      i32.add
    catch $f
      f64.const 2
      f64.mul
      i32.trunc_f64_s
      i32.const 1000
      i32.mul
      local.set 0
      i32.wrap_i64
      local.get 0
      i32.add
    catch_all
      i32.const 3
    end)

  ;; Operands below the try stay, and its results come above them.
  (func (export "operands") (param i32) (result i32)
    i32.const 10000
    local.get 0
    try (param i32) (result i32 i32)
      call $throw
      i32.const 1
      i32.const 2
    catch $e
      i32.const 5
    end
    i32.add
    i32.add)

  ;; A rethrown exception keeps its payload, also when others are thrown meanwhile.
  (func (export "rethrow") (result i32)
    try (result i32)
      try (result i32)
        i32.const 1
        call $throw
        i32.const 0
      catch_all
        try
          (throw $e (i32.const 1))
        catch $e
          global.set $seen
        end
        rethrow 0
      end
    catch $e
      i32.const 100
      i32.add
    end)

  ;; A rethrow of an outer catch from within an inner one.
  (func (export "rethrow-outer") (result i32)
    try (result i32)
      try (result i32)
        (throw $e (i32.const 1))
      catch $e
        drop
        try (result i32)
          (throw $e (i32.const 2))
        catch $e
          drop
          rethrow 1
        end
      end
    catch $e
    end)

  ;; Delegation skips the handlers between.
  (func (export "delegate") (result i32)
    try $outer (result i32)
      try (result i32)
        try (result i32)
          i32.const 1
          call $throw
          i32.const 0
        delegate $outer
      catch_all
        i32.const 1
      end
    catch $e
      i32.const 1
      i32.add
    end)

  (func $to-caller (result i32)
    try (result i32)
      try (result i32)
        i32.const 3
        call $throw
        i32.const 0
      delegate 1
    catch_all
      i32.const 1
    end)
  (func (export "delegate-to-caller") (result i32)
    try (result i32)
      call $to-caller
    catch $n
      i32.const 77
    end)
  (func (export "uncaught") (result i32) (call $to-caller))

  ;; Locals have the values of the moment of the throw.
  (func (export "locals") (param i32) (result i32)
    (local i32)
    (local.set 1 (i32.const 1))
    try
      (local.set 1 (i32.const 2))
      (call $throw (local.get 0))
      (local.set 1 (i32.const 3))
      (call $throw (local.get 0))
      (local.set 1 (i32.const 4))
    catch_all
      (local.set 1 (i32.add (local.get 1) (i32.const 10)))
    end
    local.get 1)

  ;; Branches and returns out of all parts.
  (func (export "branch") (param i32) (result i32)
    block (result i32)
      try (result i32)
        local.get 0
        call $throw
        i32.const 5
        br 1
      catch $e
        br 1
      catch $n
        i32.const 9
        return
      catch_all
        i32.const 6
      end
      i32.const 100
      i32.add
    end)

  ;; A catch whose body throws is not its own handler.
  (func (export "throw-in-catch") (result i32)
    try (result i32)
      try (result i32)
        (throw $e (i32.const 1))
      catch $e
        drop
        (throw $e (i32.const 8))
      end
    catch $e
      i32.const 1
      i32.add
    end)

  ;; Unreachable parts.
  (func (export "dead") (result i32)
    try (result i32)
      unreachable
    catch $e
      try (result i32)
        unreachable
      catch_all
        i32.const 1
      end
      drop
    end)

  (func (export "empty") (result i32)
    try
    end
    try
      nop
    delegate 0
    i32.const 1)

  (func $f-in-loop (param i32)
    local.get 0
    i32.const 3
    i32.rem_u
    if
      (throw $e (local.get 0))
    end)
  (func (export "loop") (result i32)
    (local i32 i32)
    loop
      try
        local.get 0
        call $f-in-loop
      catch $e
        local.get 1
        i32.add
        local.set 1
      end
      local.get 0
      i32.const 1
      i32.add
      local.tee 0
      i32.const 100
      i32.lt_u
      br_if 0
    end
    local.get 1)
)

(assert_return (invoke "which" (i32.const 0)) (i32.const 100))
(assert_return (invoke "which" (i32.const 1)) (i32.const 42))
(assert_return (invoke "which" (i32.const 2)) (i32.const 1007))
(assert_return (invoke "which" (i32.const 3)) (i32.const 3))
(assert_return (invoke "operands" (i32.const 0)) (i32.const 10003))
(assert_return (invoke "operands" (i32.const 1)) (i32.const 10046))
(assert_exception (invoke "operands" (i32.const 3)))
(assert_return (invoke "rethrow") (i32.const 141))
(assert_return (invoke "rethrow-outer") (i32.const 1))
(assert_return (invoke "delegate") (i32.const 42))
(assert_return (invoke "delegate-to-caller") (i32.const 77))
(assert_exception (invoke "uncaught"))
(assert_return (invoke "locals" (i32.const 0)) (i32.const 4))
(assert_return (invoke "locals" (i32.const 1)) (i32.const 12))
(assert_return (invoke "branch" (i32.const 0)) (i32.const 5))
(assert_return (invoke "branch" (i32.const 1)) (i32.const 41))
(assert_return (invoke "branch" (i32.const 2)) (i32.const 106))
(assert_return (invoke "branch" (i32.const 3)) (i32.const 9))
(assert_return (invoke "throw-in-catch") (i32.const 9))
(assert_trap (invoke "dead") "unreachable")
(assert_return (invoke "empty") (i32.const 1))
(assert_return (invoke "loop") (i32.const 3267))
