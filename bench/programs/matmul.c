// Dense f64 matrix multiplication in the plain i-k-j order: loads, multiply-add, one store per step of the inner loop.
#include "bench.h"

static const uint32_t default_rounds = 110;

enum { N = 240 };

static double a[N][N], b[N][N], c[N][N];

static void multiply(void) {
    memset(c, 0, sizeof c);
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < N; k++) {
            double x = a[i][k];
            for (int j = 0; j < N; j++) c[i][j] += x * b[k][j];
        }
    }
}

static uint64_t run(uint32_t n) {
    uint64_t sum = 0;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = (double)((i * 31 + j * 17) % 101) / 101.0;
            b[i][j] = (double)((i * 13 + j * 29) % 97) / 97.0 - 0.5;
        }
    }
    for (uint32_t round = 0; round < n; round++) {
        multiply();
        for (int i = 0; i < N; i++) sum = mix(sum, bits_of(c[i][(i * 7) % N]));
        // The next round multiplies by a scaled result, so that no round repeats the one before.
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++) a[i][j] = a[i][j] * 0.75 + c[i][j] * 0.001;
        }
    }
    return sum;
}
