/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The admin API's HTTP side: who may call, what is called, and the wait for
 * Redis.  Whoever comes without a token learns nothing but that.
 */

#include "ngx_http_api_key_admin.h"
#include "ngx_http_api_key_answer.h"
#include "ngx_http_api_key_body.h"
#include "ngx_http_api_key_json.h"
#include "ngx_http_api_key_page.h"
#include "ngx_http_api_key_route.h"


/* kept in the request's cleanup, where the later steps find it */

typedef struct {
    const ngx_http_api_key_route_t  *route;
    ngx_http_api_key_call_t         *call;
    ngx_uint_t                       parked;       /* Redis will answer */
} ngx_http_api_key_admin_hold_t;


static ngx_int_t ngx_http_api_key_admin_token(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, const api_key_admin_token_t **token);
static ngx_uint_t ngx_http_api_key_admin_bearer(ngx_http_request_t *r,
    api_key_str_t *token);
static ngx_int_t ngx_http_api_key_admin_refuse(ngx_http_request_t *r,
    ngx_uint_t status, const char *code);
static ngx_http_api_key_admin_hold_t *ngx_http_api_key_admin_hold(
    ngx_http_request_t *r, ngx_http_api_key_store_t *store);
static void ngx_http_api_key_admin_release(void *data);
static ngx_http_api_key_admin_hold_t *ngx_http_api_key_admin_held(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_api_key_admin_describe(ngx_http_request_t *r,
    ngx_http_api_key_call_t *call, const api_key_admin_token_t *token);
static ngx_int_t ngx_http_api_key_admin_copy(ngx_pool_t *pool, ngx_str_t *to,
    size_t len, const u_char *data);
static void ngx_http_api_key_admin_body(ngx_http_request_t *r, ngx_int_t rc,
    ngx_str_t *text);
static ngx_int_t ngx_http_api_key_admin_parse(ngx_http_request_t *r,
    ngx_http_api_key_admin_hold_t *hold, ngx_str_t *text);
static ngx_uint_t ngx_http_api_key_admin_is_json(ngx_http_request_t *r);
static void ngx_http_api_key_admin_park(ngx_http_request_t *r,
    ngx_http_api_key_admin_hold_t *hold);
static void ngx_http_api_key_admin_done(ngx_http_api_key_call_t *call);
static void ngx_http_api_key_admin_resume(ngx_http_request_t *r);
static void ngx_http_api_key_admin_finish(ngx_http_request_t *r,
    ngx_http_api_key_admin_hold_t *hold);


ngx_int_t
ngx_http_api_key_admin_handler(ngx_http_request_t *r)
{
    u_char                           id[API_KEY_ID_LEN];
    ngx_int_t                        rc;
    ngx_str_t                        path, allow;
    ngx_uint_t                       get;
    ngx_http_core_loc_conf_t        *clcf;
    const api_key_admin_token_t     *token;
    ngx_http_api_key_loc_conf_t     *alcf;
    ngx_http_api_key_admin_hold_t   *hold;
    const ngx_http_api_key_route_t  *route;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_api_key_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    /* a subrequest has no connection of its own to wait on */

    if (r != r->main) {
        return NGX_HTTP_FORBIDDEN;
    }

    if (r->uri.len >= clcf->name.len
        && ngx_memcmp(r->uri.data, clcf->name.data, clcf->name.len) == 0)
    {
        path.len = r->uri.len - clcf->name.len;
        path.data = r->uri.data + clcf->name.len;

    } else {
        /* no route begins so */
        path = r->uri;
    }

    get = (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) != 0;

    if (get) {
        rc = ngx_http_api_key_page_handler(r, &path);

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    if (ngx_http_api_key_admin_token(r, alcf, &token) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (token == NULL) {
        rc = ngx_http_discard_request_body(r);

        return (rc == NGX_OK)
               ? ngx_http_api_key_answer_unauthorized(r, alcf->admin) : rc;
    }

    if (!get && !token->write) {
        return ngx_http_api_key_admin_refuse(r, 403, "forbidden");
    }

    rc = ngx_http_api_key_route_find(r->pool, r->method, &path, id, &route,
                                     &allow);

    if (rc == NGX_DECLINED && allow.len == 0) {
        return ngx_http_api_key_admin_refuse(r, 404, "not_found");
    }

    if (rc != NGX_OK) {

        if (rc == NGX_ERROR
            || ngx_http_api_key_answer_header(r, "Allow", &allow) == NULL)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_api_key_admin_refuse(r, 405, "method_not_allowed");
    }

    if (r->headers_in.content_length_n > NGX_HTTP_API_KEY_BODY_MAX) {
        return ngx_http_api_key_admin_refuse(r, 413, "too_large");
    }

    hold = ngx_http_api_key_admin_hold(r, alcf->admin);

    if (hold == NULL
        || ngx_http_api_key_admin_describe(r, hold->call, token) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    hold->route = route;
    ngx_memcpy(hold->call->id, id, API_KEY_ID_LEN);

    return ngx_http_api_key_body_read(r, ngx_http_api_key_admin_body);
}


/*
 * Finds whose token it is, if anyone's: all of them are compared, so that the
 * time taken tells nothing.  NGX_ERROR when it cannot be hashed.
 */

static ngx_int_t
ngx_http_api_key_admin_token(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, const api_key_admin_token_t **token)
{
    u_char                  hash[API_KEY_HASH_LEN], hex[API_KEY_DIGEST_LEN];
    ngx_uint_t              i;
    api_key_str_t           text;
    api_key_digest_t       *sha256;
    api_key_admin_token_t  *tokens;

    *token = NULL;

    if (!ngx_http_api_key_admin_bearer(r, &text)) {
        return NGX_OK;
    }

    sha256 = api_key_digest_create(NULL);
    if (sha256 == NULL) {
        return NGX_ERROR;
    }

    api_key_digest(sha256, &text, hash);
    api_key_digest_hex(hex, hash);

    api_key_digest_free(sha256);

    tokens = alcf->admin_tokens->elts;

    for (i = 0; i < alcf->admin_tokens->nelts; i++) {
        if (api_key_digest_equal(tokens[i].digest, hex, API_KEY_DIGEST_LEN)) {
            *token = &tokens[i];
        }
    }

    return NGX_OK;
}


/* The token in "Authorization: Bearer TOKEN"; 0 when there is none. */

static ngx_uint_t
ngx_http_api_key_admin_bearer(ngx_http_request_t *r, api_key_str_t *token)
{
    u_char     *p, *last;
    ngx_str_t  *value;

    if (r->headers_in.authorization == NULL) {
        return 0;
    }

    value = &r->headers_in.authorization->value;

    if (value->len < sizeof("Bearer ") - 1
        || ngx_strncasecmp(value->data, (u_char *) "Bearer ",
                           sizeof("Bearer ") - 1)
           != 0)
    {
        return 0;
    }

    p = value->data + sizeof("Bearer ") - 1;
    last = value->data + value->len;

    while (p < last && *p == ' ') {
        p++;
    }

    token->data = p;
    token->len = last - p;

    return token->len != 0;
}


static ngx_int_t
ngx_http_api_key_admin_refuse(ngx_http_request_t *r, ngx_uint_t status,
    const char *code)
{
    ngx_int_t  rc;

    rc = ngx_http_discard_request_body(r);

    return (rc == NGX_OK) ? ngx_http_api_key_answer_problem(r, status, code)
                          : rc;
}


/* Makes a call that ends with the request, unless Redis has to answer yet. */

static ngx_http_api_key_admin_hold_t *
ngx_http_api_key_admin_hold(ngx_http_request_t *r,
    ngx_http_api_key_store_t *store)
{
    ngx_http_cleanup_t             *cln;
    ngx_http_api_key_admin_hold_t  *hold;

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_api_key_admin_hold_t));
    if (cln == NULL) {
        return NULL;
    }

    hold = cln->data;
    ngx_memzero(hold, sizeof(ngx_http_api_key_admin_hold_t));

    hold->call = ngx_http_api_key_call_create(store);
    if (hold->call == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_api_key_admin_release;

    return hold;
}


static void
ngx_http_api_key_admin_release(void *data)
{
    ngx_http_api_key_admin_hold_t  *hold = data;

    if (hold->call == NULL) {
        return;
    }

    if (hold->parked && !hold->call->answered) {
        hold->call->waiter = NULL;

    } else {
        ngx_http_api_key_call_destroy(hold->call);
    }

    hold->call = NULL;
}


static ngx_http_api_key_admin_hold_t *
ngx_http_api_key_admin_held(ngx_http_request_t *r)
{
    ngx_http_cleanup_t  *cln;

    for (cln = r->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_api_key_admin_release) {
            return cln->data;
        }
    }

    return NULL;
}


/* Copies what the call has to know of the request: it may outlive it. */

static ngx_int_t
ngx_http_api_key_admin_describe(ngx_http_request_t *r,
    ngx_http_api_key_call_t *call, const api_key_admin_token_t *token)
{
    ngx_str_t                     *address;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_variable_value_t     *id;
    ngx_http_api_key_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_api_key_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    id = ngx_http_get_indexed_variable(r, amcf->request_id);

    if (id == NULL || id->not_found) {
        return NGX_ERROR;
    }

    address = &r->connection->addr_text;

    if (ngx_http_api_key_admin_copy(call->pool, &call->request_id, id->len,
                                    id->data)
        != NGX_OK
        || ngx_http_api_key_admin_copy(call->pool, &call->from, address->len,
                                       address->data)
           != NGX_OK
        || ngx_http_api_key_admin_copy(call->pool, &call->who,
                                       token->name.len, token->name.data)
           != NGX_OK
        || ngx_http_api_key_admin_copy(call->pool, &call->base,
                                       clcf->name.len, clcf->name.data)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_admin_copy(ngx_pool_t *pool, ngx_str_t *to, size_t len,
    const u_char *data)
{
    to->data = ngx_pnalloc(pool, len + 1);
    if (to->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(to->data, data, len);
    to->len = len;

    return NGX_OK;
}


static void
ngx_http_api_key_admin_body(ngx_http_request_t *r, ngx_int_t rc,
    ngx_str_t *text)
{
    ngx_http_api_key_admin_hold_t  *hold;

    if (rc == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {
        rc = ngx_http_api_key_answer_problem(r, 413, "too_large");
        ngx_http_finalize_request(r, rc);
        return;
    }

    hold = ngx_http_api_key_admin_held(r);

    if (rc != NGX_OK || hold == NULL) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    if (ngx_http_api_key_admin_parse(r, hold, text) != NGX_OK
        || hold->route->handler(hold->call) == NGX_OK)
    {
        ngx_http_api_key_admin_finish(r, hold);
        return;
    }

    ngx_http_api_key_admin_park(r, hold);
}


/* NGX_DECLINED when a problem has become the call's answer */

static ngx_int_t
ngx_http_api_key_admin_parse(ngx_http_request_t *r,
    ngx_http_api_key_admin_hold_t *hold, ngx_str_t *text)
{
    ngx_http_api_key_call_t         *call;
    const ngx_http_api_key_route_t  *route;

    call = hold->call;
    route = hold->route;

    if (ngx_http_api_key_route_query(route, call, &r->args) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (route->body == NGX_HTTP_API_KEY_BODY_NONE
        || (route->body == NGX_HTTP_API_KEY_BODY_OPTIONAL && text->len == 0))
    {
        return NGX_OK;
    }

    if (text->len && !ngx_http_api_key_admin_is_json(r)) {
        (void) ngx_http_api_key_call_problem(call, 415,
                                             "unsupported_media_type", NULL);
        return NGX_DECLINED;
    }

    return ngx_http_api_key_json_parse(call, text);
}


/* application/json, whatever parameters follow: JSON is UTF-8 anyway */

static ngx_uint_t
ngx_http_api_key_admin_is_json(ngx_http_request_t *r)
{
    size_t            len;
    ngx_table_elt_t  *type;

    type = r->headers_in.content_type;

    if (type == NULL) {
        return 0;
    }

    for (len = 0; len < type->value.len; len++) {
        if (type->value.data[len] == ';' || type->value.data[len] == ' ') {
            break;
        }
    }

    return len == sizeof("application/json") - 1
           && ngx_strncasecmp(type->value.data,
                              (u_char *) "application/json", len) == 0;
}


/*
 * Waits for Redis.  A client that goes away meanwhile is noticed by the same
 * read handler that limit_req uses.
 */

static void
ngx_http_api_key_admin_park(ngx_http_request_t *r,
    ngx_http_api_key_admin_hold_t *hold)
{
    ngx_event_t  *rev;

    hold->parked = 1;
    hold->call->waiter = r;
    hold->call->done = ngx_http_api_key_admin_done;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_api_key_admin_resume;

    rev = r->connection->read;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}


/* From within Redis' events: the request goes on in an event of its own. */

static void
ngx_http_api_key_admin_done(ngx_http_api_key_call_t *call)
{
    ngx_http_request_t  *r = call->waiter;

    ngx_event_t  *wev;

    wev = r->connection->write;

    ngx_post_event(wev, &ngx_posted_events);
}


static void
ngx_http_api_key_admin_resume(ngx_http_request_t *r)
{
    ngx_http_api_key_admin_hold_t  *hold;

    hold = ngx_http_api_key_admin_held(r);

    /* the client's socket has become writable, and no more than that */

    if (hold == NULL || hold->call == NULL || !hold->call->answered) {
        return;
    }

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_http_api_key_admin_finish(r, hold);
}


static void
ngx_http_api_key_admin_finish(ngx_http_request_t *r,
    ngx_http_api_key_admin_hold_t *hold)
{
    ngx_int_t                 rc;
    ngx_http_api_key_call_t  *call;

    call = hold->call;
    hold->call = NULL;

    rc = ngx_http_api_key_answer_call(r, call);

    ngx_http_api_key_call_destroy(call);

    ngx_http_finalize_request(r, rc);
}
