/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * One worker's second connection, on which Redis tells of every change to a
 * key: https://redis.io/docs/latest/develop/reference/client-side-caching/,
 * broadcast mode over RESP2.
 */

#ifndef _NGX_HTTP_API_KEY_PUSH_H_INCLUDED_
#define _NGX_HTTP_API_KEY_PUSH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_api_key_cache.h"
#include "ngx_http_api_key_counters.h"
#include "ngx_http_api_key_redis.h"


typedef enum {
    NGX_HTTP_API_KEY_PUSH_DOWN = 0,
    NGX_HTTP_API_KEY_PUSH_REFUSED,       /* Redis will not do it */
    NGX_HTTP_API_KEY_PUSH_UP
} ngx_http_api_key_push_e;


typedef struct ngx_http_api_key_push_s  ngx_http_api_key_push_t;


/*
 * Connects as conf says and drops from cache whatever changes below prefix
 * ("shop:key:").  All that is given must outlive the link.  Returns NULL when
 * out of memory.
 */

ngx_http_api_key_push_t *ngx_http_api_key_push_create(
    ngx_http_api_key_redis_conf_t *conf, ngx_str_t *prefix,
    ngx_http_api_key_cache_t *cache, ngx_http_api_key_counters_t *counters,
    ngx_cycle_t *cycle);

void ngx_http_api_key_push_destroy(ngx_http_api_key_push_t *push);


/* The link's state, and since when (Unix seconds) it has been so. */

ngx_http_api_key_push_e ngx_http_api_key_push_state(
    ngx_http_api_key_push_t *push, time_t *since);


/*
 * Which cached answers this worker may trust: the lowest sequence, or
 * API_KEY_TRUST_NONE.  _now is the rule; _last is what it was when the link
 * was last up, for stale answers.
 */

uint64_t ngx_http_api_key_push_trust_now(ngx_http_api_key_push_t *push);
uint64_t ngx_http_api_key_push_trust_last(ngx_http_api_key_push_t *push);


/*
 * Until when trust_last held, as ngx_current_msec: while the link is up, when
 * Redis last said anything on it, or on the other one, at other; after that
 * no later than when it was lost.
 */

ngx_msec_t ngx_http_api_key_push_heard(ngx_http_api_key_push_t *push,
    ngx_msec_t other);


#endif /* _NGX_HTTP_API_KEY_PUSH_H_INCLUDED_ */
