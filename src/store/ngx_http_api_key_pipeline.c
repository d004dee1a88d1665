/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Two queues of exchanges.  Who leaves them for good has its handler called,
 * exactly once.
 */

#include "ngx_http_api_key_pipeline.h"

#include <ngx_event.h>


#define ngx_http_api_key_exchange(q)                                          \
    ngx_queue_data(q, ngx_http_api_key_exchange_t, queue)


static ngx_http_api_key_exchange_t *ngx_http_api_key_pipeline_first(
    ngx_queue_t *queue);


void
ngx_http_api_key_pipeline_init(ngx_http_api_key_pipeline_t *pipeline)
{
    ngx_queue_init(&pipeline->waiting);
    ngx_queue_init(&pipeline->sent);
    pipeline->n = 0;
}


/* In one block with its bytes. */

ngx_http_api_key_exchange_t *
ngx_http_api_key_exchange_create(ngx_http_api_key_command_t *commands,
    ngx_uint_t n)
{
    u_char                       *p;
    size_t                        head, size;
    ngx_uint_t                    i;
    ngx_http_api_key_exchange_t  *exchange;

    head = sizeof(ngx_http_api_key_exchange_t)
           + n * sizeof(ngx_http_api_key_reply_t *);
    size = head;

    for (i = 0; i < n; i++) {
        size += ngx_http_api_key_resp_length(&commands[i]);
    }

    p = ngx_alloc(size, ngx_cycle->log);
    if (p == NULL) {
        return NULL;
    }

    exchange = (ngx_http_api_key_exchange_t *) p;
    ngx_memzero(exchange, head);

    exchange->expected = n;
    exchange->bytes.data = p + head;

    p += head;

    for (i = 0; i < n; i++) {
        p = ngx_http_api_key_resp_write(p, &commands[i]);
    }

    exchange->bytes.len = p - exchange->bytes.data;

    return exchange;
}


void
ngx_http_api_key_exchange_end(ngx_http_api_key_exchange_t *exchange,
    ngx_http_api_key_reply_t **replies)
{
    exchange->handler(exchange->data, replies);
    ngx_free(exchange);
}


void
ngx_http_api_key_pipeline_wait(ngx_http_api_key_pipeline_t *pipeline,
    ngx_http_api_key_exchange_t *exchange)
{
    ngx_queue_insert_tail(&pipeline->waiting, &exchange->queue);
    pipeline->n++;
}


void
ngx_http_api_key_pipeline_send(ngx_http_api_key_pipeline_t *pipeline,
    ngx_http_api_key_exchange_t *exchange)
{
    ngx_queue_insert_tail(&pipeline->sent, &exchange->queue);
    pipeline->n++;
}


ngx_http_api_key_exchange_t *
ngx_http_api_key_pipeline_waiting(ngx_http_api_key_pipeline_t *pipeline)
{
    return ngx_http_api_key_pipeline_first(&pipeline->waiting);
}


ngx_http_api_key_exchange_t *
ngx_http_api_key_pipeline_sent(ngx_http_api_key_pipeline_t *pipeline)
{
    return ngx_http_api_key_pipeline_first(&pipeline->sent);
}


static ngx_http_api_key_exchange_t *
ngx_http_api_key_pipeline_first(ngx_queue_t *queue)
{
    return ngx_queue_empty(queue)
           ? NULL : ngx_http_api_key_exchange(ngx_queue_head(queue));
}


void
ngx_http_api_key_pipeline_remove(ngx_http_api_key_pipeline_t *pipeline,
    ngx_http_api_key_exchange_t *exchange)
{
    ngx_queue_remove(&exchange->queue);
    pipeline->n--;
}


void
ngx_http_api_key_pipeline_break(ngx_http_api_key_pipeline_t *pipeline,
    ngx_uint_t again, ngx_queue_t *lost)
{
    ngx_queue_t                  *q;
    ngx_http_api_key_exchange_t  *exchange;

    while (!ngx_queue_empty(&pipeline->sent)) {
        q = ngx_queue_last(&pipeline->sent);
        ngx_queue_remove(q);

        exchange = ngx_http_api_key_exchange(q);

        if (again && exchange->retry
            && !ngx_http_api_key_exchange_late(exchange))
        {
            exchange->retry = 0;
            exchange->received = 0;
            ngx_queue_insert_head(&pipeline->waiting, q);
            continue;
        }

        ngx_queue_insert_head(lost, q);
        pipeline->n--;
    }

    while (!again && !ngx_queue_empty(&pipeline->waiting)) {
        q = ngx_queue_head(&pipeline->waiting);
        ngx_queue_remove(q);

        ngx_queue_insert_tail(lost, q);
        pipeline->n--;
    }
}


void
ngx_http_api_key_pipeline_expire(ngx_http_api_key_pipeline_t *pipeline,
    ngx_queue_t *lost)
{
    ngx_queue_t                  *q, *next;
    ngx_http_api_key_exchange_t  *exchange;

    for (q = ngx_queue_head(&pipeline->waiting);
         q != ngx_queue_sentinel(&pipeline->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        exchange = ngx_http_api_key_exchange(q);

        if (ngx_http_api_key_exchange_late(exchange)) {
            ngx_http_api_key_pipeline_remove(pipeline, exchange);
            ngx_queue_insert_tail(lost, q);
        }
    }
}


void
ngx_http_api_key_pipeline_lose(ngx_queue_t *lost)
{
    ngx_queue_t  *q, *next;

    for (q = ngx_queue_head(lost); q != ngx_queue_sentinel(lost); q = next) {
        next = ngx_queue_next(q);
        ngx_http_api_key_exchange_end(ngx_http_api_key_exchange(q), NULL);
    }
}


ngx_msec_t
ngx_http_api_key_pipeline_left(ngx_http_api_key_pipeline_t *pipeline)
{
    ngx_uint_t                    i;
    ngx_msec_int_t                left, least;
    ngx_http_api_key_exchange_t  *first[2];

    if (pipeline->n == 0) {
        return NGX_TIMER_INFINITE;
    }

    first[0] = ngx_http_api_key_pipeline_sent(pipeline);
    first[1] = ngx_http_api_key_pipeline_waiting(pipeline);

    least = NGX_MAX_INT32_VALUE;

    for (i = 0; i < 2; i++) {
        if (first[i]) {
            left = (ngx_msec_int_t) (first[i]->deadline - ngx_current_msec);
            least = ngx_min(least, ngx_max(left, 1));
        }
    }

    return (ngx_msec_t) least;
}
