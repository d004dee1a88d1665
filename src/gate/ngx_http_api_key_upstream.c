/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the backend gets.  The client's key is taken out once and for all; the
 * backend's own key is in the request only while a request to the backend is
 * being made of it, so that no redirect, log or page of nginx can show it.
 */

#include "ngx_http_api_key_upstream.h"
#include "ngx_http_api_key_find.h"
#include "ngx_http_api_key_headers.h"
#include "ngx_http_api_key_mask.h"


static ngx_int_t ngx_http_api_key_upstream_query(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state);
static ngx_int_t ngx_http_api_key_upstream_without(ngx_pool_t *pool,
    ngx_str_t *text, api_key_str_t *query, ngx_http_api_key_sources_t *sources,
    api_key_str_t *own, ngx_str_t *result, size_t *removed);

static ngx_int_t ngx_http_api_key_upstream_swap(ngx_pool_t *pool,
    ngx_http_api_key_request_t *state);
static ngx_int_t ngx_http_api_key_upstream_prepare(ngx_http_request_t *r,
    ngx_http_api_key_upstream_t *upstream, ngx_http_api_key_request_t *state);
static ngx_int_t ngx_http_api_key_upstream_own(ngx_pool_t *pool,
    ngx_http_api_key_upstream_t *upstream, ngx_http_api_key_source_t *place,
    api_key_str_t *own);
static ngx_int_t ngx_http_api_key_upstream_own_header(ngx_http_request_t *r,
    ngx_http_api_key_upstream_t *upstream, ngx_http_api_key_source_t *place,
    ngx_http_api_key_request_t *state);

static ngx_int_t ngx_http_api_key_upstream_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_api_key_upstream_create_request(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_api_key_upstream_inject(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);
static void ngx_http_api_key_upstream_eject(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);


ngx_int_t
ngx_http_api_key_upstream_strip(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state)
{
    if (alcf->remove == NULL
        || (alcf->upstream && alcf->upstream->mode == NGX_HTTP_API_KEY_PASS))
    {
        return NGX_OK;
    }

    if (ngx_http_api_key_headers_strip(r, alcf->remove) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_api_key_upstream_query(r, alcf, state);
}


/* The query stands in the target, in the arguments and in the request line. */

static ngx_int_t
ngx_http_api_key_upstream_query(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state)
{
    size_t                        removed, n;
    ngx_str_t                     args, target;
    api_key_str_t                 query, own, *put;
    ngx_http_api_key_source_t    *place;
    ngx_http_api_key_upstream_t  *upstream;

    if (!alcf->remove->query) {
        return NGX_OK;
    }

    put = NULL;
    upstream = alcf->upstream;

    if (upstream && upstream->mode == NGX_HTTP_API_KEY_REPLACE) {
        place = upstream->as ? upstream->as : state->source;

        if (place && place->type == NGX_HTTP_API_KEY_QUERY) {
            if (ngx_http_api_key_upstream_swap(r->pool, state) != NGX_OK
                || ngx_http_api_key_upstream_own(r->pool, upstream, place,
                                                 &own)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }

            put = &own;
        }
    }

    removed = 0;

    ngx_http_api_key_query(&r->unparsed_uri, &query);

    if (query.data
        && ngx_http_api_key_upstream_without(r->pool, &r->unparsed_uri, &query,
                                             alcf->remove, NULL, &target,
                                             &removed)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (removed && put
        && ngx_http_api_key_upstream_without(r->pool, &r->unparsed_uri, &query,
                                             alcf->remove, put,
                                             &state->swap->own_target, &n)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    n = 0;
    query.data = r->args.data;
    query.len = r->args.len;

    if (query.len
        && ngx_http_api_key_upstream_without(r->pool, &r->args, &query,
                                             alcf->remove, NULL, &args, &n)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (n && put
        && ngx_http_api_key_upstream_without(r->pool, &r->args, &query,
                                             alcf->remove, put,
                                             &state->swap->own_args, &n)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (n) {
        r->args = args;
    }

    if (removed) {
        r->unparsed_uri = target;
    }

    if (n == 0 && removed == 0) {
        return NGX_OK;
    }

    if (put) {
        state->swap->own = upstream;
        state->swap->clean_args = r->args;
        state->swap->clean_target = r->unparsed_uri;
    }

    ngx_http_api_key_request_changed(r);

    return ngx_http_api_key_mask_line(r, alcf->remove);
}


/*
 * Writes text to result without the pieces of its query that are sources, or
 * with own in their place.  Where nothing of the query is left, its "?" goes,
 * unless one behind a "#" would become the first and begin a query.
 */

static ngx_int_t
ngx_http_api_key_upstream_without(ngx_pool_t *pool, ngx_str_t *text,
    api_key_str_t *query, ngx_http_api_key_sources_t *sources,
    api_key_str_t *own, ngx_str_t *result, size_t *removed)
{
    u_char         *p;
    size_t          len, head, tail;
    api_key_str_t   rest;
    api_key_piece_t piece;

    *removed = 0;
    rest = *query;

    while (api_key_piece_next(&rest, API_KEY_QUERY, &piece)) {
        *removed += ngx_http_api_key_query_chosen(&piece, sources);
    }

    if (*removed == 0 && own == NULL) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, text->len + 2 + (own ? own->len : 0));
    if (p == NULL) {
        return NGX_ERROR;
    }

    result->data = p;

    head = query->data - text->data;
    tail = text->len - head - query->len;
    p = ngx_cpymem(p, text->data, head);

    len = api_key_list_without(p, query, API_KEY_QUERY,
                               ngx_http_api_key_query_chosen, sources, own,
                               removed);

    if (len == 0 && head
        && memchr(query->data + query->len, '?', tail) == NULL)
    {
        p--;
    }

    p += len;
    p = ngx_cpymem(p, query->data + query->len, tail);

    result->len = p - result->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_api_key_upstream_replace(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state)
{
    if (alcf->upstream == NULL
        || alcf->upstream->mode != NGX_HTTP_API_KEY_REPLACE
        || r->content_handler == NULL
        || r->content_handler == ngx_http_api_key_upstream_handler)
    {
        /* what nginx answers itself never sees the backend's key */
        return NGX_OK;
    }

    if (ngx_http_api_key_upstream_swap(r->pool, state) != NGX_OK) {
        return NGX_ERROR;
    }

    state->swap->content = r->content_handler;
    r->content_handler = ngx_http_api_key_upstream_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_upstream_swap(ngx_pool_t *pool,
    ngx_http_api_key_request_t *state)
{
    if (state->swap == NULL) {
        state->swap = ngx_pcalloc(pool, sizeof(ngx_http_api_key_swap_t));
    }

    return state->swap ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_api_key_upstream_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_uint_t                    pass;
    ngx_http_upstream_t          *u;
    ngx_http_api_key_request_t   *state;
    ngx_http_api_key_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_api_key_module);
    state = ngx_http_api_key_request_find(r);

    if (ngx_http_api_key_upstream_prepare(r, alcf->upstream, state) != NGX_OK
        || ngx_http_api_key_upstream_inject(r, state) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the background update of a cached answer comes here as a subrequest */

    ngx_http_set_ctx(r, state, ngx_http_api_key_module);

    pass = state->pass;

    rc = state->swap->content(r);

    ngx_http_api_key_upstream_eject(r, state);

    /*
     * Has the request to the backend not been made yet, as the body is still
     * to be read, then it will be with the key in its place again; unless the
     * handler has failed and the request is in another location by now.
     */

    u = r->upstream;

    if (u && u->create_request != ngx_http_api_key_upstream_create_request
        && state->pass == pass
        && ngx_http_get_module_ctx(r, ngx_http_api_key_module) == state)
    {
        state->swap->create_request = u->create_request;
        u->create_request = ngx_http_api_key_upstream_create_request;
    }

    return rc;
}


static ngx_int_t
ngx_http_api_key_upstream_create_request(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_api_key_request_t  *state;

    state = ngx_http_api_key_request_find(r);

    if (ngx_http_api_key_upstream_inject(r, state) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = state->swap->create_request(r);

    ngx_http_api_key_upstream_eject(r, state);

    return rc;
}


/*
 * Makes what is still missing of the request with the backend's own key: it
 * is appended where it takes no place of the client's in this location.
 */

static ngx_int_t
ngx_http_api_key_upstream_prepare(ngx_http_request_t *r,
    ngx_http_api_key_upstream_t *upstream, ngx_http_api_key_request_t *state)
{
    size_t                      n;
    api_key_str_t               own, query;
    ngx_http_api_key_sources_t  none;
    ngx_http_api_key_swap_t    *swap;
    ngx_http_api_key_source_t  *place;

    swap = state->swap;

    place = upstream->as ? upstream->as : state->source;

    if (place == NULL || place->type != NGX_HTTP_API_KEY_QUERY) {
        ngx_str_null(&swap->own_args);
        ngx_str_null(&swap->own_target);

        swap->own = upstream;

        return place ? ngx_http_api_key_upstream_own_header(r, upstream, place,
                                                            state)
                     : NGX_OK;
    }

    swap->own_header = NULL;

    if (swap->own != upstream) {
        ngx_str_null(&swap->own_args);
        ngx_str_null(&swap->own_target);
        swap->own = upstream;
    }

    if (ngx_http_api_key_upstream_own(r->pool, upstream, place, &own)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memzero(&none, sizeof(ngx_http_api_key_sources_t));

    if (swap->own_args.data == NULL
        || r->args.data != swap->clean_args.data
        || r->args.len != swap->clean_args.len)
    {
        query.data = r->args.data;
        query.len = r->args.len;

        swap->clean_args = r->args;

        if (query.len == 0) {
            swap->own_args.data = (u_char *) own.data;
            swap->own_args.len = own.len;

        } else if (ngx_http_api_key_upstream_without(r->pool, &r->args, &query,
                                                     &none, &own,
                                                     &swap->own_args, &n)
                   != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (swap->own_target.data) {
        return NGX_OK;
    }

    swap->clean_target = r->unparsed_uri;

    ngx_http_api_key_query(&r->unparsed_uri, &query);

    if (query.data) {
        return ngx_http_api_key_upstream_without(r->pool, &r->unparsed_uri,
                                                 &query, &none, &own,
                                                 &swap->own_target, &n);
    }

    swap->own_target.len = r->unparsed_uri.len + 1 + own.len;
    swap->own_target.data = ngx_pnalloc(r->pool, swap->own_target.len);
    if (swap->own_target.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(swap->own_target.data, "%V?%*s", &r->unparsed_uri,
                       own.len, own.data);

    return NGX_OK;
}


/* "NAME=KEY", percent-encoded */

static ngx_int_t
ngx_http_api_key_upstream_own(ngx_pool_t *pool,
    ngx_http_api_key_upstream_t *upstream, ngx_http_api_key_source_t *place,
    api_key_str_t *own)
{
    u_char  *p;

    own->len = place->name.len + 1 + upstream->escaped.len;

    p = ngx_pnalloc(pool, own->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    own->data = p;
    (void) ngx_sprintf(p, "%V=%V", &place->name, &upstream->escaped);

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_upstream_own_header(ngx_http_request_t *r,
    ngx_http_api_key_upstream_t *upstream, ngx_http_api_key_source_t *place,
    ngx_http_api_key_request_t *state)
{
    u_char           *p;
    ngx_table_elt_t  *header;

    header = ngx_pcalloc(r->pool, sizeof(ngx_table_elt_t));
    p = ngx_pnalloc(r->pool, sizeof("Bearer ") + place->name.len
                             + upstream->secret.len);

    if (header == NULL || p == NULL) {
        return NGX_ERROR;
    }

    header->value.data = p;

    switch (place->type) {

    case NGX_HTTP_API_KEY_BEARER:
        p = ngx_sprintf(p, "Bearer %V", &upstream->secret);
        break;

    case NGX_HTTP_API_KEY_COOKIE:
        p = ngx_sprintf(p, "%V=%V", &place->name, &upstream->secret);
        break;

    default: /* NGX_HTTP_API_KEY_HEADER */
        p = ngx_sprintf(p, "%V", &upstream->secret);
    }

    *p = '\0';
    header->value.len = p - header->value.data;

    if (place->type == NGX_HTTP_API_KEY_COOKIE) {
        ngx_str_set(&header->key, "Cookie");
        header->lowcase_key = (u_char *) "cookie";
        header->hash = ngx_hash_key(header->lowcase_key, 6);

    } else {
        header->key = place->name;
        header->lowcase_key = place->lowcase.data;
        header->hash = place->hash;
    }

    state->swap->own_header = header;

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_upstream_inject(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_table_elt_t          *header;
    ngx_http_api_key_swap_t  *swap;

    swap = state->swap;

    if (swap->own_header) {
        header = ngx_list_push(&r->headers_in.headers);
        if (header == NULL) {
            return NGX_ERROR;
        }

        *header = *swap->own_header;
    }

    if (swap->own_args.data && r->args.len == swap->clean_args.len
        && r->args.data == swap->clean_args.data)
    {
        r->args = swap->own_args;
    }

    if (swap->own_target.data) {
        r->unparsed_uri = swap->own_target;
    }

    swap->injected = 1;

    ngx_http_api_key_request_changed(r);

    return NGX_OK;
}


static void
ngx_http_api_key_upstream_eject(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_uint_t                i;
    ngx_list_part_t          *part;
    ngx_table_elt_t          *header;
    ngx_http_api_key_swap_t  *swap;

    swap = state->swap;

    if (!swap->injected) {
        return;
    }

    swap->injected = 0;

    if (swap->own_args.data && r->args.data == swap->own_args.data) {
        r->args = swap->clean_args;
    }

    if (swap->own_target.data
        && r->unparsed_uri.data == swap->own_target.data)
    {
        r->unparsed_uri = swap->clean_target;
    }

    for (part = &r->headers_in.headers.part;
         part && swap->own_header;
         part = part->next)
    {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (header[i].value.data == swap->own_header->value.data) {
                ngx_http_api_key_headers_remove(r, part, i);
                goto done;
            }
        }
    }

done:

    ngx_http_api_key_request_changed(r);
}


void
ngx_http_api_key_upstream_leave(ngx_http_request_t *r)
{
    ngx_http_api_key_request_t  *state;

    state = ngx_http_api_key_request_find(r);

    if (state == NULL || state->swap == NULL || !state->swap->injected) {
        return;
    }

    ngx_http_api_key_upstream_eject(r, state);

    /* an error_page may have been put together of the target in between */

    ngx_http_api_key_mask_literal(&r->args, &state->swap->own->secret);
    ngx_http_api_key_mask_literal(&r->args, &state->swap->own->escaped);

    if (r->headers_out.location) {
        ngx_http_api_key_mask_literal(&r->headers_out.location->value,
                                      &state->swap->own->secret);
        ngx_http_api_key_mask_literal(&r->headers_out.location->value,
                                      &state->swap->own->escaped);
    }
}


ngx_int_t
ngx_http_api_key_upstream_escape(ngx_pool_t *pool,
    ngx_http_api_key_upstream_t *upstream)
{
    api_key_str_t  secret;

    secret.data = upstream->secret.data;
    secret.len = upstream->secret.len;

    upstream->escaped.data = ngx_pnalloc(pool, 3 * secret.len);
    if (upstream->escaped.data == NULL) {
        return NGX_ERROR;
    }

    upstream->escaped.len = api_key_query_encode(upstream->escaped.data,
                                                 &secret);

    return NGX_OK;
}
