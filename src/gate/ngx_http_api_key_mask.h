/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Keeps keys and other secrets out of nginx's logs.
 */

#ifndef _NGX_HTTP_API_KEY_MASK_H_INCLUDED_
#define _NGX_HTTP_API_KEY_MASK_H_INCLUDED_


#include "ngx_http_api_key_request.h"


/*
 * The first handler of a request: from here on error log lines about it show
 * "***" in the place of secrets.
 */

ngx_int_t ngx_http_api_key_mask_handler(ngx_http_request_t *r);


/*
 * The last one, ahead of nginx's access log: changes the finished request, so
 * that no variable shows a secret.
 */

ngx_int_t ngx_http_api_key_mask_log_handler(ngx_http_request_t *r);


/*
 * Masks the values of sources in the request line.  Returns NGX_OK, or
 * NGX_ERROR when out of memory.
 */

ngx_int_t ngx_http_api_key_mask_line(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *sources);


/* Overwrites each occurrence of secret in text by "*". */

void ngx_http_api_key_mask_literal(ngx_str_t *text, ngx_str_t *secret);


#endif /* _NGX_HTTP_API_KEY_MASK_H_INCLUDED_ */
