/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Refusals: a filter that gives nginx's error pages our headers and body.  It
 * is a module of its own, as it has another place in the order of modules.
 */

#include "ngx_http_api_key_response.h"
#include "ngx_http_api_key_upstream.h"


static ngx_int_t ngx_http_api_key_challenge(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf);
static ngx_int_t ngx_http_api_key_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_api_key_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_api_key_body_replace(ngx_http_request_t *r,
    ngx_chain_t *in, ngx_http_api_key_request_t *state);
static ngx_int_t ngx_http_api_key_retry_after(ngx_http_request_t *r);
static ngx_uint_t ngx_http_api_key_is_refusal(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);
static ngx_int_t ngx_http_api_key_body(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);
static ngx_int_t ngx_http_api_key_bodies(ngx_conf_t *cf,
    ngx_http_api_key_main_conf_t *amcf);
static ngx_int_t ngx_http_api_key_add_header(ngx_http_request_t *r,
    const char *name, const char *value, ngx_table_elt_t **header);
static ngx_int_t ngx_http_api_key_leave_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_api_key_filter_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_api_key_leave_init(ngx_conf_t *cf);


static ngx_http_module_t  ngx_http_api_key_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_api_key_filter_init,          /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_api_key_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_api_key_filter_module_ctx,   /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_api_key_refuse(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state,
    api_key_verdict_e verdict)
{
    ngx_int_t             status;
    ngx_uint_t            level;
    const api_key_str_t  *name;

    status = api_key_verdict_status(verdict);
    state->refused = verdict;

    /* what comes by the thousand is no warning; the rest is worth a line */

    level = (status == NGX_HTTP_FORBIDDEN) ? NGX_LOG_WARN : NGX_LOG_INFO;

    name = api_key_verdict_name(verdict);

    ngx_log_error(level, r->connection->log, 0,
                  "api key refused: %*s%s%*s", name->len, name->data,
                  state->record ? ", key " : "",
                  state->record ? (size_t) API_KEY_ID_LEN : 0,
                  state->record ? ngx_http_api_key_request_digest(state)
                                : (u_char *) "");

    if (status == NGX_HTTP_UNAUTHORIZED
        && ngx_http_api_key_challenge(r, alcf) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return status;
}


/* One WWW-Authenticate, the last judge's; nginx itself keeps only one. */

static ngx_int_t
ngx_http_api_key_challenge(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf)
{
    ngx_table_elt_t  *h;

    h = r->headers_out.www_authenticate;

    if (h == NULL) {
        return ngx_http_api_key_add_header(r, "WWW-Authenticate",
                                           (char *) alcf->challenge.data,
                                           &r->headers_out.www_authenticate);
    }

    h->hash = 1;
    h->value = alcf->challenge;

#if (nginx_version >= 1023000)
    for (h = h->next; h; h = h->next) {
        h->hash = 0;
    }
#endif

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_header_filter(ngx_http_request_t *r)
{
    ngx_http_api_key_request_t   *state;
    ngx_http_api_key_loc_conf_t  *alcf;

    state = ngx_http_get_module_ctx(r, ngx_http_api_key_module);

    if (state && state->swap && state->swap->injected) {
        ngx_http_api_key_upstream_leave(r);
    }

    if ((r->err_status == NGX_HTTP_TOO_MANY_REQUESTS
         || r->err_status == NGX_HTTP_SERVICE_UNAVAILABLE)
        && ngx_http_api_key_retry_after(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!ngx_http_api_key_is_refusal(r, state)) {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_api_key_body(r, state) != NGX_OK
        || ngx_http_api_key_add_header(r, "Cache-Control", "no-store", NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_api_key_module);

    if (alcf->response) {
        r->headers_out.content_type = alcf->response_type;

    } else {
        ngx_str_set(&r->headers_out.content_type, "application/problem+json");
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    r->headers_out.content_length_n = state->body.len;

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_api_key_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_api_key_request_t  *state;

    state = ngx_http_get_module_ctx(r, ngx_http_api_key_module);

    if (in == NULL || state == NULL || state->body.data == NULL
        || r != r->main)
    {
        return ngx_http_next_body_filter(r, in);
    }

    return ngx_http_api_key_body_replace(r, in, state);
}


/* The body of a refusal, in the place of all that nginx would write. */

static ngx_int_t
ngx_http_api_key_body_replace(ngx_http_request_t *r, ngx_chain_t *in,
    ngx_http_api_key_request_t *state)
{
    ngx_buf_t    *b;
    ngx_chain_t   out, *cl;

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->memory = state->body.len ? 1 : 0;
    b->pos = state->body.data;
    b->last = state->body.data + state->body.len;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    /* all of it in one go: what may follow is not ours */
    ngx_str_null(&state->body);

    return ngx_http_next_body_filter(r, &out);
}


/* For a page of nginx's own and for one of an error_page. */

static ngx_int_t
ngx_http_api_key_retry_after(ngx_http_request_t *r)
{
    u_char                      *p;
    ngx_uint_t                   seconds;
    ngx_http_api_key_request_t  *state;

    state = ngx_http_api_key_request_find(r);

    if (r != r->main || state == NULL || state->observed
        || r->err_status != api_key_verdict_status(state->verdict))
    {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    seconds = (state->verdict == API_KEY_LIMITED) ? state->retry : 1;

    (void) ngx_sprintf(p, "%ui%Z", seconds);

    return ngx_http_api_key_add_header(r, "Retry-After", (char *) p, NULL);
}


/*
 * Whether what passes here is nginx's page for our refusal: not one of another
 * access module, nor of a location that an error_page leads to.
 */

static ngx_uint_t
ngx_http_api_key_is_refusal(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    return r == r->main && state && state->refused != API_KEY_UNJUDGED
           && r->err_status == api_key_verdict_status(state->refused);
}


static ngx_int_t
ngx_http_api_key_body(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_http_api_key_loc_conf_t   *alcf;
    ngx_http_api_key_main_conf_t  *amcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_api_key_module);

    if (alcf->response) {
        return ngx_http_complex_value(r, alcf->response, &state->body);
    }

    amcf = ngx_http_get_module_main_conf(r, ngx_http_api_key_module);
    state->body = amcf->bodies[state->refused];

    return NGX_OK;
}


/* The default bodies, RFC 9457. */

static ngx_int_t
ngx_http_api_key_bodies(ngx_conf_t *cf, ngx_http_api_key_main_conf_t *amcf)
{
    ngx_str_t            *body;
    ngx_uint_t            i, status;
    const char           *title;
    const api_key_str_t  *error;

    for (i = 0; i < API_KEY_VERDICTS; i++) {
        status = api_key_verdict_status(i);
        error = api_key_verdict_error(i);

        switch (status) {

        case NGX_HTTP_BAD_REQUEST:
            title = "Bad Request";
            break;

        case NGX_HTTP_UNAUTHORIZED:
            title = "Unauthorized";
            break;

        case NGX_HTTP_FORBIDDEN:
            title = "Forbidden";
            break;

        case NGX_HTTP_TOO_MANY_REQUESTS:
            title = "Too Many Requests";
            break;

        default:
            title = "Service Unavailable";
        }

        body = &amcf->bodies[i];

        body->data = ngx_pnalloc(cf->pool, 160);
        if (body->data == NULL) {
            return NGX_ERROR;
        }

        body->len = ngx_sprintf(body->data,
                                "{\"type\":\"about:blank\",\"title\":\"%s\","
                                "\"status\":%ui,\"code\":\"%*s\"}",
                                title, status, error->len, error->data)
                    - body->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_add_header(ngx_http_request_t *r, const char *name,
    const char *value, ngx_table_elt_t **header)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    if (header) {
        *header = h;
    }

    return NGX_OK;
}


/* An internal redirect begins: see ngx_http_api_key_upstream_leave(). */

static ngx_int_t
ngx_http_api_key_leave_handler(ngx_http_request_t *r)
{
    if (r->internal) {
        ngx_http_api_key_upstream_leave(r);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_api_key_filter_init(ngx_conf_t *cf)
{
    ngx_http_api_key_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_api_key_module);

    if (!amcf->used) {
        return NGX_OK;
    }

    if (ngx_http_api_key_bodies(cf, amcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (amcf->replace && ngx_http_api_key_leave_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_api_key_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_api_key_body_filter;

    return NGX_OK;
}


/* This module stands behind the rewrite module, so it runs before it. */

static ngx_int_t
ngx_http_api_key_leave_init(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    static ngx_uint_t  phases[] = {
        NGX_HTTP_SERVER_REWRITE_PHASE, NGX_HTTP_REWRITE_PHASE
    };

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    for (i = 0; i < sizeof(phases) / sizeof(ngx_uint_t); i++) {
        h = ngx_array_push(&cmcf->phases[phases[i]].handlers);
        if (h == NULL) {
            return NGX_ERROR;
        }

        *h = ngx_http_api_key_leave_handler;
    }

    return NGX_OK;
}
