/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * One worker's connection to one Redis server: commands queue, replies match
 * by order.
 */

#ifndef _NGX_HTTP_API_KEY_REDIS_H_INCLUDED_
#define _NGX_HTTP_API_KEY_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_api_key_resp.h"


typedef struct ngx_http_api_key_redis_s  ngx_http_api_key_redis_t;


typedef struct {
    ngx_str_t                    store;            /* name, for the log */
    ngx_url_t                   *server;
    ngx_str_t                    username;
    ngx_str_t                    password;         /* len 0 is none */
    ngx_uint_t                   database;
    ngx_msec_t                   connect_timeout;
    ngx_msec_t                   timeout;
    ngx_resolver_t              *resolver;         /* NULL: none configured */
    ngx_msec_t                   resolver_timeout;
} ngx_http_api_key_redis_conf_t;


/*
 * Called exactly once for each accepted send: with one reply for each command,
 * or with NULL when no whole answer came within the deadline.  Any of the
 * replies may be an error.  They live until the handler returns.  It is never
 * called from within ngx_http_api_key_redis_send().
 */

typedef void (*ngx_http_api_key_redis_pt)(void *data,
    ngx_http_api_key_reply_t **replies);


/* Reads only: sent once more, on a new connection, when this one breaks. */
#define NGX_HTTP_API_KEY_REDIS_RETRY  0x1


/*
 * Makes this worker's link and begins to connect.  conf must outlive it.
 * Returns NULL when out of memory.
 */

ngx_http_api_key_redis_t *ngx_http_api_key_redis_create(
    ngx_http_api_key_redis_conf_t *conf, ngx_cycle_t *cycle);


/* Closes the link; whoever still waits is told that no answer came. */

void ngx_http_api_key_redis_destroy(ngx_http_api_key_redis_t *redis);


/*
 * Queues n commands as one pipeline; their bytes are copied.  Returns NGX_OK
 * when the handler is going to be called, or NGX_ERROR when it is not: the
 * link is down and backing off, the queue is full, or memory is short.
 */

ngx_int_t ngx_http_api_key_redis_send(ngx_http_api_key_redis_t *redis,
    ngx_http_api_key_command_t *commands, ngx_uint_t n, ngx_uint_t flags,
    ngx_http_api_key_redis_pt handler, void *data);


/* Whether the link is up, and since when (Unix seconds) it has been so. */

ngx_uint_t ngx_http_api_key_redis_up(ngx_http_api_key_redis_t *redis,
    time_t *since);


#endif /* _NGX_HTTP_API_KEY_REDIS_H_INCLUDED_ */
