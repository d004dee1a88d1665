/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Zones of shared memory.  The lock is the slab pool's own: the master frees
 * it when the worker that holds it dies.
 *
 * With -DNGX_HTTP_API_KEY_CACHE_GUARD=1 a table can be neither read nor
 * written by a worker that does not hold its lock: t/cache_lock.t builds the
 * module so.
 */

#include "ngx_http_api_key_zone.h"
#include "api_key_digest.h"

#if (NGX_HTTP_API_KEY_CACHE_GUARD)
#include <sys/mman.h>
#endif


static ngx_int_t ngx_http_api_key_zone_init(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_api_key_zone_create(ngx_shm_zone_t *shm_zone,
    ngx_http_api_key_zone_t *zone);


/* whose zones they are, by its address */

static char  ngx_http_api_key_zone_tag;


ngx_int_t
ngx_http_api_key_zone_add(ngx_conf_t *cf, ngx_http_api_key_zone_t *zone,
    ngx_str_t *name, size_t size, ngx_http_api_key_zone_pt create)
{
    ngx_shm_zone_t  *shm_zone;

    shm_zone = ngx_shared_memory_add(cf, name, size,
                                     &ngx_http_api_key_zone_tag);
    if (shm_zone == NULL) {
        return NGX_ERROR;
    }

    zone->create = create;

    shm_zone->init = ngx_http_api_key_zone_init;
    shm_zone->data = zone;

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_api_key_zone_t  *old = data;
    ngx_http_api_key_zone_t  *zone = shm_zone->data;

    if (old) {
        *zone = *old;
        return NGX_OK;
    }

    return ngx_http_api_key_zone_create(shm_zone, zone);
}


static ngx_int_t
ngx_http_api_key_zone_create(ngx_shm_zone_t *shm_zone,
    ngx_http_api_key_zone_t *zone)
{
    void      *mem;
    size_t     size;
    uint64_t   seed;

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->table = zone->shpool->data;
        return NGX_OK;
    }

    /* all of the zone but what the slab pool needs itself */

    size = (size_t) (zone->shpool->end - zone->shpool->start)
           & ~(ngx_pagesize - 1);
    zone->shpool->log_nomem = 0;

    do {
        mem = ngx_slab_alloc(zone->shpool, size);
        size -= mem ? 0 : ngx_pagesize;
    } while (mem == NULL && size);

    if (mem == NULL
        || api_key_digest_random((u_char *) &seed, sizeof(uint64_t)) != 0)
    {
        goto failed;
    }

    zone->table = zone->create(mem, size, seed);

    if (zone->table == NULL) {
        goto failed;
    }

    zone->shpool->data = zone->table;

#if (NGX_HTTP_API_KEY_CACHE_GUARD)
    zone->size = size;
#endif

    return NGX_OK;

failed:

    ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                  "could not set up shared memory zone \"%V\"",
                  &shm_zone->shm.name);

    return NGX_ERROR;
}


void *
ngx_http_api_key_zone_lock(ngx_http_api_key_zone_t *zone)
{
    ngx_shmtx_lock(&zone->shpool->mutex);

#if (NGX_HTTP_API_KEY_CACHE_GUARD)
    (void) mprotect(zone->table, zone->size, PROT_READ|PROT_WRITE);
#endif

    return zone->table;
}


void
ngx_http_api_key_zone_unlock(ngx_http_api_key_zone_t *zone)
{
#if (NGX_HTTP_API_KEY_CACHE_GUARD)
    (void) mprotect(zone->table, zone->size, PROT_NONE);
#endif

    ngx_shmtx_unlock(&zone->shpool->mutex);
}
