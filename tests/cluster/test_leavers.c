/* Which workers are asked to leave: by name, or by number. */
#include "cluster/named.h"

TestSuite(leavers, .init = clear_error, .fini = close_cluster, .timeout = 120);

typedef struct seen {
    int     n;
    int64_t numbers[4];
    char    names[4][32];
} seen;

static int32_t see(void *user, const sabal_worker_info *worker)
{
    seen *s = user;

    s->numbers[s->n] = worker->number;
    snprintf(s->names[s->n++], sizeof *s->names, "%s", worker->name);
    return s->n == 4;
}

static void look(seen *s)
{
    sabal_cluster_info info = {.struct_size = sizeof info};

    *s = (seen){0};
    cr_assert_eq(sabal_cluster_info_get(&info, see, s, cluster.file, &err), SABAL_OK, "%s", err.message);
}

Test(leavers, names_may_have_blanks_before_them)
{
    seen s;

    cluster_open(&cluster, 0);
    add_worker("a", 1, NULL);
    add_worker("b", 1, NULL);
    add_worker("c", 1, NULL);
    cr_expect_eq(sabal_cluster_retire(" a,  c", cluster.file, &err), SABAL_OK, "%s", err.message);
    look(&s);
    cr_assert_eq(s.n, 1);
    cr_expect_str_eq(s.names[0], "b");
}

Test(leavers, an_empty_name_is_told_and_the_others_leave)
{
    seen s;

    cluster_open(&cluster, 0);
    add_worker("a", 1, NULL);
    add_worker("b", 1, NULL);
    cr_expect_eq(sabal_cluster_retire("a, ", cluster.file, &err), SABAL_EINVAL);
    cr_expect(strstr(err.message, "names no worker"), "%s", err.message);
    clear_error();
    look(&s);
    cr_assert_eq(s.n, 1);
    cr_expect_str_eq(s.names[0], "b");
}

Test(leavers, a_number_is_meant_where_no_worker_has_it_as_its_name)
{
    char number[32];
    seen s;

    cluster_open(&cluster, 0);
    add_worker("first", 1, NULL);
    look(&s);
    snprintf(number, sizeof number, "%lld", (long long)s.numbers[0]);
    add_worker(number, 1, NULL);
    cr_expect_eq(sabal_cluster_retire(number, cluster.file, &err), SABAL_OK, "%s", err.message);
    look(&s);
    cr_assert_eq(s.n, 1);
    cr_expect_str_eq(s.names[0], "first");
    cr_expect_eq(sabal_cluster_retire(number, cluster.file, &err), SABAL_OK, "%s", err.message);
    look(&s);
    cr_expect_eq(s.n, 0);
}
