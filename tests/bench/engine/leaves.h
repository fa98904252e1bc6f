/* The coarse leaves of the kernels: compiled once, by gcc, for all sides, as compilers differ here more than runtimes. */
#ifndef ENGINE_LEAVES_H
#define ENGINE_LEAVES_H

#include <stdint.h>

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

#ifdef __cplusplus
}
#endif
#endif
