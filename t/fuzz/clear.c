/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards the grammar of clear operations: with the rule of
 * conf-examples/hotcakes.conf, or with those of README.md, a request is one
 * exactly when the model here says so, and no other spelling of a path that is
 * refused gets through.  The paths are what nginx's own parsers make of the
 * input, which is three bytes (rules, how nginx reads, a place in the path) and
 * a request.
 *
 *     src/gate/ngx_http_api_key_clear.c
 *     src/gate/ngx_http_api_key_find.c
 *     src/gate/ngx_http_api_key_request.c
 */

#include "ngx_http_api_key_clear.h"
#include "ngx_http_api_key_find.h"

#include "request.h"


#define CONF  ROOT "/conf-examples/hotcakes.conf"


static ngx_str_t                 delete = ngx_string("DELETE");
static ngx_str_t                 post = ngx_string("POST");
static ngx_array_t               deletes = { .elts = &delete, .nelts = 1 };
static ngx_array_t               posts = { .elts = &post, .nelts = 1 };

static ngx_http_api_key_clear_t  hotcakes[1], readme[2];
static ngx_array_t               rules_hotcakes = { hotcakes, 1 };
static ngx_array_t               rules_readme = { readme, 2 };


static ngx_regex_t *
regex(ngx_pool_t *pool, const char *text, size_t len)
{
    u_char               err[NGX_MAX_CONF_ERRSTR];
    ngx_regex_compile_t  rc;

    memset(&rc, 0, sizeof(rc));

    rc.pattern.data = ngx_pnalloc(pool, len + 1);
    check(rc.pattern.data);
    *ngx_cpymem(rc.pattern.data, text, len) = '\0';
    rc.pattern.len = len;

    rc.pool = pool;
    rc.options = NGX_REGEX_CASELESS;
    rc.err.data = err;
    rc.err.len = sizeof(err);

    check(ngx_regex_compile(&rc) == NGX_OK);

    return rc.regex;
}


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char   text[16384], *start, *end;
    FILE  *file;

    static ngx_pool_t  *pool;
    static const char  unless[] = "^/[a-z]+/[0-9A-Za-z-]{1,64}$";
    static const char  match[] = "^/(truncate|reset)/?$";

    file = fopen(CONF, "r");
    check(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);

    start = strstr(text, "api_key_clear DELETE\n");
    check(start);
    start = strstr(start, "\"unless=");
    check(start);
    start += sizeof("\"unless=") - 1;
    end = strstr(start, "\";\n");
    check(end && memchr(start, '\n', end - start) == NULL);

    pool = ngx_create_pool(1024, &log_nowhere);
    check(pool);

    hotcakes[0].methods = &deletes;
    hotcakes[0].unless = regex(pool, start, end - start);

    readme[0].methods = &deletes;
    readme[0].unless = regex(pool, unless, sizeof(unless) - 1);
    readme[1].methods = &posts;
    readme[1].match = regex(pool, match, sizeof(match) - 1);

    return 0;
}


/* Plain C for the regexes; "$" in them also stands before a last "\n". */

static size_t
letters(const u_char *p, const u_char *end)
{
    const u_char  *start = p;

    while (p < end && ngx_tolower(*p) >= 'a' && ngx_tolower(*p) <= 'z') {
        p++;
    }

    return p - start;
}


static size_t
id(const u_char *p, const u_char *end)
{
    const u_char  *start = p;

    while (p < end && (letters(p, p + 1) || (*p >= '0' && *p <= '9')
                       || *p == '-'))
    {
        p++;
    }

    return (p - start > 64) ? 0 : p - start;
}


static int
at_end(const u_char *p, const u_char *end)
{
    return p == end || (p + 1 == end && *p == '\n');
}


static int
single_hotcakes(const ngx_str_t *path)
{
    size_t         n;
    const u_char  *p, *end;

    static const char  base[] = "/DesktopModules/Hotcakes/API/rest/v";

    p = path->data;
    end = p + path->len;

    if (path->len < sizeof(base) - 1
        || ngx_strncasecmp(path->data, (u_char *) base, sizeof(base) - 1) != 0)
    {
        return 0;
    }

    p += sizeof(base) - 1;

    for (n = 0; p < end && *p >= '0' && *p <= '9'; n++) {
        p++;
    }

    if (n == 0 || p == end || *p++ != '/' || (n = letters(p, end)) == 0) {
        return 0;
    }

    p += n;

    for (n = 0; end - p > 1 && *p == '/' && id(p + 1, end); n++) {
        p += 1 + id(p + 1, end);
    }

    if (n && p < end && *p == '/') {
        p++;
    }

    return n && at_end(p, end);
}


static int
single_readme(const ngx_str_t *path)
{
    size_t         n;
    const u_char  *p, *end;

    p = path->data;
    end = p + path->len;

    if (p == end || *p++ != '/' || (n = letters(p, end)) == 0) {
        return 0;
    }

    p += n;

    if (p == end || *p++ != '/' || (n = id(p, end)) == 0) {
        return 0;
    }

    return at_end(p + n, end);
}


static int
clear_readme(const ngx_str_t *path)
{
    const u_char  *p, *end;

    p = path->data;
    end = p + path->len;

    if (path->len >= 9
        && ngx_strncasecmp(path->data, (u_char *) "/truncate", 9) == 0)
    {
        p += 9;

    } else if (path->len >= 6
               && ngx_strncasecmp(path->data, (u_char *) "/reset", 6) == 0)
    {
        p += 6;

    } else {
        return 0;
    }

    if (p < end && *p == '/') {
        p++;
    }

    return at_end(p, end);
}


/* Whether a request names a method, by any of the ways known. */

static int
word(const ngx_str_t *text, const ngx_str_t *method)
{
    size_t      i, start;

    static const char  other[] = "!#$%&'*+-.^_`|~0123456789";

    for (i = 0, start = 0; i <= text->len; i++) {

        if (i < text->len && (letters(&text->data[i], &text->data[i] + 1)
                              || memchr(other, text->data[i],
                                        sizeof(other) - 1)))
        {
            continue;
        }

        if (i - start == method->len
            && ngx_strncasecmp(&text->data[start], method->data, method->len)
               == 0)
        {
            return 1;
        }

        start = i + 1;
    }

    return 0;
}


static int
in_query(ngx_pool_t *pool, u_char *p, u_char *end, const ngx_str_t *method)
{
    model_piece_t  piece;

    while (p) {
        piece = model_piece(pool, &p, end, '&');

        if (same_caseless(&piece.name, "_method") && word(&piece.value, method))
        {
            return 1;
        }
    }

    return 0;
}


static int
named(ngx_http_request_t *r, const ngx_str_t *method)
{
    size_t            i;
    u_char           *p, *end;
    ngx_uint_t        k, n;
    ngx_table_elt_t  *headers[2 * HEADERS];

    static const ngx_http_api_key_source_t  overrides[] = {
        { .name = ngx_string("X-HTTP-Method-Override") },
        { .name = ngx_string("X-HTTP-Method") },
        { .name = ngx_string("X-Method-Override") }
    };

    if (same(&r->method_name, method)) {
        return 1;
    }

    n = request_list(&r->headers_in.headers, headers);

    for (i = 0; i < n; i++) {
        for (k = 0; k < 3; k++) {
            if (model_named(headers[i], &overrides[k], 1)
                && word(&headers[i]->value, method))
            {
                return 1;
            }
        }
    }

    if (r->args.len && in_query(r->pool, r->args.data,
                                r->args.data + r->args.len, method))
    {
        return 1;
    }

    if (model_query(&r->unparsed_uri, &p, &end)
        && in_query(r->pool, p, end, method))
    {
        return 1;
    }

    /* all behind the first "?" or "#", whatever follows */

    end = r->unparsed_uri.data + r->unparsed_uri.len;

    for (p = r->unparsed_uri.data; p < end && *p != '?' && *p != '#'; p++) {
        /* void */
    }

    return in_query(r->pool, p < end ? p + 1 : end, end, method);
}


static ngx_str_t
raw_path(ngx_http_request_t *r)
{
    size_t     i;
    ngx_str_t  raw;

    raw = r->unparsed_uri;

    for (i = 0; i < raw.len && raw.data[i] != '?'; i++) {
        /* void */
    }

    raw.len = i;

    return raw;
}


static ngx_uint_t
model(ngx_http_request_t *r, ngx_array_t *rules, ngx_str_t *path)
{
    int        body;
    ngx_str_t  raw;

    raw = raw_path(r);
    body = r->headers_in.content_length_n > 0 || r->headers_in.chunked;

    if (rules == &rules_hotcakes) {
        return named(r, &delete)
               && (body || !single_hotcakes(&raw) || !single_hotcakes(&r->uri));
    }

    return (named(r, &delete)
            && (body || !single_readme(&raw) || !single_readme(&r->uri)))
           || (named(r, &post)
               && (clear_readme(&raw) || clear_readme(&r->uri)
                   || clear_readme(path)));
}


static ngx_uint_t
refused(const uint8_t *data, size_t size, const request_options_t *options,
    ngx_array_t *rules, ngx_str_t *path)
{
    request_t           *request;
    ngx_str_t            uri;
    ngx_uint_t           clear;
    ngx_http_request_t  *r;

    static ngx_http_api_key_srv_conf_t  ascf;

    request = request_of(data, size, options);

    if (request == NULL) {
        return 1;
    }

    r = &request->r;
    uri = r->uri;

    ascf.match = ngx_http_api_key_clear_matches(rules);
    request->srv_conf[0] = &ascf;

    /* a rewrite comes later */

    r->uri = request->path;
    check(ngx_http_api_key_clear_handler(r) == NGX_DECLINED);
    r->uri = uri;

    clear = ngx_http_api_key_is_clear(r, rules);
    check(clear == model(r, rules, &request->path));

    if (path) {
        *path = raw_path(r);

        /* from here on: where in the input it stands */

        path->data = (u_char *) (data + (path->data - request->bytes));
    }

    request_free(request);

    return clear;
}


/* The same path in other spellings: a letter's case, a byte escaped. */

static void
respelled(const uint8_t *data, size_t size, const request_options_t *options,
    ngx_array_t *rules, const ngx_str_t *path, size_t where)
{
    u_char    *other;
    size_t     at;
    uint8_t    c;

    at = (path->data - data) + where % path->len;
    c = data[at];

    if (!id(&c, &c + 1) && c != '.' && c != '_' && c != '~') {
        return;
    }

    other = copy_of(data, size);

    if (letters(&c, &c + 1)) {
        other[at] ^= 0x20;
        check(refused(other, size, options, rules, NULL));
    }

    free(other);

    /* a digit of an escape is none by itself */

    if ((where % path->len >= 1 && data[at - 1] == '%')
        || (where % path->len >= 2 && data[at - 2] == '%'))
    {
        return;
    }

    /* the byte may be the last one: room for a NUL behind it */

    other = malloc(size + 3);
    check(other);

    memcpy(other, data, at);
    snprintf((char *) other + at, 4, "%%%02x", c);
    memcpy(other + at + 3, data + at + 1, size - at - 1);

    check(refused(other, size + 2, options, rules, NULL));

    free(other);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t              where;
    ngx_str_t           path;
    ngx_array_t        *rules;
    request_options_t   options;

    if (size < 3) {
        return 0;
    }

    rules = (data[0] & 1) ? &rules_hotcakes : &rules_readme;
    where = data[2];

    options = options_of(data[1]);

    data += 3;
    size -= 3;
    ngx_str_null(&path);

    if (refused(data, size, &options, rules, &path) && path.len) {
        respelled(data, size, &options, rules, &path, where);
    }

    return 0;
}
