/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Takes headers, and single cookies, out of a request, for whatever comes
 * behind the gate.
 */

#include "ngx_http_api_key_headers.h"


static ngx_int_t ngx_http_api_key_headers_one(ngx_http_request_t *r,
    ngx_table_elt_t *header, ngx_http_api_key_sources_t *sources,
    ngx_uint_t *changed);
static ngx_int_t ngx_http_api_key_headers_cookie(ngx_http_request_t *r,
    ngx_table_elt_t *header, ngx_http_api_key_sources_t *sources);
static void ngx_http_api_key_headers_unlink(ngx_http_request_t *r,
    ngx_table_elt_t *header);


ngx_int_t
ngx_http_api_key_headers_strip(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *sources)
{
    ngx_int_t         rc;
    ngx_uint_t        i, changed;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    changed = 0;

    part = &r->headers_in.headers.part;
    header = part->elts;

    for (i = 0; /* void */ ; i++) {

        while (i >= part->nelts) {
            if (part->next == NULL) {
                goto done;
            }

            part = part->next;
            header = part->elts;
            i = 0;
        }

        if (!ngx_http_api_key_may_hold(sources, &header[i])) {
            continue;
        }

        rc = ngx_http_api_key_headers_one(r, &header[i], sources, &changed);
        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            changed = 1;

            /* what comes next has the same number, here or in a next part */

            ngx_http_api_key_headers_remove(r, part, i--);
            header = part->elts;
        }
    }

done:

    if (changed) {
        ngx_http_api_key_request_changed(r);
    }

    return NGX_OK;
}


/* NGX_OK: this header is to go; NGX_DECLINED: it stays. */

static ngx_int_t
ngx_http_api_key_headers_one(ngx_http_request_t *r,
    ngx_table_elt_t *header, ngx_http_api_key_sources_t *sources,
    ngx_uint_t *changed)
{
    ngx_int_t                   rc;
    ngx_uint_t                  n;
    ngx_http_api_key_source_t  *source;

    source = sources->list.elts;

    for (n = 0; n < sources->list.nelts; n++) {

        if (ngx_http_api_key_header_holds(header, &source[n])) {
            return NGX_OK;
        }

        if (source[n].type == NGX_HTTP_API_KEY_COOKIE) {
            *changed = 1;
            rc = ngx_http_api_key_headers_cookie(r, header, sources);

            if (rc != NGX_DECLINED) {
                return rc;
            }
        }
    }

    return NGX_DECLINED;
}


/* NGX_OK: nothing is left of this header; NGX_DECLINED: it stays. */

static ngx_int_t
ngx_http_api_key_headers_cookie(ngx_http_request_t *r,
    ngx_table_elt_t *header, ngx_http_api_key_sources_t *sources)
{
    u_char         *p;
    size_t          removed;
    api_key_str_t   text;

    if (header->key.len != 6
        || ngx_strncmp(header->lowcase_key, "cookie", 6) != 0
        || header->value.len == 0)
    {
        return NGX_DECLINED;
    }

    text.data = header->value.data;
    text.len = header->value.len;

    p = ngx_pnalloc(r->pool, text.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text.len = api_key_list_without(p, &text, API_KEY_COOKIE,
                                    ngx_http_api_key_cookie_chosen, sources,
                                    NULL, &removed);
    if (removed == 0) {
        return NGX_DECLINED;
    }

    if (text.len == 0) {
        return NGX_OK;
    }

    p[text.len] = '\0';
    header->value.data = p;
    header->value.len = text.len;

    return NGX_DECLINED;
}


/*
 * Other modules keep pointers to elements, so none is moved, and no part but
 * the first may be left empty: nginx reads the first element of a next part
 * unasked.
 */

void
ngx_http_api_key_headers_remove(ngx_http_request_t *r, ngx_list_part_t *part,
    ngx_uint_t i)
{
    ngx_list_t       *list;
    ngx_table_elt_t  *header;
    ngx_list_part_t  *prev, *rest;

    list = &r->headers_in.headers;
    header = part->elts;

    ngx_http_api_key_headers_unlink(r, &header[i]);

    if (part->nelts == 1) {

        if (part != &list->part) {
            for (prev = &list->part; prev->next != part; prev = prev->next) {
                /* void */
            }

            prev->next = part->next;
            part->nelts = 0;

            if (list->last == part) {
                list->last = prev;
                list->nalloc = prev->nelts;
            }

            return;
        }

        if (part->next) {
            rest = part->next;
            *part = *rest;

            if (list->last == rest) {
                list->last = part;
            }

            return;
        }

        part->nelts = 0;
        return;
    }

    if (i == part->nelts - 1) {
        part->nelts--;
        return;
    }

    if (i == 0) {
        part->elts = &header[1];
        part->nelts--;

        if (list->last == part) {
            /* a push must not run over the end: the next one is a new part */
            list->nalloc = part->nelts;
        }

        return;
    }

    rest = ngx_palloc(r->pool, sizeof(ngx_list_part_t));

    if (rest == NULL) {
        /* no room to split: an empty header tells nothing either */
        ngx_str_null(&header[i].value);
        return;
    }

    rest->elts = &header[i + 1];
    rest->nelts = part->nelts - i - 1;
    rest->next = part->next;

    part->nelts = i;
    part->next = rest;

    if (list->last == part) {
        list->last = rest;
        list->nalloc = rest->nelts;
    }
}


/* The shortcuts that nginx keeps to headers which we take out. */

static void
ngx_http_api_key_headers_unlink(ngx_http_request_t *r,
    ngx_table_elt_t *header)
{
#if (nginx_version >= 1023000)

    ngx_table_elt_t  **link;

    for (link = &r->headers_in.cookie; *link; link = &(*link)->next) {
        if (*link == header) {
            *link = header->next;
            break;
        }
    }

#else

    ngx_uint_t         i;
    ngx_table_elt_t  **cookies;

    cookies = r->headers_in.cookies.elts;

    for (i = 0; i < r->headers_in.cookies.nelts; i++) {
        if (cookies[i] == header) {
            ngx_memmove(&cookies[i], &cookies[i + 1],
                        (r->headers_in.cookies.nelts - i - 1)
                        * sizeof(ngx_table_elt_t *));
            r->headers_in.cookies.nelts--;
            break;
        }
    }

#endif

    if (r->headers_in.authorization == header) {
        r->headers_in.authorization = NULL;
    }
}
