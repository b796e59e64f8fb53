;;! explicit
;; With explicit checks: one comparison per access against the length, traps are calls off the path.
(module (memory 1)
  (func (param i32) (result i32) (i32.load offset=8 (local.get 0))))
