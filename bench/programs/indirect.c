// Indirect calls everywhere: expression trees evaluated through function pointers, and an event loop whose handlers install
// each other. One call_indirect per few instructions, with many targets per call site.
#include "bench.h"

static const uint32_t default_rounds = 16000;

struct expression;
typedef int32_t (*evaluate)(const struct expression *, int32_t);

struct expression {
    evaluate eval;
    const struct expression *left, *right;
    int32_t constant;
};

#define EVAL(e, x) ((e)->eval((e), (x)))

static int32_t eval_constant(const struct expression *e, int32_t x) { return (void)x, e->constant; }
static int32_t eval_variable(const struct expression *e, int32_t x) { return (void)e, x; }
static int32_t eval_add(const struct expression *e, int32_t x) { return (int32_t)((uint32_t)EVAL(e->left, x) + (uint32_t)EVAL(e->right, x)); }
static int32_t eval_sub(const struct expression *e, int32_t x) { return (int32_t)((uint32_t)EVAL(e->left, x) - (uint32_t)EVAL(e->right, x)); }
static int32_t eval_mul(const struct expression *e, int32_t x) { return (int32_t)((uint32_t)EVAL(e->left, x) * (uint32_t)EVAL(e->right, x)); }
static int32_t eval_xor(const struct expression *e, int32_t x) { return EVAL(e->left, x) ^ EVAL(e->right, x); }
static int32_t eval_less(const struct expression *e, int32_t x) { return EVAL(e->left, x) < EVAL(e->right, x); }
static int32_t eval_select(const struct expression *e, int32_t x) { return EVAL(e->left, x) & 1 ? EVAL(e->right, x) : e->constant; }
static int32_t eval_let(const struct expression *e, int32_t x) { return EVAL(e->right, EVAL(e->left, x)); }

static const evaluate inner_nodes[] = {eval_add, eval_sub, eval_mul, eval_xor, eval_less, eval_select, eval_let};

enum { NODES = 4096 };
static struct expression nodes[NODES];
static int used;

static const struct expression *grow(uint64_t *seed, int depth) {
    struct expression *e = &nodes[used++];
    uint64_t r = next_random(seed) >> 20;
    e->constant = (int32_t)(r >> 8);
    if (depth == 0) {
        e->eval = r & 1 ? eval_constant : eval_variable;
        return e;
    }
    e->eval = inner_nodes[r % 7];
    e->left = grow(seed, depth - 1);
    e->right = grow(seed, depth - 1);
    return e;
}

// ---- an event loop ----
enum { CHANNELS = 8 };
typedef uint32_t (*handler)(uint32_t channel, uint32_t event);

static handler handlers[CHANNELS];
static uint32_t tally[CHANNELS];

static uint32_t on_idle(uint32_t channel, uint32_t event);
static uint32_t on_open(uint32_t channel, uint32_t event);
static uint32_t on_data(uint32_t channel, uint32_t event);
static uint32_t on_close(uint32_t channel, uint32_t event);

static uint32_t on_idle(uint32_t channel, uint32_t event) {
    if (event & 1) handlers[channel] = on_open;
    return tally[channel] ^= event;
}
static uint32_t on_open(uint32_t channel, uint32_t event) {
    handlers[channel] = event & 2 ? on_data : on_close;
    return tally[channel] += event;
}
static uint32_t on_data(uint32_t channel, uint32_t event) {
    if ((event & 12) == 12) handlers[channel] = on_close;
    return tally[channel] = tally[channel] * 33 + event;
}
static uint32_t on_close(uint32_t channel, uint32_t event) {
    handlers[channel] = on_idle;
    return tally[channel] -= event;
}

static uint64_t run(uint32_t n) {
    uint64_t seed = 11, sum = 0;
    const struct expression *roots[8];
    for (int i = 0; i < 8; i++) roots[i] = grow(&seed, 7);
    for (int i = 0; i < CHANNELS; i++) handlers[i] = on_idle;
    for (uint32_t round = 0; round < n; round++) {
        for (int i = 0; i < 8; i++) sum = mix(sum, (uint32_t)EVAL(roots[i], (int32_t)(round * 7919 + (uint32_t)i)));
        uint32_t last = 0;
        for (int i = 0; i < 1000; i++) {
            uint32_t event = (uint32_t)(next_random(&seed) >> 40);
            last ^= handlers[event >> 8 & (CHANNELS - 1)](event >> 8 & (CHANNELS - 1), event);
        }
        sum = mix(sum, last);
    }
    return sum;
}
