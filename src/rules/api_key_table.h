/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the tables of key ids in shared memory have in common.
 */

#ifndef _API_KEY_TABLE_H_INCLUDED_
#define _API_KEY_TABLE_H_INCLUDED_


#include "api_key_digest.h"


/*
 * Where among n places an id (API_KEY_ID_LEN bytes) belongs: 0 to n - 1.  Ids
 * are digits of a digest, so they are spread already; the seed keeps who can
 * compute digests from choosing a place.
 */

uint32_t api_key_table_place(const unsigned char *id, uint64_t seed,
    uint32_t n);


/*
 * To be called first and last while a table's lock is held.  enter() returns
 * 1 when a process has died in between and may have left the table in pieces,
 * else 0.
 */

int api_key_table_enter(volatile uint32_t *busy);
void api_key_table_leave(volatile uint32_t *busy);


#endif /* _API_KEY_TABLE_H_INCLUDED_ */
