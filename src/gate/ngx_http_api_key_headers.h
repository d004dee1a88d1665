/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Takes headers, and single cookies, out of a request.
 */

#ifndef _NGX_HTTP_API_KEY_HEADERS_H_INCLUDED_
#define _NGX_HTTP_API_KEY_HEADERS_H_INCLUDED_


#include "ngx_http_api_key_find.h"


/*
 * Takes out what sources name: headers, also where a backend would read "_" as
 * "-", bearer tokens and cookies.  What nginx has kept of them, pointers and
 * variables, goes as well.  Returns NGX_OK, or NGX_ERROR when out of memory.
 */

ngx_int_t ngx_http_api_key_headers_strip(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *sources);


/*
 * Takes element i of a part out of the request's list of headers; what comes
 * next then has its number, in this part or in a next one.
 */

void ngx_http_api_key_headers_remove(ngx_http_request_t *r,
    ngx_list_part_t *part, ngx_uint_t i);


#endif /* _NGX_HTTP_API_KEY_HEADERS_H_INCLUDED_ */
