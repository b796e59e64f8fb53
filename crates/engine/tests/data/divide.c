// Source of divide.wasm: a trap in an inlined function, two calls deep. The test knows the line numbers.
// clang --target=wasm32-freestanding -g -O1 -nostdlib -Wl,--no-entry -Wl,--export=run
static inline __attribute__((always_inline)) int divide(int a, int b) {
    return a / b;
}

__attribute__((noinline)) int middle(int a, int b) {
    return divide(a, b) + 1;
}

int run(int a, int b) {
    return middle(a, b) * 2;
}
