;; The alignment of an access may have more bytes than it needs, as any number.
;; () -> i32: i32.const 0, i32.load align=2 (in two bytes) offset=1; the offset is a `nop` if it is taken for an operator.
(module binary
  "\00asm" "\01\00\00\00"
  "\01\05\01\60\00\01\7f"
  "\03\02\01\00"
  "\05\03\01\00\01"
  "\07\05\01\01f\00\00"
  "\0a\0a\01\08\00\41\00\28\82\00\01\0b"
  "\0b\0a\01\00\41\01\0b\04\78\56\34\12"
)
(assert_return (invoke "f") (i32.const 0x12345678))
