// 128-bit vector kernels through the compiler's portable vector types: an f32x4 stencil, an i8x16 threshold and count, an i32x4 dot
// product, a byte shuffle. Built with -msimd128; the native counterpart compiles from the same text.
#include "bench.h"

static const uint32_t default_rounds = 45000;

typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef int8_t i8x16 __attribute__((vector_size(16)));

enum { FLOATS = 16384, BYTES = 65536, WORDS = 16384 };

static f32x4 field[2][FLOATS / 4 + 2];
static u8x16 image[BYTES / 16];
static i32x4 va[WORDS / 4], vb[WORDS / 4];

static void stencil(const f32x4 *from, f32x4 *to) {
    const f32x4 quarter = {0.25f, 0.25f, 0.25f, 0.25f}, half = quarter + quarter;
    for (int i = 1; i <= FLOATS / 4; i++) to[i] = (from[i - 1] + from[i + 1]) * quarter + from[i] * half;
}

static uint32_t count_over(uint8_t limit) {
    u8x16 limits = {0};
    uint32_t total = 0;
    limits = limits + limit;
    for (int block = 0; block < BYTES / 16; block += 128) {
        u8x16 counts = {0};
        for (int i = 0; i < 128; i++) counts -= (u8x16)(image[block + i] > limits);
        for (int lane = 0; lane < 16; lane++) total += counts[lane];
    }
    return total;
}

static int32_t dot(void) {
    i32x4 sum = {0}, other = {0};
    for (int i = 0; i < WORDS / 4; i += 2) {
        sum += va[i] * vb[i];
        other += (va[i + 1] ^ vb[i + 1]) >> 3;
    }
    sum += other;
    return sum[0] + sum[1] + sum[2] + sum[3];
}

static void shuffle(uint8_t add) {
    for (int i = 0; i < BYTES / 16; i++) {
        u8x16 v = image[i];
        v = __builtin_shufflevector(v, v, 5, 4, 7, 6, 1, 0, 3, 2, 13, 12, 15, 14, 9, 8, 11, 10);
        image[i] = (v << 1 | v >> 7) + add;
    }
}

static uint64_t run(uint32_t n) {
    uint64_t seed = 3, sum = 0;
    for (int i = 0; i < FLOATS / 4 + 2; i++)
        for (int lane = 0; lane < 4; lane++) field[0][i][lane] = (float)(next_random(&seed) >> 40) / 65536.0f;
    for (int i = 0; i < BYTES / 16; i++)
        for (int lane = 0; lane < 16; lane++) image[i][lane] = (uint8_t)(next_random(&seed) >> 50);
    for (int i = 0; i < WORDS / 4; i++) {
        for (int lane = 0; lane < 4; lane++) {
            va[i][lane] = (int32_t)(next_random(&seed) >> 40);
            vb[i][lane] = (int32_t)(next_random(&seed) >> 44);
        }
    }
    for (uint32_t round = 0; round < n; round++) {
        stencil(field[round & 1], field[~round & 1]);
        shuffle((uint8_t)round);
        va[round % (WORDS / 4)] += (int32_t)round;
        sum = mix(sum, count_over((uint8_t)(round * 5)));
        sum = mix(sum, (uint32_t)dot());
    }
    for (int i = 1; i <= FLOATS / 4; i++) sum = mix(sum, bits_of(field[n & 1][i][i & 3]));
    return sum;
}
