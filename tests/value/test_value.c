#include "value/value.h"

#include <stdlib.h>
#include <string.h>

#include <sabal/memory.h>

#include "base/alloc.h"
#include "support/test.h"

static size_t in_use(void)
{
    sabal_memory m = {.struct_size = sizeof m};

    sabal_memory_get(&m);
    return m.in_use;
}

Test(value, eight_bytes_are_one_allocation_that_is_counted)
{
    size_t     before = in_use(), size;
    sbl_value *v;
    void      *room;

    sbl_alloc_fail(INT64_MAX, 0);
    cr_assert_eq(sbl_bytes_create(&v, &room, 8, NULL), SABAL_OK);
    cr_expect_eq(sbl_alloc_fail(0, 0), 1);
    memcpy(room, "abcdefg", 8);
    cr_expect_eq(in_use(), before + 8);
    cr_expect_eq(v->n_bytes, 8);
    cr_expect_str_eq(sbl_value_data(v, &size), "abcdefg");
    cr_expect_eq(size, 8);
    sbl_value_release(sbl_value_retain(v));
    sbl_value_release(v);
    cr_expect_eq(in_use(), before);
}

Test(value, bytes_of_every_size_are_aligned)
{
    for (size_t size = 0; size < 100000; size = size * 3 / 2 + 1) {
        sbl_value *v;
        void      *room;

        cr_assert_eq(sbl_bytes_create(&v, &room, size, NULL), SABAL_OK);
        cr_expect_eq((uintptr_t)room % (size < 64 ? 16 : 64), 0);
        memset(room, 7, size);
        sbl_value_release(v);
    }
}

/* A type of a user's: a text. */
static int    destroyed;
static size_t text_size(const void *object)
{
    return strlen(object) + 1;
}
static void text_destroy(void *object)
{
    destroyed++;
    free(object);
}
static const sabal_type TEXT = {.struct_size = sizeof TEXT, .name = "text", .size = text_size, .destroy = text_destroy};
static const sabal_type OTHER = {.struct_size = sizeof OTHER, .name = "other"};

Test(value, an_object_is_destroyed_once_with_its_last_reference)
{
    sbl_value *v;
    size_t     size;

    destroyed = 0;
    cr_assert_eq(sbl_object_create(&v, strdup("hello"), &TEXT, NULL), SABAL_OK);
    cr_expect_eq(v->n_bytes, 6);
    cr_expect_str_eq(sbl_object_get(v, &TEXT), "hello");
    cr_expect_null(sbl_object_get(v, &OTHER));
    cr_expect_null(sbl_object_get(NULL, &TEXT));
    cr_expect_eq(sbl_object_type(v), &TEXT);
    cr_expect_str_eq(sbl_value_data(v, &size), "hello");
    cr_expect_eq(size, 6);
    sbl_value_retain(v);
    sbl_value_release(v);
    cr_expect_eq(destroyed, 0);
    sbl_value_release(v);
    cr_expect_eq(destroyed, 1);
}

Test(value, an_object_that_cannot_be_made_is_destroyed_all_the_same)
{
    sabal_type  bad = TEXT;
    sbl_value  *v   = NULL;
    sabal_error err = SABAL_ERROR_INIT;

    destroyed = 0;
    sbl_alloc_fail(1, 0);
    cr_expect_eq(sbl_object_create(&v, strdup("x"), &TEXT, NULL), SABAL_ENOMEM);
    sbl_alloc_fail(0, 0);
    cr_expect_eq(destroyed, 1);
    bad.struct_size = 8;
    cr_expect_eq(sbl_object_create(&v, strdup("x"), &bad, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, "a sabal_type with struct_size 8, not 48");
    bad      = TEXT;
    bad.name = "";
    err      = (sabal_error)SABAL_ERROR_INIT;
    cr_expect_eq(sbl_object_create(&v, strdup("x"), &bad, &err), SABAL_EINVAL);
    cr_expect_str_eq(err.message, "a sabal_type needs a name of 1 to 255 characters");
    cr_expect_eq(destroyed, 3);
    cr_expect_eq(sbl_object_create(&v, NULL, &TEXT, NULL), SABAL_EINVAL);
    cr_expect_eq(destroyed, 3);
    cr_expect_null(v);
}

Test(value, every_failed_allocation_is_reported)
{
    size_t before = in_use();

    for (size_t size = 8; size <= 8000; size *= 1000)
        for (int64_t nth = 1; nth <= 1 + (size > 4096); nth++) {
            sabal_error err = SABAL_ERROR_INIT;
            sbl_value  *v   = NULL;
            void       *room;

            sbl_alloc_fail(nth, 0);
            cr_expect_eq(sbl_bytes_create(&v, &room, size, &err), SABAL_ENOMEM);
            sbl_alloc_fail(0, 0);
            cr_expect_null(v);
            cr_expect_eq(err.status, SABAL_ENOMEM);
        }
    cr_expect_eq(in_use(), before);
}
