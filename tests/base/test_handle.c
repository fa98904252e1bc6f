#include "base/handle.h"

#include "support/test.h"

struct thing {
    sbl_handle handle;
    int       *ended;
};

static void thing_destroy(void *handle)
{
    ++*((struct thing *)handle)->ended;
}

static const sbl_handle_class THING = {.name = "thing", .destroy = thing_destroy};

/* A client begins with its owner. */
static sbl_owner     owner;
static sabal_client *client(void)
{
    return (sabal_client *)(void *)&owner;
}

static void *make(struct thing *t, int *ended)
{
    t->ended = ended;
    sbl_handle_init(t, &THING);
    return sbl_handle_adopt(t, &owner);
}

static void init(void)
{
    sbl_owner_init(&owner);
}

static void fini(void)
{
    sbl_owner_clear(&owner);
    sbl_owner_destroy(&owner);
}

TestSuite(handle, .init = init, .fini = fini);

Test(handle, belongs_to_the_client_until_it_is_cleared)
{
    static struct thing a;
    static int          ended;

    make(&a, &ended);
    sbl_owner_clear(&owner);
    cr_expect_eq(ended, 1);
}

Test(handle, a_block_releases_what_was_made_in_it)
{
    static struct thing a, b, c;
    static int          in_a, in_b, in_c;

    make(&a, &in_a);
    {
        SABAL_SCOPE(client());
        make(&b, &in_b);
        make(&c, &in_c);
        sabal_keep(&c);
    }
    cr_expect_eq(in_a, 0);
    cr_expect_eq(in_b, 1);
    cr_expect_eq(in_c, 0);
    sabal_release(&a);
    cr_expect_eq(in_a, 1);
}

Test(handle, keep_moves_out_by_one_scope)
{
    static struct thing a;
    static int          ended;
    {
        SABAL_SCOPE(client());
        {
            SABAL_SCOPE(client());
            make(&a, &ended);
            sabal_keep(&a);
        }
        cr_expect_eq(ended, 0);
    }
    cr_expect_eq(ended, 1);
}

Test(handle, a_retained_one_outlives_its_scope)
{
    static struct thing a;
    static int          ended;
    {
        SABAL_SCOPE(client());
        make(&a, &ended);
        sabal_retain(&a);
    }
    cr_expect_eq(ended, 0);
    sabal_release(&a);
    cr_expect_eq(ended, 1);
}

Test(handle, release_ends_the_users_reference_first)
{
    static struct thing a;
    static int          ended;

    make(&a, &ended);
    sabal_retain(&a);
    sabal_release(&a);
    cr_expect_eq(ended, 0);
    sabal_release(&a);
    cr_expect_eq(ended, 1);
    sabal_release(NULL);
}

Test(handle, a_scope_of_another_client_does_not_take_it)
{
    sbl_owner           other;
    static struct thing a;
    static int          ended;

    sbl_owner_init(&other);
    {
        SABAL_SCOPE((sabal_client *)(void *)&other);
        make(&a, &ended);
    }
    cr_expect_eq(ended, 0);
    sbl_owner_destroy(&other);
}

Test(handle, an_immortal_one_is_never_counted)
{
    static const sbl_handle_class CLASS  = {.name = "failed", .immortal = 1};
    static sbl_handle             failed = SBL_IMMORTAL(&CLASS);

    sbl_handle_adopt(&failed, &owner);
    sabal_retain(&failed);
    sabal_release(&failed);
    sabal_release(&failed);
    cr_expect_null(owner.first);
}
