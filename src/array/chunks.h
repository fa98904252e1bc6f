/* How rows are cut into chunks: equal ones, but the first and the last may be shorter. */
#ifndef SBL_ARRAY_CHUNKS_H
#define SBL_ARRAY_CHUNKS_H

#include <sabal/value.h>

typedef struct sbl_chunks {
    int64_t n_rows;
    int64_t first; /* rows of chunk 0 */
    int64_t step;  /* rows of the others but the last */
    int64_t n;     /* number of chunks; 0 if there are no rows */
} sbl_chunks;

/** Cuts n_rows into chunks of step rows (1 or more), the first of them first rows (1 .. step). */
sbl_chunks sbl_chunks_make(int64_t n_rows, int64_t first, int64_t step);
/** The automatic chunk: depends on shape, dtype and natural_rows (the file's own; 0: none) alone. */
int64_t sbl_chunks_auto(sabal_dtype dtype, int32_t ndim, const int64_t *shape, int64_t natural_rows);
/** First row of chunk i, 0 .. n; of chunk n it is n_rows. */
int64_t sbl_chunks_start(const sbl_chunks *chunks, int64_t i);
/** The chunk that holds row. */
int64_t sbl_chunks_find(const sbl_chunks *chunks, int64_t row);

static inline int64_t sbl_chunks_rows(const sbl_chunks *chunks, int64_t i)
{
    return sbl_chunks_start(chunks, i + 1) - sbl_chunks_start(chunks, i);
}

#endif
