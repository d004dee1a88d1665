/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Is this request a clear operation?  In doubt it is.
 */

#include "ngx_http_api_key_clear.h"
#include "ngx_http_api_key_find.h"
#include "ngx_http_api_key_request.h"


static ngx_uint_t ngx_http_api_key_clear_method(ngx_http_request_t *r,
    ngx_str_t *name);
static ngx_uint_t ngx_http_api_key_clear_header(ngx_http_request_t *r,
    api_key_str_t *method);
static ngx_uint_t ngx_http_api_key_clear_query(ngx_http_request_t *r,
    api_key_str_t *query, api_key_str_t *method);
static ngx_uint_t ngx_http_api_key_clear_path(ngx_http_request_t *r,
    ngx_http_api_key_clear_t *rule, ngx_str_t *method);
#if (NGX_PCRE)
static ngx_uint_t ngx_http_api_key_clear_first(ngx_http_request_t *r,
    ngx_http_api_key_clear_t *rule);
#endif
static ngx_uint_t ngx_http_api_key_clear_body(ngx_http_request_t *r,
    ngx_str_t *method);


/* headers by which a client may ask a backend to see another method */

static ngx_http_api_key_source_t  ngx_http_api_key_overrides[] = {
    { NGX_HTTP_API_KEY_HEADER, ngx_null_string,
      ngx_string("x-http-method-override"), 0 },
    { NGX_HTTP_API_KEY_HEADER, ngx_null_string,
      ngx_string("x-http-method"), 0 },
    { NGX_HTTP_API_KEY_HEADER, ngx_null_string,
      ngx_string("x-method-override"), 0 },
    { NGX_HTTP_API_KEY_HEADER, ngx_null_string, ngx_null_string, 0 }
};


ngx_uint_t
ngx_http_api_key_clear_matches(ngx_array_t *rules)
{
#if (NGX_PCRE)

    ngx_uint_t                 i;
    ngx_http_api_key_clear_t  *rule;

    rule = rules ? rules->elts : NULL;

    for (i = 0; rules && i < rules->nelts; i++) {
        if (rule[i].match) {
            return 1;
        }
    }

#endif

    return 0;
}


ngx_int_t
ngx_http_api_key_clear_handler(ngx_http_request_t *r)
{
    ngx_http_api_key_request_t   *state;
    ngx_http_api_key_srv_conf_t  *ascf;

    ascf = ngx_http_get_module_srv_conf(r, ngx_http_api_key_module);

    if (!ascf->match) {
        return NGX_DECLINED;
    }

    state = ngx_http_api_key_request(r);
    if (state == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    state->path = r->uri;

    return NGX_DECLINED;
}


ngx_uint_t
ngx_http_api_key_is_clear(ngx_http_request_t *r, ngx_array_t *rules)
{
    ngx_str_t                 *method;
    ngx_uint_t                 i, n;
    ngx_http_api_key_clear_t  *rule;

    rule = rules->elts;

    for (i = 0; i < rules->nelts; i++) {
        method = rule[i].methods->elts;

        for (n = 0; n < rule[i].methods->nelts; n++) {

            if (ngx_http_api_key_clear_method(r, &method[n])
                && ngx_http_api_key_clear_path(r, &rule[i], &method[n]))
            {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_api_key_clear_method(ngx_http_request_t *r, ngx_str_t *name)
{
    u_char         *p, *end;
    api_key_str_t   method, sent, query, args, rest;

    method.data = name->data;
    method.len = name->len;

    sent.data = r->method_name.data;
    sent.len = r->method_name.len;

    if (api_key_str_equal(&method, &sent)
        || ngx_http_api_key_clear_header(r, &method))
    {
        return 1;
    }

    ngx_http_api_key_query(&r->unparsed_uri, &query);

    args.data = r->args.data;
    args.len = r->args.len;

    /* what is sent on has the "#", and a backend may read on behind it */

    end = r->unparsed_uri.data + r->unparsed_uri.len;

    for (p = r->unparsed_uri.data; p < end && *p != '?' && *p != '#'; p++) {
        /* void */
    }

    if (p < end) {
        p++;
    }

    rest.data = p;
    rest.len = end - p;

    return ngx_http_api_key_clear_query(r, &query, &method)
           || ngx_http_api_key_clear_query(r, &args, &method)
           || ngx_http_api_key_clear_query(r, &rest, &method);
}


static ngx_uint_t
ngx_http_api_key_clear_header(ngx_http_request_t *r, api_key_str_t *method)
{
    ngx_uint_t        i, n;
    api_key_str_t     value;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            for (n = 0; ngx_http_api_key_overrides[n].lowcase.len; n++) {

                value.data = header[i].value.data;
                value.len = header[i].value.len;

                if (ngx_http_api_key_header_like(&header[i],
                                             &ngx_http_api_key_overrides[n])
                    && api_key_method_in(&value, method))
                {
                    return 1;
                }
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_api_key_clear_query(ngx_http_request_t *r, api_key_str_t *query,
    api_key_str_t *method)
{
    u_char           *p;
    api_key_str_t     rest, value;
    api_key_piece_t   piece;

    static api_key_str_t  name = api_key_string("_method");

    if (query->len == 0) {
        /* behind try_files, data is not even written */
        return 0;
    }

    rest = *query;

    while (api_key_piece_next(&rest, API_KEY_QUERY, &piece)) {

        if (!api_key_piece_named(&piece, API_KEY_QUERY, &name)) {
            continue;
        }

        p = ngx_pnalloc(r->pool, piece.value.len + 1);
        if (p == NULL) {
            return 1;
        }

        value.data = p;
        value.len = api_key_query_decode(p, &piece.value);

        if (api_key_method_in(&value, method)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_api_key_clear_path(ngx_http_request_t *r,
    ngx_http_api_key_clear_t *rule, ngx_str_t *method)
{
#if (NGX_PCRE)

    u_char      *p;
    ngx_str_t    raw;
    ngx_int_t    by_raw, by_uri;

    raw = r->unparsed_uri;

    p = ngx_strlchr(raw.data, raw.data + raw.len, '?');

    if (p) {
        raw.len = p - raw.data;
    }

    if (rule->match) {
        by_raw = ngx_regex_exec(rule->match, &raw, NULL, 0);
        by_uri = ngx_regex_exec(rule->match, &r->uri, NULL, 0);

        if (by_raw == NGX_REGEX_NO_MATCHED && by_uri == NGX_REGEX_NO_MATCHED
            && !ngx_http_api_key_clear_first(r, rule))
        {
            return 0;
        }
    }

    if (rule->unless) {
        by_raw = ngx_regex_exec(rule->unless, &raw, NULL, 0);
        by_uri = ngx_regex_exec(rule->unless, &r->uri, NULL, 0);

        /* below NGX_REGEX_NO_MATCHED are errors, such as a match limit */

        if (by_raw >= 0 && by_uri >= 0
            && !ngx_http_api_key_clear_body(r, method))
        {
            return 0;
        }
    }

#endif

    return 1;
}


#if (NGX_PCRE)

/*
 * A rewrite takes all spellings of a path for one, so a rule that matches one
 * of them must match them all, whatever the rewrite has made of it.
 */

static ngx_uint_t
ngx_http_api_key_clear_first(ngx_http_request_t *r,
    ngx_http_api_key_clear_t *rule)
{
    ngx_http_api_key_request_t  *state;

    state = ngx_http_get_module_ctx(r, ngx_http_api_key_module);

    return state->path.data != r->uri.data
           && ngx_regex_exec(rule->match, &state->path, NULL, 0)
              != NGX_REGEX_NO_MATCHED;
}

#endif


/*
 * A path says what a DELETE deletes as long as there is nothing else to say
 * it: ASP.NET MVC, for one, takes an id from a form before the path's.
 */

static ngx_uint_t
ngx_http_api_key_clear_body(ngx_http_request_t *r, ngx_str_t *method)
{
    return (r->headers_in.content_length_n > 0 || r->headers_in.chunked)
           && method->len == sizeof("DELETE") - 1
           && ngx_strncasecmp(method->data, (u_char *) "DELETE", method->len)
              == 0;
}
