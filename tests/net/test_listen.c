/* Who comes in: those that prove themselves, at the places that were asked for. */
#include "support/test.h"

#include <sys/stat.h>

#include "net/door.h"

TestSuite(listen, .init = make, .fini = end, .timeout = 120);

/* --- where ---------------------------------------------------------------------------------------------------------- */

Test(listen, all_interfaces_but_loopback_unless_it_is_asked_for)
{
    sbl_address a[SBL_MOST_ADDRESSES];
    sabal_error err = SABAL_ERROR_INIT;
    int32_t     n, n_more;

    options.interfaces   = NULL;
    options.n_interfaces = 0;
    if (sbl_listener_open(&listener, loop, &options, &err)) { /* a machine without a network */
        cr_expect(err.status == SABAL_ENOENT && strstr(err.message, "loopback"));
        n = 0;
    } else {
        n = sbl_listener_addresses(listener, a, SBL_MOST_ADDRESSES);
        for (int32_t i = 0; i < n; i++)
            cr_expect(a[i].port && strcmp(a[i].interface, "lo") && strncmp(a[i].ip, "127.", 4));
        sbl_listener_close(listener);
    }
    options.loopback = 1;
    begin();
    n_more = sbl_listener_addresses(listener, a, SBL_MOST_ADDRESSES);
    cr_expect_gt(n_more, n);
}

Test(listen, an_interface_that_is_not_there_is_told_with_those_that_are)
{
    static const char *const NAMES[] = {"lo", "ib7"};
    sabal_error              err     = SABAL_ERROR_INIT;

    options.interfaces   = NAMES;
    options.n_interfaces = 2;
    cr_expect_eq(sbl_listener_open(&listener, loop, &options, &err), SABAL_ENOENT);
    cr_expect(strstr(err.message, "'ib7'") && strstr(err.message, "lo"));
}

Test(listen, a_port_that_is_taken_is_told)
{
    sbl_listener *other = NULL;
    sabal_error   err   = SABAL_ERROR_INIT;

    begin();
    options.port = ntohs(where().sin_port);
    cr_expect_eq(sbl_listener_open(&other, loop, &options, &err), SABAL_EIO);
    cr_expect(strstr(err.message, "listening on tcp 127.0.0.1:") && strstr(err.message, "in use"));
}

Test(listen, a_unix_socket_is_this_users_alone_and_gone_at_the_end)
{
    struct stat st;

    use_unix();
    begin();
    cr_assert(stat(path, &st) == 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    sbl_listener_close(listener);
    listener = NULL;
    cr_expect_neq(access(path, F_OK), 0);
}

/* --- who ------------------------------------------------------------------------------------------------------------ */

Test(listen, who_proves_itself_is_admitted)
{
    begin();
    join(dial());
    TURN_UNTIL(client.passed && n_admitted == 1);
    side_say(&client, 1, PLAIN, "hello", 5);
    TURN_UNTIL(admitted[0].frames == 1);
    cr_expect_eq(sbl_link_peer(admitted[0].link)->role, SBL_ROLE_WORKER);
    cr_expect_eq(sbl_listener_counts(listener).admitted, 1);
    cr_expect_eq(sbl_listener_counts(listener).pending, 0);
    leave();
}

Test(listen, another_user_of_the_same_node_is_refused)
{
    pid_t child;
    int   status;

    if (geteuid() != 0)
        cr_skip_test("only root can become another user");
    use_unix();
    begin();
    chmod(folder.path, 0711); /* as if it could be reached */
    chmod(path, 0666);
    child = fork();
    if (child == 0) {
        char byte;
        int  fd;

        if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
            _exit(2);
        fd = dial_unix();
        _exit(read(fd, &byte, 1) == 0 ? 0 : 1);
    }
    TURN_UNTIL(sbl_listener_counts(listener).other_user == 1);
    cr_assert(waitpid(child, &status, 0) == child);
    cr_expect_eq(status, 0);
    cr_expect(sbl_listener_counts(listener).pending == 0 && n_admitted == 0);
    join(dial_unix()); /* and its own user is welcome */
    TURN_UNTIL(n_admitted == 1);
    leave();
}

Test(listen, every_failed_allocation_is_reported_and_turns_away)
{
    int n = 0;

    for (;; n++) {
        sabal_error  err = SABAL_ERROR_INIT;
        sabal_status st;

        sbl_alloc_fail(n + 1, 0);
        st = sbl_listener_open(&listener, loop, &options, &err);
        sbl_alloc_fail(0, 0);
        if (!st)
            break;
        cr_assert_eq(st, SABAL_ENOMEM);
    }
    cr_expect_eq(n, 1);
    for (int i = 1; i <= 3; i++) {
        int fd = dial();

        sbl_alloc_fail(i, 0);
        TURN_UNTIL(sbl_listener_counts(listener).unserved == i);
        sbl_alloc_fail(0, 0);
        close(fd);
    }
    join(dial());
    TURN_UNTIL(n_admitted == 1);
    leave();
}
