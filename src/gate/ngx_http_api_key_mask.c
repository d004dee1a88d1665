/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Keeps secrets out of nginx's logs.  Which places hold one is known from the
 * server's configuration, so this works for requests that never get as far as
 * the gate.
 */

#include "ngx_http_api_key_mask.h"
#include "ngx_http_api_key_find.h"


/* more of a text does not fit into a line of the error log anyway */

#define NGX_HTTP_API_KEY_MASK_TEXT  NGX_MAX_ERROR_STR


static u_char *ngx_http_api_key_mask_error(ngx_http_request_t *r,
    ngx_http_request_t *sr, u_char *buf, size_t len);
static void ngx_http_api_key_mask_line_text(ngx_http_request_t *r,
    ngx_str_t *line);
static void ngx_http_api_key_mask_short(ngx_str_t *text, ngx_uint_t bare,
    u_char *buf, ngx_http_api_key_sources_t *sources);
static ngx_int_t ngx_http_api_key_mask_text(ngx_pool_t *pool, ngx_str_t *text,
    ngx_http_api_key_sources_t *sources);
static ngx_int_t ngx_http_api_key_mask_pieces(ngx_pool_t *pool,
    ngx_str_t *text, api_key_str_t *query,
    ngx_http_api_key_sources_t *sources);
static ngx_int_t ngx_http_api_key_mask_query(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *sources);
static ngx_int_t ngx_http_api_key_mask_headers(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *sources);
static ngx_int_t ngx_http_api_key_mask_header(ngx_pool_t *pool,
    ngx_table_elt_t *header, ngx_http_api_key_sources_t *sources);
static void ngx_http_api_key_mask_echoes(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *sources);
static void ngx_http_api_key_mask_list(ngx_http_request_t *r,
    ngx_list_t *list, ngx_http_api_key_sources_t *sources);


/* nginx's own, the same for each request */

static ngx_http_log_handler_pt  ngx_http_api_key_mask_next;


ngx_int_t
ngx_http_api_key_mask_handler(ngx_http_request_t *r)
{
    ngx_http_api_key_srv_conf_t  *ascf;

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_api_key_module);

    if (ascf->secrets->list.nelts
        && r->log_handler != ngx_http_api_key_mask_error)
    {
        ngx_http_api_key_mask_next = r->log_handler;
        r->log_handler = ngx_http_api_key_mask_error;
    }

    return NGX_DECLINED;
}


/* Lends nginx's handler a masked request for the time of one line. */

static u_char *
ngx_http_api_key_mask_error(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    u_char                       *p;
    ngx_str_t                     line, uri, referer;
    ngx_http_upstream_t          *u;
    ngx_http_api_key_srv_conf_t  *ascf;
    u_char                        text[3][3 * NGX_HTTP_API_KEY_MASK_TEXT];

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_api_key_module);

    line = r->request_line;
    ngx_http_api_key_mask_line_text(r, &r->request_line);
    ngx_http_api_key_mask_short(&r->request_line, 0, text[0], ascf->secrets);

    u = sr->upstream;

    if (u) {
        uri = u->uri;
        ngx_http_api_key_mask_short(&u->uri, 1, text[1], ascf->secrets);
    }

    if (r->headers_in.referer) {
        referer = r->headers_in.referer->value;
        ngx_http_api_key_mask_short(&r->headers_in.referer->value, 0, text[2],
                                    ascf->secrets);
    }

    p = ngx_http_api_key_mask_next(r, sr, buf, len);

    r->request_line = line;

    if (u) {
        u->uri = uri;
    }

    if (r->headers_in.referer) {
        r->headers_in.referer->value = referer;
    }

    return p;
}


/* The request line, also where nginx could not make sense of it. */

static void
ngx_http_api_key_mask_line_text(ngx_http_request_t *r, ngx_str_t *line)
{
    u_char  *p;

    *line = r->request_line;

    if (line->data || r->request_start == NULL || r->header_in == NULL) {
        return;
    }

    for (p = r->request_start; p < r->header_in->last; p++) {
        if (*p == CR || *p == LF) {
            break;
        }
    }

    line->data = r->request_start;
    line->len = p - r->request_start;
}


/*
 * As much of a text as a line has room for, masked in buf.  bare: nothing
 * follows the query, which ends with the text, as a rewrite can have put a "#"
 * or a blank into it.
 */

static void
ngx_http_api_key_mask_short(ngx_str_t *text, ngx_uint_t bare, u_char *buf,
    ngx_http_api_key_sources_t *sources)
{
    u_char         *p;
    size_t          masked, n;
    ngx_str_t       head;
    api_key_str_t   query;

    head.data = text->data;
    head.len = ngx_min(text->len, NGX_HTTP_API_KEY_MASK_TEXT);

    ngx_http_api_key_query(&head, &query);

    if (query.data && bare) {
        query.len = head.data + head.len - query.data;
    }

    if (query.len == 0) {
        return;
    }

    n = query.data - head.data;
    p = ngx_cpymem(buf, head.data, n);
    p += api_key_list_masked(p, &query, API_KEY_QUERY,
                             ngx_http_api_key_query_chosen, sources, &masked);

    if (masked == 0) {
        return;
    }

    n += query.len;
    p = ngx_cpymem(p, head.data + n, head.len - n);

    text->data = buf;
    text->len = p - buf;
}


ngx_int_t
ngx_http_api_key_mask_log_handler(ngx_http_request_t *r)
{
    ngx_http_api_key_srv_conf_t   *ascf;
    ngx_http_api_key_main_conf_t  *amcf;

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_api_key_module);

    if (ascf->secrets->list.nelts == 0) {
        return NGX_OK;
    }

    /* what failed while it was read has not come by the first handler */

    (void) ngx_http_api_key_mask_handler(r);

    if (ngx_http_api_key_mask_headers(r, ascf->secrets) != NGX_OK
        || ngx_http_api_key_mask_query(r, ascf->secrets) != NGX_OK)
    {
        goto failed;
    }

    amcf = ngx_http_get_module_main_conf(r, ngx_http_api_key_module);

    if (amcf->echoes) {
        ngx_http_api_key_mask_echoes(r, ascf->secrets);
    }

    ngx_http_api_key_request_changed(r);

    return NGX_OK;

failed:

    /* without memory nothing is better than a secret */

    ngx_str_set(&r->request_line, "***");
    r->unparsed_uri = r->request_line;
    r->args = r->request_line;
    ngx_http_api_key_request_changed(r);

    return NGX_OK;
}


/* Where the query stands: in the request line, the target, the arguments. */

static ngx_int_t
ngx_http_api_key_mask_query(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *sources)
{
    api_key_str_t  args;

    if (!sources->query) {
        return NGX_OK;
    }

    if (ngx_http_api_key_mask_line(r, sources) != NGX_OK
        || ngx_http_api_key_mask_text(r->pool, &r->unparsed_uri, sources)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* these are a query as a whole, also where a rewrite put a "#" into it */

    args.data = r->args.data;
    args.len = r->args.len;

    return ngx_http_api_key_mask_pieces(r->pool, &r->args, &args, sources);
}


ngx_int_t
ngx_http_api_key_mask_line(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *sources)
{
    ngx_http_api_key_mask_line_text(r, &r->request_line);

    return ngx_http_api_key_mask_text(r->pool, &r->request_line, sources);
}


static ngx_int_t
ngx_http_api_key_mask_text(ngx_pool_t *pool, ngx_str_t *text,
    ngx_http_api_key_sources_t *sources)
{
    api_key_str_t  query;

    ngx_http_api_key_query(text, &query);

    return ngx_http_api_key_mask_pieces(pool, text, &query, sources);
}


/* Masks in a text the query that is a part of it. */

static ngx_int_t
ngx_http_api_key_mask_pieces(ngx_pool_t *pool, ngx_str_t *text,
    api_key_str_t *query, ngx_http_api_key_sources_t *sources)
{
    u_char          *p, *start;
    size_t           masked, n;
    api_key_str_t    rest;
    api_key_piece_t  piece;

    if (query->len == 0) {
        return NGX_OK;
    }

    masked = 0;
    rest = *query;

    while (api_key_piece_next(&rest, API_KEY_QUERY, &piece)) {
        masked += piece.value.len
                  && ngx_http_api_key_query_chosen(&piece, sources);
    }

    if (masked == 0) {
        return NGX_OK;
    }

    start = ngx_pnalloc(pool, text->len + 3 * masked);
    if (start == NULL) {
        return NGX_ERROR;
    }

    n = query->data - text->data;
    p = ngx_cpymem(start, text->data, n);
    p += api_key_list_masked(p, query, API_KEY_QUERY,
                             ngx_http_api_key_query_chosen, sources, &masked);
    n += query->len;
    p = ngx_cpymem(p, text->data + n, text->len - n);

    text->data = start;
    text->len = p - start;

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_mask_headers(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *sources)
{
    ngx_uint_t        i, query;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    query = sources->query;

    part = &r->headers_in.headers.part;
    header = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                break;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        /* the last one, where nginx ran out of memory while it read headers */

        if (header[i].lowcase_key == NULL) {
            ngx_str_set(&header[i].value, "***");
            continue;
        }

        if (ngx_http_api_key_may_hold(sources, &header[i])
            && ngx_http_api_key_mask_header(r->pool, &header[i], sources)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        /* a Referer and the like may hold a whole target */

        if (query
            && ngx_http_api_key_mask_text(r->pool, &header[i].value, sources)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_mask_header(ngx_pool_t *pool, ngx_table_elt_t *header,
    ngx_http_api_key_sources_t *sources)
{
    u_char                     *p;
    size_t                      masked;
    ngx_uint_t                  n;
    api_key_str_t               cookie;
    ngx_http_api_key_source_t  *source;

    source = sources->list.elts;

    for (n = 0; n < sources->list.nelts; n++) {

        if (header->value.len
            && ngx_http_api_key_header_holds(header, &source[n]))
        {
            if (source[n].type == NGX_HTTP_API_KEY_BEARER) {
                ngx_str_set(&header->value, "Bearer ***");

            } else {
                ngx_str_set(&header->value, "***");
            }

            return NGX_OK;
        }

        if (source[n].type == NGX_HTTP_API_KEY_COOKIE
            && header->key.len == 6
            && ngx_strncmp(header->lowcase_key, "cookie", 6) == 0)
        {
            cookie.data = header->value.data;
            cookie.len = header->value.len;

            p = ngx_pnalloc(pool, 3 * cookie.len + 1);
            if (p == NULL) {
                return NGX_ERROR;
            }

            header->value.len = api_key_list_masked(p, &cookie, API_KEY_COOKIE,
                                          ngx_http_api_key_cookie_chosen,
                                          sources, &masked);
            header->value.data = p;

            return NGX_OK;
        }
    }

    return NGX_OK;
}


/*
 * A backend may send back what it was sent, nginx redirects with the client's
 * query, and a log format may show both.  Values that cannot be masked for
 * want of memory go.
 */

static void
ngx_http_api_key_mask_echoes(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *sources)
{
    ngx_http_api_key_mask_list(r, &r->headers_out.headers, sources);

    if (r->upstream) {
        ngx_http_api_key_mask_list(r, &r->upstream->headers_in.headers,
                                   sources);
    }
}


static void
ngx_http_api_key_mask_list(ngx_http_request_t *r, ngx_list_t *list,
    ngx_http_api_key_sources_t *sources)
{
    ngx_uint_t                   i;
    ngx_list_part_t             *part;
    ngx_table_elt_t             *header;
    ngx_http_api_key_request_t  *state;

    state = ngx_http_api_key_request_find(r);

    for (part = &list->part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_api_key_mask_text(r->pool, &header[i].value, sources)
                != NGX_OK)
            {
                header[i].value.len = 0;
            }

            if (state == NULL) {
                continue;
            }

            ngx_http_api_key_mask_literal(&header[i].value, &state->key);

            if (state->swap && state->swap->own) {
                ngx_http_api_key_mask_literal(&header[i].value,
                                              &state->swap->own->secret);
                ngx_http_api_key_mask_literal(&header[i].value,
                                              &state->swap->own->escaped);
            }
        }
    }
}


void
ngx_http_api_key_mask_literal(ngx_str_t *text, ngx_str_t *secret)
{
    u_char  *p, *end;

    if (secret->len == 0 || text->len < secret->len) {
        return;
    }

    end = text->data + text->len - secret->len + 1;

    for (p = text->data; p < end; p++) {
        if (ngx_memcmp(p, secret->data, secret->len) == 0) {
            ngx_memset(p, '*', secret->len);
            p += secret->len - 1;
        }
    }
}
