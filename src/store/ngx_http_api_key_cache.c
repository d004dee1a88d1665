/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A store's keys in shared memory: each question and each change under the
 * lock.
 */

#include "ngx_http_api_key_cache.h"


static void *ngx_http_api_key_cache_create(void *mem, size_t size,
    uint64_t seed);
static api_key_cache_t *ngx_http_api_key_cache_lock(
    ngx_http_api_key_cache_t *cache);
static void ngx_http_api_key_cache_unlock(ngx_http_api_key_cache_t *cache,
    api_key_cache_t *table);


ngx_http_api_key_cache_t *
ngx_http_api_key_cache_add(ngx_conf_t *cf, ngx_str_t *name, size_t size)
{
    ngx_http_api_key_cache_t  *cache;

    cache = ngx_pcalloc(cf->pool, sizeof(ngx_http_api_key_cache_t));

    if (cache == NULL
        || ngx_http_api_key_zone_add(cf, &cache->zone, name, size,
                                     ngx_http_api_key_cache_create)
           != NGX_OK)
    {
        return NULL;
    }

    return cache;
}


static void *
ngx_http_api_key_cache_create(void *mem, size_t size, uint64_t seed)
{
    return api_key_cache_init(mem, size, seed);
}


static api_key_cache_t *
ngx_http_api_key_cache_lock(ngx_http_api_key_cache_t *cache)
{
    api_key_cache_t  *table;

    table = ngx_http_api_key_zone_lock(&cache->zone);

    api_key_cache_enter(table);

    return table;
}


static void
ngx_http_api_key_cache_unlock(ngx_http_api_key_cache_t *cache,
    api_key_cache_t *table)
{
    api_key_cache_leave(table);

    ngx_http_api_key_zone_unlock(&cache->zone);
}


void
ngx_http_api_key_cache_fetch(ngx_http_api_key_cache_t *cache,
    const u_char *mark)
{
    api_key_cache_fetch(ngx_http_api_key_zone_lock(&cache->zone), mark);

    ngx_http_api_key_zone_unlock(&cache->zone);
}


api_key_cache_e
ngx_http_api_key_cache_get(ngx_http_api_key_cache_t *cache, const u_char *mark,
    const api_key_trust_t *trust, api_key_copy_t *copy)
{
    api_key_cache_e   found;
    api_key_cache_t  *table;

    table = ngx_http_api_key_cache_lock(cache);

    found = api_key_cache_get(table, mark, trust, copy);

    ngx_http_api_key_cache_unlock(cache, table);

    return found;
}


void
ngx_http_api_key_cache_use(ngx_http_api_key_cache_t *cache, const u_char *mark,
    time_t at)
{
    api_key_cache_t  *table;

    table = ngx_http_api_key_cache_lock(cache);

    api_key_cache_use(table, mark, (uint32_t) at);

    ngx_http_api_key_cache_unlock(cache, table);
}


ngx_uint_t
ngx_http_api_key_cache_stamp(ngx_http_api_key_cache_t *cache,
    const u_char *mark, api_key_stamp_t *stamp)
{
    ngx_uint_t        known;
    api_key_cache_t  *table;

    table = ngx_http_api_key_cache_lock(cache);

    known = api_key_cache_stamp(table, mark, ngx_current_msec, stamp);

    ngx_http_api_key_cache_unlock(cache, table);

    return known;
}


ngx_uint_t
ngx_http_api_key_cache_holds(ngx_http_api_key_cache_t *cache,
    const u_char *mark, const api_key_stamp_t *stamp)
{
    ngx_uint_t        holds;
    api_key_cache_t  *table;

    table = ngx_http_api_key_cache_lock(cache);

    holds = api_key_cache_holds(table, mark, stamp);

    ngx_http_api_key_cache_unlock(cache, table);

    return holds;
}


ngx_int_t
ngx_http_api_key_cache_put(ngx_http_api_key_cache_t *cache, const u_char *mark,
    const api_key_stamp_t *stamp, const u_char *record, size_t len,
    ngx_uint_t *evicted)
{
    ngx_int_t         rc;
    api_key_cache_t  *table;

    *evicted = 0;
    rc = NGX_DECLINED;

    table = ngx_http_api_key_cache_lock(cache);

    if (api_key_cache_holds(table, mark, stamp)) {
        *evicted = api_key_cache_put(table, mark, stamp, record, len);
        rc = NGX_OK;
    }

    ngx_http_api_key_cache_unlock(cache, table);

    return rc;
}


void
ngx_http_api_key_cache_drop(ngx_http_api_key_cache_t *cache, const u_char *mark)
{
    api_key_cache_t  *table;

    table = ngx_http_api_key_cache_lock(cache);

    api_key_cache_drop(table, mark);

    ngx_http_api_key_cache_unlock(cache, table);
}


void
ngx_http_api_key_cache_drop_all(ngx_http_api_key_cache_t *cache)
{
    api_key_cache_t  *table;

    table = ngx_http_api_key_cache_lock(cache);

    api_key_cache_drop_all(table);

    ngx_http_api_key_cache_unlock(cache, table);
}


uint64_t
ngx_http_api_key_cache_subscribe(ngx_http_api_key_cache_t *cache)
{
    uint64_t          sequence;
    api_key_cache_t  *table;

    table = ngx_http_api_key_cache_lock(cache);

    sequence = api_key_cache_subscribe(table);

    ngx_http_api_key_cache_unlock(cache, table);

    return sequence;
}


ngx_uint_t
ngx_http_api_key_cache_entries(ngx_http_api_key_cache_t *cache)
{
    ngx_uint_t        entries;
    api_key_cache_t  *table;

    table = ngx_http_api_key_cache_lock(cache);

    entries = api_key_cache_entries(table);

    ngx_http_api_key_cache_unlock(cache, table);

    return entries;
}
