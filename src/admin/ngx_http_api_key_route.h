/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The table of the admin API's routes.
 */

#ifndef _NGX_HTTP_API_KEY_ROUTE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_ROUTE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_api_key_call.h"


typedef enum {
    NGX_HTTP_API_KEY_BODY_NONE = 0,                /* ignored */
    NGX_HTTP_API_KEY_BODY_OPTIONAL,
    NGX_HTTP_API_KEY_BODY_REQUIRED
} ngx_http_api_key_route_body_e;


typedef struct {
    ngx_uint_t                      method;        /* NGX_HTTP_... */
    const char                     *path;          /* "*" is an id */
    const char                     *query;         /* names, space-separated */
    ngx_http_api_key_route_body_e   body;
    ngx_http_api_key_call_pt        handler;       /* NULL: the page */
} ngx_http_api_key_route_t;


/*
 * Finds the route of what follows the location's name in the URI.  HEAD is
 * looked for as GET.  An id in the path is copied to id (API_KEY_ID_LEN
 * bytes).  Returns NGX_OK; NGX_DECLINED when there is none: allow, of which
 * data is from pool, then lists the methods that the path has, or is empty for
 * an unknown path; NGX_ERROR when out of memory.
 */

ngx_int_t ngx_http_api_key_route_find(ngx_pool_t *pool, ngx_uint_t method,
    ngx_str_t *path, u_char *id, const ngx_http_api_key_route_t **found,
    ngx_str_t *allow);


/*
 * Splits args into call->query, decoded, and checks the names: NGX_OK, or
 * NGX_DECLINED when the problem (unknown, duplicate, malformed) has become the
 * call's answer.
 */

ngx_int_t ngx_http_api_key_route_query(const ngx_http_api_key_route_t *route,
    ngx_http_api_key_call_t *call, ngx_str_t *args);


#endif /* _NGX_HTTP_API_KEY_ROUTE_H_INCLUDED_ */
