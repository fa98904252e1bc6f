/* What finds leftovers of a test (support/left.h) finds each kind that is planted, and nothing else. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "support/left.h"

static left      now;
static left_list list;

static void begin(void)
{
    left_begin(&now);
}

static void end(void)
{
    left_end(&now);
}

TestSuite(left, .init = begin, .fini = end, .timeout = 60);

static void expect_found(const char *what)
{
    cr_expect(left_look(&now, &list) >= 1 && strstr(list.text, what), "no '%s' in:\n%s", what, list.text);
}

/* As a program that ends by itself, should the test fail. */
static void be_another_program(void)
{
    execl("/bin/sleep", "sleep", "30", NULL);
    _exit(127);
}

static void end_child(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* After a while: a file in /dev/shm may be another's for a moment, as it tells of nobody before it is mapped. */
Test(left, of_nothing_nothing_is_found)
{
    left_expect_nothing(&now);
}

Test(left, a_child_is_found_and_one_that_nobody_waited_for)
{
    pid_t child = fork();

    if (!child) {
        pause();
        _exit(0);
    }
    expect_found("alive");
    kill(child, SIGKILL);
    while (left_look(&now, &list) && !strstr(list.text, "not waited for"))
        usleep(1000);
    expect_found("not waited for");
    waitpid(child, NULL, 0);
}

/* Its parent is gone, and it is of another session. */
Test(left, a_process_that_got_away_is_found)
{
    int   ends[2];
    pid_t child, it = 0;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    if (!child) {
        pid_t grandchild = fork();

        if (!grandchild) {
            setsid();
            be_another_program();
        }
        (void)!write(ends[1], &grandchild, sizeof grandchild);
        _exit(0);
    }
    cr_assert_eq(read(ends[0], &it, sizeof it), (ssize_t)sizeof it);
    waitpid(child, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    expect_found("alive");
    end_child(it);
}

/* One that is nobody's child here any more is known by its mark. */
Test(left, a_process_is_known_by_its_environment)
{
    pid_t child = fork();
    left  other = now;

    if (!child)
        be_another_program();
    while (!left_is_marked(&now, child))
        usleep(1000);
    strcpy(other.mark, "SABAL_TEST_MARK=of another");
    cr_expect_not(left_is_marked(&other, child));
    end_child(child);
}

Test(left, named_shared_memory_is_found)
{
    char name[64];
    int  fd;

    snprintf(name, sizeof name, "/sabal-left-%d", (int)getpid());
    fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    close(fd);
    expect_found(name);
    shm_unlink(name);
}

/* Of so many, some are told by mistake if their list has an end. */
Test(left, what_others_left_before_is_not_found_however_much_it_is)
{
    enum { MANY = 300 };
    char prefix[48], name[64];
    left later = {0};
    int  n     = 0;

    snprintf(prefix, sizeof prefix, "sabal-before-%d-", (int)getpid());
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "/%s%d", prefix, i);
        n += !close(shm_open(name, O_RDWR | O_CREAT, 0600));
    }
    left_begin(&later);
    left_look(&later, &list);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "/%s%d", prefix, i);
        shm_unlink(name);
    }
    left_end(&later);
    cr_expect_eq(n, MANY);
    cr_expect_not(strstr(list.text, prefix), "found:\n%s", list.text);
}

Test(left, shared_memory_of_system_v_is_found)
{
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

    if (id < 0)
        cr_skip_test("there is no shared memory of System V here");
    expect_found("of System V");
    shmctl(id, IPC_RMID, NULL);
}

Test(left, a_memfd_is_found_mapped_or_open)
{
    int   fd = memfd_create("sabal-value", MFD_CLOEXEC);
    void *at;

    cr_assert_eq(ftruncate(fd, 4096), 0);
    at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    expect_found("memfd:sabal-value");
    close(fd);
    expect_found("of a memfd, mapped");
    munmap(at, 4096);
}

Test(left, a_socket_is_found_and_its_folder)
{
    struct sockaddr_un a  = {.sun_family = AF_UNIX};
    int                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char               path[96];

    snprintf(path, sizeof path, "%s/run/sabal-0123456789abcdef", now.folder);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_found("folder");
    snprintf(a.sun_path, sizeof a.sun_path, "%s/worker", path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    close(fd);
    expect_found("socket");
    unlink(a.sun_path);
    rmdir(path);
}

Test(left, a_file_of_spilled_values_is_found_named_or_open)
{
    char path[96];
    int  fd;

    snprintf(path, sizeof path, "%s/spill/.sabal-spill-1", now.folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    expect_found(path);
    unlink(path);
    expect_found("(deleted)");
    close(fd);
}

Test(left, a_port_that_listens_is_found)
{
    struct sockaddr_in a    = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          size = sizeof a;
    int                fd   = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char               wanted[32];

    cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    snprintf(wanted, sizeof wanted, "port %u\n", ntohs(a.sin_port));
    expect_found(wanted);
    close(fd);
}

/* As a process that was left holds it. */
Test(left, a_port_of_a_child_is_found)
{
    int   fd = socket(AF_INET6, SOCK_STREAM, 0);
    pid_t child;

    if (fd < 0 || listen(fd, 1))
        cr_skip_test("there is no IPv6 here");
    child = fork();
    if (!child)
        be_another_program();
    close(fd);
    expect_found("port ");
    end_child(child);
}
