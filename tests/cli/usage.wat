;; $ sterna
;; Run, compile and examine WebAssembly
;;
;; Usage: sterna <COMMAND>
;;
;; Commands:
;;   run         Run a program, or call one function of a module
;;   profile     Run a program and show where it spends its time
;;   compile     Compile a module ahead of time
;;   validate    Check whether modules are valid
;;   inspect     Show sections, imports, exports, features and sizes of a module
;;   wat         Assemble the text format into the binary format
;;   print       Print a module in the text format
;;   wast        Run test scripts
;;   cache       Look at the code that `sterna run` keeps between runs, or remove it
;;   completion  Print a completion script for a shell
;;
;; Options:
;;   -h, --help     Print help
;;   -V, --version  Print version
;;
;; Exit codes:
;;   the guest's  when the program exits by itself
;;   1            an error of sterna: unreadable file, invalid module, missing import
;;   2            the command line could not be understood
;;   124          --timeout ran out
;;   134          the program trapped (128 + 6, like a native program that aborts)
;;
;; Each command explains itself: sterna run --help
;; exit 2
;; $ sterna prnt x
;; error: unrecognized subcommand 'prnt'
;;
;;   tip: some similar subcommands exist: 'run', 'print'
;;
;; Usage: sterna <COMMAND>
;;
;; For more information, try '--help'.
;; exit 2
;; $ sterna print
;; error: the following required arguments were not provided:
;;   <FILE>
;;
;; Usage: sterna print <FILE>
;;
;; For more information, try '--help'.
;; exit 2
;; $ sterna print --version
;; error: unexpected argument '--version' found
;;
;;   tip: to pass '--version' as a value, use '-- --version'
;;
;; Usage: sterna print [OPTIONS] <FILE>
;;
;; For more information, try '--help'.
;; exit 2
(module)
