/* The coarse leaves of the kernels: compiled once, by gcc, for all sides, as compilers differ here more than runtimes. */
#ifndef ENGINE_LEAVES_H
#define ENGINE_LEAVES_H

#include <stdint.h>

/* A unit of work that waits for itself alone: a chain of multiplications and additions. */
static inline uint64_t burn(uint64_t x, long rounds)
{
    for (long k = 0; k < rounds; k++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        __asm__ volatile("" : "+r"(x));
    }
    return x;
}

#ifdef __cplusplus
extern "C" {
#endif

typedef struct uts_node {
    uint8_t state[20];
    int32_t height;
} uts_node;

/* The root of the tree of a seed, and child i of a node. */
void uts_seed(int seed, uts_node *root);
void uts_child(const uts_node *parent, int i, uts_node *child);

/* c += a * b for m x k and k x n, in rows of `stride`. */
void matmul_leaf(const double *a, const double *b, double *c, int m, int n, int k, long stride);

void sort_leaf(int *a, long n);
void merge_leaf(const int *x, long nx, const int *y, long ny, int *out);

/* Indexes of a short loop, and of a sum. */
void     loop_leaf(uint64_t *out, long begin, long end, long launch, long rounds);
uint64_t sum_leaf(long begin, long end, long launch, long rounds);

#ifdef __cplusplus
}
#endif
#endif
