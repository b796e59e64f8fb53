// A byte-oriented LZ77 compressor with a hash chain, and its decompressor: match loops over bytes, unaligned loads, overlapping copies.
#include "bench.h"

static const uint32_t default_rounds = 200;

enum { SIZE = 1 << 17, HASH = 1 << 13, CHAIN = 8, MIN_MATCH = 4, MAX_MATCH = 255 + MIN_MATCH, WINDOW = 1 << 16 };

static uint8_t plain[SIZE], packed[SIZE * 2], unpacked[SIZE];
static int32_t head[HASH], previous[SIZE];

static uint32_t read32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint32_t slot(const uint8_t *p) { return read32(p) * 2654435761u >> (32 - 13); }

static int match_length(const uint8_t *a, const uint8_t *b, int limit) {
    int n = 0;
    while (n < limit && a[n] == b[n]) n++;
    return n;
}

// Format: a flag byte announces eight items, low bit first; a literal is one byte, a match is length - 4 and a 16-bit distance - 1.
static size_t compress(void) {
    size_t out = 0, flag_at = 0;
    int bit = 8, at = 0;
    memset(head, -1, sizeof head);
    while (at < SIZE) {
        int best = 0, from = 0;
        if (at + MIN_MATCH <= SIZE) {
            int limit = SIZE - at < MAX_MATCH ? SIZE - at : MAX_MATCH;
            int candidate = head[slot(plain + at)];
            for (int tries = CHAIN; tries > 0 && candidate >= 0 && at - candidate <= WINDOW; tries--) {
                int n = match_length(plain + candidate, plain + at, limit);
                if (n > best) best = n, from = candidate;
                candidate = previous[candidate];
            }
        }
        if (bit == 8) {
            bit = 0;
            flag_at = out++;
            packed[flag_at] = 0;
        }
        int take = 1;
        if (best >= MIN_MATCH) {
            int distance = at - from - 1;
            packed[flag_at] |= (uint8_t)(1 << bit);
            packed[out++] = (uint8_t)(best - MIN_MATCH);
            packed[out++] = (uint8_t)distance;
            packed[out++] = (uint8_t)(distance >> 8);
            take = best;
        } else {
            packed[out++] = plain[at];
        }
        bit++;
        for (; take > 0; take--, at++) {
            if (at + MIN_MATCH > SIZE) continue;
            uint32_t h = slot(plain + at);
            previous[at] = head[h];
            head[h] = at;
        }
    }
    return out;
}

static size_t decompress(size_t length) {
    size_t in = 0, out = 0;
    while (in < length) {
        uint32_t flags = packed[in++];
        for (int i = 0; i < 8 && in < length; i++, flags >>= 1) {
            if (flags & 1) {
                size_t n = packed[in] + (size_t)MIN_MATCH;
                size_t from = out - 1 - (packed[in + 1] | (size_t)packed[in + 2] << 8);
                in += 3;
                while (n-- > 0) unpacked[out++] = unpacked[from++];
            } else {
                unpacked[out++] = packed[in++];
            }
        }
    }
    return out;
}

// Text with repeated phrases of varying length, so that matches are found but are not trivial.
static void fill(uint64_t *seed) {
    size_t at = 0;
    while (at < SIZE) {
        uint64_t r = next_random(seed);
        size_t n = 3 + (r >> 60), from = (r >> 20) % (at + 1);
        if (at > 1000 && (r & 3) != 0) {
            for (; n > 0 && at < SIZE; n--) plain[at++] = plain[from++];
        } else {
            for (; n > 0 && at < SIZE; n--, r >>= 3) plain[at++] = (uint8_t)('a' + (r & 15));
        }
    }
}

static uint64_t run(uint32_t n) {
    uint64_t seed = 5, sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        fill(&seed);
        size_t length = compress();
        if (decompress(length) != SIZE || memcmp(plain, unpacked, SIZE) != 0) _Exit(3);
        sum = mix(sum, length);
    }
    return sum;
}
