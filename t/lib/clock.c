/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Preloaded into a server under test: its wall clock is off by the seconds
 * that stand in the file that TEST_CLOCK names (eight bytes, looked at each
 * time); what only measures time is as it was.
 *
 * libfaketime does the same and cannot be loaded with jemalloc, Redis'
 * allocator, which asks for the time while it starts: it needs memory then.
 */

#define _GNU_SOURCE

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>


static int64_t
offset(void)
{
    static volatile int64_t  *shared;

    int          fd;
    void        *p;
    const char  *name;

    if (shared == NULL) {
        name = getenv("TEST_CLOCK");
        fd = name ? open(name, O_RDONLY) : -1;
        p = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);

        if (p == MAP_FAILED) {
            abort();
        }

        close(fd);
        shared = p;
    }

    return *shared;
}


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    if (syscall(SYS_clock_gettime, id, ts) == -1) {
        return -1;
    }

    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) {
        ts->tv_sec += offset();
    }

    return 0;
}


int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec  ts;

    (void) tz;

    clock_gettime(CLOCK_REALTIME, &ts);

    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}


time_t
time(time_t *t)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    if (t != NULL) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}
