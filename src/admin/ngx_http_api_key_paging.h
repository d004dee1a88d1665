/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What all routes that answer in pages have in common: their query.
 */

#ifndef _NGX_HTTP_API_KEY_PAGING_H_INCLUDED_
#define _NGX_HTTP_API_KEY_PAGING_H_INCLUDED_


#include "ngx_http_api_key_call.h"


#define NGX_HTTP_API_KEY_PAGING_DEFAULT  100
#define NGX_HTTP_API_KEY_PAGING_MAX      1000

/* asked for at once: replies and pipelines stay small */
#define NGX_HTTP_API_KEY_PAGING_PART     100


/*
 * One parameter: its name, and what takes its value into the input.  A handler
 * returns NGX_OK, or NGX_DECLINED when the value is wrong.
 */

typedef ngx_int_t (*ngx_http_api_key_paging_pt)(ngx_str_t *value, void *input);

typedef struct {
    const char                *name;               /* NULL ends the table */
    ngx_http_api_key_paging_pt   handler;
} ngx_http_api_key_paging_parameter_t;


/*
 * Hands each parameter of call->query, of which the route has checked the
 * names, to its handler.  Returns NGX_OK, or NGX_DECLINED when the problem has
 * become the call's answer.
 */

ngx_int_t ngx_http_api_key_paging_query(ngx_http_api_key_call_t *call,
    const ngx_http_api_key_paging_parameter_t *parameters, void *input);


/* Reads the number of items on a page, 1 to NGX_HTTP_API_KEY_PAGING_MAX. */

ngx_int_t ngx_http_api_key_paging_limit(ngx_str_t *value, ngx_uint_t *limit);


#endif /* _NGX_HTTP_API_KEY_PAGING_H_INCLUDED_ */
