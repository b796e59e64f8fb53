// Direct recursion: Fibonacci, Ackermann and Takeuchi. The cost of a call and a return, and little else.
#include "bench.h"

static const uint32_t default_rounds = 420;

__attribute__((noinline)) static uint32_t fib(uint32_t n) {
    if (n < 2) return n;
    uint32_t a = fib(n - 1), b = fib(n - 2);
    __asm__ volatile("" : "+r"(b)); // keeps both calls: the second one must not become a loop
    return a + b;
}

__attribute__((noinline)) static uint32_t ackermann(uint32_t m, uint32_t n) {
    if (m == 0) return n + 1;
    if (n == 0) return ackermann(m - 1, 1);
    return ackermann(m - 1, ackermann(m, n - 1));
}

__attribute__((noinline)) static int32_t tak(int32_t x, int32_t y, int32_t z) {
    if (y >= x) return z;
    return tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

static uint64_t run(uint32_t n) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum = mix(sum, fib(26 + (i & 1)));
        for (uint32_t k = 0; k < 4; k++) sum = mix(sum, ackermann(2, 150 + k));
        sum = mix(sum, (uint64_t)tak(18, 12, 6 + (int32_t)(i & 1)));
    }
    return sum;
}
