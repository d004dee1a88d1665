/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A zone of shared memory that holds one table, behind one lock.
 */

#ifndef _NGX_HTTP_API_KEY_ZONE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* Makes an empty table in size bytes at mem; NULL when they are too few. */

typedef void *(*ngx_http_api_key_zone_pt)(void *mem, size_t size,
    uint64_t seed);


typedef struct {
    ngx_slab_pool_t             *shpool;
    void                        *table;
    ngx_http_api_key_zone_pt     create;
#if (NGX_HTTP_API_KEY_CACHE_GUARD)
    size_t                       size;
#endif
} ngx_http_api_key_zone_t;


/*
 * Adds a zone of size bytes, whose table create() makes.  A reload keeps the
 * table while name and size stay as they were.  Returns NGX_OK, or NGX_ERROR
 * with an error logged.
 */

ngx_int_t ngx_http_api_key_zone_add(ngx_conf_t *cf,
    ngx_http_api_key_zone_t *zone, ngx_str_t *name, size_t size,
    ngx_http_api_key_zone_pt create);


/* Takes the lock; returns the table. */

void *ngx_http_api_key_zone_lock(ngx_http_api_key_zone_t *zone);
void ngx_http_api_key_zone_unlock(ngx_http_api_key_zone_t *zone);


#endif /* _NGX_HTTP_API_KEY_ZONE_H_INCLUDED_ */
