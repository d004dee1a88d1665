/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Asks Redis for a sign of life: a link may be up and dead at the same time.
 */

#include "ngx_http_api_key_health.h"
#include "ngx_http_api_key_record_json.h"


static ngx_int_t ngx_http_api_key_health_replied(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static json_t *ngx_http_api_key_health_push(ngx_http_api_key_store_t *store);


ngx_int_t
ngx_http_api_key_health(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_call_command(call, "PING");

    call->judges = 1;

    return ngx_http_api_key_call_send(call, ngx_http_api_key_health_replied);
}


static ngx_int_t
ngx_http_api_key_health_replied(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    time_t                     since;
    ngx_uint_t                 up;
    ngx_http_api_key_redis_t  *redis;

    since = 0;
    redis = ngx_http_api_key_store_redis(call->store);

    up = redis && ngx_http_api_key_redis_up(redis, &since)
         && replies && ngx_http_api_key_resp_is(replies[0], "PONG");

    return ngx_http_api_key_call_json(call, up ? 200 : 503,
               json_pack("{s:{s:b, s:o}, s:o}",
                         "redis", "up", (int) up, "since",
                         ngx_http_api_key_record_time(since ? since
                                                            : API_KEY_NEVER),
                         "push", ngx_http_api_key_health_push(call->store)));
}


/* This worker's link for invalidations, and in a word why there is none. */

static json_t *
ngx_http_api_key_health_push(ngx_http_api_key_store_t *store)
{
    time_t                    since;
    ngx_http_api_key_push_e   state;

    static const char        *reasons[] = { "down", "refused" };

    if (store->push == NULL) {
        return json_pack("{s:b, s:n, s:s}", "up", 0, "since",
                         "reason", "off");
    }

    state = ngx_http_api_key_push_state(store->push, &since);

    if (state == NGX_HTTP_API_KEY_PUSH_UP) {
        return json_pack("{s:b, s:o}", "up", 1, "since",
                         ngx_http_api_key_record_time(since));
    }

    return json_pack("{s:b, s:o, s:s}", "up", 0, "since",
                     ngx_http_api_key_record_time(since),
                     "reason", reasons[state]);
}
