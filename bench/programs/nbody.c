// Gravity between five bodies, integrated step by step: f64 arithmetic with square roots and divisions, all data in registers or one cache line set.
#include "bench.h"
#include <math.h>

static const uint32_t default_rounds = 9000000;

struct body {
    double x, y, z, vx, vy, vz, mass;
};

enum { BODIES = 5 };

// A made-up planetary system in astronomical units, years and solar masses times 4 pi^2.
static struct body system_of_five[BODIES] = {
    {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 39.47841760435743},
    {4.9, -1.1, -0.10, 0.60, 2.70, -0.02, 0.0376},
    {8.2, 4.3, -0.42, -1.05, 1.78, 0.01, 0.0113},
    {12.7, -15.0, -0.21, 1.08, 0.86, -0.01, 0.0017},
    {15.2, -25.8, 0.19, 0.97, 0.58, -0.03, 0.0020},
};

static void advance(struct body *bodies, double dt) {
    for (int i = 0; i < BODIES; i++) {
        struct body *p = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            struct body *q = &bodies[j];
            double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
            double square = dx * dx + dy * dy + dz * dz;
            double force = dt / (square * sqrt(square));
            p->vx -= dx * q->mass * force;
            p->vy -= dy * q->mass * force;
            p->vz -= dz * q->mass * force;
            q->vx += dx * p->mass * force;
            q->vy += dy * p->mass * force;
            q->vz += dz * p->mass * force;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        struct body *p = &bodies[i];
        p->x += dt * p->vx;
        p->y += dt * p->vy;
        p->z += dt * p->vz;
    }
}

static double energy(const struct body *bodies) {
    double e = 0.0;
    for (int i = 0; i < BODIES; i++) {
        const struct body *p = &bodies[i];
        e += 0.5 * p->mass * (p->vx * p->vx + p->vy * p->vy + p->vz * p->vz);
        for (int j = i + 1; j < BODIES; j++) {
            const struct body *q = &bodies[j];
            double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
            e -= p->mass * q->mass / sqrt(dx * dx + dy * dy + dz * dz);
        }
    }
    return e;
}

static uint64_t run(uint32_t n) {
    uint64_t sum = mix(0, bits_of(energy(system_of_five)));
    for (uint32_t i = 0; i < n; i++) advance(system_of_five, 0.001);
    for (int i = 0; i < BODIES; i++) sum = mix(sum, bits_of(system_of_five[i].x));
    return mix(sum, bits_of(energy(system_of_five)));
}
