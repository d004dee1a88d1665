/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Clear operations.
 */

#ifndef _NGX_HTTP_API_KEY_CLEAR_H_INCLUDED_
#define _NGX_HTTP_API_KEY_CLEAR_H_INCLUDED_


#include "ngx_http_api_key_module.h"


/* Whether one of the rules (NULL is none) has a match. */

ngx_uint_t ngx_http_api_key_clear_matches(ngx_array_t *rules);


/*
 * POST_READ handler: keeps the path as nginx reads it before a rewrite or a
 * redirect puts another one in its place.  Returns NGX_DECLINED, or 500 when
 * out of memory.
 */

ngx_int_t ngx_http_api_key_clear_handler(ngx_http_request_t *r);


/*
 * Whether a request is a clear operation by one of the rules: its method is
 * listed, its path matches as the client sent it, as nginx reads it or as it
 * did at first, and one of the first two is not known to be harmless, or it is
 * a DELETE with a body.  What a regex cannot judge is one.  The request has
 * its state, see ngx_http_api_key_request().
 */

ngx_uint_t ngx_http_api_key_is_clear(ngx_http_request_t *r,
    ngx_array_t *rules);


#endif /* _NGX_HTTP_API_KEY_CLEAR_H_INCLUDED_ */
