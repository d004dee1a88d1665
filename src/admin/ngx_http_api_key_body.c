/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Reads the body of an admin request.  nginx's buffered way would write what
 * is over client_body_buffer_size to a file, so it is taken unbuffered.
 */

#include "ngx_http_api_key_body.h"


#define NGX_HTTP_API_KEY_BODY_FIRST  4096


typedef struct {
    ngx_http_api_key_body_pt     handler;
    size_t                       size;             /* of text's memory */
    ngx_str_t                    text;
} ngx_http_api_key_body_t;


static void ngx_http_api_key_body_cleanup(void *data);
static ngx_http_api_key_body_t *ngx_http_api_key_body_of(
    ngx_http_request_t *r);
static void ngx_http_api_key_body_begin(ngx_http_request_t *r);
static void ngx_http_api_key_body_more(ngx_http_request_t *r);
static ngx_int_t ngx_http_api_key_body_take(ngx_http_request_t *r,
    ngx_http_api_key_body_t *body);
static ngx_int_t ngx_http_api_key_body_append(ngx_http_request_t *r,
    ngx_http_api_key_body_t *body, u_char *data, size_t len);


ngx_int_t
ngx_http_api_key_body_read(ngx_http_request_t *r,
    ngx_http_api_key_body_pt handler)
{
    ngx_int_t                 rc;
    ngx_http_cleanup_t       *cln;
    ngx_http_api_key_body_t  *body;

    cln = ngx_http_cleanup_add(r, sizeof(ngx_http_api_key_body_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_api_key_body_cleanup;

    body = cln->data;

    ngx_memzero(body, sizeof(ngx_http_api_key_body_t));
    body->handler = handler;

    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_api_key_body_begin);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static void
ngx_http_api_key_body_cleanup(void *data)
{
    ngx_http_api_key_body_t  *body = data;

    if (body->text.data) {
        ngx_explicit_memzero(body->text.data, body->text.len);
    }
}


static ngx_http_api_key_body_t *
ngx_http_api_key_body_of(ngx_http_request_t *r)
{
    ngx_http_cleanup_t  *cln;

    for (cln = r->main->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_api_key_body_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static void
ngx_http_api_key_body_begin(ngx_http_request_t *r)
{
    r->read_event_handler = ngx_http_api_key_body_more;

    ngx_http_api_key_body_more(r);
}


static void
ngx_http_api_key_body_more(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_api_key_body_t  *body;

    body = ngx_http_api_key_body_of(r);

    if (body == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    rc = ngx_http_api_key_body_take(r, body);

    if (rc == NGX_AGAIN) {
        return;
    }

    r->read_event_handler = ngx_http_block_reading;

    body->handler(r, rc, &body->text);
}


static ngx_int_t
ngx_http_api_key_body_take(ngx_http_request_t *r,
    ngx_http_api_key_body_t *body)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, *next;

    for ( ;; ) {

        for (cl = r->request_body->bufs; cl; cl = next) {

            b = cl->buf;
            next = cl->next;

            if (b->in_file) {

                /* some other module has read it before */

                return NGX_HTTP_INTERNAL_SERVER_ERROR;
            }

            if (ngx_buf_in_memory(b)) {

                rc = ngx_http_api_key_body_append(r, body, b->pos,
                                                  b->last - b->pos);
                if (rc != NGX_OK) {
                    return rc;
                }
            }

            b->pos = b->last;
            ngx_free_chain(r->pool, cl);
        }

        r->request_body->bufs = NULL;

        if (!r->reading_body) {
            return NGX_OK;
        }

        rc = ngx_http_read_unbuffered_request_body(r);

        if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
            return rc;
        }

        if (rc == NGX_AGAIN && r->request_body->bufs == NULL) {
            return NGX_AGAIN;
        }
    }
}


static ngx_int_t
ngx_http_api_key_body_append(ngx_http_request_t *r,
    ngx_http_api_key_body_t *body, u_char *data, size_t len)
{
    size_t   size;
    u_char  *p;

    if (len > NGX_HTTP_API_KEY_BODY_MAX - body->text.len) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }

    if (len > body->size - body->text.len) {

        size = ngx_max(body->size * 2, NGX_HTTP_API_KEY_BODY_FIRST);
        size = ngx_max(size, body->text.len + len);

        p = ngx_pnalloc(r->pool, size);
        if (p == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (body->text.data) {
            ngx_memcpy(p, body->text.data, body->text.len);
            ngx_explicit_memzero(body->text.data, body->text.len);
        }

        body->text.data = p;
        body->size = size;
    }

    ngx_memcpy(body->text.data + body->text.len, data, len);
    body->text.len += len;

    return NGX_OK;
}
