/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The keys in Redis' terms: which command, which key, and what a reply means.
 */

#include "ngx_http_api_key_store.h"
#include "ngx_http_api_key_script.h"
#include "ngx_http_api_key_used.h"


/* "PREFIXarmed-keys", or "PREFIXarmed:ID" */

#define NGX_HTTP_API_KEY_STORE_KEY                                            \
    (NGX_HTTP_API_KEY_STORE_PREFIX + sizeof("armed-keys:") + API_KEY_ID_LEN)

/* as many as the largest array that the link lets through */

#define NGX_HTTP_API_KEY_STORE_FIELDS  512


typedef struct {
    ngx_http_api_key_store_t      *store;
    ngx_http_api_key_lookup_pt     handler;
    void                          *data;
    u_char                         id[API_KEY_ID_LEN];
} ngx_http_api_key_question_t;


typedef struct {
    ngx_http_api_key_store_t      *store;
    ngx_http_api_key_clear_pt      handler;
    void                          *data;
} ngx_http_api_key_take_t;


static void ngx_http_api_key_store_cleanup(void *data);
static void ngx_http_api_key_store_garbled(void *data);
static void ngx_http_api_key_store_found(void *data,
    ngx_http_api_key_reply_t **replies);
static void ngx_http_api_key_store_misfit(ngx_http_api_key_store_t *store,
    const u_char *id);
static void ngx_http_api_key_store_taken(void *data,
    ngx_http_api_key_reply_t **replies);
static void ngx_http_api_key_store_write_key(ngx_http_api_key_store_t *store,
    u_char *buf, const char *name, const u_char *id, ngx_str_t *key);


ngx_http_api_key_redis_t *
ngx_http_api_key_store_redis(ngx_http_api_key_store_t *store)
{
    ngx_pool_cleanup_t  *cln;

    if (store->redis) {
        return store->redis;
    }

    /*
     * A worker closes its links in exit_process; a single process goes on
     * with a new cycle after a reload, and the old one takes its links along.
     */

    cln = ngx_pool_cleanup_add(ngx_cycle->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    store->listener.garbled = ngx_http_api_key_store_garbled;
    store->listener.leaving = ngx_http_api_key_used_leaving;
    store->listener.data = store;

    store->redis = ngx_http_api_key_redis_create(&store->redis_conf,
                                                 &store->listener,
                                                 (ngx_cycle_t *) ngx_cycle);

    if (store->cache && store->cache_push) {
        store->push = ngx_http_api_key_push_create(&store->redis_conf,
                                                   &store->tracked,
                                                   store->cache,
                                                   store->counters,
                                                   (ngx_cycle_t *) ngx_cycle);
    }

    cln->handler = ngx_http_api_key_store_cleanup;
    cln->data = store;

    return store->redis;
}


static void
ngx_http_api_key_store_cleanup(void *data)
{
    ngx_http_api_key_store_close(data);
}


/* What was said of one key may have been said of another. */

static void
ngx_http_api_key_store_garbled(void *data)
{
    ngx_http_api_key_store_t  *store = data;

    if (store->cache) {
        ngx_http_api_key_cache_drop_all(store->cache);
    }
}


void
ngx_http_api_key_store_close(ngx_http_api_key_store_t *store)
{
    if (store->push) {
        ngx_http_api_key_push_destroy(store->push);
        store->push = NULL;
    }

    if (store->redis) {
        ngx_http_api_key_redis_destroy(store->redis);
        store->redis = NULL;
    }

    ngx_http_api_key_used_free(store);

    if (store->flights) {
        ngx_free(store->flights);
        store->flights = NULL;
    }
}


ngx_int_t
ngx_http_api_key_store_ask(ngx_http_api_key_store_t *store, const u_char *id,
    ngx_uint_t flags, ngx_http_api_key_lookup_pt handler, void *data)
{
    ngx_str_t                     hgetall[2], pttl[2];
    ngx_http_api_key_redis_t     *redis;
    ngx_http_api_key_command_t    commands[2];
    ngx_http_api_key_question_t  *question;
    u_char                        key[NGX_HTTP_API_KEY_STORE_KEY];

    redis = ngx_http_api_key_store_redis(store);
    if (redis == NULL) {
        return NGX_ERROR;
    }

    question = ngx_alloc(sizeof(ngx_http_api_key_question_t), ngx_cycle->log);
    if (question == NULL) {
        return NGX_ERROR;
    }

    question->store = store;
    question->handler = handler;
    question->data = data;
    ngx_memcpy(question->id, id, API_KEY_ID_LEN);

    ngx_str_set(&hgetall[0], "HGETALL");
    ngx_http_api_key_store_write_key(store, key, "key", id, &hgetall[1]);

    ngx_str_set(&pttl[0], "PTTL");
    pttl[1] = hgetall[1];

    commands[0].argc = 2;
    commands[0].argv = hgetall;
    commands[1].argc = 2;
    commands[1].argv = pttl;

    if (ngx_http_api_key_redis_send(redis, commands, 2,
                                    flags | NGX_HTTP_API_KEY_REDIS_RETRY,
                                    ngx_http_api_key_store_found, question)
        != NGX_OK)
    {
        ngx_free(question);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_api_key_store_found(void *data, ngx_http_api_key_reply_t **replies)
{
    ngx_int_t                     rc;
    api_key_record_t              record;
    ngx_http_api_key_question_t  *question = data;

    rc = NGX_ABORT;

    if (replies) {
        rc = ngx_http_api_key_store_record(question->store, question->id,
                                           replies[0], replies[1], &record);

        if (rc == NGX_ABORT) {
            ngx_http_api_key_store_misfit(question->store, question->id);
            rc = NGX_ERROR;

        } else if (ngx_memcmp(question->store->misfit, question->id,
                              API_KEY_ID_LEN) == 0)
        {
            ngx_memzero(question->store->misfit, API_KEY_ID_LEN);
        }
    }

    question->handler(question->data, rc, &record);

    ngx_free(question);
}


/*
 * Replies match by order: one that is no answer to its question shows that the
 * order is lost.  When a new link says the same of the same key, it is Redis
 * that holds a wrong record, and not every request for it may cost a link.
 */

static void
ngx_http_api_key_store_misfit(ngx_http_api_key_store_t *store,
    const u_char *id)
{
    if (ngx_memcmp(store->misfit, id, API_KEY_ID_LEN) == 0) {
        return;
    }

    ngx_memcpy(store->misfit, id, API_KEY_ID_LEN);
    ngx_http_api_key_redis_out_of_step(store->redis);
}


ngx_int_t
ngx_http_api_key_store_record(ngx_http_api_key_store_t *store,
    const u_char *id, ngx_http_api_key_reply_t *hash,
    ngx_http_api_key_reply_t *ttl, api_key_record_t *record)
{
    ngx_int_t        rc;
    ngx_str_t        text;
    ngx_uint_t       i, n;
    const char      *reason;
    api_key_field_t  fields[NGX_HTTP_API_KEY_STORE_FIELDS];

    rc = NGX_ERROR;
    ngx_str_null(&text);

    if (hash->type == NGX_HTTP_API_KEY_REPLY_ERROR) {
        reason = "Redis refused: ";
        text = hash->str;
        goto failed;
    }

    if (ttl->type == NGX_HTTP_API_KEY_REPLY_ERROR) {
        reason = "Redis refused: ";
        text = ttl->str;
        goto failed;
    }

    if (hash->type != NGX_HTTP_API_KEY_REPLY_ARRAY
        || hash->nelts % 2
        || ttl->type != NGX_HTTP_API_KEY_REPLY_INTEGER)
    {
        rc = NGX_ABORT;
        reason = "a reply of a wrong type";
        goto failed;
    }

    /* it may have ended between the two commands */

    if (hash->nelts == 0 || ttl->integer == -2) {
        return NGX_DECLINED;
    }

    n = hash->nelts / 2;

    for (i = 0; i < hash->nelts; i++) {
        if (hash->elts[i]->type != NGX_HTTP_API_KEY_REPLY_STRING) {
            rc = NGX_ABORT;
            reason = "a reply of a wrong type";
            goto failed;
        }
    }

    for (i = 0; i < n; i++) {
        fields[i].name.data = hash->elts[2 * i]->str.data;
        fields[i].name.len = hash->elts[2 * i]->str.len;
        fields[i].value.data = hash->elts[2 * i + 1]->str.data;
        fields[i].value.len = hash->elts[2 * i + 1]->str.len;
    }

    reason = api_key_record_parse(record, id, fields, n, ttl->integer,
                                  ngx_http_api_key_now());
    if (reason == NULL) {
        return NGX_OK;
    }

    if (record->digest.data
        && ngx_memcmp(record->digest.data, id, API_KEY_ID_LEN) != 0)
    {
        rc = NGX_ABORT;
    }

failed:

    ngx_http_api_key_resp_printable(&text);

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "api key store \"%V\": key %*s cannot be trusted: %s%V",
                  &store->name, (size_t) API_KEY_ID_LEN, id, reason, &text);

    return rc;
}


ngx_int_t
ngx_http_api_key_store_clear(ngx_http_api_key_store_t *store,
    const u_char *digest, ngx_str_t *from, ngx_str_t *request_id,
    ngx_uint_t look, ngx_http_api_key_clear_pt handler, void *data)
{
    ngx_str_t                   argv[13];
    ngx_http_api_key_take_t    *take;
    ngx_http_api_key_redis_t   *redis;
    ngx_http_api_key_command_t  command;
    u_char                      keys[5][NGX_HTTP_API_KEY_STORE_KEY];

    redis = ngx_http_api_key_store_redis(store);
    if (redis == NULL) {
        return NGX_ERROR;
    }

    take = ngx_alloc(sizeof(ngx_http_api_key_take_t), ngx_cycle->log);
    if (take == NULL) {
        return NGX_ERROR;
    }

    take->store = store;
    take->handler = handler;
    take->data = data;

    ngx_str_set(&argv[0], "EVAL");
    argv[1] = ngx_http_api_key_script_clear;
    ngx_str_set(&argv[2], "5");

    ngx_http_api_key_store_write_key(store, keys[0], "key", digest, &argv[3]);
    ngx_http_api_key_store_write_key(store, keys[1], "armed", digest,
                                     &argv[4]);
    ngx_http_api_key_store_write_key(store, keys[2], "armed", NULL, &argv[5]);
    ngx_http_api_key_store_write_key(store, keys[3], "audit", NULL, &argv[6]);
    ngx_http_api_key_store_write_key(store, keys[4], "armed-keys", NULL,
                                     &argv[7]);

    argv[8].data = (u_char *) digest;
    argv[8].len = API_KEY_ID_LEN;
    argv[9].data = (u_char *) digest;
    argv[9].len = API_KEY_DIGEST_LEN;
    argv[10] = *from;
    argv[11] = *request_id;

    if (look) {
        ngx_str_set(&argv[12], "look");

    } else {
        ngx_str_set(&argv[12], "take");
    }

    command.argc = 13;
    command.argv = argv;

    if (ngx_http_api_key_redis_send(redis, &command, 1, 0,
                                    ngx_http_api_key_store_taken, take)
        != NGX_OK)
    {
        ngx_free(take);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_api_key_store_taken(void *data, ngx_http_api_key_reply_t **replies)
{
    ngx_str_t                *answer;
    ngx_uint_t                i;
    const api_key_str_t      *name;
    api_key_verdict_e         verdict;
    ngx_http_api_key_take_t  *take = data;

    static const api_key_verdict_e  answers[] = {
        API_KEY_OK, API_KEY_NOT_ARMED, API_KEY_UNKNOWN, API_KEY_REVOKED_KEY,
        API_KEY_DISABLED_KEY, API_KEY_EXPIRED
    };

    verdict = API_KEY_UNAVAILABLE;

    if (replies) {
        answer = &replies[0]->str;

        for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
            name = api_key_verdict_name(answers[i]);

            if (replies[0]->type == NGX_HTTP_API_KEY_REPLY_STRING
                && answer->len == name->len
                && ngx_memcmp(answer->data, name->data, name->len) == 0)
            {
                verdict = answers[i];
            }
        }

        if (verdict == API_KEY_UNAVAILABLE) {
            ngx_http_api_key_resp_printable(answer);

            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "api key store \"%V\": a clear operation could not "
                          "be judged: %V", &take->store->name, answer);
        }
    }

    take->handler(take->data, verdict);

    ngx_free(take);
}


ngx_int_t
ngx_http_api_key_store_key(ngx_http_api_key_store_t *store, ngx_pool_t *pool,
    const char *name, const u_char *id, ngx_str_t *key)
{
    u_char  *buf;

    buf = ngx_pnalloc(pool, NGX_HTTP_API_KEY_STORE_KEY);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    ngx_http_api_key_store_write_key(store, buf, name, id, key);

    return NGX_OK;
}


static void
ngx_http_api_key_store_write_key(ngx_http_api_key_store_t *store, u_char *buf,
    const char *name, const u_char *id, ngx_str_t *key)
{
    u_char  *p;

    p = ngx_cpymem(buf, store->prefix.data, store->prefix.len);
    p = ngx_cpymem(p, name, ngx_strlen(name));

    if (id) {
        *p++ = ':';
        p = ngx_cpymem(p, id, API_KEY_ID_LEN);
    }

    key->data = buf;
    key->len = p - buf;
}
