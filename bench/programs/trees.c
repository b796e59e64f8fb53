// Allocation and pointer chasing: an ordered set (an AVL tree) through malloc and free, filled, searched and emptied.
#include "bench.h"

static const uint32_t default_rounds = 70;

enum { KEYS = 20000 };

struct node {
    struct node *child[2];
    uint32_t key;
    int32_t height;
};

static int32_t height(const struct node *n) { return n ? n->height : 0; }

static void update(struct node *n) {
    int32_t l = height(n->child[0]), r = height(n->child[1]);
    n->height = 1 + (l > r ? l : r);
}

// Lifts the child on `side` above `n`.
static struct node *rotate(struct node *n, int side) {
    struct node *top = n->child[side];
    n->child[side] = top->child[!side];
    top->child[!side] = n;
    update(n);
    update(top);
    return top;
}

static struct node *balance(struct node *n) {
    int32_t lean = height(n->child[1]) - height(n->child[0]);
    update(n);
    if (lean > -2 && lean < 2) return n;
    int side = lean > 0;
    struct node *heavy = n->child[side];
    if (height(heavy->child[!side]) > height(heavy->child[side])) n->child[side] = rotate(heavy, !side);
    return rotate(n, side);
}

static struct node *insert(struct node *n, uint32_t key) {
    if (!n) {
        n = malloc(sizeof *n);
        if (!n) _Exit(4);
        *n = (struct node){.key = key, .height = 1};
        return n;
    }
    if (key == n->key) return n;
    int side = key > n->key;
    n->child[side] = insert(n->child[side], key);
    return balance(n);
}

static struct node *remove_least(struct node *n, uint32_t *least) {
    if (!n->child[0]) {
        struct node *rest = n->child[1];
        *least = n->key;
        free(n);
        return rest;
    }
    n->child[0] = remove_least(n->child[0], least);
    return balance(n);
}

static int contains(const struct node *n, uint32_t key) {
    while (n && n->key != key) n = n->child[key > n->key];
    return n != NULL;
}

static uint64_t run(uint32_t n) {
    uint64_t seed = 23, sum = 0;
    for (uint32_t round = 0; round < n; round++) {
        struct node *root = NULL;
        for (int i = 0; i < KEYS; i++) root = insert(root, (uint32_t)(next_random(&seed) >> 47));
        uint32_t hits = 0, last = 0, least = 0;
        for (int i = 0; i < KEYS * 2; i++) hits += (uint32_t)contains(root, (uint32_t)(next_random(&seed) >> 47));
        sum = mix(sum, hits);
        sum = mix(sum, (uint32_t)root->height);
        while (root) {
            root = remove_least(root, &least);
            if (least < last) _Exit(3);
            last = least;
        }
        sum = mix(sum, last);
    }
    return sum;
}
