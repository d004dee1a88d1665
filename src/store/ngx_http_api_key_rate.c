/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A store's rates in shared memory.
 */

#include "ngx_http_api_key_rate.h"


/* room for some 40,000 keys that have a rate */

#define NGX_HTTP_API_KEY_RATE_SIZE  (2 * 1024 * 1024)


static void *ngx_http_api_key_rate_create(void *mem, size_t size,
    uint64_t seed);


ngx_http_api_key_rate_t *
ngx_http_api_key_rate_add(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_http_api_key_rate_t  *rate;

    rate = ngx_pcalloc(cf->pool, sizeof(ngx_http_api_key_rate_t));

    if (rate == NULL
        || ngx_http_api_key_zone_add(cf, &rate->zone, name,
                                     NGX_HTTP_API_KEY_RATE_SIZE,
                                     ngx_http_api_key_rate_create)
           != NGX_OK)
    {
        return NULL;
    }

    return rate;
}


static void *
ngx_http_api_key_rate_create(void *mem, size_t size, uint64_t seed)
{
    return api_key_rate_init(mem, size, seed);
}


ngx_uint_t
ngx_http_api_key_rate_take(ngx_http_api_key_rate_t *rate, const u_char *mark,
    uint32_t limit, uint32_t window, uint64_t *ms)
{
    ngx_uint_t       taken;
    api_key_rate_t  *table;

    table = ngx_http_api_key_zone_lock(&rate->zone);
    api_key_rate_enter(table);

    taken = api_key_rate_take(table, mark, limit, window, ngx_current_msec, ms);

    api_key_rate_leave(table);
    ngx_http_api_key_zone_unlock(&rate->zone);

    return taken;
}


void
ngx_http_api_key_rate_give(ngx_http_api_key_rate_t *rate, const u_char *mark,
    uint64_t began)
{
    api_key_rate_t  *table;

    table = ngx_http_api_key_zone_lock(&rate->zone);
    api_key_rate_enter(table);

    api_key_rate_give(table, mark, began);

    api_key_rate_leave(table);
    ngx_http_api_key_zone_unlock(&rate->zone);
}
