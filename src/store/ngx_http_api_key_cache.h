/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A store's shared memory: what all workers know of its keys, behind one lock
 * that is held for finding and copying only.
 */

#ifndef _NGX_HTTP_API_KEY_CACHE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_CACHE_H_INCLUDED_


#include "api_key_cache.h"
#include "ngx_http_api_key_zone.h"


typedef struct {
    ngx_http_api_key_zone_t      zone;
} ngx_http_api_key_cache_t;


/*
 * Adds a zone of size bytes.  A reload keeps what it holds while name and size
 * stay as they were.  Returns NULL when that fails, with an error logged.
 */

ngx_http_api_key_cache_t *ngx_http_api_key_cache_add(ngx_conf_t *cf,
    ngx_str_t *name, size_t size);


/* The following are those of api_key_cache.h, under the lock. */

void ngx_http_api_key_cache_fetch(ngx_http_api_key_cache_t *cache,
    const u_char *mark);

api_key_cache_e ngx_http_api_key_cache_get(ngx_http_api_key_cache_t *cache,
    const u_char *mark, const api_key_trust_t *trust, api_key_copy_t *copy);

void ngx_http_api_key_cache_use(ngx_http_api_key_cache_t *cache,
    const u_char *mark, time_t at);

ngx_uint_t ngx_http_api_key_cache_stamp(ngx_http_api_key_cache_t *cache,
    const u_char *mark, api_key_stamp_t *stamp);

ngx_uint_t ngx_http_api_key_cache_holds(ngx_http_api_key_cache_t *cache,
    const u_char *mark, const api_key_stamp_t *stamp);

/*
 * Keeps an answer if stamp still holds.  Returns NGX_OK, or NGX_DECLINED when
 * it does not; *evicted counts the records that had to go.
 */

ngx_int_t ngx_http_api_key_cache_put(ngx_http_api_key_cache_t *cache,
    const u_char *mark, const api_key_stamp_t *stamp, const u_char *record,
    size_t len, ngx_uint_t *evicted);

void ngx_http_api_key_cache_drop(ngx_http_api_key_cache_t *cache,
    const u_char *mark);
void ngx_http_api_key_cache_drop_all(ngx_http_api_key_cache_t *cache);
uint64_t ngx_http_api_key_cache_subscribe(ngx_http_api_key_cache_t *cache);
ngx_uint_t ngx_http_api_key_cache_entries(ngx_http_api_key_cache_t *cache);


#endif /* _NGX_HTTP_API_KEY_CACHE_H_INCLUDED_ */
