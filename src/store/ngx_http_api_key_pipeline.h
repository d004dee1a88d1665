/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What is asked of Redis over one link.  An exchange is some commands that
 * are sent together and their replies: it waits until it can be sent, then for
 * its last reply.  Replies match by order.
 */

#ifndef _NGX_HTTP_API_KEY_PIPELINE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_PIPELINE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_api_key_resp.h"


/*
 * Called exactly once for each exchange: with one reply for each command, or
 * with NULL when no whole answer came within the deadline.  Any of the replies
 * may be an error.  They live until the handler returns.
 */

typedef void (*ngx_http_api_key_redis_pt)(void *data,
    ngx_http_api_key_reply_t **replies);


typedef struct {
    ngx_queue_t                  queue;
    ngx_http_api_key_redis_pt    handler;
    void                        *data;
    ngx_msec_t                   deadline;         /* as ngx_current_msec */
    uint64_t                     sent;             /* microseconds, or 0 */
    ngx_uint_t                   expected;
    ngx_uint_t                   received;
    ngx_uint_t                   retry;            /* may be sent once more */
    ngx_str_t                    bytes;
    ngx_http_api_key_reply_t    *replies[1];
} ngx_http_api_key_exchange_t;


/* Both queues are in the order of their deadlines. */

typedef struct {
    ngx_queue_t                  waiting;
    ngx_queue_t                  sent;
    ngx_uint_t                   n;                /* in both */
} ngx_http_api_key_pipeline_t;


void ngx_http_api_key_pipeline_init(ngx_http_api_key_pipeline_t *pipeline);


/*
 * An exchange with the bytes of n commands, in no queue yet; handler and
 * deadline are to be set.  NULL when out of memory.
 */

ngx_http_api_key_exchange_t *ngx_http_api_key_exchange_create(
    ngx_http_api_key_command_t *commands, ngx_uint_t n);


/* Hands out its replies, or NULL, and frees it; it must be in no queue. */

void ngx_http_api_key_exchange_end(ngx_http_api_key_exchange_t *exchange,
    ngx_http_api_key_reply_t **replies);


/* To the end of those that wait, or of those that are sent. */

void ngx_http_api_key_pipeline_wait(ngx_http_api_key_pipeline_t *pipeline,
    ngx_http_api_key_exchange_t *exchange);
void ngx_http_api_key_pipeline_send(ngx_http_api_key_pipeline_t *pipeline,
    ngx_http_api_key_exchange_t *exchange);


/* The first of those that wait, or of those that are sent; NULL: none. */

ngx_http_api_key_exchange_t *ngx_http_api_key_pipeline_waiting(
    ngx_http_api_key_pipeline_t *pipeline);
ngx_http_api_key_exchange_t *ngx_http_api_key_pipeline_sent(
    ngx_http_api_key_pipeline_t *pipeline);


/* Takes an exchange out. */

void ngx_http_api_key_pipeline_remove(ngx_http_api_key_pipeline_t *pipeline,
    ngx_http_api_key_exchange_t *exchange);


/*
 * The link is broken.  With again, those that were sent, may be so once more
 * and have time left wait again, before the others.  All others are moved to
 * lost, which is initialized.
 */

void ngx_http_api_key_pipeline_break(ngx_http_api_key_pipeline_t *pipeline,
    ngx_uint_t again, ngx_queue_t *lost);


/* Moves those that have waited too long to lost, which is initialized. */

void ngx_http_api_key_pipeline_expire(ngx_http_api_key_pipeline_t *pipeline,
    ngx_queue_t *lost);


/* Tells each of the lost that no answer came, and frees them. */

void ngx_http_api_key_pipeline_lose(ngx_queue_t *lost);


/* Milliseconds to the next deadline, 1 or more; NGX_TIMER_INFINITE: none. */

ngx_msec_t ngx_http_api_key_pipeline_left(
    ngx_http_api_key_pipeline_t *pipeline);


/* Whether the exchange's deadline has come. */

#define ngx_http_api_key_exchange_late(exchange)                              \
    ((ngx_msec_int_t) ((exchange)->deadline - ngx_current_msec) <= 0)


#endif /* _NGX_HTTP_API_KEY_PIPELINE_H_INCLUDED_ */
