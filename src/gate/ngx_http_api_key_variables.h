/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The module's variables.
 */

#ifndef _NGX_HTTP_API_KEY_VARIABLES_H_INCLUDED_
#define _NGX_HTTP_API_KEY_VARIABLES_H_INCLUDED_


#include "ngx_http_api_key_module.h"


/* Adds them to nginx; as a module's preconfiguration. */

ngx_int_t ngx_http_api_key_add_variables(ngx_conf_t *cf);


#endif /* _NGX_HTTP_API_KEY_VARIABLES_H_INCLUDED_ */
