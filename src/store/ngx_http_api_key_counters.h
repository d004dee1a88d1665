/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What is counted, in a shared memory zone of fixed size that a reload keeps.
 */

#ifndef _NGX_HTTP_API_KEY_COUNTERS_H_INCLUDED_
#define _NGX_HTTP_API_KEY_COUNTERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "api_key_verdict.h"


/* errors of Redis */

typedef enum {
    NGX_HTTP_API_KEY_ERROR_CONNECT = 0,
    NGX_HTTP_API_KEY_ERROR_TIMEOUT,
    NGX_HTTP_API_KEY_ERROR_CLOSED,
    NGX_HTTP_API_KEY_ERROR_PROTOCOL,
    NGX_HTTP_API_KEY_ERROR_REFUSED,
    NGX_HTTP_API_KEY_ERRORS
} ngx_http_api_key_error_e;


/* what the admin API has done */

typedef enum {
    NGX_HTTP_API_KEY_ACTION_CREATE = 0,
    NGX_HTTP_API_KEY_ACTION_IMPORT,
    NGX_HTTP_API_KEY_ACTION_CHANGE,
    NGX_HTTP_API_KEY_ACTION_ROTATE,
    NGX_HTTP_API_KEY_ACTION_REVOKE,
    NGX_HTTP_API_KEY_ACTION_ARM,
    NGX_HTTP_API_KEY_ACTION_DISARM,
    NGX_HTTP_API_KEY_ACTIONS
} ngx_http_api_key_action_e;


/* the histogram of Redis' time to answer */

#define NGX_HTTP_API_KEY_BUCKETS  12              /* the last one: the rest */


/* each of these is the first of as many as the next one is away */

typedef enum {
    NGX_HTTP_API_KEY_COUNT_REQUESTS = 0,          /* by api_key_verdict_e */
    NGX_HTTP_API_KEY_COUNT_OBSERVED = NGX_HTTP_API_KEY_COUNT_REQUESTS
                                      + API_KEY_VERDICTS,
    NGX_HTTP_API_KEY_COUNT_HIT = NGX_HTTP_API_KEY_COUNT_OBSERVED
                                 + API_KEY_VERDICTS,
    NGX_HTTP_API_KEY_COUNT_MISS,
    NGX_HTTP_API_KEY_COUNT_STALE,
    NGX_HTTP_API_KEY_COUNT_NEGATIVE,
    NGX_HTTP_API_KEY_COUNT_EVICTIONS,
    NGX_HTTP_API_KEY_COUNT_INVALIDATIONS,
    NGX_HTTP_API_KEY_COUNT_ERRORS,                /* by _error_e */
    NGX_HTTP_API_KEY_COUNT_ADMIN = NGX_HTTP_API_KEY_COUNT_ERRORS
                                   + NGX_HTTP_API_KEY_ERRORS,
    NGX_HTTP_API_KEY_COUNT_BUCKETS = NGX_HTTP_API_KEY_COUNT_ADMIN
                                     + NGX_HTTP_API_KEY_ACTIONS,
    NGX_HTTP_API_KEY_COUNT_MICROSECONDS = NGX_HTTP_API_KEY_COUNT_BUCKETS
                                          + NGX_HTTP_API_KEY_BUCKETS,
    NGX_HTTP_API_KEY_COUNTS
} ngx_http_api_key_count_e;


typedef struct ngx_http_api_key_counters_s  ngx_http_api_key_counters_t;


/* Adds the zone.  Returns NULL when that fails, with an error logged. */

ngx_http_api_key_counters_t *ngx_http_api_key_counters_add(ngx_conf_t *cf,
    ngx_str_t *name);


/* Their names, as in metrics and audit. */

const char *ngx_http_api_key_error_name(ngx_http_api_key_error_e error);
const char *ngx_http_api_key_action_name(ngx_http_api_key_action_e action);


/* Adds n in this worker's row. */

void ngx_http_api_key_count(ngx_http_api_key_counters_t *counters,
    ngx_uint_t which, uint64_t n);


/* Counts one answer of Redis that took so many microseconds. */

void ngx_http_api_key_count_time(ngx_http_api_key_counters_t *counters,
    uint64_t microseconds);

/* The upper end of a bucket in microseconds; 0 is none. */

uint64_t ngx_http_api_key_bucket_end(ngx_uint_t bucket);


/* The sum over all workers, of this cycle and of earlier ones. */

uint64_t ngx_http_api_key_counters_sum(ngx_http_api_key_counters_t *counters,
    ngx_uint_t which);


#endif /* _NGX_HTTP_API_KEY_COUNTERS_H_INCLUDED_ */
