/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * How a place where a key may stand is written in nginx.conf.
 */

#ifndef _NGX_HTTP_API_KEY_SOURCE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_SOURCE_H_INCLUDED_


#include "ngx_http_api_key_module.h"


/*
 * Reads "header:NAME", "bearer", "query:NAME" or "cookie:NAME".  Returns
 * NGX_ERROR when it is none of them, and logs nothing.
 */

ngx_int_t ngx_http_api_key_source(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_api_key_source_t *source);


#endif /* _NGX_HTTP_API_KEY_SOURCE_H_INCLUDED_ */
