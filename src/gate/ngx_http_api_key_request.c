/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the gate knows of one request, and how it is found again.
 */

#include "ngx_http_api_key_request.h"


static ngx_http_api_key_request_t *ngx_http_api_key_request_create(void);
static void ngx_http_api_key_request_cleanup(void *data);


/* this worker's, out of use */

static ngx_http_api_key_request_t  *ngx_http_api_key_requests;


ngx_http_api_key_request_t *
ngx_http_api_key_request(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_api_key_request_t  *state;

    state = ngx_http_get_module_ctx(r, ngx_http_api_key_module);

    if (state) {
        return state;
    }

    state = ngx_http_api_key_request_find(r);

    if (state == NULL) {
        cln = ngx_pool_cleanup_add(r->pool, 0);
        if (cln == NULL) {
            return NULL;
        }

        state = ngx_http_api_key_request_create();
        if (state == NULL) {
            return NULL;
        }

        cln->data = state;
        cln->handler = ngx_http_api_key_request_cleanup;
    }

    state->pass++;
    state->searched = 0;
    state->passed = 0;
    state->refused = API_KEY_UNJUDGED;

    ngx_http_set_ctx(r, state, ngx_http_api_key_module);

    return state;
}


ngx_http_api_key_request_t *
ngx_http_api_key_request_find(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_api_key_request_t  *state;

    state = ngx_http_get_module_ctx(r, ngx_http_api_key_module);

    if (state || (!r->internal && !r->filter_finalize && r == r->main)) {
        return state;
    }

    /* an internal redirect has cleared the contexts, not the pool */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_api_key_request_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


u_char *
ngx_http_api_key_request_digest(ngx_http_api_key_request_t *state)
{
    if (state->digest[0] == '\0') {
        api_key_digest_hex(state->digest, state->hash);
    }

    return state->digest;
}


void
ngx_http_api_key_request_changed(ngx_http_request_t *r)
{
    ngx_uint_t                     i, *index;
    ngx_http_api_key_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_api_key_module);
    index = amcf->tainted.elts;

    for (i = 0; i < amcf->tainted.nelts; i++) {
        r->variables[index[i]].valid = 0;
        r->variables[index[i]].not_found = 0;
    }
}


/*
 * A state is taken from those of earlier requests: in the request's own pool
 * it would often be what does not fit any more, and cost another 4 KB.
 */

static ngx_http_api_key_request_t *
ngx_http_api_key_request_create(void)
{
    ngx_http_api_key_request_t  *state;

    state = ngx_http_api_key_requests;

    if (state) {
        ngx_http_api_key_requests = state->next;

    } else {
        state = ngx_alloc(sizeof(ngx_http_api_key_request_t), ngx_cycle->log);
        if (state == NULL) {
            return NULL;
        }
    }

    ngx_memzero(state, offsetof(ngx_http_api_key_request_t, hash));
    state->found = NGX_AGAIN;

    return state;
}


/* Its address is also what the state is found by. */

static void
ngx_http_api_key_request_cleanup(void *data)
{
    ngx_http_api_key_request_t  *state = data;

#if (NGX_DEBUG_PALLOC)

    /* so that a sanitizer sees who comes too late */

    ngx_free(state);

#else

    state->next = ngx_http_api_key_requests;
    ngx_http_api_key_requests = state;

#endif
}
