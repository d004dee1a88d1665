/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The admin API's use cases around the clear flag: see
 * ngx_http_api_key_keys.h for what they take.
 */

#ifndef _NGX_HTTP_API_KEY_FLAGS_H_INCLUDED_
#define _NGX_HTTP_API_KEY_FLAGS_H_INCLUDED_


#include "ngx_http_api_key_call.h"


ngx_int_t ngx_http_api_key_flags_get(ngx_http_api_key_call_t *call);
ngx_int_t ngx_http_api_key_flags_arm(ngx_http_api_key_call_t *call);
ngx_int_t ngx_http_api_key_flags_disarm(ngx_http_api_key_call_t *call);


/*
 * Whether the gate would take the flag with GET's and PTTL's replies for set,
 * and how many uses it has left, 0 when they are not counted: the same rules
 * as in clear.lua.
 */

ngx_uint_t ngx_http_api_key_flags_set(ngx_http_api_key_reply_t *value,
    ngx_http_api_key_reply_t *ttl, json_int_t *uses);


#endif /* _NGX_HTTP_API_KEY_FLAGS_H_INCLUDED_ */
