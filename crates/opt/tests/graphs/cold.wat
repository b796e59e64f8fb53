;; Blocks that end in `unreachable`, those that only lead to them or are only reached from them, and hinted branches.
(module
  (import "env" "fail" (func $fail (param i32)))
  (func $checked (param i32) (result i32)
    (if (i32.gt_u (local.get 0) (i32.const 9))
      (then
        (if (i32.eq (local.get 0) (i32.const 10))
          (then (call $fail (i32.const 1)))
          (else (call $fail (i32.const 2))))
        (unreachable)))
    (i32.add (local.get 0) (i32.const 1)))
  (func $hinted (param i32) (result i32)
    (block $rare
      (@metadata.code.branch_hint "\00") (br_if $rare (local.get 0))
      (@metadata.code.branch_hint "\01")
      (if (i32.const 1) (then))
      (return (i32.const 7)))
    (call $fail (i32.const 3))
    (i32.const 8))
  (func $likely (param i32) (result i32)
    (@metadata.code.branch_hint "\01")
    (if (result i32) (local.get 0)
      (then (i32.const 1))
      (else (call $fail (i32.const 4)) (i32.const 2))))
  (func $loop (param i32)
    (loop
      (call $fail (local.get 0))
      (@metadata.code.branch_hint "\00") (br_if 0 (local.get 0)))))
