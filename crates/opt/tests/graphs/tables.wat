;;! inline
;; Calls through a table that nobody can change.
(module
  (type $t (func (param i32) (result i32)))
  (type $other (func (param i64)))
  (table 4 4 funcref)
  (elem (i32.const 0) $double $next $long)
  (func $double (type $t) (i32.mul (local.get 0) (i32.const 2)))
  (func $next (type $t) (i32.add (local.get 0) (i32.const 1)))
  (func $long (type $other) (drop (i64.load (i32.const 0))))
  (memory 1)
  ;; A constant index.
  (func (param i32) (result i32) (call_indirect (type $t) (local.get 0) (i32.const 1)))
  ;; Null, out of bounds, of another type: these trap.
  (func (param i32) (result i32) (call_indirect (type $t) (local.get 0) (i32.const 3)))
  (func (param i32) (result i32) (call_indirect (type $t) (local.get 0) (i32.const 4)))
  (func (param i32) (result i32) (call_indirect (type $t) (local.get 0) (i32.const 2)))
  ;; One of two functions.
  (func (param i32 i32) (result i32) (call_indirect (type $t) (local.get 0) (local.get 1))))
