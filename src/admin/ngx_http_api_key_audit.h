/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The audit's route.
 */

#ifndef _NGX_HTTP_API_KEY_AUDIT_H_INCLUDED_
#define _NGX_HTTP_API_KEY_AUDIT_H_INCLUDED_


#include "ngx_http_api_key_call.h"


/* Lists who did what, newest first. */

ngx_int_t ngx_http_api_key_audit_list(ngx_http_api_key_call_t *call);


#endif /* _NGX_HTTP_API_KEY_AUDIT_H_INCLUDED_ */
