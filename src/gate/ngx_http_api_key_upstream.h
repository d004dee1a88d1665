/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the backend gets: the request without the client's key, or with the
 * backend's own in its place.
 */

#ifndef _NGX_HTTP_API_KEY_UPSTREAM_H_INCLUDED_
#define _NGX_HTTP_API_KEY_UPSTREAM_H_INCLUDED_


#include "ngx_http_api_key_request.h"


/*
 * Takes all copies of the key out of the request, and prepares the form with
 * the backend's own key where the location replaces.  Must come behind
 * ngx_http_api_key_find().  Returns NGX_OK, or NGX_ERROR when out of memory.
 */

ngx_int_t ngx_http_api_key_upstream_strip(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state);


/*
 * Sees to it that the request which the content handler makes for a backend
 * has the backend's own key in it, and nothing else has.
 */

ngx_int_t ngx_http_api_key_upstream_replace(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state);


/*
 * Takes the backend's own key out again where a request to a backend failed
 * while it was being made, and nginx goes on to an answer of its own.
 */

void ngx_http_api_key_upstream_leave(ngx_http_request_t *r);


/* Percent-encodes the backend's key.  NGX_OK, or NGX_ERROR without memory. */

ngx_int_t ngx_http_api_key_upstream_escape(ngx_pool_t *pool,
    ngx_http_api_key_upstream_t *upstream);


#endif /* _NGX_HTTP_API_KEY_UPSTREAM_H_INCLUDED_ */
