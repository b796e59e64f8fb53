// The smallest useful program: one line through the C library's buffered output. Used by the start-up suite, also with 17 MiB of memory.
#include <stdio.h>

int main(void) {
    puts("Hello, world!");
    return 0;
}
