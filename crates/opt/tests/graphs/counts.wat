;;! inline counts=1000,1000,1000,1000/0,0,1000,50000/1000,50000/49000,1,5000/1,5000/0,5000/2,2,0
(module
  (import "" "h" (func $h (param i32)))
  ;; Too large to be inlined where it hardly ever ran.
  (func $small (param i32) (result i32)
    (call $h (i32.add (local.get 0) (i32.const 1)))
    (i32.xor (i32.const 300000)
      (i32.mul (i32.add (local.get 0) (i32.const 100000)) (i32.add (local.get 0) (i32.const 200000)))))
  ;; The first half never ran. The loop was left each time, so the code behind it is not unlikely.
  (func (export "often") (param i32) (result i32)
    (if (local.get 0)
      (then (drop (call $small (local.get 0))))
      (else (local.set 0 (call $small (local.get 0)))))
    (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 0))
  ;; Entered once, and still in the loop: nothing is known of what comes behind it, but the second half of the branch in it is unlikely.
  (func (export "once") (param i32)
    (block $out
      (loop $l
        (br_if $out (i32.eqz (local.get 0)))
        (if (i32.and (local.get 0) (i32.const 64)) (then (call $h (local.get 0))))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br $l)))
    (drop (call $small (local.get 0)))))
