/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The way to a server: its name's address, asked for anew each time where a
 * resolver is configured, and connect().
 */

#ifndef _NGX_HTTP_API_KEY_DIAL_H_INCLUDED_
#define _NGX_HTTP_API_KEY_DIAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The connection is the handler's, and need not be made yet: that is when it
 * can be written to.  NULL when there is none.
 */

typedef void (*ngx_http_api_key_dial_pt)(void *data, ngx_connection_t *c);


typedef struct {
    ngx_str_t                   *store;            /* name, for the log */
    ngx_url_t                   *server;
    ngx_resolver_t              *resolver;         /* NULL: none configured */
    ngx_msec_t                   timeout;          /* for the name */
    ngx_log_t                   *log;
    ngx_http_api_key_dial_pt     handler;
    void                        *data;

    ngx_uint_t                   tries;            /* addresses take turns */
    ngx_resolver_ctx_t          *resolving;
} ngx_http_api_key_dial_t;


/*
 * Tries once.  The handler is called exactly once, maybe before this returns,
 * unless ngx_http_api_key_dial_cancel() is called first.  When the name has no
 * address, the one is taken that it had when the configuration was read.
 */

void ngx_http_api_key_dial(ngx_http_api_key_dial_t *dial);


/* The handler is not called any more.  Does nothing when it has been. */

void ngx_http_api_key_dial_cancel(ngx_http_api_key_dial_t *dial);


#endif /* _NGX_HTTP_API_KEY_DIAL_H_INCLUDED_ */
