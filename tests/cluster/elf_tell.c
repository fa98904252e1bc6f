/* Says what a worker would say of a file: "loadable", or why not. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cluster/elf.h"

int main(int argc, char **argv)
{
    sabal_error err = SABAL_ERROR_INIT;
    struct stat s;
    sbl_elf     elf;
    int         fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    void       *bytes;

    if (fd < 0 || fstat(fd, &s))
        return 2;
    bytes = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return 2;
    puts(sbl_elf_look(&elf, bytes, (size_t)s.st_size, argv[1], &err) ? err.message : "loadable");
    return 0;
}
