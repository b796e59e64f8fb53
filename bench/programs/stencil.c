// A 2-D heat equation (five-point f64 stencil) and a game of life on bytes: regular loops over memory, what a vectorizing native
// compiler does best and scalar Wasm cannot.
#include "bench.h"

static const uint32_t default_rounds = 1400;

enum { N = 256 };

static double heat[2][N][N];
static uint8_t cells[2][N][N];

static void diffuse(const double from[N][N], double to[N][N]) {
    for (int y = 1; y < N - 1; y++) {
        for (int x = 1; x < N - 1; x++) {
            double around = from[y - 1][x] + from[y + 1][x] + from[y][x - 1] + from[y][x + 1];
            to[y][x] = from[y][x] + 0.1 * (around - 4.0 * from[y][x]);
        }
    }
}

static uint32_t live(const uint8_t from[N][N], uint8_t to[N][N]) {
    uint32_t alive = 0;
    for (int y = 1; y < N - 1; y++) {
        for (int x = 1; x < N - 1; x++) {
            int near = from[y - 1][x - 1] + from[y - 1][x] + from[y - 1][x + 1] + from[y][x - 1] + from[y][x + 1] + from[y + 1][x - 1] +
                       from[y + 1][x] + from[y + 1][x + 1];
            uint8_t cell = near == 3 || (near == 2 && from[y][x]);
            to[y][x] = cell;
            alive += cell;
        }
    }
    return alive;
}

static uint64_t run(uint32_t n) {
    uint64_t seed = 31, sum = 0;
    for (int y = 0; y < N; y++) {
        for (int x = 0; x < N; x++) {
            heat[0][y][x] = heat[1][y][x] = (double)(next_random(&seed) >> 52);
            cells[0][y][x] = cells[1][y][x] = y > 0 && y < N - 1 && x > 0 && x < N - 1 && next_random(&seed) >> 62 == 0;
        }
    }
    for (uint32_t round = 0; round < n; round++) {
        diffuse(heat[round & 1], heat[~round & 1]);
        sum = mix(sum, live(cells[round & 1], cells[~round & 1]));
    }
    for (int y = 0; y < N; y++) sum = mix(sum, bits_of(heat[n & 1][y][(y * 31) % N]));
    return sum;
}
