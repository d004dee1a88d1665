/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The gate.
 */

#ifndef _NGX_HTTP_API_KEY_ACCESS_H_INCLUDED_
#define _NGX_HTTP_API_KEY_ACCESS_H_INCLUDED_


#include "ngx_http_api_key_module.h"


/*
 * The access handler: NGX_OK for a good key, NGX_DECLINED where no key is
 * demanded, NGX_AGAIN while Redis is asked, or the status of a refusal.
 */

ngx_int_t ngx_http_api_key_access_handler(ngx_http_request_t *r);


/*
 * The precontent handler: what holds for each request, let in by "satisfy any"
 * or with "api_key off" as well.  The guard is asked, the key removed, and the
 * backend's own put in its place.
 */

ngx_int_t ngx_http_api_key_precontent_handler(ngx_http_request_t *r);


/* The log phase: counts the verdict. */

ngx_int_t ngx_http_api_key_log_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_API_KEY_ACCESS_H_INCLUDED_ */
