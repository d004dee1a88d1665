/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Reads the body of an admin request into memory, never into a file: it may
 * hold a key.
 */

#ifndef _NGX_HTTP_API_KEY_BODY_H_INCLUDED_
#define _NGX_HTTP_API_KEY_BODY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


#define NGX_HTTP_API_KEY_BODY_MAX  65536


/*
 * What takes the body: rc is NGX_OK, or an HTTP status when it could not be
 * read.  It finalizes the request in the end.  The text lives as long as the
 * request and is wiped then.
 */

typedef void (*ngx_http_api_key_body_pt)(ngx_http_request_t *r, ngx_int_t rc,
    ngx_str_t *text);


/*
 * Reads the body, of whatever length the client says it has, and calls the
 * handler, perhaps before it returns.  Returns NGX_DONE, or an HTTP status
 * when the handler is not going to be called.
 */

ngx_int_t ngx_http_api_key_body_read(ngx_http_request_t *r,
    ngx_http_api_key_body_pt handler);


#endif /* _NGX_HTTP_API_KEY_BODY_H_INCLUDED_ */
