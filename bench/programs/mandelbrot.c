// The Mandelbrot set's escape counts: a tight f64 loop with a data-dependent exit, no memory traffic.
#include "bench.h"

static const uint32_t default_rounds = 16;

enum { WIDTH = 320, HEIGHT = 240, LIMIT = 200 };

static uint32_t escape(double cr, double ci) {
    double r = 0.0, i = 0.0, rr = 0.0, ii = 0.0;
    uint32_t count = 0;
    while (count < LIMIT && rr + ii <= 4.0) {
        i = 2.0 * r * i + ci;
        r = rr - ii + cr;
        rr = r * r;
        ii = i * i;
        count++;
    }
    return count;
}

static uint64_t run(uint32_t n) {
    uint64_t sum = 0;
    double span = 3.0;
    for (uint32_t round = 0; round < n; round++) {
        for (int y = 0; y < HEIGHT; y++) {
            uint32_t row = 0;
            for (int x = 0; x < WIDTH; x++) {
                double cr = -0.745 + span * ((double)x / WIDTH - 0.5);
                double ci = 0.11 + span * 0.75 * ((double)y / HEIGHT - 0.5);
                row = row * 31 + escape(cr, ci);
            }
            sum = mix(sum, row);
        }
        span *= 0.7;
    }
    return sum;
}
