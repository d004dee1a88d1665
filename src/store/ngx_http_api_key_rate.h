/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A store's rates: what its keys have used of them, counted by all workers in
 * a shared memory zone of fixed size that a reload keeps.
 */

#ifndef _NGX_HTTP_API_KEY_RATE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_RATE_H_INCLUDED_


#include "api_key_rate.h"
#include "ngx_http_api_key_zone.h"


typedef struct {
    ngx_http_api_key_zone_t      zone;
} ngx_http_api_key_rate_t;


/* Adds the zone.  Returns NULL when that fails, with an error logged. */

ngx_http_api_key_rate_t *ngx_http_api_key_rate_add(ngx_conf_t *cf,
    ngx_str_t *name);


/* The following are those of api_key_rate.h, now and under the lock. */

ngx_uint_t ngx_http_api_key_rate_take(ngx_http_api_key_rate_t *rate,
    const u_char *mark, uint32_t limit, uint32_t window, uint64_t *ms);
void ngx_http_api_key_rate_give(ngx_http_api_key_rate_t *rate,
    const u_char *mark, uint64_t began);


#endif /* _NGX_HTTP_API_KEY_RATE_H_INCLUDED_ */
