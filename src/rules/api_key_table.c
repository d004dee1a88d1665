/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Tables of keys in shared memory: the hash, and who is inside.
 */

#include "api_key_table.h"


uint32_t
api_key_table_hash(const unsigned char *mark, uint64_t seed)
{
    uint16_t  last;
    uint64_t  first, hash;

    memcpy(&first, mark, sizeof(uint64_t));
    memcpy(&last, mark + 8, sizeof(uint16_t));

    hash = (first ^ seed) * 0x9e3779b97f4a7c15;
    hash = (hash ^ (hash >> 32) ^ last) * (seed | 1);
    hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9;

    return (uint32_t) (hash >> 32);
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
