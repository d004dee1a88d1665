/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * One worker's link to one Redis server: it is made, and made anew when it
 * breaks; commands queue, replies match by order.
 */

#ifndef _NGX_HTTP_API_KEY_REDIS_H_INCLUDED_
#define _NGX_HTTP_API_KEY_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_api_key_counters.h"
#include "ngx_http_api_key_greeting.h"
#include "ngx_http_api_key_pipeline.h"
#include "ngx_http_api_key_resp.h"


typedef struct ngx_http_api_key_redis_s  ngx_http_api_key_redis_t;


typedef struct {
    ngx_str_t                    store;            /* name, for the log */
    ngx_str_t                    purpose;          /* a word before "Redis" */
    ngx_url_t                   *server;
    ngx_http_api_key_login_t     login;
    ngx_msec_t                   connect_timeout;
    ngx_msec_t                   timeout;
    ngx_resolver_t              *resolver;         /* NULL: none configured */
    ngx_msec_t                   resolver_timeout;
    ngx_http_api_key_resp_bounds_t  bounds;
    ngx_http_api_key_counters_t *counters;
} ngx_http_api_key_redis_conf_t;


/*
 * Who wants to know how a link fares, and what comes on it unasked; any of
 * these may be NULL.  _message() returns NGX_OK when reply is a message,
 * NGX_DECLINED when it is somebody's answer, NGX_ERROR when it makes no sense:
 * the link is closed.  _garbled() is called before _lost() when what came is
 * not what was asked for: earlier replies may not have been either.  _leaving()
 * is called when the worker begins to exit gracefully: what is to be sent
 * should be sent now.
 */

typedef struct {
    void                       (*connected)(void *data);
    void                       (*lost)(void *data);
    void                       (*garbled)(void *data);
    ngx_int_t                  (*message)(void *data,
                                          ngx_http_api_key_reply_t *reply);
    void                       (*leaving)(void *data);
    void                        *data;
} ngx_http_api_key_redis_listener_t;


/* Reads only: sent once more, on a new connection, when this one breaks. */
#define NGX_HTTP_API_KEY_REDIS_RETRY  0x1

/* Takes a place in the queue only while half of it is free. */
#define NGX_HTTP_API_KEY_REDIS_YIELD  0x2


/*
 * Makes this worker's link and begins to connect.  conf and listener, which
 * may be NULL, must outlive it.  Returns NULL when out of memory.
 */

ngx_http_api_key_redis_t *ngx_http_api_key_redis_create(
    ngx_http_api_key_redis_conf_t *conf,
    ngx_http_api_key_redis_listener_t *listener, ngx_cycle_t *cycle);


/*
 * Closes the link; whoever still waits is told that no answer came, the
 * listener is not.
 */

void ngx_http_api_key_redis_destroy(ngx_http_api_key_redis_t *redis);


/*
 * Queues n commands, to be sent together; their bytes are copied.  Returns
 * NGX_OK when the handler is going to be called, later, or NGX_ERROR when it is
 * not: the link is down and backing off, the queue is full, or memory is short.
 */

ngx_int_t ngx_http_api_key_redis_send(ngx_http_api_key_redis_t *redis,
    ngx_http_api_key_command_t *commands, ngx_uint_t n, ngx_uint_t flags,
    ngx_http_api_key_redis_pt handler, void *data);


/*
 * To be called by a handler whose reply belongs to another question: the link
 * is closed when the handler has returned.
 */

void ngx_http_api_key_redis_out_of_step(ngx_http_api_key_redis_t *redis);


/* When the server last said anything, as ngx_current_msec; 0 is never. */

ngx_msec_t ngx_http_api_key_redis_heard(ngx_http_api_key_redis_t *redis);


/* Whether the link is up, and since when (Unix seconds) it has been so. */

ngx_uint_t ngx_http_api_key_redis_up(ngx_http_api_key_redis_t *redis,
    time_t *since);


#endif /* _NGX_HTTP_API_KEY_REDIS_H_INCLUDED_ */
