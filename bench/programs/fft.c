// A radix-2 fast Fourier transform, forward and back, on interleaved f64 pairs with a table of roots: strided access, f64 arithmetic.
#include "bench.h"
#include <math.h>

static const uint32_t default_rounds = 1000;

enum { N = 16384 };

struct complex {
    double re, im;
};

static struct complex data[N], roots[N / 2];

static void permute(void) {
    for (uint32_t i = 1, j = 0; i < N; i++) {
        uint32_t bit = N >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) {
            struct complex t = data[i];
            data[i] = data[j];
            data[j] = t;
        }
    }
}

static void transform(double direction) {
    permute();
    for (uint32_t length = 2; length <= N; length *= 2) {
        uint32_t half = length / 2, stride = N / length;
        for (uint32_t start = 0; start < N; start += length) {
            for (uint32_t k = 0; k < half; k++) {
                struct complex w = roots[k * stride], *a = &data[start + k], *b = a + half;
                double wi = w.im * direction;
                double re = b->re * w.re - b->im * wi, im = b->re * wi + b->im * w.re;
                b->re = a->re - re;
                b->im = a->im - im;
                a->re += re;
                a->im += im;
            }
        }
    }
}

// The roots of unity by repeated half-angle-exact rotation in quarters, without the C library's sine (its last bits differ between libraries).
static void make_roots(void) {
    struct complex step[20];
    double c = -1.0;
    for (int bit = 0; (1 << bit) < N; bit++) {
        // step[bit] is the root of order 2^(bit + 1): half the angle of the one before.
        step[bit].re = c;
        step[bit].im = sqrt((1.0 - c) * (1.0 + c));
        c = sqrt((1.0 + c) / 2.0);
    }
    for (int k = 0; k < N / 2; k++) {
        struct complex w = {1.0, 0.0};
        for (int bit = 0; (1 << bit) < N; bit++) {
            // k / N = sum of k_j 2^j / N; bit j of k contributes the root of order N / 2^j.
            int order_bit = 13 - bit;
            if (!(k >> bit & 1)) continue;
            struct complex s = step[order_bit];
            w = (struct complex){w.re * s.re - w.im * s.im, w.re * s.im + w.im * s.re};
        }
        roots[k] = w;
    }
}

static uint64_t run(uint32_t n) {
    uint64_t seed = 41, sum = 0;
    make_roots();
    for (int i = 0; i < N; i++) data[i] = (struct complex){(double)(next_random(&seed) >> 54), 0.0};
    double before = data[77].re;
    for (uint32_t round = 0; round < n; round++) {
        transform(-1.0);
        sum = mix(sum, bits_of(data[round % N].re));
        transform(1.0);
        for (int i = 0; i < N; i++) data[i].re *= 1.0 / N, data[i].im *= 1.0 / N;
    }
    if (fabs(data[77].re - before) > 1e-6) _Exit(3);
    return mix(sum, bits_of(data[1234].re));
}
