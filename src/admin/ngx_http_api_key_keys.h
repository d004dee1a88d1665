/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The admin API's use cases around keys.  Each takes a call whose body is
 * parsed and whose query parameters are known ones, once each, and answers it:
 * see ngx_http_api_key_call_pt.
 */

#ifndef _NGX_HTTP_API_KEY_KEYS_H_INCLUDED_
#define _NGX_HTTP_API_KEY_KEYS_H_INCLUDED_


#include "ngx_http_api_key_call.h"


ngx_int_t ngx_http_api_key_keys_list(ngx_http_api_key_call_t *call);
ngx_int_t ngx_http_api_key_keys_create(ngx_http_api_key_call_t *call);
ngx_int_t ngx_http_api_key_keys_import(ngx_http_api_key_call_t *call);
ngx_int_t ngx_http_api_key_keys_get(ngx_http_api_key_call_t *call);
ngx_int_t ngx_http_api_key_keys_change(ngx_http_api_key_call_t *call);
ngx_int_t ngx_http_api_key_keys_revoke(ngx_http_api_key_call_t *call);
ngx_int_t ngx_http_api_key_keys_rotate(ngx_http_api_key_call_t *call);


#endif /* _NGX_HTTP_API_KEY_KEYS_H_INCLUDED_ */
