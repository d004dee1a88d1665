/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * How locations inherit.
 */

#ifndef _NGX_HTTP_API_KEY_MERGE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_MERGE_H_INCLUDED_


#include "ngx_http_api_key_module.h"


/*
 * As nginx calls merge_loc_conf().  NGX_CONF_OK, or NGX_CONF_ERROR when memory
 * is short or an admin location is not allowed as it is, which is logged.
 */

char *ngx_http_api_key_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);


#endif /* _NGX_HTTP_API_KEY_MERGE_H_INCLUDED_ */
