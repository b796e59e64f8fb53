// How a program ends, and what it was given: arguments, environment, input, both outputs, an exit code.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) printf("argument %d: [%s]\n", i, argv[i]);
    const char *home = getenv("STERNA_TEST");
    printf("STERNA_TEST: %s\n", home ? home : "(unset)");
    int lines = 0, bytes = 0;
    for (int c; (c = getchar()) != EOF; bytes++) lines += c == '\n';
    printf("input: %d lines, %d bytes\n", lines, bytes);
    fprintf(stderr, "this goes to the error output\n");
    exit(42);
}
