/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the tables of keys in shared memory have in common.
 */

#ifndef _API_KEY_TABLE_H_INCLUDED_
#define _API_KEY_TABLE_H_INCLUDED_


#include "api_key_digest.h"


/*
 * Where a key belongs, by its mark: each bit of what is returned says a part of
 * it.  Marks are spread already; the seed keeps who can compute hashes from
 * choosing a place.
 */

uint32_t api_key_table_hash(const unsigned char *mark, uint64_t seed);


/*
 * To be called first and last while a table's lock is held.  enter() returns
 * 1 when a process has died in between and may have left the table in pieces,
 * else 0.
 */

int api_key_table_enter(volatile uint32_t *busy);
void api_key_table_leave(volatile uint32_t *busy);


#endif /* _API_KEY_TABLE_H_INCLUDED_ */
