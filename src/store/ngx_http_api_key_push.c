/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * One worker's link for invalidations.  TRACKING goes before SUBSCRIBE, which
 * allows few commands after it, and PING is one of these: the link counts as
 * up only while that is answered.
 */

#include "ngx_http_api_key_push.h"

#include <ngx_event.h>


/* a silent link is noticed after these two, less than 3 s */

#define NGX_HTTP_API_KEY_PUSH_PING      1000         /* ms between two */
#define NGX_HTTP_API_KEY_PUSH_PONG      1500         /* ms until its answer */

#define NGX_HTTP_API_KEY_PUSH_AGAIN     10000        /* ms after a refusal */

/* a script or a pipeline may change many keys at once */

#define NGX_HTTP_API_KEY_PUSH_ELEMENTS  65536
#define NGX_HTTP_API_KEY_PUSH_BUFFERED  (8 * 1024 * 1024)


struct ngx_http_api_key_push_s {
    ngx_http_api_key_redis_conf_t       conf;
    ngx_http_api_key_redis_listener_t   listener;
    ngx_http_api_key_redis_t           *redis;
    ngx_cycle_t                        *cycle;

    ngx_str_t                           prefix;
    ngx_http_api_key_cache_t           *cache;
    ngx_http_api_key_counters_t        *counters;

    ngx_http_api_key_push_e             state;
    time_t                              since;
    uint64_t                            sequence;    /* of the last time up */
    ngx_msec_t                          lost;        /* the end of that */
    ngx_uint_t                          warned;

    ngx_event_t                         timer;       /* the next PING, or the
                                                        next try */
};


static void ngx_http_api_key_push_connected(void *data);
static void ngx_http_api_key_push_identified(void *data,
    ngx_http_api_key_reply_t **replies);
static void ngx_http_api_key_push_subscribed(void *data,
    ngx_http_api_key_reply_t **replies);
static void ngx_http_api_key_push_refused(ngx_http_api_key_push_t *push,
    ngx_http_api_key_reply_t *reply);
static void ngx_http_api_key_push_set(ngx_http_api_key_push_t *push,
    ngx_http_api_key_push_e state);
static void ngx_http_api_key_push_lost(void *data);
static void ngx_http_api_key_push_timer(ngx_event_t *ev);
static void ngx_http_api_key_push_ponged(void *data,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_push_message(void *data,
    ngx_http_api_key_reply_t *reply);
static void ngx_http_api_key_push_drop(ngx_http_api_key_push_t *push,
    ngx_str_t *key);


static ngx_str_t  ngx_http_api_key_push_channel =
    ngx_string("__redis__:invalidate");


ngx_http_api_key_push_t *
ngx_http_api_key_push_create(ngx_http_api_key_redis_conf_t *conf,
    ngx_str_t *prefix, ngx_http_api_key_cache_t *cache,
    ngx_http_api_key_counters_t *counters, ngx_cycle_t *cycle)
{
    ngx_http_api_key_push_t  *push;

    push = ngx_calloc(sizeof(ngx_http_api_key_push_t), cycle->log);
    if (push == NULL) {
        return NULL;
    }

    push->conf = *conf;
    ngx_str_set(&push->conf.purpose, "push link to ");
    push->conf.timeout = NGX_HTTP_API_KEY_PUSH_PONG;
    push->conf.bounds.elements = NGX_HTTP_API_KEY_PUSH_ELEMENTS;
    push->conf.bounds.buffered = NGX_HTTP_API_KEY_PUSH_BUFFERED;

    push->listener.connected = ngx_http_api_key_push_connected;
    push->listener.lost = ngx_http_api_key_push_lost;
    push->listener.message = ngx_http_api_key_push_message;
    push->listener.data = push;

    push->cycle = cycle;
    push->prefix = *prefix;
    push->cache = cache;
    push->counters = counters;
    push->since = ngx_time();
    push->sequence = API_KEY_TRUST_NONE;

    push->timer.handler = ngx_http_api_key_push_timer;
    push->timer.data = push;
    push->timer.log = cycle->log;
    push->timer.cancelable = 1;

    push->redis = ngx_http_api_key_redis_create(&push->conf, &push->listener,
                                                cycle);
    if (push->redis == NULL) {
        ngx_free(push);
        return NULL;
    }

    return push;
}


void
ngx_http_api_key_push_destroy(ngx_http_api_key_push_t *push)
{
    if (push->redis) {
        ngx_http_api_key_redis_destroy(push->redis);
    }

    if (push->timer.timer_set) {
        ngx_del_timer(&push->timer);
    }

    ngx_free(push);
}


ngx_http_api_key_push_e
ngx_http_api_key_push_state(ngx_http_api_key_push_t *push, time_t *since)
{
    *since = push->since;

    return push->state;
}


uint64_t
ngx_http_api_key_push_trust_now(ngx_http_api_key_push_t *push)
{
    return (push->state == NGX_HTTP_API_KEY_PUSH_UP) ? push->sequence
                                                     : API_KEY_TRUST_NONE;
}


uint64_t
ngx_http_api_key_push_trust_last(ngx_http_api_key_push_t *push)
{
    return push->sequence;
}


ngx_msec_t
ngx_http_api_key_push_heard(ngx_http_api_key_push_t *push, ngx_msec_t other)
{
    ngx_msec_t  heard;

    heard = push->redis ? ngx_http_api_key_redis_heard(push->redis) : 0;
    heard = ngx_max(heard, other);

    return (push->state == NGX_HTTP_API_KEY_PUSH_UP)
           ? heard : ngx_min(heard, push->lost);
}


static void
ngx_http_api_key_push_connected(void *data)
{
    ngx_str_t                    argv[2];
    ngx_http_api_key_push_t     *push = data;
    ngx_http_api_key_command_t   command;

    ngx_str_set(&argv[0], "CLIENT");
    ngx_str_set(&argv[1], "ID");

    command.argc = 2;
    command.argv = argv;

    /* what cannot be sent is a link that is about to be lost */

    (void) ngx_http_api_key_redis_send(push->redis, &command, 1, 0,
                                       ngx_http_api_key_push_identified, push);
}


static void
ngx_http_api_key_push_identified(void *data,
    ngx_http_api_key_reply_t **replies)
{
    ngx_str_t                    tracking[8], subscribe[2];
    ngx_http_api_key_push_t     *push = data;
    ngx_http_api_key_command_t   commands[2];
    u_char                       id[NGX_INT64_LEN];

    if (replies == NULL) {
        return;
    }

    if (replies[0]->type != NGX_HTTP_API_KEY_REPLY_INTEGER) {
        ngx_http_api_key_push_refused(push, replies[0]);
        return;
    }

    ngx_str_set(&tracking[0], "CLIENT");
    ngx_str_set(&tracking[1], "TRACKING");
    ngx_str_set(&tracking[2], "ON");
    ngx_str_set(&tracking[3], "REDIRECT");
    tracking[4].data = id;
    tracking[4].len = ngx_sprintf(id, "%L", replies[0]->integer) - id;
    ngx_str_set(&tracking[5], "BCAST");
    ngx_str_set(&tracking[6], "PREFIX");
    tracking[7] = push->prefix;

    ngx_str_set(&subscribe[0], "SUBSCRIBE");
    subscribe[1] = ngx_http_api_key_push_channel;

    commands[0].argc = 8;
    commands[0].argv = tracking;
    commands[1].argc = 2;
    commands[1].argv = subscribe;

    (void) ngx_http_api_key_redis_send(push->redis, commands, 2, 0,
                                       ngx_http_api_key_push_subscribed, push);
}


static void
ngx_http_api_key_push_subscribed(void *data,
    ngx_http_api_key_reply_t **replies)
{
    ngx_uint_t                i;
    ngx_http_api_key_push_t  *push = data;

    if (replies == NULL) {
        return;
    }

    for (i = 0; i < 2; i++) {
        if (replies[i]->type == NGX_HTTP_API_KEY_REPLY_ERROR) {
            ngx_http_api_key_push_refused(push, replies[i]);
            return;
        }
    }

    push->sequence = ngx_http_api_key_cache_subscribe(push->cache);
    push->warned = 0;

    ngx_http_api_key_push_set(push, NGX_HTTP_API_KEY_PUSH_UP);
    ngx_add_timer(&push->timer, NGX_HTTP_API_KEY_PUSH_PING);
}


static void
ngx_http_api_key_push_refused(ngx_http_api_key_push_t *push,
    ngx_http_api_key_reply_t *reply)
{
    ngx_uint_t  level;

    level = push->warned ? NGX_LOG_INFO : NGX_LOG_WARN;

    ngx_http_api_key_resp_printable(&reply->str);

    ngx_log_error(level, push->cycle->log, 0,
                  "api key store \"%V\": nothing is cached, because Redis "
                  "refuses to tell of changes (see \"push\"): %V",
                  &push->conf.store, &reply->str);

    push->warned = 1;

    ngx_http_api_key_push_set(push, NGX_HTTP_API_KEY_PUSH_REFUSED);
    ngx_add_timer(&push->timer, NGX_HTTP_API_KEY_PUSH_AGAIN);
}


static void
ngx_http_api_key_push_set(ngx_http_api_key_push_t *push,
    ngx_http_api_key_push_e state)
{
    if (push->state == state) {
        return;
    }

    if (push->state == NGX_HTTP_API_KEY_PUSH_UP) {
        push->lost = ngx_current_msec;
    }

    push->state = state;
    push->since = ngx_time();
}


static void
ngx_http_api_key_push_lost(void *data)
{
    ngx_http_api_key_push_t  *push = data;

    ngx_http_api_key_push_set(push, NGX_HTTP_API_KEY_PUSH_DOWN);

    if (push->timer.timer_set) {
        ngx_del_timer(&push->timer);
    }
}


static void
ngx_http_api_key_push_timer(ngx_event_t *ev)
{
    ngx_str_t                    ping;
    ngx_http_api_key_push_t     *push = ev->data;
    ngx_http_api_key_command_t   command;

    if (push->state == NGX_HTTP_API_KEY_PUSH_UP) {
        ngx_str_set(&ping, "PING");

        command.argc = 1;
        command.argv = &ping;

        (void) ngx_http_api_key_redis_send(push->redis, &command, 1, 0,
                                           ngx_http_api_key_push_ponged, push);
        return;
    }

    /* a connection that was refused half of it is not fit for another try */

    if (push->redis) {
        ngx_http_api_key_redis_destroy(push->redis);
    }

    push->redis = ngx_http_api_key_redis_create(&push->conf, &push->listener,
                                                push->cycle);
    if (push->redis == NULL) {
        ngx_add_timer(&push->timer, NGX_HTTP_API_KEY_PUSH_AGAIN);
    }
}


static void
ngx_http_api_key_push_ponged(void *data, ngx_http_api_key_reply_t **replies)
{
    ngx_http_api_key_push_t  *push = data;

    if (replies) {
        ngx_add_timer(&push->timer, NGX_HTTP_API_KEY_PUSH_PING);
    }
}


/*
 * "message", the channel, and the keys' names, or null for all keys.  What
 * looks like a message and is none breaks the link.
 */

static ngx_int_t
ngx_http_api_key_push_message(void *data, ngx_http_api_key_reply_t *reply)
{
    ngx_uint_t                  i;
    ngx_http_api_key_reply_t  **elts;
    ngx_http_api_key_push_t    *push = data;

    if (reply->type != NGX_HTTP_API_KEY_REPLY_ARRAY || reply->nelts == 0
        || !ngx_http_api_key_resp_is(reply->elts[0], "message"))
    {
        return NGX_DECLINED;
    }

    elts = reply->elts;

    if (reply->nelts != 3
        || !ngx_http_api_key_resp_is(elts[1],
                                 (char *) ngx_http_api_key_push_channel.data))
    {
        return NGX_ERROR;
    }

    if (elts[2]->type == NGX_HTTP_API_KEY_REPLY_NIL) {
        ngx_http_api_key_cache_drop_all(push->cache);
        ngx_http_api_key_count(push->counters,
                               NGX_HTTP_API_KEY_COUNT_INVALIDATIONS, 1);
        return NGX_OK;
    }

    if (elts[2]->type != NGX_HTTP_API_KEY_REPLY_ARRAY) {
        return NGX_ERROR;
    }

    for (i = 0; i < elts[2]->nelts; i++) {
        if (elts[2]->elts[i]->type != NGX_HTTP_API_KEY_REPLY_STRING) {
            return NGX_ERROR;
        }

        ngx_http_api_key_push_drop(push, &elts[2]->elts[i]->str);
    }

    return NGX_OK;
}


/* Keys below the prefix that are none of ours are never looked up either. */

static void
ngx_http_api_key_push_drop(ngx_http_api_key_push_t *push, ngx_str_t *key)
{
    u_char  mark[API_KEY_MARK_LEN];

    if (key->len != push->prefix.len + API_KEY_ID_LEN
        || ngx_memcmp(key->data, push->prefix.data, push->prefix.len) != 0)
    {
        return;
    }

    api_key_digest_bytes(mark, key->data + push->prefix.len, API_KEY_MARK_LEN);

    ngx_http_api_key_cache_drop(push->cache, mark);
    ngx_http_api_key_count(push->counters,
                           NGX_HTTP_API_KEY_COUNT_INVALIDATIONS, 1);
}
