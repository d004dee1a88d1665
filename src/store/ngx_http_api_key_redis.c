/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * One worker's link to one Redis server: when it is made, kept and given up,
 * and the bytes that go over it.
 */

#include "ngx_http_api_key_redis.h"
#include "ngx_http_api_key_dial.h"

#include <ngx_event.h>


#define NGX_HTTP_API_KEY_REDIS_QUEUE       4096         /* exchanges */
#define NGX_HTTP_API_KEY_REDIS_RECV        16384

/* milliseconds between attempts to connect; half of it is left to chance */

#define NGX_HTTP_API_KEY_REDIS_BACKOFF     50
#define NGX_HTTP_API_KEY_REDIS_BACKOFF_MAX 1000

/* a link that lived shorter than this is not made anew at once */

#define NGX_HTTP_API_KEY_REDIS_SHORT_LIVED 100


typedef enum {
    NGX_HTTP_API_KEY_REDIS_BACKING_OFF = 0,
    NGX_HTTP_API_KEY_REDIS_CONNECTING,    /* names, connect(), greeting */
    NGX_HTTP_API_KEY_REDIS_UP
} ngx_http_api_key_redis_state_e;


struct ngx_http_api_key_redis_s {
    ngx_http_api_key_redis_conf_t   *conf;
    ngx_http_api_key_redis_listener_t  *listener;
    ngx_log_t                       *log;

    ngx_http_api_key_redis_state_e   state;
    const char                      *reason;       /* of the last failure */
    time_t                           since;        /* up, or down */
    ngx_msec_t                       connected;
    ngx_msec_t                       heard;
    ngx_uint_t                       failures;
    ngx_uint_t                       out_of_step;  /* a handler says so */

    ngx_http_api_key_dial_t          dial;
    ngx_connection_t                *connection;
    ngx_http_api_key_resp_t         *resp;
    ngx_buf_t                        out;

    ngx_http_api_key_pipeline_t      pipeline;

    ngx_event_t                      timer;        /* connect or back-off */
    ngx_event_t                      deadline;
    ngx_event_t                      flush;
};


static void ngx_http_api_key_redis_connect(ngx_http_api_key_redis_t *redis);
static void ngx_http_api_key_redis_dialed(void *data, ngx_connection_t *c);
static ngx_int_t ngx_http_api_key_redis_connected(
    ngx_http_api_key_redis_t *redis);
static void ngx_http_api_key_redis_greeted(void *data,
    ngx_http_api_key_reply_t **replies);
static void ngx_http_api_key_redis_fail(ngx_http_api_key_redis_t *redis,
    ngx_http_api_key_error_e kind, const char *reason, ngx_str_t *detail);
static void ngx_http_api_key_redis_close(ngx_http_api_key_redis_t *redis);

static void ngx_http_api_key_redis_timer(ngx_event_t *ev);
static void ngx_http_api_key_redis_deadline(ngx_event_t *ev);
static void ngx_http_api_key_redis_set_deadline(
    ngx_http_api_key_redis_t *redis);

static void ngx_http_api_key_redis_write(ngx_event_t *wev);
static void ngx_http_api_key_redis_flush(ngx_event_t *ev);
static ngx_int_t ngx_http_api_key_redis_append(
    ngx_http_api_key_redis_t *redis, ngx_str_t *bytes);
static void ngx_http_api_key_redis_read(ngx_event_t *rev);
static ngx_int_t ngx_http_api_key_redis_replies(
    ngx_http_api_key_redis_t *redis);

static uint64_t ngx_http_api_key_redis_clock(void);
static void ngx_http_api_key_redis_release(ngx_http_api_key_redis_t *redis);


ngx_http_api_key_redis_t *
ngx_http_api_key_redis_create(ngx_http_api_key_redis_conf_t *conf,
    ngx_http_api_key_redis_listener_t *listener, ngx_cycle_t *cycle)
{
    ngx_http_api_key_redis_t  *redis;

    redis = ngx_calloc(sizeof(ngx_http_api_key_redis_t), cycle->log);
    if (redis == NULL) {
        return NULL;
    }

    redis->conf = conf;
    redis->listener = listener;
    redis->log = cycle->log;
    redis->since = ngx_time();

    redis->dial.store = &conf->store;
    redis->dial.server = conf->server;
    redis->dial.resolver = conf->resolver;
    redis->dial.log = cycle->log;
    redis->dial.handler = ngx_http_api_key_redis_dialed;
    redis->dial.data = redis;

    /* a dead name server must leave time for the known address */

    redis->dial.timeout = ngx_min(conf->resolver_timeout,
                                  conf->connect_timeout / 2 + 1);

    ngx_http_api_key_pipeline_init(&redis->pipeline);

    redis->timer.handler = ngx_http_api_key_redis_timer;
    redis->timer.data = redis;
    redis->timer.log = cycle->log;
    redis->timer.cancelable = 1;

    /* not cancelable: who waits for a reply keeps the worker from exiting */

    redis->deadline.handler = ngx_http_api_key_redis_deadline;
    redis->deadline.data = redis;
    redis->deadline.log = cycle->log;

    redis->flush.handler = ngx_http_api_key_redis_flush;
    redis->flush.data = redis;
    redis->flush.log = cycle->log;

    ngx_http_api_key_redis_connect(redis);

    return redis;
}


void
ngx_http_api_key_redis_destroy(ngx_http_api_key_redis_t *redis)
{
    ngx_queue_t  lost;

    ngx_http_api_key_redis_close(redis);

    /* nobody may ask again */
    redis->state = NGX_HTTP_API_KEY_REDIS_BACKING_OFF;

    ngx_queue_init(&lost);
    ngx_http_api_key_pipeline_break(&redis->pipeline, 0, &lost);
    ngx_http_api_key_pipeline_lose(&lost);

    if (redis->deadline.timer_set) {
        ngx_del_timer(&redis->deadline);
    }

    if (redis->flush.posted) {
        ngx_delete_posted_event(&redis->flush);
    }

    if (redis->out.start) {
        ngx_free(redis->out.start);
    }

    ngx_free(redis);
}


ngx_int_t
ngx_http_api_key_redis_send(ngx_http_api_key_redis_t *redis,
    ngx_http_api_key_command_t *commands, ngx_uint_t n, ngx_uint_t flags,
    ngx_http_api_key_redis_pt handler, void *data)
{
    ngx_uint_t                    room;
    ngx_http_api_key_exchange_t  *exchange;

    if (redis->state == NGX_HTTP_API_KEY_REDIS_BACKING_OFF) {
        return NGX_ERROR;
    }

    room = NGX_HTTP_API_KEY_REDIS_QUEUE;

    if (flags & NGX_HTTP_API_KEY_REDIS_YIELD) {
        room /= 2;
    }

    if (redis->pipeline.n >= room) {
        ngx_log_error(NGX_LOG_INFO, redis->log, 0,
                      "api key store \"%V\": the queue to Redis is full",
                      &redis->conf->store);
        return NGX_ERROR;
    }

    exchange = ngx_http_api_key_exchange_create(commands, n);
    if (exchange == NULL) {
        return NGX_ERROR;
    }

    exchange->handler = handler;
    exchange->data = data;
    exchange->retry = flags & NGX_HTTP_API_KEY_REDIS_RETRY;
    exchange->deadline = ngx_current_msec + redis->conf->timeout;

    if (redis->state == NGX_HTTP_API_KEY_REDIS_CONNECTING) {
        exchange->deadline += redis->conf->connect_timeout;

    } else {
        /*
         * A worker is told to leave between two turns of its events, and what
         * is posted for this turn would wait for whatever comes next.
         */
        ngx_post_event(&redis->flush, ngx_exiting ? &ngx_posted_next_events
                                                  : &ngx_posted_events);
    }

    ngx_http_api_key_pipeline_wait(&redis->pipeline, exchange);

    if (!redis->deadline.timer_set) {
        ngx_add_timer(&redis->deadline, exchange->deadline - ngx_current_msec);
    }

    return NGX_OK;
}


void
ngx_http_api_key_redis_out_of_step(ngx_http_api_key_redis_t *redis)
{
    redis->out_of_step = 1;
}


ngx_msec_t
ngx_http_api_key_redis_heard(ngx_http_api_key_redis_t *redis)
{
    return redis->heard;
}


ngx_uint_t
ngx_http_api_key_redis_up(ngx_http_api_key_redis_t *redis, time_t *since)
{
    *since = redis->since;

    return redis->state == NGX_HTTP_API_KEY_REDIS_UP;
}


static void
ngx_http_api_key_redis_connect(ngx_http_api_key_redis_t *redis)
{
    redis->state = NGX_HTTP_API_KEY_REDIS_CONNECTING;
    ngx_add_timer(&redis->timer, redis->conf->connect_timeout);

    ngx_http_api_key_dial(&redis->dial);
}


static void
ngx_http_api_key_redis_dialed(void *data, ngx_connection_t *c)
{
    ngx_http_api_key_redis_t  *redis = data;

    if (c == NULL) {
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CONNECT,
                                    "connect() failed", NULL);
        return;
    }

    redis->connection = c;

    c->data = redis;
    c->idle = (redis->listener && redis->listener->leaving && !ngx_exiting);
    c->read->handler = ngx_http_api_key_redis_read;
    c->write->handler = ngx_http_api_key_redis_write;

    redis->resp = ngx_http_api_key_resp_create(&redis->conf->bounds,
                                               redis->log);
    if (redis->resp == NULL) {
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CONNECT,
                                    "no memory", NULL);
        return;
    }

    if (c->write->ready) {
        /* a unix socket connects at once */
        ngx_post_event(c->write, &ngx_posted_events);
    }
}


/* The greeting goes first; only when all of it is accepted the link is up. */

static ngx_int_t
ngx_http_api_key_redis_connected(ngx_http_api_key_redis_t *redis)
{
    int                           err;
    socklen_t                     len;
    ngx_connection_t             *c;
    ngx_http_api_key_greeting_t   greeting;
    ngx_http_api_key_exchange_t  *exchange;

    c = redis->connection;

    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        (void) ngx_connection_error(c, err, "connect() to Redis failed");
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CONNECT,
                                    "connect() failed", NULL);
        return NGX_ERROR;
    }

    ngx_http_api_key_greeting(&greeting, &redis->conf->login);

    exchange = ngx_http_api_key_exchange_create(greeting.commands, greeting.n);

    if (exchange == NULL) {
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CONNECT,
                                    "no memory", NULL);
        return NGX_ERROR;
    }

    exchange->handler = ngx_http_api_key_redis_greeted;
    exchange->data = redis;
    exchange->deadline = ngx_current_msec + redis->conf->connect_timeout;

    ngx_http_api_key_pipeline_send(&redis->pipeline, exchange);

    if (ngx_http_api_key_redis_append(redis, &exchange->bytes) != NGX_OK) {
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CONNECT,
                                    "no memory", NULL);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_api_key_redis_greeted(void *data, ngx_http_api_key_reply_t **replies)
{
    ngx_str_t                 *error;
    const char                *reason;
    ngx_http_api_key_redis_t  *redis = data;
    ngx_http_api_key_error_e   kind;

    if (replies == NULL) {
        /* whoever called knows that the link has failed */
        return;
    }

    reason = ngx_http_api_key_greeting_refused(&redis->conf->login, replies,
                                               &kind, &error);
    if (reason) {
        ngx_http_api_key_redis_fail(redis, kind, reason, error);
        return;
    }

    ngx_del_timer(&redis->timer);

    redis->state = NGX_HTTP_API_KEY_REDIS_UP;
    redis->since = ngx_time();
    redis->connected = ngx_current_msec;
    redis->heard = ngx_current_msec;

    if (redis->reason) {
        ngx_log_error(NGX_LOG_NOTICE, redis->log, 0,
                      "api key store \"%V\": %VRedis %V is back",
                      &redis->conf->store, &redis->conf->purpose,
                      &redis->conf->server->url);
    }

    redis->reason = NULL;

    ngx_post_event(&redis->flush, &ngx_posted_events);

    if (redis->listener && redis->listener->connected) {
        redis->listener->connected(redis->listener->data);
    }
}


/*
 * The one way out of a broken connection.  Reads go back to the waiting queue
 * when a new connection is made at once; everybody else is told.
 */

static void
ngx_http_api_key_redis_fail(ngx_http_api_key_redis_t *redis,
    ngx_http_api_key_error_e kind, const char *reason, ngx_str_t *detail)
{
    ngx_str_t    none;
    ngx_uint_t   level, again;
    ngx_msec_t   delay;
    ngx_queue_t  lost;

    ngx_http_api_key_count(redis->conf->counters,
                           NGX_HTTP_API_KEY_COUNT_ERRORS + kind, 1);

    /* an outage is one line, not one for each attempt to end it */

    level = (redis->reason == reason) ? NGX_LOG_INFO : NGX_LOG_ERR;
    redis->reason = reason;

    ngx_str_null(&none);

    if (detail == NULL) {
        detail = &none;
    }

    ngx_http_api_key_resp_printable(detail);

    ngx_log_error(level, redis->log, 0,
                  "api key store \"%V\": %VRedis %V: %s%s%V",
                  &redis->conf->store, &redis->conf->purpose,
                  &redis->conf->server->url, reason,
                  detail->len ? ": " : "", detail);

    again = redis->state == NGX_HTTP_API_KEY_REDIS_UP
            && ngx_current_msec - redis->connected
               >= NGX_HTTP_API_KEY_REDIS_SHORT_LIVED;

    if (redis->state == NGX_HTTP_API_KEY_REDIS_UP) {
        redis->since = ngx_time();
        redis->failures = 0;

        if (kind == NGX_HTTP_API_KEY_ERROR_PROTOCOL && redis->listener
            && redis->listener->garbled)
        {
            redis->listener->garbled(redis->listener->data);
        }

        if (redis->listener && redis->listener->lost) {
            redis->listener->lost(redis->listener->data);
        }
    }

    ngx_http_api_key_redis_close(redis);

    ngx_queue_init(&lost);

    ngx_http_api_key_pipeline_break(&redis->pipeline, again, &lost);

    if (again) {
        ngx_http_api_key_redis_connect(redis);

    } else {
        delay = ngx_min(NGX_HTTP_API_KEY_REDIS_BACKOFF
                        << ngx_min(redis->failures, 8),
                        NGX_HTTP_API_KEY_REDIS_BACKOFF_MAX);

        redis->failures++;
        redis->state = NGX_HTTP_API_KEY_REDIS_BACKING_OFF;

        ngx_add_timer(&redis->timer,
                      delay / 2 + (ngx_msec_t) ngx_random() % (delay / 2));
    }

    ngx_http_api_key_pipeline_lose(&lost);
    ngx_http_api_key_redis_set_deadline(redis);
}


static void
ngx_http_api_key_redis_close(ngx_http_api_key_redis_t *redis)
{
    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    ngx_http_api_key_dial_cancel(&redis->dial);

    if (redis->connection) {
        ngx_close_connection(redis->connection);
        redis->connection = NULL;
    }

    if (redis->resp) {
        ngx_http_api_key_resp_destroy(redis->resp);
        redis->resp = NULL;
    }

    redis->out.pos = redis->out.start;
    redis->out.last = redis->out.start;
    redis->out_of_step = 0;
}


static void
ngx_http_api_key_redis_timer(ngx_event_t *ev)
{
    ngx_http_api_key_redis_t  *redis = ev->data;

    if (redis->state == NGX_HTTP_API_KEY_REDIS_CONNECTING) {
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CONNECT,
                                    "connecting timed out", NULL);
        return;
    }

    ngx_http_api_key_redis_connect(redis);
}


static void
ngx_http_api_key_redis_deadline(ngx_event_t *ev)
{
    ngx_uint_t                    stalled;
    ngx_queue_t                   lost;
    ngx_http_api_key_redis_t     *redis = ev->data;
    ngx_http_api_key_exchange_t  *exchange;

    exchange = ngx_http_api_key_pipeline_sent(&redis->pipeline);

    stalled = redis->state == NGX_HTTP_API_KEY_REDIS_UP && exchange
              && ngx_http_api_key_exchange_late(exchange);

    ngx_queue_init(&lost);
    ngx_http_api_key_pipeline_expire(&redis->pipeline, &lost);
    ngx_http_api_key_pipeline_lose(&lost);

    if (stalled) {
        /* replies match by order: what is late cannot be skipped */
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_TIMEOUT,
                                    "no reply in time", NULL);
        return;
    }

    ngx_http_api_key_redis_set_deadline(redis);
}


static void
ngx_http_api_key_redis_set_deadline(ngx_http_api_key_redis_t *redis)
{
    ngx_msec_t  left;

    left = ngx_http_api_key_pipeline_left(&redis->pipeline);

    if (left != NGX_TIMER_INFINITE) {
        ngx_add_timer(&redis->deadline, left);

    } else if (redis->deadline.timer_set) {
        ngx_del_timer(&redis->deadline);
    }
}


static void
ngx_http_api_key_redis_write(ngx_event_t *wev)
{
    ngx_connection_t          *c;
    ngx_http_api_key_redis_t  *redis;

    c = wev->data;
    redis = c->data;

    if (redis->state == NGX_HTTP_API_KEY_REDIS_CONNECTING
        && ngx_http_api_key_pipeline_sent(&redis->pipeline) == NULL
        && ngx_http_api_key_redis_connected(redis) != NGX_OK)
    {
        return;
    }

    ngx_http_api_key_redis_flush(&redis->flush);
}


/* Sends what is queued: all that came within one turn of the event loop. */

static void
ngx_http_api_key_redis_flush(ngx_event_t *ev)
{
    ssize_t                       n;
    uint64_t                      now;
    ngx_msec_int_t                left;
    ngx_connection_t             *c;
    ngx_http_api_key_redis_t     *redis = ev->data;
    ngx_http_api_key_exchange_t  *exchange;

    c = redis->connection;

    if (c == NULL) {
        return;
    }

    now = ngx_http_api_key_redis_clock();

    while (redis->state == NGX_HTTP_API_KEY_REDIS_UP) {
        exchange = ngx_http_api_key_pipeline_waiting(&redis->pipeline);

        if (exchange == NULL) {
            break;
        }

        if (ngx_http_api_key_redis_append(redis, &exchange->bytes) != NGX_OK) {
            ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CONNECT,
                                        "no memory", NULL);
            return;
        }

        ngx_http_api_key_pipeline_remove(&redis->pipeline, exchange);
        ngx_http_api_key_pipeline_send(&redis->pipeline, exchange);
        exchange->sent = now;

        /* the time to connect is over, what is left is for the answer */

        left = (ngx_msec_int_t) (exchange->deadline - ngx_current_msec);

        if (left > (ngx_msec_int_t) redis->conf->timeout) {
            exchange->deadline = ngx_current_msec + redis->conf->timeout;
        }
    }

    while (redis->out.pos < redis->out.last && c->write->ready) {
        n = c->send(c, redis->out.pos, redis->out.last - redis->out.pos);

        if (n == NGX_ERROR) {
            ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CLOSED,
                                        "send() failed", NULL);
            return;
        }

        if (n == NGX_AGAIN) {
            break;
        }

        redis->out.pos += n;
    }

    if (redis->out.pos == redis->out.last) {
        redis->out.pos = redis->out.start;
        redis->out.last = redis->out.start;
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CLOSED,
                                    "event failure", NULL);
    }
}


static ngx_int_t
ngx_http_api_key_redis_append(ngx_http_api_key_redis_t *redis,
    ngx_str_t *bytes)
{
    size_t      size, used;
    u_char     *p;
    ngx_buf_t  *out;

    out = &redis->out;

    if ((size_t) (out->end - out->last) < bytes->len) {
        used = out->last - out->pos;
        size = ngx_max(2 * (used + bytes->len), NGX_HTTP_API_KEY_REDIS_RECV);

        p = ngx_alloc(size, redis->log);
        if (p == NULL) {
            return NGX_ERROR;
        }

        if (out->start) {
            ngx_memcpy(p, out->pos, used);
            ngx_free(out->start);
        }

        out->start = p;
        out->end = p + size;
        out->pos = p;
        out->last = p + used;
    }

    out->last = ngx_cpymem(out->last, bytes->data, bytes->len);

    return NGX_OK;
}


static void
ngx_http_api_key_redis_read(ngx_event_t *rev)
{
    ssize_t                    n;
    ngx_connection_t          *c;
    ngx_http_api_key_redis_t  *redis;
    u_char                     buf[NGX_HTTP_API_KEY_REDIS_RECV];

    c = rev->data;
    redis = c->data;

    if (c->close) {

        /* only nginx says so, and means what is idle; the link is not yet */

        c->close = 0;
        c->idle = 0;

        redis->listener->leaving(redis->listener->data);
    }

    for ( ;; ) {
        n = c->recv(c, buf, NGX_HTTP_API_KEY_REDIS_RECV);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR || n == 0) {
            ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CLOSED,
                                        "the connection was closed", NULL);
            return;
        }

        if (ngx_http_api_key_resp_feed(redis->resp, buf, n) != NGX_OK) {
            ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_PROTOCOL,
                                        "a reply without end", NULL);
            return;
        }

        if (ngx_http_api_key_redis_replies(redis) != NGX_OK) {
            return;
        }
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CLOSED,
                                    "event failure", NULL);
    }
}


/* Hands out all whole replies; NGX_ERROR when the connection is gone. */

static ngx_int_t
ngx_http_api_key_redis_replies(ngx_http_api_key_redis_t *redis)
{
    uint64_t                      now;
    ngx_int_t                     rc;
    ngx_str_t                     error;
    ngx_connection_t             *c;
    ngx_http_api_key_reply_t     *reply;
    ngx_http_api_key_exchange_t  *exchange;

    c = redis->connection;

    now = ngx_http_api_key_redis_clock();

    if (redis->state == NGX_HTTP_API_KEY_REDIS_UP) {
        redis->heard = ngx_current_msec;
    }

    for ( ;; ) {
        rc = ngx_http_api_key_resp_next(redis->resp, &reply, &error);

        if (rc == NGX_ERROR) {
            ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_PROTOCOL,
                                        "a reply that is none", &error);
            return NGX_ERROR;
        }

        if (rc == NGX_AGAIN) {
            break;
        }

        rc = (redis->listener && redis->listener->message)
             ? redis->listener->message(redis->listener->data, reply)
             : NGX_DECLINED;

        if (rc == NGX_OK) {
            ngx_http_api_key_redis_release(redis);
            continue;
        }

        exchange = ngx_http_api_key_pipeline_sent(&redis->pipeline);

        if (rc == NGX_ERROR || exchange == NULL) {
            ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_PROTOCOL,
                                        "a reply nobody waits for", NULL);
            return NGX_ERROR;
        }

        exchange->replies[exchange->received++] = reply;

        if (exchange->received < exchange->expected) {
            continue;
        }

        ngx_http_api_key_pipeline_remove(&redis->pipeline, exchange);

        if (exchange->sent) {
            ngx_http_api_key_count_time(redis->conf->counters,
                                        now - exchange->sent);
        }

        ngx_http_api_key_exchange_end(exchange, exchange->replies);

        if (redis->connection != c) {
            /* the greeting was refused */
            return NGX_ERROR;
        }

        if (redis->out_of_step) {
            ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_PROTOCOL,
                                        "a reply to another question", NULL);
            return NGX_ERROR;
        }

        ngx_http_api_key_redis_release(redis);
    }

    if (redis->pipeline.n == 0 && redis->deadline.timer_set) {
        ngx_del_timer(&redis->deadline);
    }

    return NGX_OK;
}


/* In microseconds: nginx's own clock is too coarse to measure a reply with. */

static uint64_t
ngx_http_api_key_redis_clock(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/* Frees the replies, unless some belong to an exchange that waits for more. */

static void
ngx_http_api_key_redis_release(ngx_http_api_key_redis_t *redis)
{
    ngx_http_api_key_exchange_t  *exchange;

    exchange = ngx_http_api_key_pipeline_sent(&redis->pipeline);

    if (exchange == NULL || exchange->received == 0) {
        ngx_http_api_key_resp_release(redis->resp);
    }
}
