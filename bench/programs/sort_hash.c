// Sorting (quicksort with an insertion tail, and a heap sort) and an open-addressing hash table with string keys:
// unpredictable branches, swaps, byte loops, memory beyond the first-level cache.
#include "bench.h"

static const uint32_t default_rounds = 70;

enum { COUNT = 60000, WORDS = 20000, SLOTS = 65536 };

static uint32_t numbers[COUNT];

static void insertion_sort(uint32_t *v, int n) {
    for (int i = 1; i < n; i++) {
        uint32_t x = v[i];
        int j = i;
        for (; j > 0 && v[j - 1] > x; j--) v[j] = v[j - 1];
        v[j] = x;
    }
}

static void quick_sort(uint32_t *v, int n) {
    while (n > 20) {
        uint32_t a = v[0], b = v[n / 2], c = v[n - 1];
        uint32_t pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        int i = 0, j = n - 1;
        while (i <= j) {
            while (v[i] < pivot) i++;
            while (v[j] > pivot) j--;
            if (i <= j) {
                uint32_t t = v[i];
                v[i++] = v[j];
                v[j--] = t;
            }
        }
        quick_sort(v, j + 1);
        v += i;
        n -= i;
    }
    insertion_sort(v, n);
}

static void sift(uint32_t *v, int at, int n) {
    uint32_t x = v[at];
    for (int child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && v[child + 1] > v[child]) child++;
        if (v[child] <= x) break;
        v[at] = v[child];
        at = child;
    }
    v[at] = x;
}

static void heap_sort(uint32_t *v, int n) {
    for (int i = n / 2 - 1; i >= 0; i--) sift(v, i, n);
    for (int end = n - 1; end > 0; end--) {
        uint32_t t = v[0];
        v[0] = v[end];
        v[end] = t;
        sift(v, 0, end);
    }
}

struct slot {
    char key[20];
    uint32_t length;
    uint32_t count;
};

static struct slot table[SLOTS];

static uint32_t hash_key(const char *key, uint32_t length) {
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < length; i++) h = (h ^ (uint8_t)key[i]) * 16777619u;
    return h ^ h >> 15;
}

static struct slot *lookup(const char *key, uint32_t length) {
    for (uint32_t i = hash_key(key, length);; i++) {
        struct slot *s = &table[i % SLOTS];
        if (s->length == 0 || (s->length == length && memcmp(s->key, key, length) == 0)) return s;
    }
}

static uint32_t spell(char *out, uint64_t r) {
    uint32_t length = 4 + (uint32_t)(r >> 60);
    for (uint32_t i = 0; i < length; i++, r /= 7) out[i] = (char)('a' + r % 7 + (i & 1) * 9);
    return length;
}

static uint64_t run(uint32_t n) {
    uint64_t seed = 99, sum = 0;
    for (uint32_t round = 0; round < n; round++) {
        for (int i = 0; i < COUNT; i++) numbers[i] = (uint32_t)(next_random(&seed) >> 32);
        if (round & 1) heap_sort(numbers, COUNT);
        else quick_sort(numbers, COUNT);
        for (int i = 1; i < COUNT; i++) if (numbers[i - 1] > numbers[i]) _Exit(3);
        for (int i = 0; i < COUNT; i += 997) sum = mix(sum, numbers[i]);

        memset(table, 0, sizeof table);
        for (int i = 0; i < WORDS * 3; i++) {
            char word[20];
            uint64_t r = next_random(&seed) % WORDS;
            uint32_t length = spell(word, r * 0x9e3779b97f4a7c15ull);
            struct slot *s = lookup(word, length);
            if (s->length == 0) {
                memcpy(s->key, word, length);
                s->length = length;
            }
            s->count++;
        }
        uint64_t used = 0, most = 0;
        for (int i = 0; i < SLOTS; i++) {
            if (table[i].length == 0) continue;
            used++;
            if (table[i].count > most) most = table[i].count;
        }
        sum = mix(sum, used << 32 | most);
    }
    return sum;
}
