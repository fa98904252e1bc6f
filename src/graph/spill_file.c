/*
 * One file for all that is spilled. Data goes to the disk from where it lies when it lies at a multiple of a block of
 * the disk, and through a bounce buffer otherwise; the check sum is of the bytes in memory, so it covers compression
 * and the way there and back.
 */
#include "graph/spill_file.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "graph/spill_disk.h"
#include "graph/spill_folder.h"
#include "graph/spill_lane.h"
#include "graph/spill_pack.h"
#include "graph/spill_space.h"
#include "graph/spill_stream.h"
#include "graph/spill_sum.h"

enum { WORTH_IT = 64 << 10 }; /* bytes from which a write of its own, without a copy, is */

struct sbl_spill_file {
    sbl_spill_disk  disk;
    sbl_spill_space space;
    sbl_spill_lanes lanes;
    char           *folder;
    _Atomic int64_t held, written, read, n_written, n_read, ns_writing, ns_reading;
    _Atomic int64_t disk_ps; /* picoseconds that a byte of a plain write took lately */
};

static uint64_t round_up(uint64_t n)
{
    return (n + SBL_SPILL_BLOCK - 1) / SBL_SPILL_BLOCK * SBL_SPILL_BLOCK;
}

sabal_status sbl_spill_open(sbl_spill_file **file, const char *folder, sabal_error *err)
{
    return sbl_spill_open_by(file, folder, 0, err);
}

sabal_status sbl_spill_open_by(sbl_spill_file **file, const char *folder, int ways, sabal_error *err)
{
    sbl_spill_file  *f = sbl_calloc(1, sizeof *f);
    sbl_spill_opened opened;
    sabal_status     st;

    if (!f)
        return sbl_error_memory(err, sizeof *f, "a spill file");
    f->disk_ps = 1000; /* a GB/s, until it is known */
    st         = sbl_spill_folder_open(&opened, folder, ways, err);
    if (st)
        goto no_file;
    f->folder = opened.folder;
    f->disk   = (sbl_spill_disk){.fd = opened.fd, .direct = opened.direct, .folder = opened.folder};
    st        = sbl_spill_space_open(&f->space, &f->disk, err);
    if (st)
        goto no_space;
    st = sbl_spill_lanes_open(&f->lanes, err);
    if (st)
        goto no_lanes;
    *file = f;
    return SABAL_OK;
no_lanes:
    sbl_spill_space_close(&f->space);
no_space:
    close(opened.fd);
    sbl_free(opened.folder);
no_file:
    sbl_free(f);
    return st;
}

void sbl_spill_close(sbl_spill_file *file)
{
    if (!file)
        return;
    sbl_spill_lanes_close(&file->lanes);
    sbl_spill_space_close(&file->space);
    close(file->disk.fd);
    sbl_free(file->folder);
    sbl_free(file);
}

const char *sbl_spill_where(const sbl_spill_file *file)
{
    return file->folder;
}

static int is_aligned(const void *data)
{
    return (uintptr_t)data % SBL_SPILL_BLOCK == 0;
}

/* What can go next in one call: from where it lies if that is possible, else through the bounce; padded with zeros. */
static const char *next_slice(sbl_spill_stream *stream, sbl_spill_lane *lane, size_t *used, size_t *padded)
{
    const char *data;
    size_t      run = sbl_spill_stream_run(stream, &data);

    if (run >= WORTH_IT && is_aligned(data)) {
        *used = run < SBL_SPILL_SLICE ? run / SBL_SPILL_BLOCK * SBL_SPILL_BLOCK : SBL_SPILL_SLICE;
        sbl_spill_stream_skip(stream, *used);
    } else {
        data  = lane->bounce;
        *used = sbl_spill_stream_copy(stream, lane->bounce, SBL_SPILL_BOUNCE);
        memset(lane->bounce + *used, 0, round_up(*used) - *used);
    }
    *padded = round_up(*used);
    return data;
}

static sabal_status write_plain(sbl_spill_disk *disk, sbl_spill_stream *stream, const sbl_spilled *to,
                                XXH3_state_t *sum, sbl_spill_lane *lane, sabal_error *err)
{
    sabal_status st = SABAL_OK;

    for (uint64_t done = 0; done < to->size && !st;) {
        size_t      used, padded;
        const char *data = next_slice(stream, lane, &used, &padded);

        XXH3_64bits_update(sum, data, used);
        st = sbl_spill_disk_write(disk, data, padded, to->at + (int64_t)done, err);
        done += used;
    }
    return st;
}

/* The space for the most it can take, of which the rest goes back when the length is known. */
static sabal_status write_packed(sbl_spill_file *file, sbl_spill_stream *stream, sbl_spilled *to, XXH3_state_t *sum,
                                 sbl_spill_lane *lane, sabal_error *err)
{
    uint64_t     most = round_up(sbl_spill_pack_bound(to->size));
    sabal_status st   = sbl_spill_space_take(&file->space, &to->at, (int64_t)most, err);

    if (st)
        return st;
    st = sbl_spill_pack(&file->disk, stream, to->at, &to->stored, sum, lane, err);
    if (st)
        sbl_spill_space_give(&file->space, to->at, (int64_t)most);
    else
        sbl_spill_space_shorten(&file->space, to->at, (int64_t)most, (int64_t)round_up(to->stored));
    return st;
}

static sabal_status write_as_it_is(sbl_spill_file *file, sbl_spill_stream *stream, sbl_spilled *to, XXH3_state_t *sum,
                                   sbl_spill_lane *lane, sabal_error *err)
{
    int64_t      size = (int64_t)round_up(to->size), began;
    sabal_status st   = sbl_spill_space_take(&file->space, &to->at, size, err);

    if (st)
        return st;
    began = sbl_clock_ns();
    st    = write_plain(&file->disk, stream, to, sum, lane, err);
    if (st)
        sbl_spill_space_give(&file->space, to->at, size);
    else
        file->disk_ps = (3 * file->disk_ps + (int64_t)(1000.0 * (double)(sbl_clock_ns() - began) / (double)size)) / 4;
    to->stored = to->size;
    return st;
}

sabal_status sbl_spill_write(sbl_spill_file *file, const sabal_piece *pieces, int32_t n_pieces, sbl_spilled *spilled,
                             sabal_error *err)
{
    sbl_spill_stream stream = {.pieces = pieces, .n_pieces = n_pieces};
    sbl_spilled      to     = {.size = sbl_spill_stream_size(pieces, n_pieces), .at = -1};
    sabal_status     st     = SABAL_OK;
    int64_t          began  = sbl_clock_ns();
    sbl_spill_lane  *lane;
    XXH3_state_t     sum;

    XXH3_64bits_reset(&sum);
    if (to.size) {
        lane      = sbl_spill_lane_take(&file->lanes);
        to.packed = sbl_spill_pack_pays(stream, to.size, (double)file->disk_ps / 1000, lane);
        st        = (to.packed ? write_packed : write_as_it_is)(file, &stream, &to, &sum, lane, err);
        sbl_spill_lane_return(&file->lanes, lane);
    }
    if (st) {
        sbl_error_prefix(err, "spilling a value of %" PRIu64 " bytes", to.size);
        return st;
    }
    to.checksum = XXH3_64bits_digest(&sum);
    *spilled    = to;
    file->n_written++;
    file->written += (int64_t)to.size;
    file->held += (int64_t)to.size;
    file->ns_writing += sbl_clock_ns() - began;
    return SABAL_OK;
}

/* A lane only for what can't go to where it shall lie: room that is not aligned, and the last part of a block. */
static sabal_status read_plain(sbl_spill_file *file, const sbl_spilled *from, char *room, XXH3_state_t *sum,
                               sabal_error *err)
{
    int             aligned = is_aligned(room);
    sbl_spill_lane *lane    = aligned && from->size % SBL_SPILL_BLOCK == 0 ? NULL : sbl_spill_lane_take(&file->lanes);
    sabal_status    st      = SABAL_OK;

    for (uint64_t done = 0; done < from->size && !st;) {
        uint64_t left   = from->size - done;
        int      direct = aligned && left >= SBL_SPILL_BLOCK;
        size_t   most = direct ? SBL_SPILL_SLICE : SBL_SPILL_BOUNCE, n = left < most ? (size_t)left : most;

        if (direct)
            n = n / SBL_SPILL_BLOCK * SBL_SPILL_BLOCK;
        st = sbl_spill_disk_read(&file->disk, direct ? room + done : lane->bounce, (size_t)round_up(n),
                                 from->at + (int64_t)done, err);
        if (!direct && !st)
            memcpy(room + done, lane->bounce, n);
        if (!st)
            XXH3_64bits_update(sum, room + done, n);
        done += n;
    }
    if (lane)
        sbl_spill_lane_return(&file->lanes, lane);
    return st;
}

static sabal_status read_packed(sbl_spill_file *file, const sbl_spilled *from, char *room, XXH3_state_t *sum,
                                sabal_error *err)
{
    sbl_spill_lane *lane = sbl_spill_lane_take(&file->lanes);
    sabal_status    st   = sbl_spill_unpack(&file->disk, from, room, sum, lane, err);

    sbl_spill_lane_return(&file->lanes, lane);
    return st;
}

sabal_status sbl_spill_read(sbl_spill_file *file, const sbl_spilled *spilled, void *room, sabal_error *err)
{
    int64_t      began = sbl_clock_ns();
    sabal_status st    = SABAL_OK;
    XXH3_state_t sum;

    XXH3_64bits_reset(&sum);
    if (spilled->size)
        st = (spilled->packed ? read_packed : read_plain)(file, spilled, room, &sum, err);
    if (!st && XXH3_64bits_digest(&sum) != spilled->checksum)
        st = sbl_error_set(err, SABAL_EIO,
                           "what was spilled to the folder %s at %" PRId64 " (%" PRIu64
                           " bytes) came back changed: its check sum differs",
                           file->folder, spilled->at, spilled->size);
    if (st)
        return st;
    file->n_read++;
    file->read += (int64_t)spilled->size;
    file->ns_reading += sbl_clock_ns() - began;
    return SABAL_OK;
}

void sbl_spill_free(sbl_spill_file *file, const sbl_spilled *spilled)
{
    file->held -= (int64_t)spilled->size;
    if (spilled->size)
        sbl_spill_space_give(&file->space, spilled->at, (int64_t)round_up(spilled->stored));
}

void sbl_spill_stats_get(sbl_spill_file *file, sbl_spill_stats *stats)
{
    *stats = (sbl_spill_stats){.bytes_held    = file->held,
                               .bytes_on_disk = sbl_spill_disk_used(&file->disk),
                               .bytes_written = file->written,
                               .bytes_read    = file->read,
                               .n_written     = file->n_written,
                               .n_read        = file->n_read,
                               .ns_writing    = file->ns_writing,
                               .ns_reading    = file->ns_reading};
}
