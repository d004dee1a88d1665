/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Sends what the admin API has to say.
 */

#ifndef _NGX_HTTP_API_KEY_ANSWER_H_INCLUDED_
#define _NGX_HTTP_API_KEY_ANSWER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <jansson.h>

#include "ngx_http_api_key_call.h"


/*
 * Send the answer of a call; a problem that needs none (code is static text);
 * and the 401 of store.  What is sent is copied.  Return what a content handler
 * returns.
 */

ngx_int_t ngx_http_api_key_answer_call(ngx_http_request_t *r,
    ngx_http_api_key_call_t *call);
ngx_int_t ngx_http_api_key_answer_problem(ngx_http_request_t *r,
    ngx_uint_t status, const char *code);
ngx_int_t ngx_http_api_key_answer_unauthorized(ngx_http_request_t *r,
    ngx_http_api_key_store_t *store);


/* Sends a file of the admin page.  type, etag and text must be static. */

ngx_int_t ngx_http_api_key_answer_page(ngx_http_request_t *r,
    const char *type, ngx_str_t *etag, ngx_str_t *text);


/* Adds a response header; name is static text, value must live as long as r. */

ngx_table_elt_t *ngx_http_api_key_answer_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);


#endif /* _NGX_HTTP_API_KEY_ANSWER_H_INCLUDED_ */
