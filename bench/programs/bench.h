// The frame of every benchmark program: iteration count from argv[1], checksum on standard output, elapsed time on standard error.
// It holds no workload and uses no printf, so that a program's .wasm is the workload and little else.
#ifndef STERNA_BENCH_H
#define STERNA_BENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// Each program defines these two. `run` does `n` rounds of the workload and returns a checksum of everything it computed.
static uint64_t run(uint32_t n);
static const uint32_t default_rounds;

// One step of a 64-bit mixing checksum (order matters).
static inline uint64_t mix(uint64_t sum, uint64_t value) {
    sum ^= value + 0x9e3779b97f4a7c15ull + (sum << 6) + (sum >> 2);
    return sum * 0xff51afd7ed558ccdull;
}

// The bits of a double, for checksums of floating-point results. Every NaN counts as the same one.
static inline uint64_t bits_of(double x) {
    uint64_t b;
    if (x != x) return 0x7ff8000000000000ull;
    memcpy(&b, &x, sizeof b);
    return b;
}

// A small generator of pseudo-random numbers (xorshift64*), seeded per program so that runs repeat exactly.
static inline uint64_t next_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dull;
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

// Writes "name: value\n" with the value in base 10 or 16.
static void report(int fd, const char *name, uint64_t value, unsigned base) {
    char line[96];
    char digits[24];
    size_t length = strlen(name), count = 0;
    memcpy(line, name, length);
    line[length++] = ':';
    line[length++] = ' ';
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count > 0) line[length++] = digits[--count];
    line[length++] = '\n';
    if (write(fd, line, length) < 0) _Exit(2);
}

int main(int argc, char **argv) {
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : default_rounds;
    uint64_t start = now_ns();
    uint64_t sum = run(rounds);
    uint64_t end = now_ns();
    report(1, "checksum", sum, 16);
    report(2, "time_ns", end - start, 10);
    return 0;
}

#endif
