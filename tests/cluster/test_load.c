/* Code that a worker takes in: several programs, each as itself. */
#include "support/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/elf.h"
#include "cluster/load.h"

/* Its build-id; size 0 if it is not one that could be loaded. */
static sbl_build_id id_of(int fd)
{
    sbl_build_id none = {0};
    struct stat  s;
    sbl_elf      elf;
    void        *bytes;

    cr_assert_eq(fstat(fd, &s), 0);
    bytes = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    cr_assert(bytes != MAP_FAILED);
    if (!sbl_elf_look(&elf, bytes, (size_t)s.st_size, "a program", NULL))
        none = elf.id;
    munmap(bytes, (size_t)s.st_size);
    return none;
}

/* Programs of this system: the loader knows objects by their files' names first, and copies have none of their own. */
Test(load, a_second_program_is_not_taken_for_the_first)
{
    static const char *const PROGRAMS[] = {"/bin/true", "/bin/false", "/bin/echo"};
    int                      n          = 0;

    for (int i = 0; i < 3; i++) {
        sabal_error  err = SABAL_ERROR_INIT;
        char         path[64];
        sbl_build_id id;
        int          fd = open(PROGRAMS[i], O_RDONLY | O_CLOEXEC);

        if (fd < 0)
            continue;
        id = id_of(fd);
        if (id.size) {
            n++;
            cr_expect(sbl_object_load(fd, "", &id, NULL, 0, &err) == SABAL_OK, "%s: %s", PROGRAMS[i], err.message);
            cr_expect(sbl_object_path(&id, path, sizeof path));
        }
        close(fd);
    }
    if (n < 2)
        cr_skip_test("the programs of this system are not position-independent, or have no build-id");
}
