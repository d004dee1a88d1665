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


#endif /* _NGX_HTTP_API_KEY_FLAGS_H_INCLUDED_ */
