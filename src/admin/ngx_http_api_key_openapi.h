/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The route of the admin API's description.
 */

#ifndef _NGX_HTTP_API_KEY_OPENAPI_H_INCLUDED_
#define _NGX_HTTP_API_KEY_OPENAPI_H_INCLUDED_


#include "ngx_http_api_key_call.h"


/* Answers with the description of the admin API, OpenAPI 3.1. */

ngx_int_t ngx_http_api_key_openapi(ngx_http_api_key_call_t *call);


#endif /* _NGX_HTTP_API_KEY_OPENAPI_H_INCLUDED_ */
