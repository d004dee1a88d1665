/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards what logs may show: of a secret's value in the request line, the
 * target, the arguments, headers and a backend's answers "***" is left and all
 * else byte for byte, for a line of the error log, which has the backend's
 * target as well, without a lasting change.
 * The input is two bytes (sources, how nginx reads headers) and a request.
 *
 *     src/gate/ngx_http_api_key_find.c
 *     src/gate/ngx_http_api_key_mask.c
 *     src/gate/ngx_http_api_key_request.c
 */

#include "ngx_http_api_key_find.h"
#include "ngx_http_api_key_mask.h"

#include "request.h"


static ngx_http_api_key_sources_t  *secrets;
static ngx_str_t     shown_line;           /* in the line of the error log */
static ngx_str_t     shown_referer;
static ngx_str_t     shown_uri;


/* A list with "***" for the values of chosen pieces. */

static ngx_str_t
masked_list(ngx_pool_t *pool, const ngx_str_t *text, u_char *start,
    u_char *end, int separator)
{
    u_char                    *p, *from, *last;
    ngx_str_t                  masked;
    model_piece_t              piece;
    ngx_http_api_key_source_e  type;

    type = (separator == ';') ? NGX_HTTP_API_KEY_COOKIE
                              : NGX_HTTP_API_KEY_QUERY;

    masked.data = ngx_pnalloc(pool, 3 * text->len + 1);
    check(masked.data);

    last = masked.data;
    from = text->data;

    for (p = start; p; /* void */ ) {
        piece = model_piece(pool, &p, end, separator);

        if (piece.start < piece.end && model_chosen(&piece, secrets, type)) {
            last = ngx_cpymem(last, from, piece.start - from);
            last = ngx_cpymem(last, "***", 3);
            from = piece.end;
        }
    }

    last = ngx_cpymem(last, from, text->data + text->len - from);
    masked.len = last - masked.data;

    return masked;
}


static ngx_str_t
masked_text(ngx_pool_t *pool, const ngx_str_t *text)
{
    u_char  *start, *end;

    return model_query(text, &start, &end)
           ? masked_list(pool, text, start, end, '&') : *text;
}


static ngx_str_t
masked_header(ngx_pool_t *pool, ngx_table_elt_t *header)
{
    ngx_str_t                   value, token;
    ngx_uint_t                  i;
    ngx_http_api_key_source_t  *source;

    static ngx_str_t  bearer = ngx_string("Bearer ***");
    static ngx_str_t  hidden = ngx_string("***");

    value = header->value;
    source = secrets->list.elts;

    for (i = 0; i < secrets->list.nelts; i++) {

        if (source[i].type == NGX_HTTP_API_KEY_HEADER && value.len
            && model_named(header, &source[i], 1))
        {
            return hidden;
        }

        if (source[i].type == NGX_HTTP_API_KEY_BEARER
            && model_named(header, &source[i], 0)
            && model_bearer(&value, &token))
        {
            return bearer;
        }
    }

    if (value.len && same_caseless(&header->key, "cookie")) {
        value = masked_list(pool, &value, value.data, value.data + value.len,
                            ';');
    }

    return secrets->query ? masked_text(pool, &value) : value;
}


/* nginx's own handler of error log lines */

static u_char *
show(ngx_http_request_t *r, ngx_http_request_t *sr, u_char *buf, size_t len)
{
    shown_line = kept(r->pool, &r->request_line);
    ngx_str_null(&shown_referer);

    if (r->headers_in.referer) {
        shown_referer = kept(r->pool, &r->headers_in.referer->value);
    }

    shown_uri = kept(r->pool, &sr->upstream->uri);

    return buf;
}


static void
error_line(ngx_http_request_t *r)
{
    u_char     *p, buf[1], *last;
    ngx_str_t   line, referer, uri, expected;

    /* what the backend is asked for */

    uri.data = ngx_pnalloc(r->pool, r->uri.len + 1 + r->args.len);
    check(uri.data);
    last = ngx_sprintf(uri.data, "%V?%V", &r->uri, &r->args);
    uri.len = last - uri.data;
    r->upstream->uri = uri;

    line = kept(r->pool, &r->request_line);
    ngx_str_null(&referer);

    if (r->headers_in.referer) {
        referer = kept(r->pool, &r->headers_in.referer->value);
    }

    check(ngx_http_api_key_mask_handler(r) == NGX_DECLINED);
    check((r->log_handler != show) == (secrets->list.nelts > 0));

    p = r->log_handler(r, r, buf, 1);
    check(p == buf);

    /* what it shows of longer texts is of no use: a line is not so long */

    if (line.len <= NGX_MAX_ERROR_STR) {
        expected = masked_text(r->pool, &line);
        check(same(&shown_line, &expected));
    }

    if (referer.len <= NGX_MAX_ERROR_STR) {
        expected = masked_text(r->pool, &referer);
        check(same(&shown_referer, &expected));
    }

    if (uri.len <= NGX_MAX_ERROR_STR) {
        last = memchr(uri.data, '?', uri.len) + 1;
        expected = masked_list(r->pool, &uri, last, uri.data + uri.len, '&');
        check(same(&shown_uri, &expected));
    }

    check(r->upstream->uri.data == uri.data && r->upstream->uri.len == uri.len);
    check(same(&r->request_line, &line));
    check(r->headers_in.referer == NULL
          || same(&r->headers_in.referer->value, &referer));
}


/* A backend's answer that holds what it was sent */

static void
echo(ngx_http_request_t *r, ngx_list_t *list, const ngx_str_t *text)
{
    ngx_table_elt_t  *header;

    check(ngx_list_init(list, r->pool, 2, sizeof(ngx_table_elt_t)) == NGX_OK);

    header = ngx_list_push(list);
    check(header);

    memset(header, 0, sizeof(ngx_table_elt_t));
    ngx_str_set(&header->key, "Location");
    header->value = kept(r->pool, text);
}


static void
echoed(const ngx_list_t *list, const ngx_str_t *text, const ngx_str_t *key)
{
    size_t            i;
    ngx_table_elt_t  *header;

    header = list->part.elts;

    check(list->part.nelts == 1);
    check(secrets->list.nelts || same(&header->value, text));

    /* masking may complete a key that has a "*" in it */

    if (secrets->list.nelts == 0 || key->len == 0
        || memchr(key->data, '*', key->len))
    {
        return;
    }

    for (i = 0; i + key->len <= header->value.len; i++) {
        check(memcmp(header->value.data + i, key->data, key->len) != 0);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t                    i, n;
    ngx_str_t                     line, target, args, text, key;
    request_t                    *request;
    request_options_t             options;
    ngx_table_elt_t              *headers[2 * HEADERS];
    ngx_http_upstream_t           upstream;
    ngx_http_request_t           *r;
    ngx_http_api_key_request_t   *state;
    ngx_http_api_key_srv_conf_t   ascf;

    static ngx_str_t  values[2 * HEADERS];

    if (size < 2) {
        return 0;
    }

    options = options_of(data[1]);

    request = request_of(data + 2, size - 2, &options);

    if (request == NULL) {
        return 0;
    }

    r = &request->r;
    secrets = sources_of(r->pool, data[0]);
    ascf.secrets = secrets;
    request->srv_conf[0] = &ascf;

    state = ngx_http_api_key_request(r);
    check(state && ngx_http_api_key_find(r, secrets, state) == NGX_OK);
    key = kept(r->pool, &state->key);

    memset(&upstream, 0, sizeof(upstream));
    r->upstream = &upstream;
    r->log_handler = show;
    error_line(r);

    line = kept(r->pool, &r->request_line);
    target = kept(r->pool, &r->unparsed_uri);
    args = kept(r->pool, &r->args);
    text.data = (u_char *) data;
    text.len = size;

    echo(r, &r->headers_out.headers, &target);
    echo(r, &upstream.headers_in.headers, &text);

    n = request_list(&r->headers_in.headers, headers);

    for (i = 0; i < n; i++) {
        values[i] = masked_header(r->pool, headers[i]);
    }

    request->tainted.valid = 1;
    check(ngx_http_api_key_mask_log_handler(r) == NGX_OK);
    check(request->tainted.valid == (secrets->list.nelts == 0));

    check(request_list(&r->headers_in.headers, headers) == n);

    for (i = 0; i < n; i++) {
        check(same(&headers[i]->value, &values[i]));
    }

    line = masked_text(r->pool, &line);
    check(same(&r->request_line, &line));

    target = masked_text(r->pool, &target);
    check(same(&r->unparsed_uri, &target));

    if (args.len) {
        args = masked_list(r->pool, &args, args.data, args.data + args.len,
                           '&');
    }

    check(same(&r->args, &args));

    echoed(&r->headers_out.headers, &target, &key);
    echoed(&upstream.headers_in.headers, &text, &key);

    request_free(request);

    return 0;
}
