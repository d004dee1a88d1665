/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Sends what the admin API has to say: JSON, problems (RFC 9457), a page.
 */

#include "ngx_http_api_key_answer.h"


static ngx_int_t ngx_http_api_key_answer_fault(ngx_http_request_t *r,
    ngx_uint_t status, const char *code, ngx_str_t *field,
    ngx_str_t *subject);
static ngx_int_t ngx_http_api_key_answer_json(ngx_http_request_t *r,
    ngx_uint_t status, const char *type, json_t *json);
static ngx_int_t ngx_http_api_key_answer_data(ngx_http_request_t *r,
    ngx_uint_t status, const char *type, ngx_str_t *body);
static ngx_int_t ngx_http_api_key_answer_send(ngx_http_request_t *r,
    ngx_uint_t status, const char *type, ngx_str_t *body);
static ngx_int_t ngx_http_api_key_answer_guard(ngx_http_request_t *r,
    const char *policy);


static const struct {
    ngx_uint_t   status;
    const char  *title;

} ngx_http_api_key_answer_titles[] = {
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 413, "Content Too Large" },
    { 415, "Unsupported Media Type" },
    { 503, "Service Unavailable" },
    { 0, "Internal Server Error" }
};


/*
 * What the page may load and talk to: its own files and this API.  A picture
 * is only ever in its own text.  Text from the API cannot become markup where
 * the browser knows trusted types.
 */

#define NGX_HTTP_API_KEY_ANSWER_PAGE_POLICY                                   \
    "default-src 'none'; script-src 'self'; style-src 'self'; "               \
    "connect-src 'self'; img-src data:; base-uri 'none'; "                    \
    "form-action 'none'; frame-ancestors 'none'; "                            \
    "require-trusted-types-for 'script'; trusted-types 'none'"


ngx_int_t
ngx_http_api_key_answer_call(ngx_http_request_t *r,
    ngx_http_api_key_call_t *call)
{
    ngx_str_t  subject, location, body;

    if (call->code) {
        ngx_str_null(&subject);

        if (call->has_subject && call->status == 503) {
            subject.len = API_KEY_ID_LEN;
            subject.data = call->subject;
        }

        return ngx_http_api_key_answer_fault(r, call->status, call->code,
                                             &call->field, &subject);
    }

    if (call->location.len) {

        /*
         * Not r->headers_out.location, of which nginx would make an absolute
         * URI with a port that only it can see.
         */

        location.len = call->location.len;
        location.data = ngx_pstrdup(r->pool, &call->location);

        if (location.data == NULL
            || ngx_http_api_key_answer_header(r, "Location", &location)
               == NULL)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (call->type) {
        body.len = call->text.len;
        body.data = ngx_pstrdup(r->pool, &call->text);

        return body.data ? ngx_http_api_key_answer_data(r, call->status,
                                                        call->type, &body)
                         : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_api_key_answer_json(r, call->status, "application/json",
                                        call->json);
}


ngx_int_t
ngx_http_api_key_answer_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *code)
{
    ngx_str_t  none;

    ngx_str_null(&none);

    return ngx_http_api_key_answer_fault(r, status, code, &none, &none);
}


ngx_int_t
ngx_http_api_key_answer_unauthorized(ngx_http_request_t *r,
    ngx_http_api_key_store_t *store)
{
    ngx_str_t         value;
    ngx_table_elt_t  *h;

    value.len = sizeof("Bearer realm=\"\"") - 1 + store->name.len;
    value.data = ngx_pnalloc(r->pool, value.len);

    if (value.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_sprintf(value.data, "Bearer realm=\"%V\"", &store->name);

    h = ngx_http_api_key_answer_header(r, "WWW-Authenticate", &value);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.www_authenticate = h;

    return ngx_http_api_key_answer_problem(r, 401, "unauthorized");
}


ngx_int_t
ngx_http_api_key_answer_page(ngx_http_request_t *r, const char *type,
    ngx_str_t *etag, ngx_str_t *text)
{
    ngx_table_elt_t  *h;

    static ngx_str_t  no_cache = ngx_string("no-cache");

    if (ngx_http_api_key_answer_guard(r, NGX_HTTP_API_KEY_ANSWER_PAGE_POLICY)
        != NGX_OK
        || ngx_http_api_key_answer_header(r, "Cache-Control", &no_cache)
           == NULL)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    h = ngx_http_api_key_answer_header(r, "ETag", etag);
    if (h == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* for nginx's own filter, which answers If-None-Match */

    r->headers_out.etag = h;

    return ngx_http_api_key_answer_send(r, 200, type, text);
}


/* The one place where problems are made; a string with len 0 is left out. */

static ngx_int_t
ngx_http_api_key_answer_fault(ngx_http_request_t *r, ngx_uint_t status,
    const char *code, ngx_str_t *field, ngx_str_t *subject)
{
    int          failed;
    json_t      *json;
    ngx_int_t    rc;
    ngx_uint_t   i;

    for (i = 0; ngx_http_api_key_answer_titles[i].status; i++) {
        if (ngx_http_api_key_answer_titles[i].status == status) {
            break;
        }
    }

    json = json_pack("{s:s, s:s, s:I, s:s}",
                     "type", "about:blank",
                     "title", ngx_http_api_key_answer_titles[i].title,
                     "status", (json_int_t) status,
                     "code", code);

    failed = (json == NULL);

    if (field->len) {
        failed |= json_object_set_new(json, "field",
                         json_stringn((char *) field->data, field->len));
    }

    if (subject->len) {
        failed |= json_object_set_new(json, "id",
                         json_stringn((char *) subject->data, subject->len));
        failed |= json_object_set_new(json, "detail",
                         json_sprintf("key %.*s", (int) subject->len,
                                      (char *) subject->data));
    }

    rc = failed ? NGX_HTTP_INTERNAL_SERVER_ERROR
                : ngx_http_api_key_answer_json(r, status,
                                               "application/problem+json",
                                               json);
    json_decref(json);

    return rc;
}


static ngx_int_t
ngx_http_api_key_answer_json(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, json_t *json)
{
    size_t     size;
    ngx_str_t  body;

    ngx_str_null(&body);

    if (json) {
        size = json_dumpb(json, NULL, 0, JSON_COMPACT);

        body.data = size ? ngx_pnalloc(r->pool, size) : NULL;
        body.len = size;

        if (body.data == NULL
            || json_dumpb(json, (char *) body.data, size, JSON_COMPACT)
               != size)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_api_key_answer_data(r, status, type, &body);
}


/* What needs a token is kept by no cache. */

static ngx_int_t
ngx_http_api_key_answer_data(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body)
{
    ngx_str_t  second;

    static ngx_str_t  no_store = ngx_string("no-store");

    ngx_str_set(&second, "1");

    if (ngx_http_api_key_answer_guard(r, "default-src 'none'; "
                                         "frame-ancestors 'none'")
        != NGX_OK
        || ngx_http_api_key_answer_header(r, "Cache-Control", &no_store)
           == NULL
        || (status == 503
            && ngx_http_api_key_answer_header(r, "Retry-After", &second)
               == NULL))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_api_key_answer_send(r, status, type, body);
}


static ngx_int_t
ngx_http_api_key_answer_guard(ngx_http_request_t *r, const char *policy)
{
    ngx_str_t  value;

    static ngx_str_t  nosniff = ngx_string("nosniff");
    static ngx_str_t  no_referrer = ngx_string("no-referrer");

    value.len = ngx_strlen(policy);
    value.data = (u_char *) policy;

    if (ngx_http_api_key_answer_header(r, "X-Content-Type-Options", &nosniff)
        == NULL
        || ngx_http_api_key_answer_header(r, "Referrer-Policy", &no_referrer)
           == NULL
        || ngx_http_api_key_answer_header(r, "Content-Security-Policy", &value)
           == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_answer_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    r->headers_out.status = status;

    if (body->len) {
        r->headers_out.content_length_n = body->len;
        r->headers_out.content_type.data = (u_char *) type;
        r->headers_out.content_type.len = ngx_strlen(type);
        r->headers_out.content_type_len = r->headers_out.content_type.len;
        r->headers_out.content_type_lowcase = NULL;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only || body->len == 0) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_table_elt_t *
ngx_http_api_key_answer_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    h->key.len = ngx_strlen(name);
    h->key.data = (u_char *) name;
    h->value = *value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return h;
}
