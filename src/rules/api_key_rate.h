/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * How much of their rate keys have used: a table of counts by key, in one
 * block of memory that several processes share.  The caller holds a lock
 * around each call.
 *
 * A window is fixed: it begins with the first request that is counted.  When
 * limit or window of a key change while one is open, its begin and its count
 * stay, and the new numbers are asked of it at once: a lower limit may be used
 * up already, a shorter window may be over.
 *
 * A key has its place in one row of entries.  When that is full, an entry
 * whose window has ended makes room for another key; when none has, the one
 * that was asked for longest ago goes, and its key begins anew.  While no more
 * than half of the table is used, as good as no row is full.
 */

#ifndef _API_KEY_RATE_H_INCLUDED_
#define _API_KEY_RATE_H_INCLUDED_


#include "api_key_digest.h"


typedef struct api_key_rate_s  api_key_rate_t;


/*
 * Makes an empty table in mem, aligned for uint64_t, of size bytes, at most
 * 4 GB.  seed decides who shares a row, so that nobody outside can choose it.
 * Returns NULL when size is too small for a row.
 */

api_key_rate_t *api_key_rate_init(void *mem, size_t size, uint64_t seed);


/*
 * To be called first and last while the lock is held.  A process that died
 * in between has left the table in pieces: then it is emptied, and all keys
 * begin anew.
 */

void api_key_rate_enter(api_key_rate_t *rate);
void api_key_rate_leave(api_key_rate_t *rate);


/*
 * Counts one request of a key, named by its mark, of which limit (at least 1)
 * are good in window seconds (at least 1).  now is in ms, by a clock that all
 * processes share; one may be behind another by a little.  Returns 1, and *ms
 * is when the window began, for api_key_rate_give(); or 0 when all are used
 * up, and *ms is how long the window still lasts.
 */

int api_key_rate_take(api_key_rate_t *rate, const unsigned char *mark,
    uint32_t limit, uint32_t window, uint64_t now, uint64_t *ms);


/*
 * Gives back one request that was counted in the window that began then, if
 * that is still open.  Where it was the only one, no window has begun.
 */

void api_key_rate_give(api_key_rate_t *rate, const unsigned char *mark,
    uint64_t began);


#endif /* _API_KEY_RATE_H_INCLUDED_ */
