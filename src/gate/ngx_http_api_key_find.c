/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Where in a request a key may stand: headers, query and cookies, read and
 * never changed here.
 */

#include "ngx_http_api_key_find.h"


static void ngx_http_api_key_find_headers(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *from, ngx_http_api_key_request_t *state);
static void ngx_http_api_key_find_cookie(ngx_table_elt_t *header,
    ngx_http_api_key_source_t *source, ngx_http_api_key_request_t *state,
    ngx_uint_t bit, ngx_uint_t *seen);
static ngx_int_t ngx_http_api_key_find_query(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *from, ngx_http_api_key_request_t *state);
static ngx_int_t ngx_http_api_key_find_pieces(ngx_http_request_t *r,
    api_key_str_t *query, ngx_http_api_key_source_t *source,
    ngx_http_api_key_request_t *state);
static void ngx_http_api_key_found(ngx_http_api_key_request_t *state,
    ngx_http_api_key_source_t *source, ngx_str_t *value);
static ngx_uint_t ngx_http_api_key_header_named(ngx_table_elt_t *header,
    ngx_http_api_key_source_t *source);
static ngx_int_t ngx_http_api_key_bearer(ngx_str_t *value, ngx_str_t *token);
static int ngx_http_api_key_chosen(const api_key_piece_t *piece,
    api_key_list_e list, ngx_http_api_key_source_e type,
    ngx_http_api_key_sources_t *sources);


ngx_int_t
ngx_http_api_key_find(ngx_http_request_t *r, ngx_http_api_key_sources_t *from,
    ngx_http_api_key_request_t *state)
{
    state->searched = 1;

    ngx_http_api_key_find_headers(r, from, state);

    return ngx_http_api_key_find_query(r, from, state);
}


static void
ngx_http_api_key_find_headers(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *from,
    ngx_http_api_key_request_t *state)
{
    ngx_str_t                   value;
    ngx_uint_t                  i, n, bit, seen;
    ngx_list_part_t            *part;
    ngx_table_elt_t            *header;
    ngx_http_api_key_source_t  *source;

    seen = 0;
    source = from->list.elts;

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

        if (!ngx_http_api_key_may_hold(from, &header[i])) {
            continue;
        }

        for (n = 0; n < from->list.nelts; n++) {

            if (header[i].hash != source[n].hash) {
                continue;
            }

            bit = (ngx_uint_t) 1 << n;

            switch (source[n].type) {

            case NGX_HTTP_API_KEY_COOKIE:
                ngx_http_api_key_find_cookie(&header[i], &source[n], state,
                                             bit, &seen);
                continue;

            case NGX_HTTP_API_KEY_QUERY:
                continue;

            case NGX_HTTP_API_KEY_BEARER:
                if (!ngx_http_api_key_header_named(&header[i], &source[n])
                    || ngx_http_api_key_bearer(&header[i].value, &value)
                       != NGX_OK)
                {
                    continue;
                }

                break;

            default: /* NGX_HTTP_API_KEY_HEADER */
                value = header[i].value;

                if (!ngx_http_api_key_header_named(&header[i], &source[n])
                    || value.len == 0)
                {
                    continue;
                }
            }

            if (seen & bit) {
                state->ambiguous = 1;
            }

            seen |= bit;
            ngx_http_api_key_found(state, &source[n], &value);
        }
    }
}


static void
ngx_http_api_key_find_cookie(ngx_table_elt_t *header,
    ngx_http_api_key_source_t *source, ngx_http_api_key_request_t *state,
    ngx_uint_t bit, ngx_uint_t *seen)
{
    ngx_str_t        value;
    api_key_str_t    rest, name;
    api_key_piece_t  piece;

    if (header->key.len != 6
        || ngx_strncmp(header->lowcase_key, "cookie", 6) != 0)
    {
        return;
    }

    name.data = source->lowcase.data;
    name.len = source->lowcase.len;
    rest.data = header->value.data;
    rest.len = header->value.len;

    while (api_key_piece_next(&rest, API_KEY_COOKIE, &piece)) {

        if (piece.value.len == 0
            || !api_key_piece_named(&piece, API_KEY_COOKIE, &name))
        {
            continue;
        }

        if (*seen & bit) {
            state->ambiguous = 1;
        }

        *seen |= bit;

        value.data = (u_char *) piece.value.data;
        value.len = piece.value.len;

        ngx_http_api_key_found(state, source, &value);
    }
}


/*
 * The client's query is what it sent; a rewrite may have made another one of
 * it, or put a key in.  Both are read, each on its own.
 */

static ngx_int_t
ngx_http_api_key_find_query(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *from,
    ngx_http_api_key_request_t *state)
{
    ngx_uint_t                  n;
    api_key_str_t               args, query;
    ngx_http_api_key_source_t  *source;

    source = from->list.elts;

    for (n = 0; n < from->list.nelts; n++) {

        if (source[n].type != NGX_HTTP_API_KEY_QUERY) {
            continue;
        }

        ngx_http_api_key_query(&r->unparsed_uri, &query);

        if (ngx_http_api_key_find_pieces(r, &query, &source[n], state)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        args.data = r->args.data;
        args.len = r->args.len;

        if (args.len == 0 || api_key_str_equal(&args, &query)) {
            continue;
        }

        if (ngx_http_api_key_find_pieces(r, &args, &source[n], state)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_find_pieces(ngx_http_request_t *r, api_key_str_t *query,
    ngx_http_api_key_source_t *source, ngx_http_api_key_request_t *state)
{
    ngx_str_t        value;
    ngx_uint_t       seen;
    api_key_str_t    rest, name;
    api_key_piece_t  piece;

    name.data = source->lowcase.data;
    name.len = source->lowcase.len;
    rest = *query;
    seen = 0;

    while (api_key_piece_next(&rest, API_KEY_QUERY, &piece)) {

        if (piece.value.len == 0
            || !api_key_piece_named(&piece, API_KEY_QUERY, &name))
        {
            continue;
        }

        value.data = (u_char *) piece.value.data;
        value.len = piece.value.len;

        if (ngx_strlchr(value.data, value.data + value.len, '%')) {
            value.data = ngx_pnalloc(r->pool, value.len);
            if (value.data == NULL) {
                return NGX_ERROR;
            }

            value.len = api_key_query_decode(value.data, &piece.value);
        }

        if (seen++) {
            state->ambiguous = 1;
        }

        ngx_http_api_key_found(state, source, &value);
    }

    return NGX_OK;
}


static void
ngx_http_api_key_found(ngx_http_api_key_request_t *state,
    ngx_http_api_key_source_t *source, ngx_str_t *value)
{
    if (state->key.data == NULL) {
        state->key = *value;
        state->source = source;
        return;
    }

    /* the client's own values: there is nothing to learn from the time */

    if (state->key.len != value->len
        || ngx_memcmp(state->key.data, value->data, value->len) != 0)
    {
        state->ambiguous = 1;
    }
}


static ngx_uint_t
ngx_http_api_key_header_named(ngx_table_elt_t *header,
    ngx_http_api_key_source_t *source)
{
    return header->hash == source->hash
           && header->key.len == source->lowcase.len
           && ngx_strncmp(header->lowcase_key, source->lowcase.data,
                          source->lowcase.len)
              == 0;
}


ngx_uint_t
ngx_http_api_key_header_like(ngx_table_elt_t *header,
    ngx_http_api_key_source_t *source)
{
    u_char  c;
    size_t  i;

    if (header->key.len != source->lowcase.len) {
        return 0;
    }

    if (ngx_memcmp(header->lowcase_key, source->lowcase.data,
                   source->lowcase.len)
        == 0)
    {
        return 1;
    }

    for (i = 0; i < source->lowcase.len; i++) {
        c = header->lowcase_key[i];

        if (c != source->lowcase.data[i]
            && (c != '_' || source->lowcase.data[i] != '-'))
        {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_http_api_key_header_holds(ngx_table_elt_t *header,
    ngx_http_api_key_source_t *source)
{
    ngx_str_t  token;

    switch (source->type) {

    case NGX_HTTP_API_KEY_HEADER:
        return ngx_http_api_key_header_like(header, source);

    case NGX_HTTP_API_KEY_BEARER:
        return ngx_http_api_key_header_named(header, source)
               && ngx_http_api_key_bearer(&header->value, &token) == NGX_OK;

    default: /* NGX_HTTP_API_KEY_QUERY, NGX_HTTP_API_KEY_COOKIE */
        return 0;
    }
}


/*
 * The token of an Authorization header of the Bearer scheme, which may be
 * empty.  NGX_OK, or NGX_DECLINED for any other scheme.
 */

static ngx_int_t
ngx_http_api_key_bearer(ngx_str_t *value, ngx_str_t *token)
{
    if (value->len < 6
        || ngx_strncasecmp(value->data, (u_char *) "Bearer", 6) != 0
        || (value->len > 6 && value->data[6] != ' '))
    {
        return NGX_DECLINED;
    }

    token->data = value->data + 6;
    token->len = value->len - 6;

    while (token->len && *token->data == ' ') {
        token->data++;
        token->len--;
    }

    return NGX_OK;
}


void
ngx_http_api_key_query(ngx_str_t *text, api_key_str_t *query)
{
    u_char  *p, *end;

    query->data = NULL;
    query->len = 0;

    if (text->len == 0) {
        return;
    }

    end = text->data + text->len;
    p = memchr(text->data, '?', text->len);

    if (p == NULL) {
        return;
    }

    query->data = ++p;

    while (p < end && *p != '#' && *p != ' ') {
        p++;
    }

    query->len = p - query->data;
}


ngx_http_api_key_sources_t *
ngx_http_api_key_sources_create(ngx_pool_t *pool)
{
    ngx_http_api_key_sources_t  *sources;

    sources = ngx_pcalloc(pool, sizeof(ngx_http_api_key_sources_t));

    if (sources == NULL
        || ngx_array_init(&sources->list, pool, 2,
                          sizeof(ngx_http_api_key_source_t))
           != NGX_OK)
    {
        return NULL;
    }

    return sources;
}


ngx_uint_t
ngx_http_api_key_sources_have(ngx_http_api_key_sources_t *sources,
    const ngx_http_api_key_source_t *source)
{
    ngx_uint_t                  n;
    ngx_http_api_key_source_t  *known;

    known = sources->list.elts;

    for (n = 0; n < sources->list.nelts; n++) {
        if (known[n].type == source->type
            && known[n].lowcase.len == source->lowcase.len
            && ngx_strncmp(known[n].lowcase.data, source->lowcase.data,
                           source->lowcase.len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_api_key_sources_add(ngx_http_api_key_sources_t *sources,
    const ngx_http_api_key_source_t *source)
{
    ngx_http_api_key_source_t  *added;

    if (ngx_http_api_key_sources_have(sources, source)) {
        return NGX_OK;
    }

    added = ngx_array_push(&sources->list);
    if (added == NULL) {
        return NGX_ERROR;
    }

    *added = *source;

    switch (source->type) {

    case NGX_HTTP_API_KEY_QUERY:
        sources->query = 1;
        break;

    case NGX_HTTP_API_KEY_COOKIE:
        sources->lengths |= ngx_http_api_key_length_bit(sizeof("cookie") - 1);
        break;

    default: /* NGX_HTTP_API_KEY_HEADER, NGX_HTTP_API_KEY_BEARER */
        sources->lengths |= ngx_http_api_key_length_bit(source->lowcase.len);
    }

    return NGX_OK;
}


int
ngx_http_api_key_query_chosen(const api_key_piece_t *piece, void *data)
{
    return ngx_http_api_key_chosen(piece, API_KEY_QUERY,
                                   NGX_HTTP_API_KEY_QUERY, data);
}


int
ngx_http_api_key_cookie_chosen(const api_key_piece_t *piece, void *data)
{
    return ngx_http_api_key_chosen(piece, API_KEY_COOKIE,
                                   NGX_HTTP_API_KEY_COOKIE, data);
}


static int
ngx_http_api_key_chosen(const api_key_piece_t *piece, api_key_list_e list,
    ngx_http_api_key_source_e type, ngx_http_api_key_sources_t *sources)
{
    ngx_uint_t                  n;
    api_key_str_t               name;
    ngx_http_api_key_source_t  *source;

    source = sources->list.elts;

    for (n = 0; n < sources->list.nelts; n++) {

        if (source[n].type != type) {
            continue;
        }

        name.data = source[n].lowcase.data;
        name.len = source[n].lowcase.len;

        if (api_key_piece_named(piece, list, &name)) {
            return 1;
        }
    }

    return 0;
}
