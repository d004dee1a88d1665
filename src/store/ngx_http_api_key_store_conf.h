/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The api_key_store block.
 */

#ifndef _NGX_HTTP_API_KEY_STORE_CONF_H_INCLUDED_
#define _NGX_HTTP_API_KEY_STORE_CONF_H_INCLUDED_


#include "ngx_http_api_key_store.h"


/*
 * Reads the block that cf stands before into store, whose name is set, and
 * fills in the defaults.  Returns NGX_CONF_OK, or an error that is logged.
 */

char *ngx_http_api_key_store_conf(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);


#endif /* _NGX_HTTP_API_KEY_STORE_CONF_H_INCLUDED_ */
