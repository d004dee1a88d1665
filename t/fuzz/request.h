/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A request as nginx makes it of bytes: its own parsers, and the few lines of
 * ngx_http_request.c that put together what they found.  Where the module
 * looks for names in it, the slow way of looking is here as well.
 */

#ifndef _REQUEST_H_INCLUDED_
#define _REQUEST_H_INCLUDED_


#include "ngx_http_api_key_request.h"

#include "fuzz.h"


/* no headers: what a rewrite made */

#define REWRITTEN_ARGS  "x-rewritten-args"
#define REWRITTEN_URI   "x-rewritten-uri"

#define HEADERS         64


typedef struct {
    unsigned    part;            /* headers in a part of the list, 1 to 4 */
    unsigned    merge_slashes;
    unsigned    underscores;     /* in names of headers */
    unsigned    invalid;         /* headers are kept */
} request_options_t;


typedef struct {
    ngx_http_request_t         r;

    ngx_connection_t           connection;
    ngx_buf_t                  in;
    u_char                    *bytes;
    ngx_str_t                  path;         /* before what was rewritten */
    ngx_http_variable_value_t  tainted;
    void                      *ctx[1];
    void                      *main_conf[1];
    void                      *srv_conf[1];
    void                      *loc_conf[1];
} request_t;


/* index 0 of each array */

ngx_module_t                    ngx_http_api_key_module;

static ngx_log_t                log_nowhere;
static ngx_cycle_t              cycle = { .log = &log_nowhere };
volatile ngx_cycle_t           *ngx_cycle = &cycle;

static ngx_uint_t               tainted_index;

static ngx_http_api_key_main_conf_t  main_conf = {
    .tainted = { .elts = &tainted_index, .nelts = 1 },
    .echoes = 1
};


static inline void
request_free(request_t *request)
{
    ngx_destroy_pool(request->r.pool);
    free(request->bytes);
    free(request);
}


/* ngx_http_process_request_uri() */

static inline ngx_int_t
request_uri(ngx_http_request_t *r, unsigned merge_slashes)
{
    r->uri.len = (r->args_start ? r->args_start - 1 : r->uri_end)
                 - r->uri_start;
    r->uri.data = r->uri_start;

    if (r->complex_uri || r->quoted_uri || r->empty_path_in_uri) {

        if (r->empty_path_in_uri) {
            r->uri.len++;
        }

        r->uri.data = ngx_pnalloc(r->pool, r->uri.len);
        check(r->uri.data);

        if (ngx_http_parse_complex_uri(r, merge_slashes) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    r->unparsed_uri.len = r->uri_end - r->uri_start;
    r->unparsed_uri.data = r->uri_start;

    if (r->args_start && r->uri_end > r->args_start) {
        r->args.len = r->uri_end - r->args_start;
        r->args.data = r->args_start;
    }

    return NGX_OK;
}


/* What nginx remembers of some headers; NGX_ERROR where it would refuse. */

static inline ngx_int_t
request_known_header(ngx_http_request_t *r, ngx_table_elt_t *h)
{
#if (nginx_version >= 1023000)
    ngx_table_elt_t  **link;
#else
    ngx_table_elt_t  **cookie;
#endif

    if (h->key.len == 6 && ngx_memcmp(h->lowcase_key, "cookie", 6) == 0) {

#if (nginx_version >= 1023000)

        for (link = &r->headers_in.cookie; *link; link = &(*link)->next) {
            /* void */
        }

        *link = h;
        h->next = NULL;

#else

        cookie = ngx_array_push(&r->headers_in.cookies);
        check(cookie);
        *cookie = h;

#endif
    }

    if (h->key.len == 13
        && ngx_memcmp(h->lowcase_key, "authorization", 13) == 0)
    {
        if (r->headers_in.authorization) {
            return NGX_ERROR;
        }

        r->headers_in.authorization = h;
    }

    if (h->key.len == 7 && ngx_memcmp(h->lowcase_key, "referer", 7) == 0) {
        r->headers_in.referer = h;
    }

    if (h->key.len == 14
        && ngx_memcmp(h->lowcase_key, "content-length", 14) == 0)
    {
        r->headers_in.content_length_n = ngx_atoof(h->value.data,
                                                   h->value.len);

        if (r->headers_in.content_length_n == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    if (h->key.len == 17
        && ngx_memcmp(h->lowcase_key, "transfer-encoding", 17) == 0)
    {
        r->headers_in.chunked = 1;
    }

    return NGX_OK;
}


static inline int
request_rewritten(ngx_http_request_t *r, const char *name, ngx_str_t *text)
{
    if (r->header_name_end - r->header_name_start != (ssize_t) strlen(name)
        || ngx_strncasecmp(r->header_name_start, (u_char *) name, strlen(name))
           != 0)
    {
        return 0;
    }

    text->data = r->header_start;
    text->len = r->header_end - r->header_start;

    return 1;
}


/* ngx_http_process_request_headers() */

static inline ngx_int_t
request_headers(ngx_http_request_t *r, const request_options_t *options)
{
    ngx_int_t         rc;
    ngx_uint_t        n;
    ngx_table_elt_t  *h;

    for (n = 0; n < HEADERS; /* void */ ) {
        rc = ngx_http_parse_header_line(r, r->header_in, options->underscores);

        if (rc == NGX_HTTP_PARSE_HEADER_DONE) {
            return NGX_OK;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        if (r->invalid_header && !options->invalid) {
            continue;
        }

        if (request_rewritten(r, REWRITTEN_ARGS, &r->args)
            || request_rewritten(r, REWRITTEN_URI, &r->uri))
        {
            continue;
        }

        h = ngx_list_push(&r->headers_in.headers);
        check(h);

        h->hash = r->header_hash;

        h->key.len = r->header_name_end - r->header_name_start;
        h->key.data = r->header_name_start;
        h->key.data[h->key.len] = '\0';

        h->value.len = r->header_end - r->header_start;
        h->value.data = r->header_start;
        h->value.data[h->value.len] = '\0';

        h->lowcase_key = ngx_pnalloc(r->pool, h->key.len);
        check(h->lowcase_key);
        ngx_strlow(h->lowcase_key, h->key.data, h->key.len);

        if (request_known_header(r, h) != NGX_OK) {
            return NGX_ERROR;
        }

        n++;
    }

    return NGX_ERROR;
}


/* How nginx reads, by a byte of the input. */

static inline request_options_t
options_of(uint8_t bits)
{
    request_options_t  options;

    options.part = (bits & 3) + 1;
    options.merge_slashes = bits >> 2 & 1;
    options.underscores = bits >> 3 & 1;
    options.invalid = bits >> 4 & 1;

    return options;
}


/* NULL where nginx would answer 400 before any module sees the request. */

static inline request_t *
request_of(const uint8_t *data, size_t size, const request_options_t *options)
{
    request_t           *request;
    ngx_http_request_t  *r;

    request = calloc(1, sizeof(request_t));
    check(request);

    /* the end of the headers, if the input has none */

    request->bytes = malloc(size + 4);
    check(request->bytes);

    if (size) {
        memcpy(request->bytes, data, size);
    }

    memcpy(request->bytes + size, "\r\n\r\n", 4);

    request->in.start = request->in.pos = request->bytes;
    request->in.last = request->in.end = request->bytes + size + 4;
    request->connection.log = &log_nowhere;

    request->main_conf[0] = &main_conf;

    r = &request->r;

    r->pool = ngx_create_pool(1024, &log_nowhere);
    check(r->pool);

    r->main = r;
    r->connection = &request->connection;
    r->header_in = &request->in;
    r->ctx = request->ctx;
    r->main_conf = request->main_conf;
    r->srv_conf = request->srv_conf;
    r->loc_conf = request->loc_conf;
    r->variables = &request->tainted;
    r->headers_in.content_length_n = -1;

    check(ngx_list_init(&r->headers_in.headers, r->pool, options->part,
                        sizeof(ngx_table_elt_t))
          == NGX_OK);

#if (nginx_version < 1023000)
    check(ngx_array_init(&r->headers_in.cookies, r->pool, 2,
                         sizeof(ngx_table_elt_t *))
          == NGX_OK);
#endif

    if (ngx_http_parse_request_line(r, r->header_in) != NGX_OK) {
        goto refused;
    }

    r->request_line.len = r->request_end - r->request_start;
    r->request_line.data = r->request_start;
    r->method_name.len = r->method_end - r->request_start + 1;
    r->method_name.data = r->request_line.data;

    if (request_uri(r, options->merge_slashes) != NGX_OK) {
        goto refused;
    }

    request->path = r->uri;

    if (r->http_version >= NGX_HTTP_VERSION_10
        && request_headers(r, options) != NGX_OK)
    {
        goto refused;
    }

    return request;

refused:

    request_free(request);

    return NULL;
}


/* All headers, in their order; the number of them. */

static inline ngx_uint_t
request_list(ngx_list_t *list, ngx_table_elt_t **headers)
{
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    n = 0;

    for (part = &list->part; part; part = part->next) {
        header = part->elts;

        check(part->nelts || part == &list->part);
        check(part->next || part == list->last);

        for (i = 0; i < part->nelts; i++) {
            check(n < 2 * HEADERS);
            headers[n++] = &header[i];
        }
    }

    return n;
}


/* A copy that no later change of the request reaches. */

static inline ngx_str_t
kept(ngx_pool_t *pool, const ngx_str_t *text)
{
    ngx_str_t  copy;

    copy.len = text->len;
    copy.data = ngx_pnalloc(pool, text->len + 1);
    check(copy.data);

    if (text->len) {
        memcpy(copy.data, text->data, text->len);
    }

    return copy;
}


static inline int
same(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len
           && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}


static inline int
same_caseless(const ngx_str_t *a, const char *b)
{
    return a->len == strlen(b)
           && ngx_strncasecmp(a->data, (u_char *) b, a->len) == 0;
}


/*
 * One piece of a query ("&") or a Cookie header (";"), looked at without the
 * module's own code.  Names and values of queries are decoded.
 */

typedef struct {
    ngx_str_t  whole;
    ngx_str_t  name;
    ngx_str_t  value;
    u_char    *start;            /* the value, as it stands there */
    u_char    *end;
} model_piece_t;


static inline int
model_digit(int c)
{
    const char  *p, *digits = "0123456789abcdef";

    p = c ? strchr(digits, ngx_tolower(c)) : NULL;

    return p ? (int) (p - digits) : -1;
}


static inline ngx_str_t
model_decoded(ngx_pool_t *pool, const u_char *p, const u_char *end)
{
    int        k, n, code, digits;
    u_char    *last;
    ngx_str_t  text;

    text.data = ngx_pnalloc(pool, end - p + 1);
    check(text.data);
    last = text.data;

    while (p < end) {
        n = 0;

        if (*p == '%') {
            digits = (p + 1 < end && ngx_tolower(p[1]) == 'u') ? 4 : 2;
            k = digits / 2;
            n = (p + k + digits <= end) ? k + digits : 0;

            for (code = 0; n && k < n; k++) {
                if (model_digit(p[k]) < 0) {
                    n = 0;
                    break;
                }

                code = code << 4 | model_digit(p[k]);
            }
        }

        *last++ = (u_char) (n ? ngx_min(code, 0xff) : *p);
        p += n ? n : 1;
    }

    text.len = last - text.data;

    return text;
}


static inline int
model_blank(int c)
{
    return c == ' ' || c == '\t';
}


/* Takes the piece at *p; *p is NULL behind the last one. */

static inline model_piece_t
model_piece(ngx_pool_t *pool, u_char **p, u_char *last, int separator)
{
    u_char         *start, *end, *equal;
    model_piece_t   piece;

    start = *p;

    for (end = start; end < last && *end != separator; end++) {
        /* void */
    }

    piece.whole.data = start;
    piece.whole.len = end - start;
    *p = (end < last) ? end + 1 : NULL;

    for (equal = start; equal < end && *equal != '='; equal++) {
        /* void */
    }

    piece.start = (equal < end) ? equal + 1 : end;
    piece.end = end;

    if (separator == '&') {
        piece.name = model_decoded(pool, start, equal);
        piece.value = model_decoded(pool, piece.start, piece.end);
        return piece;
    }

    while (start < equal && model_blank(*start)) {
        start++;
    }

    while (start < equal && model_blank(equal[-1])) {
        equal--;
    }

    while (piece.start < piece.end && model_blank(*piece.start)) {
        piece.start++;
    }

    while (piece.start < piece.end && model_blank(piece.end[-1])) {
        piece.end--;
    }

    piece.name.data = start;
    piece.name.len = equal - start;
    piece.value.data = piece.start;
    piece.value.len = piece.end - piece.start;

    return piece;
}


/* The query of a text: behind the first "?", to "#", a blank or the end. */

static inline int
model_query(const ngx_str_t *text, u_char **start, u_char **end)
{
    size_t  i;

    for (i = 0; i < text->len && text->data[i] != '?'; i++) {
        /* void */
    }

    if (i == text->len) {
        return 0;
    }

    *start = text->data + ++i;

    while (i < text->len && text->data[i] != '#' && text->data[i] != ' ') {
        i++;
    }

    *end = text->data + i;

    return 1;
}


/* The sources that a target configures, chosen by bits of the input. */

#define SOURCES  6

static inline ngx_http_api_key_sources_t *
sources_of(ngx_pool_t *pool, unsigned bits)
{
    ngx_uint_t                   i;
    ngx_http_api_key_source_t    source;
    ngx_http_api_key_sources_t  *sources;

    static const struct {
        ngx_http_api_key_source_e  type;
        ngx_str_t                  name;
    } known[SOURCES] = {
        { NGX_HTTP_API_KEY_QUERY, ngx_string("key") },
        { NGX_HTTP_API_KEY_HEADER, ngx_string("X-API-Key") },
        { NGX_HTTP_API_KEY_BEARER, ngx_string("Authorization") },
        { NGX_HTTP_API_KEY_COOKIE, ngx_string("api_Key") },
        { NGX_HTTP_API_KEY_QUERY, ngx_string("X-Key") },
        { NGX_HTTP_API_KEY_COOKIE, ngx_string("k") }
    };

    sources = ngx_http_api_key_sources_create(pool);
    check(sources);

    for (i = 0; i < SOURCES; i++) {

        if (!(bits >> i & 1)) {
            continue;
        }

        source.type = known[i].type;
        source.name = known[i].name;
        source.lowcase.len = known[i].name.len;
        source.lowcase.data = ngx_pnalloc(pool, known[i].name.len);
        check(source.lowcase.data);

        source.hash = ngx_hash_strlow(source.lowcase.data, known[i].name.data,
                                      known[i].name.len);

        if (source.type == NGX_HTTP_API_KEY_COOKIE) {
            source.hash = ngx_hash_key((u_char *) "cookie", 6);
        }

        check(ngx_http_api_key_sources_add(sources, &source) == NGX_OK);
    }

    return sources;
}


/* Whether a piece has the name of a source of that type. */

static inline int
model_chosen(const model_piece_t *piece,
    const ngx_http_api_key_sources_t *sources,
    ngx_http_api_key_source_e type)
{
    ngx_uint_t                  i;
    ngx_http_api_key_source_t  *source;

    source = sources->list.elts;

    for (i = 0; i < sources->list.nelts; i++) {
        if (source[i].type == type && piece->name.len == source[i].name.len
            && ngx_strncasecmp(piece->name.data, source[i].name.data,
                               piece->name.len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* A header's name against a source's, "_" taken for "-" where alike is set. */

static inline int
model_named(const ngx_table_elt_t *header,
    const ngx_http_api_key_source_t *source, int alike)
{
    size_t  i;
    u_char  a, b;

    if (header->key.len != source->name.len) {
        return 0;
    }

    for (i = 0; i < header->key.len; i++) {
        a = ngx_tolower(header->key.data[i]);
        b = ngx_tolower(source->name.data[i]);

        if (a != b && !(alike && a == '_' && b == '-')) {
            return 0;
        }
    }

    return 1;
}


/* The token of a Bearer header; 0 for any other scheme. */

static inline int
model_bearer(const ngx_str_t *value, ngx_str_t *token)
{
    size_t  i;

    if (value->len < 6
        || ngx_strncasecmp(value->data, (u_char *) "bearer", 6) != 0
        || (value->len > 6 && value->data[6] != ' '))
    {
        return 0;
    }

    for (i = 6; i < value->len && value->data[i] == ' '; i++) {
        /* void */
    }

    token->data = value->data + i;
    token->len = value->len - i;

    return 1;
}


#endif /* _REQUEST_H_INCLUDED_ */
