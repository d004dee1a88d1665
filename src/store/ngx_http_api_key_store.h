/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A set of keys in Redis: its configuration, and what the gate and the admin
 * API ask of it.
 */

#ifndef _NGX_HTTP_API_KEY_STORE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "api_key_digest.h"
#include "api_key_record.h"
#include "api_key_verdict.h"
#include "ngx_http_api_key_cache.h"
#include "ngx_http_api_key_counters.h"
#include "ngx_http_api_key_push.h"
#include "ngx_http_api_key_rate.h"
#include "ngx_http_api_key_redis.h"


#define NGX_HTTP_API_KEY_STORE_PREFIX  128         /* the longest, in bytes */


/* Unix ms */

#define ngx_http_api_key_now()                                                \
    ((int64_t) (ngx_cached_time->sec * 1000 + ngx_cached_time->msec))


/* questions on their way, see ngx_http_api_key_lookup.c */

typedef struct ngx_http_api_key_flights_s  ngx_http_api_key_flights_t;


/* keys used, not written down yet, see ngx_http_api_key_used.c */

typedef struct ngx_http_api_key_uses_s  ngx_http_api_key_uses_t;


typedef struct {
    ngx_str_t                      name;
    ngx_str_t                      prefix;         /* of all Redis keys */
    ngx_http_api_key_redis_conf_t  redis_conf;

    ngx_uint_t                     npeppers;       /* 1 or 2 */
    api_key_digest_t              *digests[2];     /* new keys use the first */

    api_key_str_t                  issue_prefix;
    int64_t                        default_ttl;    /* seconds, 0 is no end */
    int64_t                        max_ttl;        /* seconds, 0 is no limit */
    int64_t                        rotate_after;   /* seconds, 0 is never */
    ngx_uint_t                     max_keys;       /* 0 is no limit */

    ngx_http_api_key_counters_t   *counters;       /* shared memory */
    ngx_http_api_key_rate_t       *rate;           /* likewise */
    ngx_http_api_key_cache_t      *cache;          /* likewise; NULL: off */
    size_t                         cache_size;     /* bytes; 0: off */
    ngx_msec_t                     cache_valid;    /* of records */
    ngx_msec_t                     cache_invalid;  /* of unknown keys; 0: not */
    ngx_msec_t                     cache_stale;    /* while Redis is away */
    ngx_flag_t                     cache_push;
    ngx_str_t                      tracked;        /* "shop:key:" */

    /* this worker's */

    ngx_http_api_key_redis_t      *redis;          /* NULL: not begun */
    ngx_http_api_key_redis_listener_t  listener;   /* to it */
    ngx_http_api_key_push_t       *push;           /* NULL: not wanted */
    ngx_http_api_key_flights_t    *flights;
    ngx_http_api_key_uses_t       *uses;
    u_char                         misfit[API_KEY_ID_LEN];  /* whose record
                                                    was another key's */

    ngx_uint_t                     defined;        /* its block was read */
    ngx_str_t                      file;           /* where it was named */
    ngx_uint_t                     line;
} ngx_http_api_key_store_t;


/*
 * The outcome of a lookup: NGX_OK with a record, NGX_DECLINED when there is no
 * such key, NGX_ABORT when no answer came, NGX_ERROR when the answer cannot be
 * trusted.  The record lives until the handler returns.
 */

typedef void (*ngx_http_api_key_lookup_pt)(void *data, ngx_int_t rc,
    api_key_record_t *record);


/*
 * The outcome of asking for a clear operation: OK when it may go on (its use
 * is taken and its audit entry written), NOT_ARMED, UNAVAILABLE, or what the
 * key has become: UNKNOWN, REVOKED_KEY, DISABLED_KEY, EXPIRED.
 */

typedef void (*ngx_http_api_key_clear_pt)(void *data,
    api_key_verdict_e verdict);


/*
 * This worker's link to the store's Redis; on first use, it and the one for
 * invalidations are made.  NULL when out of memory.
 */

ngx_http_api_key_redis_t *ngx_http_api_key_store_redis(
    ngx_http_api_key_store_t *store);


/* Closes this worker's links, if there are any. */

void ngx_http_api_key_store_close(ngx_http_api_key_store_t *store);


/*
 * Asks Redis for the record of id (API_KEY_ID_LEN bytes, copied); flags are
 * those of ngx_http_api_key_redis_send().  Returns NGX_OK when the handler is
 * going to be called later, else NGX_ERROR.
 */

ngx_int_t ngx_http_api_key_store_ask(ngx_http_api_key_store_t *store,
    const u_char *id, ngx_uint_t flags, ngx_http_api_key_lookup_pt handler,
    void *data);


/*
 * Asks for one clear operation by the key with this digest (64 hex digits);
 * from is the client's address and request_id its request's, for the audit.
 * Record and flag are judged, the use taken and the entry written by one
 * script.  Never sent twice.  look: only judges; nothing is taken, nothing
 * written.  Returns as ngx_http_api_key_store_ask().
 */

ngx_int_t ngx_http_api_key_store_clear(ngx_http_api_key_store_t *store,
    const u_char *digest, ngx_str_t *from, ngx_str_t *request_id,
    ngx_uint_t look, ngx_http_api_key_clear_pt handler, void *data);


/*
 * Reads HGETALL's and PTTL's replies for id into record, whose strings then
 * point into the replies.  Returns as a lookup does, and has logged why when
 * the answer cannot be trusted; NGX_ABORT when it is none to this question.
 */

ngx_int_t ngx_http_api_key_store_record(ngx_http_api_key_store_t *store,
    const u_char *id, ngx_http_api_key_reply_t *hash,
    ngx_http_api_key_reply_t *ttl, api_key_record_t *record);


/*
 * Writes store->prefix, name and an optional id (NULL is none) to key, taken
 * from pool: "shop:key:0123...".  Returns NGX_OK, or NGX_ERROR when out of
 * memory.
 */

ngx_int_t ngx_http_api_key_store_key(ngx_http_api_key_store_t *store,
    ngx_pool_t *pool, const char *name, const u_char *id, ngx_str_t *key);


#endif /* _NGX_HTTP_API_KEY_STORE_H_INCLUDED_ */
