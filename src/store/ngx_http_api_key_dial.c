/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The way to a server.  Names and sockets are nginx's.
 */

#include "ngx_http_api_key_dial.h"

#include <ngx_event.h>
#include <ngx_event_connect.h>


static ngx_int_t ngx_http_api_key_dial_resolve(ngx_http_api_key_dial_t *dial);
static void ngx_http_api_key_dial_resolved(ngx_resolver_ctx_t *ctx);
static void ngx_http_api_key_dial_known(ngx_http_api_key_dial_t *dial);
static void ngx_http_api_key_dial_open(ngx_http_api_key_dial_t *dial,
    struct sockaddr *sockaddr, socklen_t socklen, ngx_str_t *name);


void
ngx_http_api_key_dial(ngx_http_api_key_dial_t *dial)
{
    if (dial->resolver && ngx_http_api_key_dial_resolve(dial) == NGX_OK) {
        return;
    }

    ngx_http_api_key_dial_known(dial);
}


void
ngx_http_api_key_dial_cancel(ngx_http_api_key_dial_t *dial)
{
    if (dial->resolving) {
        ngx_resolve_name_done(dial->resolving);
        dial->resolving = NULL;
    }
}


/* NGX_DECLINED: the resolver cannot be asked. */

static ngx_int_t
ngx_http_api_key_dial_resolve(ngx_http_api_key_dial_t *dial)
{
    ngx_resolver_ctx_t  *ctx, temp;

    ngx_memzero(&temp, sizeof(ngx_resolver_ctx_t));
    temp.name = dial->server->host;

    ctx = ngx_resolve_start(dial->resolver, &temp);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        return NGX_DECLINED;
    }

    ctx->name = dial->server->host;
    ctx->handler = ngx_http_api_key_dial_resolved;
    ctx->data = dial;
    ctx->timeout = dial->timeout;

    dial->resolving = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        dial->resolving = NULL;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_http_api_key_dial_resolved(ngx_resolver_ctx_t *ctx)
{
    socklen_t                 socklen;
    ngx_sockaddr_t            sockaddr;
    ngx_resolver_addr_t      *addr;
    ngx_http_api_key_dial_t  *dial;

    dial = ctx->data;
    dial->resolving = NULL;

    if (ctx->state || ctx->naddrs == 0) {
        ngx_log_error(NGX_LOG_WARN, dial->log, 0,
                      "api key store \"%V\": %V could not be resolved "
                      "(%i: %s), its last known address is used",
                      dial->store, &ctx->name, ctx->state,
                      ngx_resolver_strerror(ctx->state));

        ngx_resolve_name_done(ctx);
        ngx_http_api_key_dial_known(dial);
        return;
    }

    /* the addresses are the resolver's, and gone with ctx */

    addr = &ctx->addrs[dial->tries++ % ctx->naddrs];
    socklen = addr->socklen;
    ngx_memcpy(&sockaddr, addr->sockaddr, socklen);
    ngx_inet_set_port(&sockaddr.sockaddr, dial->server->port);

    ngx_resolve_name_done(ctx);

    ngx_http_api_key_dial_open(dial, &sockaddr.sockaddr, socklen,
                               &dial->server->url);
}


static void
ngx_http_api_key_dial_known(ngx_http_api_key_dial_t *dial)
{
    ngx_addr_t  *addr;

    addr = &dial->server->addrs[dial->tries++ % dial->server->naddrs];

    ngx_http_api_key_dial_open(dial, addr->sockaddr, addr->socklen,
                               &addr->name);
}


static void
ngx_http_api_key_dial_open(ngx_http_api_key_dial_t *dial,
    struct sockaddr *sockaddr, socklen_t socklen, ngx_str_t *name)
{
    ngx_int_t              rc;
    ngx_peer_connection_t  peer;

    ngx_memzero(&peer, sizeof(ngx_peer_connection_t));

    peer.sockaddr = sockaddr;
    peer.socklen = socklen;
    peer.name = name;
    peer.get = ngx_event_get_peer;
    peer.log = dial->log;
    peer.log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(&peer);

    dial->handler(dial->data,
                  (rc == NGX_OK || rc == NGX_AGAIN) ? peer.connection : NULL);
}
