/* Cutting rows into chunks. Nothing here may look at threads, memory or the machine: the bits depend on it.
 */
#include "array/chunks.h"

#define CHUNK_MIN   ((int64_t)4 << 20)
#define CHUNK_MAX   ((int64_t)16 << 20)
#define CHUNKS_GOAL 1024 /* of an array between 4 GiB and 16 GiB */
#define ROWS_STEP   1024 /* whole blocks of the kernels that sum over rows */

sbl_chunks sbl_chunks_make(int64_t n_rows, int64_t first, int64_t step)
{
    int64_t    most = n_rows > 1 ? n_rows : 1; /* what is longer is cut: no sum or product with it overflows */
    sbl_chunks c    = {.n_rows = n_rows, .first = first < n_rows ? first : n_rows, .step = step < most ? step : most};
    int64_t    rest = n_rows - c.first;

    c.n = n_rows == 0 ? 0 : 1 + rest / c.step + (rest % c.step != 0);
    return c;
}

int64_t sbl_chunks_auto(sabal_dtype dtype, int32_t ndim, const int64_t *shape, int64_t natural_rows)
{
    int64_t row_bytes = (int64_t)sabal_dtype_size(dtype), goal, rows;

    for (int32_t i = 1; i < ndim; i++)
        row_bytes *= shape[i];
    if (row_bytes < 1)
        row_bytes = 1;
    goal = (int64_t)((double)row_bytes * (double)shape[0] / CHUNKS_GOAL);
    goal = goal < CHUNK_MIN ? CHUNK_MIN : goal > CHUNK_MAX ? CHUNK_MAX : goal;
    rows = goal / row_bytes;
    if (natural_rows > 0)
        return rows <= natural_rows ? natural_rows : rows / natural_rows * natural_rows;
    if (rows >= ROWS_STEP)
        rows = rows / ROWS_STEP * ROWS_STEP;
    return rows < 1 ? 1 : rows;
}

int64_t sbl_chunks_start(const sbl_chunks *chunks, int64_t i)
{
    if (i >= chunks->n)
        return chunks->n_rows;
    return i == 0 ? 0 : chunks->first + (i - 1) * chunks->step;
}

int64_t sbl_chunks_find(const sbl_chunks *chunks, int64_t row)
{
    return row < chunks->first ? 0 : 1 + (row - chunks->first) / chunks->step;
}
