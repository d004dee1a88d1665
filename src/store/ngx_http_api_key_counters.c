/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Counters in shared memory: a row for each worker, so that workers do not
 * fight for a cache line.  Additions are atomic all the same, because a
 * reload's old and new workers share rows.
 */

#include "ngx_http_api_key_counters.h"


#define NGX_HTTP_API_KEY_COUNTERS_ROWS  32
#define NGX_HTTP_API_KEY_COUNTERS_SIZE  (64 * 1024)


typedef struct {
    ngx_atomic_t                       counts[NGX_HTTP_API_KEY_COUNTS];
} ngx_http_api_key_counters_row_t;


struct ngx_http_api_key_counters_s {
    ngx_http_api_key_counters_row_t   *rows;
};


static ngx_int_t ngx_http_api_key_counters_init(ngx_shm_zone_t *zone,
    void *data);


/* from a Redis next door to one that hangs; the last is no end */

static const uint64_t
    ngx_http_api_key_bucket_ends[NGX_HTTP_API_KEY_BUCKETS] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 0
};


static const char  *ngx_http_api_key_error_names[] = {
    "connect", "timeout", "closed", "protocol", "refused"
};

static const char  *ngx_http_api_key_action_names[] = {
    "create", "import", "change", "rotate", "revoke", "arm", "disarm"
};


/* whose zone it is, by its address */

static char  ngx_http_api_key_counters_tag;


ngx_http_api_key_counters_t *
ngx_http_api_key_counters_add(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_shm_zone_t               *zone;
    ngx_http_api_key_counters_t  *counters;

    counters = ngx_pcalloc(cf->pool, sizeof(ngx_http_api_key_counters_t));
    if (counters == NULL) {
        return NULL;
    }

    zone = ngx_shared_memory_add(cf, name, NGX_HTTP_API_KEY_COUNTERS_SIZE,
                                 &ngx_http_api_key_counters_tag);
    if (zone == NULL) {
        return NULL;
    }

    zone->init = ngx_http_api_key_counters_init;
    zone->data = counters;

    return counters;
}


static ngx_int_t
ngx_http_api_key_counters_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t              *shpool;
    ngx_http_api_key_counters_t  *old = data;
    ngx_http_api_key_counters_t  *counters = zone->data;

    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (old) {
        counters->rows = old->rows;
        return NGX_OK;
    }

    if (zone->shm.exists) {
        counters->rows = shpool->data;
        return NGX_OK;
    }

    counters->rows = ngx_slab_calloc(shpool,
                                     NGX_HTTP_API_KEY_COUNTERS_ROWS
                                     * sizeof(ngx_http_api_key_counters_row_t));
    if (counters->rows == NULL) {
        return NGX_ERROR;
    }

    shpool->data = counters->rows;

    return NGX_OK;
}


const char *
ngx_http_api_key_error_name(ngx_http_api_key_error_e error)
{
    return ngx_http_api_key_error_names[error];
}


const char *
ngx_http_api_key_action_name(ngx_http_api_key_action_e action)
{
    return ngx_http_api_key_action_names[action];
}


void
ngx_http_api_key_count(ngx_http_api_key_counters_t *counters,
    ngx_uint_t which, uint64_t n)
{
    ngx_http_api_key_counters_row_t  *row;

    row = &counters->rows[ngx_worker % NGX_HTTP_API_KEY_COUNTERS_ROWS];

    (void) ngx_atomic_fetch_add(&row->counts[which], n);
}


void
ngx_http_api_key_count_time(ngx_http_api_key_counters_t *counters,
    uint64_t microseconds)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_API_KEY_BUCKETS - 1; i++) {
        if (microseconds <= ngx_http_api_key_bucket_ends[i]) {
            break;
        }
    }

    ngx_http_api_key_count(counters, NGX_HTTP_API_KEY_COUNT_BUCKETS + i, 1);
    ngx_http_api_key_count(counters, NGX_HTTP_API_KEY_COUNT_MICROSECONDS,
                           microseconds);
}


uint64_t
ngx_http_api_key_bucket_end(ngx_uint_t bucket)
{
    return ngx_http_api_key_bucket_ends[bucket];
}


uint64_t
ngx_http_api_key_counters_sum(ngx_http_api_key_counters_t *counters,
    ngx_uint_t which)
{
    uint64_t    sum;
    ngx_uint_t  i;

    sum = 0;

    for (i = 0; i < NGX_HTTP_API_KEY_COUNTERS_ROWS; i++) {
        sum += counters->rows[i].counts[which];
    }

    return sum;
}
