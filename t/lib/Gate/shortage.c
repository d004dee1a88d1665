/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Loaded before a program's libraries: lets calls fail that hardly ever do.
 * What fails, whose and which of them is in a file that the test writes, mapped
 * by each process: see Gate/Shortage.pm.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>


/* as Gate/Shortage.pm numbers them; 0: nothing fails */

enum { MEMORY = 1, WATCH };


typedef struct {
    int64_t  what;
    int64_t  pid;           /* 0: any that is called nginx */
    int64_t  left;          /* calls that are to succeed before */
    int64_t  times;         /* calls that are to fail then */
    int64_t  failed;        /* those that have */
} shortage_t;


static volatile shortage_t  *shortage;
static int                   is_nginx;
static pid_t                 leaving;


/* which lib_malloc() and so on are, the C library's or a sanitizer's */

#define next(name)                                                            \
    static __typeof__(name)  *lib;                                            \
                                                                              \
    if (lib == NULL) {                                                        \
        lib = (__typeof__(name) *) dlsym(RTLD_NEXT, #name);                   \
    }


__attribute__ ((constructor))
static void
map(void)
{
    int          fd;
    void        *mem;
    const char  *file;

    /* now, as nginx will write its title over it */
    is_nginx = strcmp(program_invocation_short_name, "nginx") == 0;

    file = getenv("TEST_SHORTAGE");
    fd = file ? open(file, O_RDWR) : -1;

    if (fd == -1) {
        return;
    }

    mem = mmap(NULL, sizeof(shortage_t), PROT_READ|PROT_WRITE, MAP_SHARED, fd,
               0);
    close(fd);

    if (mem != MAP_FAILED) {
        shortage = mem;
    }
}


static int
fails(int what)
{
    volatile shortage_t  *s = shortage;

    if (s == NULL || s->what != what || leaving == getpid()
        || (s->pid ? s->pid != getpid() : !is_nginx))
    {
        return 0;
    }

    if (s->left > 0) {
        s->left--;
        return 0;
    }

    if (s->times == 0) {
        return 0;
    }

    s->times--;
    s->failed++;

    return 1;
}


static int
no_memory(void)
{
    if (fails(MEMORY)) {
        errno = ENOMEM;
        return 1;
    }

    return 0;
}


void *
malloc(size_t size)
{
    next(malloc);

    return no_memory() ? NULL : lib(size);
}


void *
calloc(size_t n, size_t size)
{
    next(calloc);

    return no_memory() ? NULL : lib(n, size);
}


void *
realloc(void *p, size_t size)
{
    next(realloc);

    return no_memory() ? NULL : lib(p, size);
}


int
posix_memalign(void **p, size_t alignment, size_t size)
{
    next(posix_memalign);

    return no_memory() ? ENOMEM : lib(p, alignment, size);
}


/* By this nginx ends, and gcov's counters are written, which needs memory. */

int
dlclose(void *handle)
{
    next(dlclose);

    leaving = getpid();

    return lib(handle);
}


int
epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    next(epoll_ctl);

    if (op != EPOLL_CTL_DEL && fails(WATCH)) {
        errno = ENOSPC;
        return -1;
    }

    return lib(epoll, op, fd, event);
}
