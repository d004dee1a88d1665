/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * One worker's connection to one Redis server.  Sockets, timers and names are
 * nginx's.  A request is in one of two queues: "waiting" until the link is up,
 * "sent" until its last reply has come; who leaves them for good has its
 * handler called, exactly once.
 */

#include "ngx_http_api_key_redis.h"

#include <ngx_event.h>
#include <ngx_event_connect.h>


#define NGX_HTTP_API_KEY_REDIS_QUEUE       4096         /* requests */
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


typedef struct {
    ngx_queue_t                      queue;
    ngx_http_api_key_redis_pt        handler;
    void                            *data;
    ngx_msec_t                       deadline;
    uint64_t                         sent;         /* microseconds */
    ngx_uint_t                       expected;
    ngx_uint_t                       received;
    ngx_uint_t                       retry;
    ngx_str_t                        bytes;
    ngx_http_api_key_reply_t        *replies[1];
} ngx_http_api_key_redis_request_t;


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
    ngx_uint_t                       next_addr;
    ngx_uint_t                       out_of_step;  /* a handler says so */

    ngx_resolver_ctx_t              *resolving;
    ngx_connection_t                *connection;
    ngx_http_api_key_resp_t         *resp;
    ngx_buf_t                        out;

    ngx_queue_t                      waiting;
    ngx_queue_t                      sent;
    ngx_uint_t                       nrequests;

    ngx_event_t                      timer;        /* connect or back-off */
    ngx_event_t                      deadline;
    ngx_event_t                      flush;
};


static void ngx_http_api_key_redis_connect(ngx_http_api_key_redis_t *redis);
static void ngx_http_api_key_redis_resolved(ngx_resolver_ctx_t *ctx);
static void ngx_http_api_key_redis_open(ngx_http_api_key_redis_t *redis,
    struct sockaddr *sockaddr, socklen_t socklen, ngx_str_t *name);
static ngx_int_t ngx_http_api_key_redis_connected(
    ngx_http_api_key_redis_t *redis);
static void ngx_http_api_key_redis_greeted(void *data,
    ngx_http_api_key_reply_t **replies);
static void ngx_http_api_key_redis_fail(ngx_http_api_key_redis_t *redis,
    ngx_http_api_key_error_e kind, const char *reason, ngx_str_t *detail);
static void ngx_http_api_key_redis_close(ngx_http_api_key_redis_t *redis);
static void ngx_http_api_key_redis_lose(ngx_http_api_key_redis_t *redis,
    ngx_queue_t *queue);

static void ngx_http_api_key_redis_timer(ngx_event_t *ev);
static void ngx_http_api_key_redis_deadline(ngx_event_t *ev);
static void ngx_http_api_key_redis_set_deadline(
    ngx_http_api_key_redis_t *redis);
static void ngx_http_api_key_redis_expire(ngx_http_api_key_redis_t *redis,
    ngx_queue_t *from, ngx_queue_t *lost);

static void ngx_http_api_key_redis_write(ngx_event_t *wev);
static void ngx_http_api_key_redis_flush(ngx_event_t *ev);
static ngx_int_t ngx_http_api_key_redis_append(
    ngx_http_api_key_redis_t *redis, ngx_str_t *bytes);
static void ngx_http_api_key_redis_read(ngx_event_t *rev);
static ngx_int_t ngx_http_api_key_redis_replies(
    ngx_http_api_key_redis_t *redis);

static uint64_t ngx_http_api_key_redis_clock(void);
static void ngx_http_api_key_redis_release(ngx_http_api_key_redis_t *redis);

static ngx_http_api_key_redis_request_t *ngx_http_api_key_redis_request(
    ngx_http_api_key_command_t *commands, ngx_uint_t n);


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

    ngx_queue_init(&redis->waiting);
    ngx_queue_init(&redis->sent);

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
    ngx_http_api_key_redis_close(redis);

    ngx_http_api_key_redis_lose(redis, &redis->sent);
    ngx_http_api_key_redis_lose(redis, &redis->waiting);

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
    ngx_uint_t                         room;
    ngx_http_api_key_redis_request_t  *request;

    if (redis->state == NGX_HTTP_API_KEY_REDIS_BACKING_OFF) {
        return NGX_ERROR;
    }

    room = NGX_HTTP_API_KEY_REDIS_QUEUE;

    if (flags & NGX_HTTP_API_KEY_REDIS_YIELD) {
        room /= 2;
    }

    if (redis->nrequests >= room) {
        ngx_log_error(NGX_LOG_INFO, redis->log, 0,
                      "api key store \"%V\": the queue to Redis is full",
                      &redis->conf->store);
        return NGX_ERROR;
    }

    request = ngx_http_api_key_redis_request(commands, n);
    if (request == NULL) {
        return NGX_ERROR;
    }

    request->handler = handler;
    request->data = data;
    request->retry = flags & NGX_HTTP_API_KEY_REDIS_RETRY;
    request->deadline = ngx_current_msec + redis->conf->timeout;

    if (redis->state == NGX_HTTP_API_KEY_REDIS_CONNECTING) {
        request->deadline += redis->conf->connect_timeout;

    } else {
        /*
         * A worker is told to leave between two turns of its events, and what
         * is posted for this turn would wait for whatever comes next.
         */
        ngx_post_event(&redis->flush, ngx_exiting ? &ngx_posted_next_events
                                                  : &ngx_posted_events);
    }

    ngx_queue_insert_tail(&redis->waiting, &request->queue);
    redis->nrequests++;

    if (!redis->deadline.timer_set) {
        ngx_add_timer(&redis->deadline, request->deadline - ngx_current_msec);
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
    ngx_url_t           *url;
    ngx_addr_t          *addr;
    ngx_resolver_ctx_t  *ctx, temp;

    url = redis->conf->server;

    redis->state = NGX_HTTP_API_KEY_REDIS_CONNECTING;
    ngx_add_timer(&redis->timer, redis->conf->connect_timeout);

    if (redis->conf->resolver) {
        ngx_memzero(&temp, sizeof(ngx_resolver_ctx_t));
        temp.name = url->host;

        ctx = ngx_resolve_start(redis->conf->resolver, &temp);

        if (ctx && ctx != NGX_NO_RESOLVER) {
            ctx->name = url->host;
            ctx->handler = ngx_http_api_key_redis_resolved;
            ctx->data = redis;

            /* a dead name server must leave time for the known address */

            ctx->timeout = ngx_min(redis->conf->resolver_timeout,
                                   redis->conf->connect_timeout / 2 + 1);

            redis->resolving = ctx;

            if (ngx_resolve_name(ctx) == NGX_OK) {
                return;
            }

            redis->resolving = NULL;
        }
    }

    addr = &url->addrs[redis->next_addr++ % url->naddrs];

    ngx_http_api_key_redis_open(redis, addr->sockaddr, addr->socklen,
                                &addr->name);
}


static void
ngx_http_api_key_redis_resolved(ngx_resolver_ctx_t *ctx)
{
    socklen_t                  socklen;
    ngx_str_t                 *name;
    ngx_url_t                 *url;
    ngx_addr_t                *known;
    ngx_sockaddr_t             sockaddr;
    ngx_resolver_addr_t       *addr;
    ngx_http_api_key_redis_t  *redis;

    redis = ctx->data;
    url = redis->conf->server;
    redis->resolving = NULL;

    if (ctx->state || ctx->naddrs == 0) {
        ngx_log_error(NGX_LOG_WARN, redis->log, 0,
                      "api key store \"%V\": %V could not be resolved "
                      "(%i: %s), its last known address is used",
                      &redis->conf->store, &ctx->name, ctx->state,
                      ngx_resolver_strerror(ctx->state));

        known = &url->addrs[redis->next_addr++ % url->naddrs];
        ngx_memcpy(&sockaddr, known->sockaddr, known->socklen);
        socklen = known->socklen;
        name = &known->name;

    } else {
        addr = &ctx->addrs[redis->next_addr++ % ctx->naddrs];
        ngx_memcpy(&sockaddr, addr->sockaddr, addr->socklen);
        socklen = addr->socklen;
        name = &url->url;

        ngx_inet_set_port(&sockaddr.sockaddr, url->port);
    }

    ngx_resolve_name_done(ctx);

    ngx_http_api_key_redis_open(redis, &sockaddr.sockaddr, socklen, name);
}


static void
ngx_http_api_key_redis_open(ngx_http_api_key_redis_t *redis,
    struct sockaddr *sockaddr, socklen_t socklen, ngx_str_t *name)
{
    ngx_int_t               rc;
    ngx_connection_t       *c;
    ngx_peer_connection_t   peer;

    ngx_memzero(&peer, sizeof(ngx_peer_connection_t));

    peer.sockaddr = sockaddr;
    peer.socklen = socklen;
    peer.name = name;
    peer.get = ngx_event_get_peer;
    peer.log = redis->log;
    peer.log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(&peer);

    redis->connection = peer.connection;

    if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CONNECT,
                                    "connect() failed", NULL);
        return;
    }

    c = redis->connection;
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

    if (rc == NGX_OK) {
        /* a unix socket connects at once */
        ngx_post_event(c->write, &ngx_posted_events);
    }
}


/* The greeting goes first; only when all of it is accepted the link is up. */

static ngx_int_t
ngx_http_api_key_redis_connected(ngx_http_api_key_redis_t *redis)
{
    int                                err;
    socklen_t                          len;
    ngx_uint_t                         n;
    u_char                             database[NGX_INT_T_LEN];
    ngx_str_t                          auth[3], select[2], ping;
    ngx_connection_t                  *c;
    ngx_http_api_key_command_t         commands[3];
    ngx_http_api_key_redis_request_t  *request;

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

    n = 0;

    if (redis->conf->password.len) {
        ngx_str_set(&auth[0], "AUTH");
        auth[1] = redis->conf->username;
        auth[2] = redis->conf->password;

        commands[n].argv = auth;
        commands[n].argc = 3;

        if (redis->conf->username.len == 0) {
            auth[1] = redis->conf->password;
            commands[n].argc = 2;
        }

        n++;
    }

    if (redis->conf->database) {
        ngx_str_set(&select[0], "SELECT");
        select[1].data = database;
        select[1].len = ngx_sprintf(database, "%ui", redis->conf->database)
                        - database;

        commands[n].argv = select;
        commands[n++].argc = 2;
    }

    ngx_str_set(&ping, "PING");
    commands[n].argv = &ping;
    commands[n++].argc = 1;

    request = ngx_http_api_key_redis_request(commands, n);
    if (request == NULL) {
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CONNECT,
                                    "no memory", NULL);
        return NGX_ERROR;
    }

    request->handler = ngx_http_api_key_redis_greeted;
    request->data = redis;
    request->deadline = ngx_current_msec + redis->conf->connect_timeout;

    ngx_queue_insert_tail(&redis->sent, &request->queue);
    redis->nrequests++;

    if (ngx_http_api_key_redis_append(redis, &request->bytes) != NGX_OK) {
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
    ngx_uint_t                 i, n;
    ngx_http_api_key_redis_t  *redis = data;

    if (replies == NULL) {
        /* whoever called knows that the link has failed */
        return;
    }

    n = 1 + (redis->conf->password.len != 0) + (redis->conf->database != 0);

    for (i = 0; i < n; i++) {

        if (replies[i]->type == NGX_HTTP_API_KEY_REPLY_ERROR) {
            error = &replies[i]->str;

            /* a Redis that cannot save says so to PING, and answers reads */

            if (i == n - 1 && error->len > 8
                && ngx_strncmp(error->data, "MISCONF ", 8) == 0)
            {
                continue;
            }

            ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_REFUSED,
                                        "the greeting was refused", error);
            return;
        }

        if (replies[i]->type != NGX_HTTP_API_KEY_REPLY_STRING) {
            ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_PROTOCOL,
                                        "an unexpected greeting", NULL);
            return;
        }
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
    ngx_str_t                          none;
    ngx_uint_t                         level, again;
    ngx_msec_t                         delay;
    ngx_queue_t                       *q, lost;
    ngx_http_api_key_redis_request_t  *request;

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

    while (!ngx_queue_empty(&redis->sent)) {
        q = ngx_queue_last(&redis->sent);
        ngx_queue_remove(q);

        request = ngx_queue_data(q, ngx_http_api_key_redis_request_t, queue);

        if (again && request->retry
            && (ngx_msec_int_t) (request->deadline - ngx_current_msec) > 0)
        {
            request->retry = 0;
            request->received = 0;
            ngx_queue_insert_head(&redis->waiting, q);
            continue;
        }

        ngx_queue_insert_head(&lost, q);
    }

    if (again) {
        ngx_http_api_key_redis_connect(redis);

    } else {

        while (!ngx_queue_empty(&redis->waiting)) {
            q = ngx_queue_head(&redis->waiting);
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&lost, q);
        }

        delay = ngx_min(NGX_HTTP_API_KEY_REDIS_BACKOFF
                        << ngx_min(redis->failures, 8),
                        NGX_HTTP_API_KEY_REDIS_BACKOFF_MAX);

        redis->failures++;
        redis->state = NGX_HTTP_API_KEY_REDIS_BACKING_OFF;

        ngx_add_timer(&redis->timer,
                      delay / 2 + (ngx_msec_t) ngx_random() % (delay / 2));
    }

    ngx_http_api_key_redis_lose(redis, &lost);
    ngx_http_api_key_redis_set_deadline(redis);
}


static void
ngx_http_api_key_redis_close(ngx_http_api_key_redis_t *redis)
{
    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    if (redis->resolving) {
        ngx_resolve_name_done(redis->resolving);
        redis->resolving = NULL;
    }

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
ngx_http_api_key_redis_lose(ngx_http_api_key_redis_t *redis,
    ngx_queue_t *queue)
{
    ngx_queue_t                       *q;
    ngx_http_api_key_redis_request_t  *request;

    while (!ngx_queue_empty(queue)) {
        q = ngx_queue_head(queue);
        ngx_queue_remove(q);
        redis->nrequests--;

        request = ngx_queue_data(q, ngx_http_api_key_redis_request_t, queue);
        request->handler(request->data, NULL);
        ngx_free(request);
    }
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
    ngx_queue_t                        lost;
    ngx_uint_t                         stalled;
    ngx_http_api_key_redis_t          *redis = ev->data;
    ngx_http_api_key_redis_request_t  *request;

    stalled = 0;
    ngx_queue_init(&lost);

    if (redis->state == NGX_HTTP_API_KEY_REDIS_UP
        && !ngx_queue_empty(&redis->sent))
    {
        request = ngx_queue_data(ngx_queue_head(&redis->sent),
                                 ngx_http_api_key_redis_request_t, queue);

        stalled = (ngx_msec_int_t) (request->deadline - ngx_current_msec) <= 0;
    }

    ngx_http_api_key_redis_expire(redis, &redis->waiting, &lost);
    ngx_http_api_key_redis_lose(redis, &lost);

    if (stalled) {
        /* replies match by order: what is late cannot be skipped */
        ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_TIMEOUT,
                                    "no reply in time", NULL);
        return;
    }

    ngx_http_api_key_redis_set_deadline(redis);
}


static void
ngx_http_api_key_redis_expire(ngx_http_api_key_redis_t *redis,
    ngx_queue_t *from, ngx_queue_t *lost)
{
    ngx_queue_t                       *q, *next;
    ngx_http_api_key_redis_request_t  *request;

    for (q = ngx_queue_head(from); q != ngx_queue_sentinel(from); q = next) {
        next = ngx_queue_next(q);
        request = ngx_queue_data(q, ngx_http_api_key_redis_request_t, queue);

        if ((ngx_msec_int_t) (request->deadline - ngx_current_msec) <= 0) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(lost, q);
        }
    }
}


/* Both queues are in the order of their deadlines: the heads come first. */

static void
ngx_http_api_key_redis_set_deadline(ngx_http_api_key_redis_t *redis)
{
    ngx_uint_t                         i;
    ngx_queue_t                       *queues[2];
    ngx_msec_int_t                     left, least;
    ngx_http_api_key_redis_request_t  *request;

    queues[0] = &redis->sent;
    queues[1] = &redis->waiting;

    least = NGX_MAX_INT32_VALUE;

    for (i = 0; i < 2; i++) {
        if (ngx_queue_empty(queues[i])) {
            continue;
        }

        request = ngx_queue_data(ngx_queue_head(queues[i]),
                                 ngx_http_api_key_redis_request_t, queue);

        left = (ngx_msec_int_t) (request->deadline - ngx_current_msec);
        least = ngx_min(least, ngx_max(left, 1));
    }

    if (least != NGX_MAX_INT32_VALUE) {
        ngx_add_timer(&redis->deadline, (ngx_msec_t) least);

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
        && ngx_queue_empty(&redis->sent)
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
    ssize_t                            n;
    uint64_t                           now;
    ngx_queue_t                       *q;
    ngx_msec_int_t                     left;
    ngx_connection_t                  *c;
    ngx_http_api_key_redis_t          *redis = ev->data;
    ngx_http_api_key_redis_request_t  *request;

    c = redis->connection;

    if (c == NULL) {
        return;
    }

    now = ngx_http_api_key_redis_clock();

    while (redis->state == NGX_HTTP_API_KEY_REDIS_UP
           && !ngx_queue_empty(&redis->waiting))
    {
        q = ngx_queue_head(&redis->waiting);
        request = ngx_queue_data(q, ngx_http_api_key_redis_request_t, queue);

        if (ngx_http_api_key_redis_append(redis, &request->bytes) != NGX_OK) {
            ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_CONNECT,
                                        "no memory", NULL);
            return;
        }

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&redis->sent, q);
        request->sent = now;

        /* the time to connect is over, what is left is for the answer */

        left = (ngx_msec_int_t) (request->deadline - ngx_current_msec);

        if (left > (ngx_msec_int_t) redis->conf->timeout) {
            request->deadline = ngx_current_msec + redis->conf->timeout;
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
    uint64_t                           now;
    ngx_int_t                          rc;
    ngx_str_t                          error;
    ngx_connection_t                  *c;
    ngx_http_api_key_reply_t          *reply;
    ngx_http_api_key_redis_request_t  *request;

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

        if (rc == NGX_ERROR || ngx_queue_empty(&redis->sent)) {
            ngx_http_api_key_redis_fail(redis, NGX_HTTP_API_KEY_ERROR_PROTOCOL,
                                        "a reply nobody waits for", NULL);
            return NGX_ERROR;
        }

        request = ngx_queue_data(ngx_queue_head(&redis->sent),
                                 ngx_http_api_key_redis_request_t, queue);

        request->replies[request->received++] = reply;

        if (request->received < request->expected) {
            continue;
        }

        ngx_queue_remove(&request->queue);
        redis->nrequests--;

        if (request->sent) {
            ngx_http_api_key_count_time(redis->conf->counters,
                                        now - request->sent);
        }

        request->handler(request->data, request->replies);
        ngx_free(request);

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

    if (redis->nrequests == 0 && redis->deadline.timer_set) {
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


/* Frees the replies, unless some belong to a request that waits for more. */

static void
ngx_http_api_key_redis_release(ngx_http_api_key_redis_t *redis)
{
    ngx_http_api_key_redis_request_t  *request;

    if (!ngx_queue_empty(&redis->sent)) {
        request = ngx_queue_data(ngx_queue_head(&redis->sent),
                                 ngx_http_api_key_redis_request_t, queue);

        if (request->received) {
            return;
        }
    }

    ngx_http_api_key_resp_release(redis->resp);
}


/* A request and the bytes of its commands in one block. */

static ngx_http_api_key_redis_request_t *
ngx_http_api_key_redis_request(ngx_http_api_key_command_t *commands,
    ngx_uint_t n)
{
    u_char                            *p;
    size_t                             head, size;
    ngx_uint_t                         i;
    ngx_http_api_key_redis_request_t  *request;

    head = sizeof(ngx_http_api_key_redis_request_t)
           + n * sizeof(ngx_http_api_key_reply_t *);
    size = head;

    for (i = 0; i < n; i++) {
        size += ngx_http_api_key_resp_length(&commands[i]);
    }

    p = ngx_alloc(size, ngx_cycle->log);
    if (p == NULL) {
        return NULL;
    }

    request = (ngx_http_api_key_redis_request_t *) p;
    ngx_memzero(request, head);

    request->expected = n;
    request->bytes.data = p + head;

    p += head;

    for (i = 0; i < n; i++) {
        p = ngx_http_api_key_resp_write(p, &commands[i]);
    }

    request->bytes.len = p - request->bytes.data;

    return request;
}
