;; Two of three assertions hold; script.wat shows what is said about the third.
(module (func (export "two") (result i32) i32.const 2))
(assert_return (invoke "two") (i32.const 2))
(assert_return (invoke "two") (i32.const 3))
(assert_trap (module (func $f unreachable) (start $f)) "unreachable")
