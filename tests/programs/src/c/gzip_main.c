// A host for zlib: compresses the standard input with `-c`, prints sizes and checksums, and restores it to compare.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zlib.h"

int main(void) {
    size_t capacity = 1 << 22, length = 0;
    unsigned char *plain = malloc(capacity), *packed = malloc(capacity), *back = malloc(capacity);
    if (!plain || !packed || !back) return 1;
    for (size_t n; (n = fread(plain + length, 1, capacity / 2 - length, stdin)) > 0;) length += n;
    // Twenty varied copies, so that there is something to compress.
    size_t unit = length;
    for (int copy = 1; copy < 20 && length + unit < capacity / 2; copy++) {
        for (size_t i = 0; i < unit; i++) plain[length + i] = i % 37 == (size_t)copy ? '0' + copy % 10 : plain[i];
        length += unit;
    }
    printf("plain %zu bytes, crc32 %08lx, adler32 %08lx\n", length, crc32(0, plain, length), adler32(1, plain, length));
    for (int level = 1; level <= 9; level += 4) {
        uLongf packed_length = capacity, back_length = capacity;
        if (compress2(packed, &packed_length, plain, length, level) != Z_OK) return 2;
        if (uncompress(back, &back_length, packed, packed_length) != Z_OK) return 3;
        int same = back_length == length && memcmp(plain, back, length) == 0;
        printf("level %d: %lu bytes, crc32 %08lx, %s\n", level, packed_length, crc32(0, packed, packed_length), same ? "restored" : "BROKEN");
    }
    packed[100] ^= 1;
    uLongf back_length = capacity;
    printf("damaged: %d\n", uncompress(back, &back_length, packed, 200));
    return 0;
}
