// Stands in for <setjmp.h>, which this target's C library refuses without the exceptions proposal: an error ends the program.
#define LUAI_THROW(L, c) abort()
#define LUAI_TRY(L, c, a) { a }
#define luai_jmpbuf int
