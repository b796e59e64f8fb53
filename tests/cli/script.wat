;; $ sterna wast script.wast
;; FAILED script.wast:4:2: expected [i32 3 (0x3)], got [i32 2 (0x2)]
;; 3 passed, 1 failed in 1 file
;; exit 1
;; $ sterna wast --tier opt script.wast
;; FAILED script.wast:4:2: expected [i32 3 (0x3)], got [i32 2 (0x2)]
;; 3 passed, 1 failed in 1 file
;; exit 1
;; $ sterna wast nowhere.wast
;; error: cannot read nowhere.wast: no such file or directory
;; exit 1
;; $ sterna wast ../programs
;; error: no .wast file in the given folders
;; exit 1
(module)
