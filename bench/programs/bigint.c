// Big numbers: products of 32-bit limbs with 64-bit carries, modular exponentiation, and the digits of e by a spigot.
// i64 multiply, add, shift and unsigned division.
#include "bench.h"

static const uint32_t default_rounds = 240;

enum { LIMBS = 96 };

static uint32_t product[LIMBS * 2];

static void multiply(const uint32_t *a, const uint32_t *b) {
    memset(product, 0, sizeof product);
    for (int i = 0; i < LIMBS; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < LIMBS; j++) {
            uint64_t t = (uint64_t)a[i] * b[j] + product[i + j] + carry;
            product[i + j] = (uint32_t)t;
            carry = t >> 32;
        }
        product[i + LIMBS] = (uint32_t)carry;
    }
}

static uint64_t power_mod(uint64_t base, uint64_t exponent, uint64_t modulus) {
    uint64_t result = 1;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) result = result * base % modulus;
        base = base * base % modulus;
    }
    return result;
}

// Fermat tests of the odd numbers from `from`: how many pass for bases 2 and 3.
static uint32_t probable_primes(uint64_t from, int count) {
    uint32_t passed = 0;
    for (int i = 0; i < count; i++) {
        uint64_t n = from + (uint64_t)i * 2;
        passed += power_mod(2, n - 1, n) == 1 && power_mod(3, n - 1, n) == 1;
    }
    return passed;
}

enum { DIGITS = 1200 };
static uint32_t remainders[DIGITS];

// Digits of e by the spigot for the factorial base, nine decimal digits at a time.
static uint64_t digits_of_e(void) {
    uint64_t sum = 0;
    for (int i = 0; i < DIGITS; i++) remainders[i] = 1;
    for (int block = 0; block < 40; block++) {
        uint64_t carry = 0;
        for (int i = DIGITS - 1; i >= 0; i--) {
            uint64_t t = remainders[i] * 1000000000ull + carry;
            remainders[i] = (uint32_t)(t % ((uint64_t)i + 2));
            carry = t / ((uint64_t)i + 2);
        }
        if (block == 0 && carry != 718281828) _Exit(3);
        sum = mix(sum, carry);
    }
    return sum;
}

static uint64_t run(uint32_t n) {
    uint32_t a[LIMBS], b[LIMBS];
    uint64_t seed = 17, sum = 0;
    for (int i = 0; i < LIMBS; i++) {
        a[i] = (uint32_t)(next_random(&seed) >> 32);
        b[i] = (uint32_t)(next_random(&seed) >> 32);
    }
    for (uint32_t round = 0; round < n; round++) {
        for (int i = 0; i < 250; i++) {
            multiply(a, b);
            memcpy(a, product + LIMBS / 2, sizeof a);
            a[0] |= 1;
            a[LIMBS - 1] |= 1u << 31;
        }
        for (int i = 0; i < LIMBS; i += 8) sum = mix(sum, a[i]);
        sum = mix(sum, probable_primes(1000000007ull + round * 1000, 400));
        sum = mix(sum, digits_of_e());
    }
    return sum;
}
