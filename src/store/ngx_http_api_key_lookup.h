/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What is known of a key: from the cache, else from Redis, asked once for all
 * who want to know the same.
 */

#ifndef _NGX_HTTP_API_KEY_LOOKUP_H_INCLUDED_
#define _NGX_HTTP_API_KEY_LOOKUP_H_INCLUDED_


#include "ngx_http_api_key_store.h"


/*
 * Where a record is put: into room where it fits, which most do, else into
 * memory from pool.
 */

#define NGX_HTTP_API_KEY_ROOM  512                 /* bytes */

typedef struct {
    ngx_pool_t                    *pool;
    void                          *room;           /* aligned for a pointer */
} ngx_http_api_key_place_t;


/* size bytes of place; NULL when out of memory. */

void *ngx_http_api_key_place_alloc(ngx_http_api_key_place_t *place,
    size_t size);


/*
 * The cache is going to be asked for a key: fetches the memory that is to be
 * waited for otherwise.
 */

void ngx_http_api_key_lookup_fetch(ngx_http_api_key_store_t *store,
    const u_char *mark);


/*
 * Asks the cache for a key by its mark, the first bytes of its hash.  Returns
 * NGX_OK with a record in place and in *used the Unix seconds of the last use
 * that any worker has noted, NGX_DECLINED when there is no such key, NGX_AGAIN
 * when Redis is to be asked.
 */

ngx_int_t ngx_http_api_key_lookup_cached(ngx_http_api_key_store_t *store,
    const u_char *mark, ngx_http_api_key_place_t *place,
    api_key_record_t **record, time_t *used);


/*
 * Asks the cache for a key that may pass while Redis is away.  Returns NGX_OK
 * with a record in place, else NGX_DECLINED.
 */

ngx_int_t ngx_http_api_key_lookup_stale(ngx_http_api_key_store_t *store,
    const u_char *mark, ngx_http_api_key_place_t *place,
    api_key_record_t **record);


/* Whether a stale answer is better than waiting for a link to Redis. */

ngx_uint_t ngx_http_api_key_lookup_away(ngx_http_api_key_store_t *store);


/*
 * Asks Redis for id (API_KEY_ID_LEN digits), which is copied.  live: at this
 * moment, not together with others who have asked before.  Returns NGX_OK when
 * the handler is going to be called later, exactly once, else NGX_ERROR: Redis
 * cannot be asked.
 */

ngx_int_t ngx_http_api_key_lookup(ngx_http_api_key_store_t *store,
    const u_char *id, ngx_uint_t live, ngx_http_api_key_lookup_pt handler,
    void *data);


/* Forgets what all workers know of id, which may have been changed. */

void ngx_http_api_key_lookup_forget(ngx_http_api_key_store_t *store,
    const u_char *id);


#endif /* _NGX_HTTP_API_KEY_LOOKUP_H_INCLUDED_ */
