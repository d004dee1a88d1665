/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Asks Redis for a sign of life: a link may be up and dead at the same time.
 */

#include "ngx_http_api_key_health.h"
#include "ngx_http_api_key_record_json.h"


static ngx_int_t ngx_http_api_key_health_replied(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);


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
         && replies && ngx_http_api_key_call_is(replies[0], "PONG");

    /* what is pushed to us is not listened to yet */

    return ngx_http_api_key_call_json(call, up ? 200 : 503,
               json_pack("{s:{s:b, s:o}, s:{s:b, s:n}}",
                         "redis", "up", (int) up, "since",
                         ngx_http_api_key_record_time(since ? since
                                                            : API_KEY_NEVER),
                         "push", "up", 0, "since"));
}
