/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Tables of key ids in shared memory: the hash, and who is inside.
 */

#include "api_key_table.h"


uint32_t
api_key_table_place(const unsigned char *id, uint64_t seed, uint32_t n)
{
    uint32_t  last;
    uint64_t  a, b, hash;

    memcpy(&a, id, sizeof(uint64_t));
    memcpy(&b, id + 8, sizeof(uint64_t));
    memcpy(&last, id + 16, sizeof(uint32_t));

    hash = (a ^ seed) * 0x9e3779b97f4a7c15;
    hash = (hash ^ (hash >> 32) ^ b) * (seed | 1);
    hash = (hash ^ (hash >> 29) ^ last) * 0xbf58476d1ce4e5b9;

    return (uint32_t) (((hash >> 32) * n) >> 32);
}


int
api_key_table_enter(volatile uint32_t *busy)
{
    int  broken;

    broken = (*busy != 0);
    *busy = 1;

    /* what follows must not come before it, nor after leave() */
    __asm__ volatile ("" ::: "memory");

    return broken;
}


void
api_key_table_leave(volatile uint32_t *busy)
{
    __asm__ volatile ("" ::: "memory");

    *busy = 0;
}
