/* Bytes and objects, and what all values have in common. */
#include "value/value.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "value/storage.h"

typedef struct bytes {
    sbl_value   value;
    const void *data;
    size_t      size;
    sbl_storage storage;
} bytes;

typedef struct object {
    sbl_value         value;
    void             *object;
    const sabal_type *type;
} object;

static void bytes_destroy(void *handle)
{
    bytes *b = handle;

    sbl_value_release(atomic_load_explicit(&b->value.twin, memory_order_relaxed));
    sbl_storage_clear(&b->storage);
    sbl_free(b);
}

static void object_destroy(void *handle)
{
    object *o = handle;

    sbl_value_release(atomic_load_explicit(&o->value.twin, memory_order_relaxed));
    if (o->type->destroy)
        o->type->destroy(o->object);
    sbl_free(o);
}

static const sbl_handle_class BYTES  = {.name = "bytes", .destroy = bytes_destroy};
static const sbl_handle_class OBJECT = {.name = "object", .destroy = object_destroy};

sabal_status sbl_bytes_create(sbl_value **value, void **room, size_t size, sabal_error *err)
{
    bytes *b = sbl_storage_create(sizeof *b, offsetof(bytes, storage), size, room);

    if (!b)
        return sbl_error_memory(err, size, "bytes");
    sbl_handle_init(b, &BYTES);
    b->value.kind    = SBL_BYTES;
    b->value.n_bytes = size;
    b->value.own     = size;
    b->data          = *room;
    b->size          = size;
    *value           = &b->value;
    return SABAL_OK;
}

sabal_status sbl_bytes_wrap(sbl_value **value, const void *data, size_t size, void (*release)(void *), void *arg,
                            sabal_error *err)
{
    bytes *b = sbl_calloc(1, sizeof *b);

    if (!b) {
        if (release)
            release(arg);
        return sbl_error_memory(err, sizeof *b, "a record of bytes");
    }
    sbl_handle_init(b, &BYTES);
    b->value.kind      = SBL_BYTES;
    b->value.n_bytes   = size;
    b->data            = data;
    b->size            = size;
    b->storage.release = release ? release : sbl_release_nothing;
    b->storage.arg     = arg;
    *value             = &b->value;
    return SABAL_OK;
}

sabal_status sbl_object_create(sbl_value **value, void *object_, const sabal_type *type, sabal_error *err)
{
    sabal_status st = SABAL_OK;
    object      *o  = NULL;

    if (!object_)
        st = sbl_error_set(err, SABAL_EINVAL, "the object is NULL");
    else if (type->struct_size < sizeof *type)
        st = sbl_error_set(err, SABAL_EINVAL, "a sabal_type with struct_size %zu, not %zu", type->struct_size,
                           sizeof *type);
    else if (!type->name || !type->name[0] || strlen(type->name) > SBL_MAX_TYPE_NAME)
        st = sbl_error_set(err, SABAL_EINVAL, "a sabal_type needs a name of 1 to %d characters", SBL_MAX_TYPE_NAME);
    if (st)
        goto done;
    o = sbl_calloc(1, sizeof *o);
    if (!o) {
        st = sbl_error_memory(err, sizeof *o, "a record of an object");
        goto done;
    }
    sbl_handle_init(o, &OBJECT);
    o->value.kind    = SBL_OBJECT;
    o->value.n_bytes = type->size ? type->size(object_) : 0;
    o->value.own     = o->value.n_bytes;
    o->object        = object_;
    o->type          = type;
    *value           = &o->value;
done:
    if (st && object_ && type->destroy)
        type->destroy(object_);
    return st;
}

void *sbl_object_get(const sbl_value *value, const sabal_type *type)
{
    const object *o = (const object *)(const void *)value;

    return value && value->kind == SBL_OBJECT && o->type == type ? o->object : NULL;
}

const sabal_type *sbl_object_type(const sbl_value *value)
{
    return value && value->kind == SBL_OBJECT ? ((const object *)(const void *)value)->type : NULL;
}

const void *sbl_value_data(const sbl_value *value, size_t *size)
{
    size_t      n;
    const void *data;

    if (value->kind == SBL_NDARRAY) {
        n    = sbl_ndarray_bytes((const sabal_ndarray *)(const void *)value);
        data = sabal_ndarray_data((const sabal_ndarray *)(const void *)value);
    } else if (value->kind == SBL_OBJECT) {
        n    = value->n_bytes;
        data = ((const object *)(const void *)value)->object;
    } else {
        n    = ((const bytes *)(const void *)value)->size;
        data = ((const bytes *)(const void *)value)->data;
    }
    if (size)
        *size = n;
    return data;
}

void sbl_release_nothing(void *arg)
{
}
