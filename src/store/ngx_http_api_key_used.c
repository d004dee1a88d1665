/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * When each key was last used.  A table with open addressing that is written
 * and emptied every five seconds, when it is half full, and when the worker
 * begins to exit; what is used after that, it waits for.
 */

#include "ngx_http_api_key_used.h"
#include "ngx_http_api_key_script.h"

#include <ngx_event.h>


#define NGX_HTTP_API_KEY_USED_SLOTS  2048
#define NGX_HTTP_API_KEY_USED_MAX    (NGX_HTTP_API_KEY_USED_SLOTS / 2)
#define NGX_HTTP_API_KEY_USED_EVERY  5000         /* ms */

/* keys that one script writes, so that Redis is not kept busy for long */

#define NGX_HTTP_API_KEY_USED_BATCH  512


typedef struct {
    uint32_t                        at;           /* Unix seconds, 0: free */
    u_char                          mark[API_KEY_MARK_LEN];
} ngx_http_api_key_use_t;


struct ngx_http_api_key_uses_s {
    ngx_http_api_key_store_t       *store;
    ngx_event_t                     timer;
    ngx_uint_t                      n;
    ngx_http_api_key_use_t          slots[NGX_HTTP_API_KEY_USED_SLOTS];
};


/* what is on its way to Redis */

typedef struct {
    ngx_http_api_key_store_t       *store;
    ngx_uint_t                      n;
    ngx_http_api_key_use_t          uses[NGX_HTTP_API_KEY_USED_BATCH];
} ngx_http_api_key_used_batch_t;


static ngx_uint_t ngx_http_api_key_used_slot(const u_char *mark);
static void ngx_http_api_key_used_at(ngx_http_api_key_store_t *store,
    const u_char *mark, uint32_t at);
static ngx_http_api_key_uses_t *ngx_http_api_key_used_create(
    ngx_http_api_key_store_t *store);
static void ngx_http_api_key_used_timer(ngx_event_t *ev);
static ngx_int_t ngx_http_api_key_used_write(ngx_http_api_key_uses_t *uses);
static ngx_uint_t ngx_http_api_key_used_second(
    ngx_http_api_key_used_batch_t *batch, ngx_uint_t begin);
static ngx_int_t ngx_http_api_key_used_send(
    ngx_http_api_key_used_batch_t *batch);
static void ngx_http_api_key_used_written(void *data,
    ngx_http_api_key_reply_t **replies);


void
ngx_http_api_key_used(ngx_http_api_key_store_t *store, const u_char *mark)
{
    ngx_http_api_key_used_at(store, mark, (uint32_t) ngx_time());

    if (store->cache) {
        ngx_http_api_key_cache_use(store->cache, mark, ngx_time());
    }
}


/* The slot of a key, or where the search for it begins. */

static ngx_uint_t
ngx_http_api_key_used_slot(const u_char *mark)
{
    uint32_t  first;

    ngx_memcpy(&first, mark, sizeof(uint32_t));

    return first % NGX_HTTP_API_KEY_USED_SLOTS;
}


static void
ngx_http_api_key_used_at(ngx_http_api_key_store_t *store, const u_char *mark,
    uint32_t at)
{
    ngx_uint_t                i;
    ngx_http_api_key_use_t   *use;
    ngx_http_api_key_uses_t  *uses;

    uses = store->uses;

    if (uses == NULL) {
        uses = ngx_http_api_key_used_create(store);
        if (uses == NULL) {
            return;
        }
    }

    for (i = ngx_http_api_key_used_slot(mark); /* void */ ; i++) {
        use = &uses->slots[i % NGX_HTTP_API_KEY_USED_SLOTS];

        if (use->at == 0) {
            break;
        }

        if (ngx_memcmp(use->mark, mark, API_KEY_MARK_LEN) == 0) {
            use->at = ngx_max(use->at, at);
            return;
        }
    }

    if (uses->n == NGX_HTTP_API_KEY_USED_MAX) {

        if (ngx_http_api_key_used_write(uses) != NGX_OK) {
            return;
        }

        use = &uses->slots[i % NGX_HTTP_API_KEY_USED_SLOTS];
    }

    use->at = at;
    ngx_memcpy(use->mark, mark, API_KEY_MARK_LEN);
    uses->n++;

    if (!uses->timer.timer_set) {
        uses->timer.cancelable = !ngx_exiting;
        ngx_add_timer(&uses->timer, NGX_HTTP_API_KEY_USED_EVERY);
    }
}


void
ngx_http_api_key_used_leaving(void *data)
{
    ngx_http_api_key_store_t  *store = data;

    if (store->uses && store->uses->n) {
        (void) ngx_http_api_key_used_write(store->uses);
    }
}


void
ngx_http_api_key_used_free(ngx_http_api_key_store_t *store)
{
    if (store->uses == NULL) {
        return;
    }

    if (store->uses->timer.timer_set) {
        ngx_del_timer(&store->uses->timer);
    }

    ngx_free(store->uses);
    store->uses = NULL;
}


static ngx_http_api_key_uses_t *
ngx_http_api_key_used_create(ngx_http_api_key_store_t *store)
{
    ngx_http_api_key_uses_t  *uses;

    uses = ngx_calloc(sizeof(ngx_http_api_key_uses_t), ngx_cycle->log);
    if (uses == NULL) {
        return NULL;
    }

    uses->store = store;
    uses->timer.handler = ngx_http_api_key_used_timer;
    uses->timer.data = uses;
    uses->timer.log = ngx_cycle->log;

    store->uses = uses;

    return uses;
}


static void
ngx_http_api_key_used_timer(ngx_event_t *ev)
{
    ngx_http_api_key_uses_t  *uses = ev->data;

    /* who exits while Redis is away must not wait for it */

    if (ngx_http_api_key_used_write(uses) != NGX_OK && !ngx_exiting) {
        ngx_add_timer(&uses->timer, NGX_HTTP_API_KEY_USED_EVERY);
    }
}


/* NGX_ERROR: all is still there; what has been sent will be so once more. */

static ngx_int_t
ngx_http_api_key_used_write(ngx_http_api_key_uses_t *uses)
{
    ngx_uint_t                      i;
    ngx_http_api_key_used_batch_t  *batch;

    i = 0;

    while (i < NGX_HTTP_API_KEY_USED_SLOTS) {

        batch = ngx_alloc(sizeof(ngx_http_api_key_used_batch_t),
                          ngx_cycle->log);
        if (batch == NULL) {
            return NGX_ERROR;
        }

        batch->store = uses->store;
        batch->n = 0;

        while (i < NGX_HTTP_API_KEY_USED_SLOTS
               && batch->n < NGX_HTTP_API_KEY_USED_BATCH)
        {
            if (uses->slots[i].at) {
                batch->uses[batch->n++] = uses->slots[i];
            }

            i++;
        }

        if (batch->n == 0) {
            ngx_free(batch);
            break;
        }

        if (ngx_http_api_key_used_send(batch) != NGX_OK) {
            ngx_free(batch);
            return NGX_ERROR;
        }
    }

    ngx_memzero(uses->slots, sizeof(uses->slots));
    uses->n = 0;

    return NGX_OK;
}


/*
 * Puts the uses that are of the same second as the one at begin behind it, and
 * returns where they end.  There are few seconds, mostly one.
 */

static ngx_uint_t
ngx_http_api_key_used_second(ngx_http_api_key_used_batch_t *batch,
    ngx_uint_t begin)
{
    ngx_uint_t              i, end;
    ngx_http_api_key_use_t  use;

    end = begin + 1;

    for (i = end; i < batch->n; i++) {

        if (batch->uses[i].at != batch->uses[begin].at) {
            continue;
        }

        if (i != end) {
            use = batch->uses[i];
            batch->uses[i] = batch->uses[end];
            batch->uses[end] = use;
        }

        end++;
    }

    return end;
}


/* By seconds, so that each is sent and read once. */

static ngx_int_t
ngx_http_api_key_used_send(ngx_http_api_key_used_batch_t *batch)
{
    u_char                      *p;
    ngx_str_t                   *arg, key;
    ngx_int_t                    rc;
    ngx_uint_t                   i, end;
    ngx_pool_t                  *pool;
    ngx_http_api_key_redis_t    *redis;
    ngx_http_api_key_command_t   command;

    redis = ngx_http_api_key_store_redis(batch->store);
    if (redis == NULL) {
        return NGX_ERROR;
    }

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    arg = ngx_palloc(pool, (4 + 3 * batch->n) * sizeof(ngx_str_t));
    p = ngx_pnalloc(pool, batch->n * (NGX_INT32_LEN + NGX_INT_T_LEN
                                      + API_KEY_ID_LEN));

    if (arg == NULL || p == NULL
        || ngx_http_api_key_store_key(batch->store, pool, "used", NULL, &key)
           != NGX_OK)
    {
        goto done;
    }

    command.argv = arg;

    ngx_str_set(&arg[0], "EVAL");
    arg[1] = ngx_http_api_key_script_used;
    ngx_str_set(&arg[2], "1");
    arg[3] = key;
    arg += 4;

    i = 0;

    while (i < batch->n) {
        end = ngx_http_api_key_used_second(batch, i);

        arg->data = p;
        p = ngx_sprintf(p, "%uD", batch->uses[i].at);
        arg->len = p - arg->data;
        arg++;

        arg->data = p;
        p = ngx_sprintf(p, "%ui", end - i);
        arg->len = p - arg->data;
        arg++;

        for ( /* void */ ; i < end; i++) {
            arg->data = p;
            p = ngx_hex_dump(p, batch->uses[i].mark, API_KEY_MARK_LEN);
            arg->len = p - arg->data;
            arg++;
        }
    }

    command.argc = arg - command.argv;

    /* the same twice does no harm, and requests come first */

    rc = ngx_http_api_key_redis_send(redis, &command, 1,
                                     NGX_HTTP_API_KEY_REDIS_RETRY
                                     | NGX_HTTP_API_KEY_REDIS_YIELD,
                                     ngx_http_api_key_used_written, batch);

done:

    ngx_destroy_pool(pool);

    return rc;
}


static void
ngx_http_api_key_used_written(void *data, ngx_http_api_key_reply_t **replies)
{
    ngx_uint_t                      i;
    ngx_http_api_key_used_batch_t  *batch = data;

    if (replies == NULL && !ngx_exiting) {

        /* once more, together with what comes */

        for (i = 0; i < batch->n; i++) {
            ngx_http_api_key_used_at(batch->store, batch->uses[i].mark,
                                     batch->uses[i].at);
        }

    } else if (replies
               && replies[0]->type == NGX_HTTP_API_KEY_REPLY_ERROR)
    {
        ngx_http_api_key_resp_printable(&replies[0]->str);

        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "api key store \"%V\": Redis refused to write down "
                      "when keys were used: %V",
                      &batch->store->name, &replies[0]->str);
    }

    ngx_free(batch);
}
