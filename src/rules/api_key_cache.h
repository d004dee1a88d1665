/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A table of answers by key, in one block of memory that several processes
 * share: which of them may be trusted, by whom, and for how long.  A key is
 * named by its mark, the first bytes of its hash (API_KEY_MARK_LEN).  The
 * caller holds a lock around each call.
 *
 * Who is told by Redis of all changes from some moment on, has a number: the
 * table's sequence, raised at that moment.  An answer carries the sequence
 * that held when it was asked for, so whoever has that number or a lower one
 * has been told of all that happened to it since.  Nothing needs to be flushed
 * when a link breaks or a process comes anew.
 */

#ifndef _API_KEY_CACHE_H_INCLUDED_
#define _API_KEY_CACHE_H_INCLUDED_


#include "api_key_digest.h"


/* the number of who is told nothing, and of who does without */

#define API_KEY_TRUST_NONE  UINT64_MAX
#define API_KEY_TRUST_ALL   0


typedef struct api_key_cache_s  api_key_cache_t;


/* taken before Redis is asked: whether the answer may be kept */

typedef struct {
    uint64_t          sequence;
    uint64_t          asked;                  /* ms */
    uint32_t          epoch;
    uint32_t          generation;
} api_key_stamp_t;


typedef struct {
    uint64_t          sequence;               /* the lowest that is trusted */
    uint64_t          now;                    /* ms */
    uint64_t          valid;                  /* ms, for records */
    uint64_t          invalid;                /* ms, for unknown keys */
} api_key_trust_t;


/* where a record is copied to */

typedef struct {
    unsigned char    *data;
    size_t            max;                    /* bytes that it holds */
    size_t            len;                    /* bytes copied */
    uint32_t          used;                   /* Unix seconds of the last use
                                                 that was noted, or 0 */
} api_key_copy_t;


typedef enum {
    API_KEY_CACHE_MISS = 0,       /* nothing that is to be trusted */
    API_KEY_CACHE_RECORD,
    API_KEY_CACHE_UNKNOWN         /* there is no such key */
} api_key_cache_e;


/*
 * Makes an empty table in mem, aligned for uint64_t.  seed decides who shares
 * a bucket, so that nobody outside can choose it.  Returns NULL when size
 * bytes are too few for anything useful.
 */

api_key_cache_t *api_key_cache_init(void *mem, size_t size, uint64_t seed);


/*
 * To be called first and last while the lock is held.  A process that died
 * in between has left the table in pieces: then it is emptied.
 */

void api_key_cache_enter(api_key_cache_t *cache);
void api_key_cache_leave(api_key_cache_t *cache);


/*
 * A key is going to be asked for: fetches the memory where it will be found,
 * most likely, and does not wait for it.  As nothing else comes of it, this
 * may be called without entering, also where somebody has died inside.
 */

void api_key_cache_fetch(const api_key_cache_t *cache,
    const unsigned char *mark);


/*
 * What is known of a key.  On RECORD its bytes, as api_key_cache_put() got
 * them, are copied; those of one that is too long are a MISS.
 */

api_key_cache_e api_key_cache_get(api_key_cache_t *cache,
    const unsigned char *mark, const api_key_trust_t *trust,
    api_key_copy_t *copy);


/* Notes that it was used at this time (Unix seconds), if there is a record. */

void api_key_cache_use(api_key_cache_t *cache, const unsigned char *mark,
    uint32_t at);


/*
 * To be taken before asking Redis for a key, at now (ms).  Returns 1 when there
 * is a record, whether it is to be trusted or not, else 0.
 */

int api_key_cache_stamp(const api_key_cache_t *cache, const unsigned char *mark,
    uint64_t now, api_key_stamp_t *stamp);


/* Whether nothing has been heard of it since the stamp was taken: 1 or 0. */

int api_key_cache_holds(const api_key_cache_t *cache, const unsigned char *mark,
    const api_key_stamp_t *stamp);


/*
 * Keeps an answer that stamp still holds for, unless there is one that was
 * asked for later: the len bytes of a record, or that there is none (len 0).
 * The oldest make room, records for records and unknown keys for unknown keys:
 * by their last use as long as little room is left, before by when they were
 * asked for.
 * Returns how many records had to go.
 */

unsigned api_key_cache_put(api_key_cache_t *cache, const unsigned char *mark,
    const api_key_stamp_t *stamp, const unsigned char *record, size_t len);


/* Something has happened to a key, or to all: no stamp holds any more. */

void api_key_cache_drop(api_key_cache_t *cache, const unsigned char *mark);
void api_key_cache_drop_all(api_key_cache_t *cache);


/* The number of who is told of all changes from now on. */

uint64_t api_key_cache_subscribe(api_key_cache_t *cache);


/* How many entries there are. */

unsigned api_key_cache_entries(const api_key_cache_t *cache);


#endif /* _API_KEY_CACHE_H_INCLUDED_ */
