/*
 * The header that a value's encoding begins with stays in memory; its other pieces are written, and when they are read
 * back they lie where elements may, so that nothing is copied.
 */
#include "graph/disk_copy.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/client.h"
#include "graph/engine_type.h"

struct sbl_disk_copy {
    const sabal_type *type; /* of an object; NULL */
    sbl_spilled       where;
    void             *header;
    size_t            header_size;
    int32_t           n;       /* pieces after the header */
    size_t            sizes[]; /* theirs */
};

static sbl_disk_copy *copy_make(const sbl_encoded *e)
{
    sbl_disk_copy *copy = sbl_calloc(1, sizeof *copy + (size_t)e->n_pieces * sizeof copy->sizes[0]);

    if (!copy)
        return NULL;
    copy->n           = e->n_pieces - 1;
    copy->header_size = e->pieces[0].size;
    copy->header      = sbl_alloc(copy->header_size);
    if (!copy->header) {
        sbl_free(copy);
        return NULL;
    }
    memcpy(copy->header, e->pieces[0].data, copy->header_size);
    for (int32_t i = 0; i < copy->n; i++)
        copy->sizes[i] = e->pieces[i + 1].size;
    return copy;
}

sabal_status sbl_disk_copy_write(sbl_disk_copy **copy, const sbl_value *value, sbl_spill_file *file, sabal_error *err)
{
    sbl_disk_copy *c = NULL;
    sbl_encoded    e;
    sabal_status   st;

    if (sbl_value_encode(&e, value, NULL))
        return sbl_error_set(err, SABAL_EUNSUPPORTED, "a value that can't be put into bytes");
    c = copy_make(&e);
    if (!c) {
        st = sbl_error_memory(err, sizeof *c, "a record of a value on disk");
        goto done;
    }
    c->type = sbl_object_type(value);
    st      = sbl_spill_write(file, e.pieces + 1, c->n, &c->where, err);
    if (!st) {
        *copy = c;
        c     = NULL;
    }
done:
    sbl_encoded_clear(&e);
    if (c) {
        sbl_free(c->header);
        sbl_free(c);
    }
    return st;
}

static sabal_status decode(sbl_value **value, const sbl_disk_copy *copy, const sbl_room *room, sabal_error *err)
{
    sabal_piece *pieces = sbl_calloc((size_t)copy->n + 1, sizeof *pieces);
    uint64_t     at     = 0;
    sabal_status st;

    if (!pieces) {
        room->release(room->arg);
        return sbl_error_memory(err, (size_t)copy->n * sizeof *pieces, "the pieces of a value");
    }
    pieces[0] = (sabal_piece){copy->header, copy->header_size};
    for (int32_t i = 0; i < copy->n; i++) {
        pieces[i + 1] = (sabal_piece){(const char *)room->data + at, copy->sizes[i]};
        at            = sbl_spill_next(at, copy->sizes[i]);
    }
    st = sbl_value_decode(value, pieces, copy->n + 1, &copy->type, copy->type != NULL, room->release, room->arg, err);
    sbl_free(pieces);
    return st;
}

sabal_status sbl_disk_copy_read(sbl_value **value, const sbl_disk_copy *copy, sbl_spill_file *file, size_t own,
                                sabal_client *client, sabal_error *err)
{
    sbl_room     room;
    sabal_status st = client->engine->make_room(&room, client, copy->where.size, err);

    if (st)
        return st;
    st = sbl_spill_read(file, &copy->where, room.to_fill, err);
    if (room.seal)
        room.seal(&room);
    if (st)
        room.release(room.arg);
    else
        st = decode(value, copy, &room, err);
    if (!st)
        (*value)->own = own;
    return st;
}

void sbl_disk_copy_free(sbl_disk_copy *copy, sbl_spill_file *file)
{
    sbl_spill_free(file, &copy->where);
    sbl_free(copy->header);
    sbl_free(copy);
}
