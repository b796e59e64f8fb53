// A mix in the manner of CPU core benchmarks: linked-list search, reverse and sort; small integer matrices; a state machine over
// text; a CRC over every result. Short loops, hard-to-predict branches, data in the first-level cache.
#include "bench.h"

static const uint32_t default_rounds = 27000;

static uint16_t crc16(uint16_t crc, uint32_t value, int bits) {
    for (int i = 0; i < bits; i++) {
        uint32_t carry = (crc ^ value) & 1;
        value >>= 1;
        crc >>= 1;
        if (carry) crc ^= 0xa001;
    }
    return crc;
}

// ---- lists ----
enum { NODES = 96 };

struct node {
    struct node *next;
    int16_t key;
    int16_t payload;
};

static struct node pool[NODES];

static struct node *list_build(uint64_t *seed) {
    struct node *head = NULL;
    for (int i = 0; i < NODES; i++) {
        pool[i].key = (int16_t)(next_random(seed) >> 49);
        pool[i].payload = (int16_t)i;
        pool[i].next = head;
        head = &pool[i];
    }
    return head;
}

static struct node *list_find(struct node *list, int16_t key) {
    while (list && list->key != key) list = list->next;
    return list;
}

static struct node *list_reverse(struct node *list) {
    struct node *done = NULL;
    while (list) {
        struct node *next = list->next;
        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

typedef int (*compare)(const struct node *, const struct node *);

static int by_key(const struct node *a, const struct node *b) { return a->key - b->key; }
static int by_payload(const struct node *a, const struct node *b) { return a->payload - b->payload; }

static struct node *list_merge(struct node *a, struct node *b, compare order) {
    struct node head = {0}, *tail = &head;
    while (a && b) {
        struct node **smaller = order(a, b) <= 0 ? &a : &b;
        tail->next = *smaller;
        tail = *smaller;
        *smaller = (*smaller)->next;
    }
    tail->next = a ? a : b;
    return head.next;
}

static struct node *list_sort(struct node *list, compare order) {
    struct node *slow = list, *fast;
    if (!list || !list->next) return list;
    fast = list->next;
    while (fast && fast->next) {
        slow = slow->next;
        fast = fast->next->next;
    }
    fast = slow->next;
    slow->next = NULL;
    return list_merge(list_sort(list, order), list_sort(fast, order), order);
}

static uint16_t list_round(uint64_t *seed, uint16_t crc) {
    struct node *list = list_build(seed);
    for (int i = 0; i < 24; i++) {
        struct node *hit = list_find(list, (int16_t)(next_random(seed) >> 49));
        crc = crc16(crc, hit ? (uint16_t)hit->payload : 0xffff, 16);
        if (i % 4 == 0) list = list_reverse(list);
    }
    list = list_sort(list, by_key);
    for (struct node *p = list; p; p = p->next) crc = crc16(crc, (uint16_t)p->payload, 8);
    list = list_sort(list, by_payload);
    for (struct node *p = list; p; p = p->next) crc = crc16(crc, (uint16_t)p->key, 8);
    return crc;
}

// ---- matrices ----
enum { SIDE = 12 };

static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];

static void matrix_multiply(void) {
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            int32_t sum = 0;
            for (int k = 0; k < SIDE; k++) sum += (int32_t)left[i][k] * right[k][j];
            product[i][j] = sum;
        }
    }
}

static uint16_t matrix_round(uint64_t *seed, uint16_t crc) {
    for (int i = 0; i < SIDE; i++) {
        for (int j = 0; j < SIDE; j++) {
            left[i][j] = (int16_t)(next_random(seed) >> 56);
            right[i][j] = (int16_t)(i * 7 + j * 3 - 20);
        }
    }
    for (int round = 0; round < 3; round++) {
        matrix_multiply();
        int32_t previous = 0;
        for (int i = 0; i < SIDE; i++) {
            for (int j = 0; j < SIDE; j++) {
                int32_t value = product[i][j];
                if (value > previous) crc = crc16(crc, (uint32_t)(value - previous) & 0xff, 8);
                previous = value;
                right[i][j] = (int16_t)((value >> 5) & 0x3ff);
            }
        }
    }
    return crc;
}

// ---- a state machine that classifies numbers ----
enum state { START, SIGN, INTEGER, FRACTION, EXPONENT, EXPONENT_SIGN, EXPONENT_DIGITS, INVALID, STATES };

static enum state step(enum state s, char c) {
    int digit = c >= '0' && c <= '9';
    switch (s) {
    case START:
        if (c == '+' || c == '-') return SIGN;
        return digit ? INTEGER : c == '.' ? FRACTION : INVALID;
    case SIGN: return digit ? INTEGER : c == '.' ? FRACTION : INVALID;
    case INTEGER:
        if (digit) return INTEGER;
        return c == '.' ? FRACTION : (c == 'e' || c == 'E') ? EXPONENT : INVALID;
    case FRACTION:
        if (digit) return FRACTION;
        return (c == 'e' || c == 'E') ? EXPONENT : INVALID;
    case EXPONENT: return (c == '+' || c == '-') ? EXPONENT_SIGN : digit ? EXPONENT_DIGITS : INVALID;
    case EXPONENT_SIGN:
    case EXPONENT_DIGITS: return digit ? EXPONENT_DIGITS : INVALID;
    default: return INVALID;
    }
}

static char text[512];

static void text_build(uint64_t *seed) {
    static const char *const words[] = {"5012", "+874", "-122.5", "1.5e+3", ".75", "12e", "T0.3e-1F", "-110.7e10", "6x", "+0.64400E-7"};
    size_t at = 0;
    while (at < sizeof text - 16) {
        const char *word = words[(next_random(seed) >> 40) % 10];
        while (*word) text[at++] = *word++;
        text[at++] = ',';
    }
    text[at] = 0;
}

static uint16_t state_round(uint64_t *seed, uint16_t crc) {
    uint32_t finals[STATES] = {0}, moves[STATES] = {0};
    text_build(seed);
    for (const char *p = text; *p; p++) {
        enum state s = START;
        for (; *p && *p != ','; p++) {
            enum state next = step(s, *p);
            if (next != s) moves[s]++;
            s = next;
        }
        finals[s]++;
        if (!*p) break;
    }
    for (int i = 0; i < STATES; i++) crc = crc16(crc, finals[i] << 8 | moves[i], 32);
    return crc;
}

static uint64_t run(uint32_t n) {
    uint64_t seed = 0x1234567, sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint16_t crc = list_round(&seed, 0);
        crc = matrix_round(&seed, crc);
        crc = state_round(&seed, crc);
        sum = mix(sum, crc);
    }
    return sum;
}
