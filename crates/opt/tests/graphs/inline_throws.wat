;;! inline
(module
  (tag $t (param i32))
  (import "" "h" (func $h (param i32) (result i32)))
  ;; A call in a callee lands in the handler of the caller; locals of the callee do not get there.
  (func $caller (param i32) (local i32)
    (local.set 1 (call $h (local.get 0)))
    (if (local.get 1) (then (drop (call $h (local.get 1))))))
  (func (export "caught") (param i32) (result i32)
    (block $b (result i32)
      (try_table (catch $t $b)
        (local.set 0 (i32.add (local.get 0) (i32.const 1)))
        (call $caller (local.get 0)))
      (local.get 0)))
  ;; What throws stays a call in a try.
  (func $thrower (param i32) (throw $t (local.get 0)))
  (func (export "thrown") (param i32) (result i32)
    (block $b (result i32)
      (try_table (catch $t $b) (call $thrower (local.get 0)))
      (local.get 0)))
  (func (export "throws") (param i32) (call $thrower (local.get 0)))
  ;; What the callee catches does not reach the caller's handler.
  (func $catcher (param i32) (result i32)
    (block $b (result i32)
      (try_table (result i32) (catch $t $b) (call $h (local.get 0)))))
  (func (export "inner") (param i32) (result i32)
    (block $b (try_table (catch_all $b) (return (call $catcher (local.get 0)))))
    (i32.const -1)))
