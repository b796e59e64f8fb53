// Text work: base64 there and back, then JSON written, parsed into a tree and written again. Byte loads and stores, table look-ups,
// recursive descent, an arena allocator.
#include "bench.h"

static const uint32_t default_rounds = 2000;

// ---- base64 ----
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static int8_t reverse[256];

static size_t encode(const uint8_t *in, size_t n, char *out) {
    char *start = out;
    size_t i = 0;
    for (; i + 2 < n; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = alphabet[v >> 6 & 63];
        *out++ = alphabet[v & 63];
    }
    if (i < n) {
        uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0);
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
        *out++ = '=';
    }
    return (size_t)(out - start);
}

static size_t decode(const char *in, size_t n, uint8_t *out) {
    uint8_t *start = out;
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < n && in[i] != '='; i++) {
        int value = reverse[(uint8_t)in[i]];
        if (value < 0) _Exit(3);
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *out++ = (uint8_t)(bits >> have);
        }
    }
    return (size_t)(out - start);
}

// ---- JSON ----
enum kind { NULL_, BOOL, NUMBER, STRING, ARRAY, OBJECT };

struct value {
    enum kind kind;
    int64_t number;      // also the value of a bool and the length of a string
    const char *text;    // of a string: inside the arena
    const char *key;     // of an object's member
    uint32_t key_length;
    struct value *first; // of an array or object
    struct value *next;
};

static char arena[1 << 20];
static size_t arena_used;

static void *allocate(size_t size) {
    size = (size + 7) & ~(size_t)7;
    if (arena_used + size > sizeof arena) _Exit(4);
    void *p = arena + arena_used;
    arena_used += size;
    return p;
}

static const char *in;

static void space(void) {
    while (*in == ' ' || *in == '\n' || *in == '\t') in++;
}

static const char *string(uint32_t *length) {
    const char *end = ++in;
    while (*end != '"' && *end != 0) end += *end == '\\' ? 2 : 1;
    char *out = allocate((size_t)(end - in) + 1), *start = out;
    for (; *in != '"'; in++) {
        char c = *in;
        if (c == 0) _Exit(5);
        if (c == '\\') {
            c = *++in;
            if (c == 'n') c = '\n';
            else if (c == 't') c = '\t';
        }
        *out++ = c;
    }
    in++;
    *length = (uint32_t)(out - start);
    return start;
}

static struct value *parse(void) {
    struct value *v = allocate(sizeof *v);
    memset(v, 0, sizeof *v);
    space();
    char c = *in;
    if (c == '{' || c == '[') {
        struct value **tail = &v->first;
        char close = c == '{' ? '}' : ']';
        v->kind = c == '{' ? OBJECT : ARRAY;
        in++;
        for (space(); *in != close; space()) {
            const char *key = NULL;
            uint32_t length = 0;
            if (c == '{') {
                key = string(&length);
                space();
                if (*in++ != ':') _Exit(5);
            }
            struct value *item = parse();
            item->key = key;
            item->key_length = length;
            *tail = item;
            tail = &item->next;
            space();
            if (*in == ',') in++;
            else if (*in != close) _Exit(5);
            space();
        }
        in++;
    } else if (c == '"') {
        uint32_t length;
        v->kind = STRING;
        v->text = string(&length);
        v->number = length;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        int negative = c == '-';
        v->kind = NUMBER;
        for (in += negative; *in >= '0' && *in <= '9'; in++) v->number = v->number * 10 + (*in - '0');
        if (negative) v->number = -v->number;
    } else if (strncmp(in, "true", 4) == 0 || strncmp(in, "null", 4) == 0) {
        v->kind = c == 't' ? BOOL : NULL_;
        v->number = c == 't';
        in += 4;
    } else if (strncmp(in, "false", 5) == 0) {
        v->kind = BOOL;
        in += 5;
    } else {
        _Exit(5);
    }
    return v;
}

static char *out;

static void put(const char *s) {
    while (*s) *out++ = *s++;
}

static void put_number(int64_t n) {
    char digits[24];
    int count = 0;
    uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
    if (n < 0) *out++ = '-';
    do digits[count++] = (char)('0' + left % 10);
    while ((left /= 10) != 0);
    while (count > 0) *out++ = digits[--count];
}

static void put_string(const char *s, size_t length) {
    *out++ = '"';
    for (size_t i = 0; i < length; i++) {
        char c = s[i];
        if (c == '"' || c == '\\') *out++ = '\\';
        if (c == '\n') put("\\n");
        else if (c == '\t') put("\\t");
        else *out++ = c;
    }
    *out++ = '"';
}

static void print(const struct value *v) {
    switch (v->kind) {
    case NULL_: put("null"); break;
    case BOOL: put(v->number ? "true" : "false"); break;
    case NUMBER: put_number(v->number); break;
    case STRING: put_string(v->text, (size_t)v->number); break;
    case ARRAY:
    case OBJECT:
        *out++ = v->kind == OBJECT ? '{' : '[';
        for (const struct value *item = v->first; item; item = item->next) {
            if (v->kind == OBJECT) {
                put_string(item->key, item->key_length);
                *out++ = ':';
            }
            print(item);
            if (item->next) *out++ = ',';
        }
        *out++ = v->kind == OBJECT ? '}' : ']';
        break;
    }
    *out = 0;
}

static char document[1 << 18], copy[1 << 18];

static void write_document(uint64_t *seed) {
    out = document;
    put("{\"version\": 3, \"people\": [\n");
    for (int i = 0; i < 300; i++) {
        if (i) put(",\n");
        put("  {\"id\": ");
        put_number(i);
        put(", \"name\": \"n\\\"");
        put_number((int64_t)(next_random(seed) >> 44));
        put("\\n\", \"balance\": ");
        put_number((int64_t)next_random(seed) >> 33);
        put(", \"active\": ");
        put(next_random(seed) >> 63 ? "true" : "false");
        put(", \"tags\": [\"alpha\", \"beta gamma\", null, [1, -2, 3]]}");
    }
    put("\n]}");
    *out = 0;
}

static uint64_t hash_bytes(const char *s, size_t n) {
    uint64_t h = 14695981039346656037ull;
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)s[i]) * 1099511628211ull;
    return h;
}

static uint8_t raw[24576], back[24576 + 8];
static char encoded[24576 / 3 * 4 + 8];

static uint64_t run(uint32_t n) {
    uint64_t seed = 7, sum = 0;
    memset(reverse, -1, sizeof reverse);
    for (int i = 0; i < 64; i++) reverse[(uint8_t)alphabet[i]] = (int8_t)i;
    for (uint32_t round = 0; round < n; round++) {
        size_t size = sizeof raw - round % 3;
        for (size_t i = 0; i < size; i++) raw[i] = (uint8_t)(i * 37 + round);
        size_t length = encode(raw, size, encoded);
        if (decode(encoded, length, back) != size || memcmp(raw, back, size) != 0) _Exit(3);
        sum = mix(sum, hash_bytes(encoded, length));

        write_document(&seed);
        arena_used = 0;
        in = document;
        struct value *tree = parse();
        out = copy;
        print(tree);
        sum = mix(sum, hash_bytes(copy, (size_t)(out - copy)));
    }
    return sum;
}
