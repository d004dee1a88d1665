/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The admin API's HTTP side.
 */

#ifndef _NGX_HTTP_API_KEY_ADMIN_H_INCLUDED_
#define _NGX_HTTP_API_KEY_ADMIN_H_INCLUDED_


#include "ngx_http_api_key_module.h"


/*
 * The content handler of a location with api_key_admin: checks the token,
 * finds the route, reads the body, and answers when Redis has answered.
 */

ngx_int_t ngx_http_api_key_admin_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_API_KEY_ADMIN_H_INCLUDED_ */
