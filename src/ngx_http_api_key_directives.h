/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What is written in nginx.conf: one function for each directive, which sets
 * its part of the configuration or logs what is wrong.
 */

#ifndef _NGX_HTTP_API_KEY_DIRECTIVES_H_INCLUDED_
#define _NGX_HTTP_API_KEY_DIRECTIVES_H_INCLUDED_


#include "ngx_http_api_key_module.h"


/* As nginx calls a directive's set(): NGX_CONF_OK or an error. */

char *ngx_http_api_key_store_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_api_key_gate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_api_key_from(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_api_key_upstream(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_api_key_scope(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_api_key_clear(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_api_key_response(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_api_key_observe(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_api_key_mask(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_api_key_admin(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_api_key_admin_tokens(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_HTTP_API_KEY_DIRECTIVES_H_INCLUDED_ */
