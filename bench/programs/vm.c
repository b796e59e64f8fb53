// A bytecode interpreter: one big switch in a loop, an operand stack in memory, running a prime sieve and a Collatz search.
// The shape of every interpreter compiled to Wasm: br_table dispatch, loads and stores around each small operation.
#include "bench.h"

static const uint32_t default_rounds = 400;

enum op {
    PUSH,  // push an immediate
    LOAD,  // push a variable
    STORE, // pop into a variable
    GET,   // pop an index, push heap[index]
    PUT,   // pop a value and an index, heap[index] = value
    ADD,
    MUL,
    AND,
    SHR,
    LESS,
    EQUAL,
    DUP,
    JUMP, // to an absolute address
    JZ,   // pop, jump if zero
    CALL,
    RET,
    HALT,
};

enum { SIEVE = 8192, COLLATZ = 600 };
enum variable { I, J, PRIMES, STEPS, VARIABLES };

static int32_t code[256];
static int length;

// ---- a small assembler, so that the program below can be read ----
static int emit(enum op op) { return code[length++] = op, length; }
static int emit1(enum op op, int32_t immediate) {
    emit(op);
    code[length++] = immediate;
    return length - 1; // where the immediate is, for `land`
}
static void land(int jump) { code[jump] = length; }
static void load_push(enum variable v, int32_t immediate) {
    emit1(LOAD, v);
    emit1(PUSH, immediate);
}
static void increment(enum variable v) {
    load_push(v, 1);
    emit(ADD);
    emit1(STORE, v);
}

static int assemble(void) {
    int start = emit1(JUMP, 0) - 1;

    int cross_out = length; // heap[j] = 1; j += i
    load_push(J, 1);
    emit(PUT);
    emit1(LOAD, J);
    emit1(LOAD, I);
    emit(ADD);
    emit1(STORE, J);
    emit(RET);

    int collatz_step = length; // pushes the successor of j
    load_push(J, 1);
    emit(AND);
    int even = emit1(JZ, 0);
    load_push(J, 3);
    emit(MUL);
    emit1(PUSH, 1);
    emit(ADD);
    emit(RET);
    land(even);
    load_push(J, 1);
    emit(SHR);
    emit(RET);

    land(start + 1);
    emit1(PUSH, 2);
    emit1(STORE, I);
    int sieve = length;
    load_push(I, SIEVE);
    emit(LESS);
    int sieve_done = emit1(JZ, 0);
    emit1(LOAD, I);
    emit(GET);
    int prime = emit1(JZ, 0);
    int composite = emit1(JUMP, 0);
    land(prime);
    increment(PRIMES);
    emit1(LOAD, I);
    emit(DUP);
    emit(ADD);
    emit1(STORE, J);
    int cross = length;
    load_push(J, SIEVE);
    emit(LESS);
    int crossed = emit1(JZ, 0);
    emit1(CALL, cross_out);
    emit1(JUMP, cross);
    land(crossed);
    land(composite);
    increment(I);
    emit1(JUMP, sieve);
    land(sieve_done);

    emit1(PUSH, 1);
    emit1(STORE, I);
    int outer = length;
    emit1(LOAD, I);
    emit1(STORE, J);
    int inner = length;
    load_push(J, 1);
    emit(EQUAL);
    int more = emit1(JZ, 0);
    int reached = emit1(JUMP, 0);
    land(more);
    emit1(CALL, collatz_step);
    emit1(STORE, J);
    increment(STEPS);
    emit1(JUMP, inner);
    land(reached);
    increment(I);
    load_push(I, COLLATZ);
    emit(LESS);
    int done = emit1(JZ, 0);
    emit1(JUMP, outer);
    land(done);
    emit(HALT);
    return start;
}

static uint8_t heap[SIEVE];
static int32_t stack[64], returns[16], variables[VARIABLES];

// Runs from `pc` to HALT and returns the number of instructions executed.
static uint64_t execute(int pc) {
    int32_t *sp = stack, *rp = returns;
    uint64_t count = 0;
    for (;;) {
        count++;
        switch ((enum op)code[pc++]) {
        case PUSH: *sp++ = code[pc++]; break;
        case LOAD: *sp++ = variables[code[pc++]]; break;
        case STORE: variables[code[pc++]] = *--sp; break;
        case GET: sp[-1] = heap[sp[-1]]; break;
        case PUT:
            sp -= 2;
            heap[sp[0]] = (uint8_t)sp[1];
            break;
        case ADD: sp--, sp[-1] += sp[0]; break;
        case MUL: sp--, sp[-1] *= sp[0]; break;
        case AND: sp--, sp[-1] &= sp[0]; break;
        case SHR: sp--, sp[-1] >>= sp[0]; break;
        case LESS: sp--, sp[-1] = sp[-1] < sp[0]; break;
        case EQUAL: sp--, sp[-1] = sp[-1] == sp[0]; break;
        case DUP: sp[0] = sp[-1], sp++; break;
        case JUMP: pc = code[pc]; break;
        case JZ: pc = *--sp ? pc + 1 : code[pc]; break;
        case CALL:
            *rp++ = pc + 1;
            pc = code[pc];
            break;
        case RET: pc = *--rp; break;
        case HALT: return count;
        }
    }
}

static uint64_t run(uint32_t n) {
    uint64_t sum = 0;
    int start = assemble();
    for (uint32_t i = 0; i < n; i++) {
        memset(heap, 0, sizeof heap);
        memset(variables, 0, sizeof variables);
        uint64_t count = execute(start);
        if (variables[PRIMES] != 1028) _Exit(3);
        sum = mix(sum, count);
        sum = mix(sum, (uint64_t)variables[STEPS]);
    }
    return sum;
}
