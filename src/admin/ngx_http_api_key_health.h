/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The admin API's use case "is all well", see ngx_http_api_key_keys.h for what
 * it takes.
 */

#ifndef _NGX_HTTP_API_KEY_HEALTH_H_INCLUDED_
#define _NGX_HTTP_API_KEY_HEALTH_H_INCLUDED_


#include "ngx_http_api_key_call.h"


ngx_int_t ngx_http_api_key_health(ngx_http_api_key_call_t *call);


#endif /* _NGX_HTTP_API_KEY_HEALTH_H_INCLUDED_ */
