/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Numbers for unit tests that look random and come again with the same seed.
 */

#ifndef _API_KEY_RANDOM_H_INCLUDED_
#define _API_KEY_RANDOM_H_INCLUDED_


#include <stdint.h>
#include <stdlib.h>
#include <time.h>


#define RANDOM_SEED  20240229


static uint64_t  random_state;


static inline uint64_t
random_mix(uint64_t n)
{
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
    n = (n ^ (n >> 27)) * 0x94d049bb133111eb;

    return n ^ (n >> 31);
}


static inline uint64_t
random_next(void)
{
    return random_mix(random_state += 0x9e3779b97f4a7c15);
}


static inline size_t
random_below(size_t n)
{
    return (size_t) (random_next() % n);
}


/*
 * A seed of its own for each run.  A test's name says which it was; the
 * variable API_KEY_UNIT_SEED brings it back.
 */

static inline uint64_t
random_seed(void)
{
    const char       *text;
    struct timespec   now;

    text = getenv("API_KEY_UNIT_SEED");

    if (text != NULL) {
        return strtoull(text, NULL, 10);
    }

    (void) timespec_get(&now, TIME_UTC);

    return random_mix((uint64_t) now.tv_sec * 1000000000
                      + (uint64_t) now.tv_nsec);
}


#endif /* _API_KEY_RANDOM_H_INCLUDED_ */
