/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards the way of the key: what is found is what stands in the sources, all
 * copies are removed and all else stays byte for byte, and the backend's own
 * key is in the request while a request to a backend is made of it, and at no
 * other time.  The input is three bytes (sources, what the backend gets, how
 * nginx reads headers) and a request.
 *
 *     src/gate/ngx_http_api_key_find.c
 *     src/gate/ngx_http_api_key_headers.c
 *     src/gate/ngx_http_api_key_upstream.c
 *     src/gate/ngx_http_api_key_mask.c
 *     src/gate/ngx_http_api_key_request.c
 */

#include "ngx_http_api_key_find.h"
#include "ngx_http_api_key_upstream.h"

#include "request.h"


#define SECRET   "1-own/own"           /* of the backend */
#define ESCAPED  "1-own%2Fown"


typedef struct {
    ngx_str_t   line;
    ngx_str_t   target;
    ngx_str_t   args;
    ngx_uint_t  n;
    ngx_str_t   keys[2 * HEADERS];
    ngx_str_t   values[2 * HEADERS];
} snapshot_t;


static ngx_http_api_key_request_t  *state;
static snapshot_t                   clean;
static ngx_http_upstream_t          upstream;
static unsigned                     postponed;    /* until the body is read */
static unsigned                     made;         /* requests to the backend */


static void
snapshot(ngx_http_request_t *r, snapshot_t *shot)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *headers[2 * HEADERS];

    shot->line = kept(r->pool, &r->request_line);
    shot->target = kept(r->pool, &r->unparsed_uri);
    shot->args = kept(r->pool, &r->args);
    shot->n = request_list(&r->headers_in.headers, headers);

    for (i = 0; i < shot->n; i++) {
        shot->keys[i] = kept(r->pool, &headers[i]->key);
        shot->values[i] = kept(r->pool, &headers[i]->value);
    }
}


static void
unchanged(ngx_http_request_t *r, const snapshot_t *before)
{
    ngx_uint_t  i;

    static snapshot_t  after;

    snapshot(r, &after);

    check(same(&after.line, &before->line));
    check(same(&after.target, &before->target));
    check(same(&after.args, &before->args));
    check(after.n == before->n);

    for (i = 0; i < after.n; i++) {
        check(same(&after.keys[i], &before->keys[i]));
        check(same(&after.values[i], &before->values[i]));
    }
}


/* What is found */

typedef struct {
    ngx_str_t   first;           /* data NULL: nothing yet */
    ngx_uint_t  n;               /* in this source */
    int         ambiguous;
    int         known;           /* the key is one of the values */
} model_t;


static void
model_value(model_t *model, const ngx_str_t *value)
{
    model->ambiguous |= model->n++ > 0;
    model->ambiguous |= model->first.data && !same(&model->first, value);
    model->known |= state->key.data && same(&state->key, value);

    if (model->first.data == NULL) {
        model->first = *value;
    }
}


static void
model_values(ngx_pool_t *pool, model_t *model, ngx_http_api_key_source_t *one,
    u_char *start, u_char *end, int separator)
{
    model_piece_t               piece;
    ngx_http_api_key_sources_t  sources = { .list = { one, 1 } };

    while (start) {
        piece = model_piece(pool, &start, end, separator);

        if (piece.start < piece.end && model_chosen(&piece, &sources,
                                                    one->type))
        {
            model_value(model, &piece.value);
        }
    }
}


static void
found(ngx_http_request_t *r, ngx_http_api_key_sources_t *from)
{
    u_char                     *start, *end;
    model_t                     model;
    ngx_str_t                   token;
    ngx_uint_t                  i, k, n;
    ngx_table_elt_t            *headers[2 * HEADERS];
    ngx_http_api_key_source_t  *source;

    memset(&model, 0, sizeof(model));
    source = from->list.elts;
    n = request_list(&r->headers_in.headers, headers);

    for (i = 0; i < from->list.nelts; i++) {
        model.n = 0;

        for (k = 0; k < n; k++) {
            if (source[i].type == NGX_HTTP_API_KEY_HEADER
                && model_named(headers[k], &source[i], 0)
                && headers[k]->value.len)
            {
                model_value(&model, &headers[k]->value);
            }

            if (source[i].type == NGX_HTTP_API_KEY_BEARER
                && model_named(headers[k], &source[i], 0)
                && model_bearer(&headers[k]->value, &token))
            {
                model_value(&model, &token);
            }

            if (source[i].type == NGX_HTTP_API_KEY_COOKIE
                && same_caseless(&headers[k]->key, "cookie"))
            {
                start = headers[k]->value.data;
                model_values(r->pool, &model, &source[i], start,
                             start + headers[k]->value.len, ';');
            }
        }

        if (source[i].type != NGX_HTTP_API_KEY_QUERY) {
            continue;
        }

        if (model_query(&r->unparsed_uri, &start, &end)) {
            model_values(r->pool, &model, &source[i], start, end, '&');
        }

        if (r->args.len) {
            model.n = 0;
            start = r->args.data;
            model_values(r->pool, &model, &source[i], start,
                         start + r->args.len, '&');
        }
    }

    check((state->key.data != NULL) == (model.first.data != NULL));
    check((state->source != NULL) == (model.first.data != NULL));
    check(state->key.data == NULL || model.known);
    check(state->ambiguous == model.ambiguous);
}


/* What is left */

/*
 * A text without the chosen pieces, or with own in place of the first one;
 * removed may not be zero then.
 */

static ngx_str_t
without(ngx_pool_t *pool, const ngx_str_t *text, u_char *start, u_char *end,
    int separator, ngx_http_api_key_sources_t *sources, const char *own,
    int *removed)
{
    int                        n, all;
    u_char                    *p, *last;
    ngx_str_t                  left;
    model_piece_t              piece;
    ngx_http_api_key_source_e  type;

    type = (separator == ';') ? NGX_HTTP_API_KEY_COOKIE
                              : NGX_HTTP_API_KEY_QUERY;

    left.data = ngx_pnalloc(pool, text->len + (own ? strlen(own) : 0) + 1);
    check(left.data);
    last = ngx_cpymem(left.data, text->data, start - text->data);

    *removed = 0;
    all = 1;
    n = 0;

    for (p = start; p; /* void */ ) {
        piece = model_piece(pool, &p, end, separator);

        if (model_chosen(&piece, sources, type)) {
            if (own == NULL || (*removed)++) {
                *removed += own == NULL;
                continue;
            }

            piece.whole.data = (u_char *) own;
            piece.whole.len = strlen(own);
        }

        if (n++) {
            *last++ = (u_char) separator;

        } else if (separator == ';') {
            while (piece.whole.len && model_blank(*piece.whole.data)) {
                piece.whole.data++;
                piece.whole.len--;
            }
        }

        all &= piece.whole.len == 0 && n == 1;
        last = ngx_cpymem(last, piece.whole.data, piece.whole.len);
    }

    if (*removed == 0) {
        return *text;
    }

    /* nothing is left: its "?" goes as well, if that makes no other query */

    if (all && start > text->data
        && memchr(end, '?', text->data + text->len - end) == NULL)
    {
        last--;
    }

    last = ngx_cpymem(last, end, text->data + text->len - end);
    left.len = last - left.data;

    return left;
}


static ngx_str_t
without_query(ngx_pool_t *pool, const ngx_str_t *text,
    ngx_http_api_key_sources_t *sources)
{
    int      removed;
    u_char  *start, *end;

    return model_query(text, &start, &end)
           ? without(pool, text, start, end, '&', sources, NULL, &removed)
           : *text;
}


static void
stripped(ngx_http_request_t *r, const snapshot_t *before,
    ngx_http_api_key_sources_t *remove)
{
    int                         gone, removed;
    ngx_str_t                   token, expected;
    ngx_uint_t                  i, k;
    ngx_table_elt_t             header;
    ngx_http_api_key_source_t  *source;

    static snapshot_t  after;

    snapshot(r, &after);
    source = remove->list.elts;

    for (i = 0, k = 0; i < before->n; i++) {
        expected = before->values[i];
        header.key = before->keys[i];
        gone = 0;

        for (ngx_uint_t n = 0; n < remove->list.nelts; n++) {
            gone |= source[n].type == NGX_HTTP_API_KEY_HEADER
                    && model_named(&header, &source[n], 1);
            gone |= source[n].type == NGX_HTTP_API_KEY_BEARER
                    && model_named(&header, &source[n], 0)
                    && model_bearer(&expected, &token);
        }

        if (same_caseless(&header.key, "cookie") && expected.len) {
            expected = without(r->pool, &expected, expected.data,
                               expected.data + expected.len, ';', remove,
                               NULL, &removed);
            gone |= removed && expected.len == 0;
        }

        if (gone) {
            continue;
        }

        check(k < after.n);
        check(same(&after.keys[k], &before->keys[i]));
        check(same(&after.values[k], &expected));
        k++;
    }

    check(k == after.n);

    expected = without_query(r->pool, &before->target, remove);
    check(same(&after.target, &expected));

    expected = before->args;

    if (expected.len) {
        expected = without(r->pool, &expected, expected.data,
                           expected.data + expected.len, '&', remove, NULL,
                           &removed);
    }

    check(same(&after.args, &expected));
}


/* nginx's own pointers to headers lead to those that are still there */

static void
linked(ngx_http_request_t *r)
{
    ngx_uint_t         i, n, cookies;
    ngx_table_elt_t   *headers[2 * HEADERS], *authorization, *cookie;

    n = request_list(&r->headers_in.headers, headers);
    authorization = NULL;
    cookies = 0;

#if (nginx_version >= 1023000)
    cookie = r->headers_in.cookie;
#endif

    for (i = 0; i < n; i++) {

        if (same_caseless(&headers[i]->key, "authorization")) {
            authorization = headers[i];
        }

        if (same_caseless(&headers[i]->key, "cookie")) {

#if (nginx_version >= 1023000)
            check(cookie == headers[i]);
            cookie = cookie->next;
#else
            check(cookies < r->headers_in.cookies.nelts);
            cookie = ((ngx_table_elt_t **) r->headers_in.cookies.elts)[cookies];
            check(cookie == headers[i]);
#endif

            cookies++;
        }
    }

    check(r->headers_in.authorization == authorization);

#if (nginx_version >= 1023000)
    check(cookie == NULL);
#else
    check(r->headers_in.cookies.nelts == cookies);
#endif
}


/* The backend's own key */

static ngx_uint_t
occurrences(const ngx_str_t *text, const char *what)
{
    size_t      i, len;
    ngx_uint_t  n;

    len = strlen(what);

    for (i = 0, n = 0; i + len <= text->len; i++) {
        n += memcmp(text->data + i, what, len) == 0;
    }

    return n;
}


/* The content handler, or what it has left for later: a request is made. */

static ngx_int_t
make(ngx_http_request_t *r)
{
    ngx_uint_t                    i, n, more;
    ngx_table_elt_t              *headers[2 * HEADERS];
    ngx_http_api_key_source_t    *place;
    ngx_http_api_key_loc_conf_t  *alcf;

    made++;

    alcf = r->loc_conf[0];
    place = alcf->upstream->as ? alcf->upstream->as : state->source;

    n = request_list(&r->headers_in.headers, headers);

    if (place == NULL) {
        unchanged(r, &clean);
        return NGX_OK;
    }

    if (place->type == NGX_HTTP_API_KEY_QUERY) {
        check(n == clean.n);
        check(occurrences(&r->args, ESCAPED)
              == occurrences(&clean.args, ESCAPED) + 1);
        check(occurrences(&r->unparsed_uri, ESCAPED)
              == occurrences(&clean.target, ESCAPED) + 1);

        return NGX_OK;
    }

    check(same(&r->args, &clean.args));
    check(same(&r->unparsed_uri, &clean.target));
    check(n == clean.n + 1);

    for (i = 0, more = 0; i < n; i++) {

        if (more == 0 && (i == clean.n
                          || !same(&headers[i]->key, &clean.keys[i])
                          || !same(&headers[i]->value, &clean.values[i])))
        {
            check(occurrences(&headers[i]->value, SECRET) == 1);
            more = 1;
            continue;
        }

        check(same(&headers[i]->key, &clean.keys[i - more]));
        check(same(&headers[i]->value, &clean.values[i - more]));
    }

    return NGX_OK;
}


static ngx_int_t
content(ngx_http_request_t *r)
{
    if (postponed) {
        r->upstream = &upstream;
        upstream.create_request = make;
        return NGX_DONE;
    }

    return make(r);
}


static void
replaced(ngx_http_request_t *r, ngx_http_api_key_loc_conf_t *alcf)
{
    snapshot(r, &clean);

    r->content_handler = content;
    check(ngx_http_api_key_upstream_replace(r, alcf, state) == NGX_OK);
    check((r->content_handler != content)
          == (alcf->upstream->mode == NGX_HTTP_API_KEY_REPLACE));

    if (r->content_handler == content) {
        unchanged(r, &clean);
        return;
    }

    made = 0;
    (void) r->content_handler(r);
    unchanged(r, &clean);

    if (postponed) {
        check(made == 0);
        check(r->upstream->create_request(r) == NGX_OK);
        unchanged(r, &clean);
    }

    check(made == 1);

    ngx_http_api_key_upstream_leave(r);
    unchanged(r, &clean);
    linked(r);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    request_t                    *request;
    request_options_t             options;
    ngx_http_request_t           *r;
    ngx_http_api_key_request_t    again;
    ngx_http_api_key_sources_t   *as;
    ngx_http_api_key_loc_conf_t   alcf;
    ngx_http_api_key_upstream_t   own;

    static snapshot_t  before;

    if (size < 3) {
        return 0;
    }

    options = options_of(data[2]);

    request = request_of(data + 3, size - 3, &options);

    if (request == NULL) {
        return 0;
    }

    r = &request->r;

    memset(&alcf, 0, sizeof(alcf));
    memset(&own, 0, sizeof(own));

    alcf.from = sources_of(r->pool, data[0]);
    alcf.remove = alcf.from;
    alcf.upstream = &own;

    own.mode = data[1] & 3;

    if (own.mode > NGX_HTTP_API_KEY_REPLACE) {
        own.mode = NGX_HTTP_API_KEY_REPLACE;
        as = sources_of(r->pool, data[1] & 8 ? 2 : 1);
        own.as = as->list.elts;

        /* what the client sends under that name goes as well */

        alcf.remove = sources_of(r->pool, data[0] | (data[1] & 8 ? 2 : 1));
    }

    postponed = data[1] >> 2 & 1;

    ngx_str_set(&own.secret, SECRET);
    check(ngx_http_api_key_upstream_escape(r->pool, &own) == NGX_OK);
    check(own.escaped.len == sizeof(ESCAPED) - 1);
    check(memcmp(own.escaped.data, ESCAPED, own.escaped.len) == 0);

    request->loc_conf[0] = &alcf;

    state = ngx_http_api_key_request(r);
    check(state && ngx_http_api_key_request_find(r) == state);

    snapshot(r, &before);

    check(ngx_http_api_key_find(r, alcf.from, state) == NGX_OK);
    unchanged(r, &before);
    found(r, alcf.from);

    request->tainted.valid = 1;
    check(ngx_http_api_key_upstream_strip(r, &alcf, state) == NGX_OK);
    linked(r);

    if (own.mode == NGX_HTTP_API_KEY_PASS) {
        unchanged(r, &before);

    } else {
        stripped(r, &before, alcf.remove);

        memset(&again, 0, sizeof(again));
        check(ngx_http_api_key_find(r, alcf.remove, &again) == NGX_OK);
        check(again.key.data == NULL);

        check(!request->tainted.valid
              || (same(&r->unparsed_uri, &before.target)
                  && same(&r->args, &before.args)));
    }

    replaced(r, &alcf);

    request_free(request);

    return 0;
}
