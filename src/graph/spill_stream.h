/* Pieces of memory read as one stream: behind each other, with zeros up to where the next begins. */
#ifndef SBL_GRAPH_SPILL_STREAM_H
#define SBL_GRAPH_SPILL_STREAM_H

#include <stdint.h>
#include <string.h>

#include "graph/spill_file.h"

typedef struct sbl_spill_stream {
    const sabal_piece *pieces;
    int32_t            n_pieces;
    size_t             in_piece; /* bytes of the first piece, or of the zeros behind it, that are done */
    uint64_t           at;       /* in the stream                                                     */
} sbl_spill_stream;

static inline uint64_t sbl_spill_stream_size(const sabal_piece *pieces, int32_t n_pieces)
{
    uint64_t at = 0;

    for (int32_t i = 0; i < n_pieces; i++)
        at = (i ? sbl_spill_next(at, 0) : 0) + pieces[i].size;
    return at;
}

/** Bytes that lie behind each other in memory from here on, and where; 0 at the end. */
static inline size_t sbl_spill_stream_run(sbl_spill_stream *s, const char **data)
{
    static const char ZEROS[64];

    for (;;) {
        size_t gap = (size_t)(sbl_spill_next(s->at, 0) - s->at);

        if (!s->n_pieces)
            return 0;
        if (s->in_piece < s->pieces->size) {
            *data = (const char *)s->pieces->data + s->in_piece;
            return s->pieces->size - s->in_piece;
        }
        if (s->n_pieces > 1 && gap) {
            *data = ZEROS;
            return gap;
        }
        s->pieces++;
        s->n_pieces--;
        s->in_piece = 0;
    }
}

/** Goes on by n bytes of the run. */
static inline void sbl_spill_stream_skip(sbl_spill_stream *s, size_t n)
{
    s->in_piece += n;
    s->at += n;
}

/** Copies the next bytes, fewer than `size` only at the end; to NULL: goes past them. Returns how many. */
static inline size_t sbl_spill_stream_copy(sbl_spill_stream *s, char *to, size_t size)
{
    size_t      done = 0, run;
    const char *data;

    while (done < size && (run = sbl_spill_stream_run(s, &data))) {
        run = run < size - done ? run : size - done;
        if (to)
            memcpy(to + done, data, run);
        sbl_spill_stream_skip(s, run);
        done += run;
    }
    return done;
}

/** The next bytes in one piece, n of them (at most size): where they are, or gathered in scratch. */
static inline const char *sbl_spill_stream_take(sbl_spill_stream *s, char *scratch, size_t size, size_t *n)
{
    const char *data;
    size_t      run = sbl_spill_stream_run(s, &data);

    if (run < size) {
        *n = sbl_spill_stream_copy(s, scratch, size);
        return scratch;
    }
    *n = size;
    sbl_spill_stream_skip(s, size);
    return data;
}

#endif
