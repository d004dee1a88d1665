/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Parked requests.  The wait is on the heap and belongs to the store's answer,
 * which comes exactly once and frees it.  The request only borrows it: when it
 * ends first, its cleanup takes the request out of the wait.  An answer never
 * touches a request's phases, it posts the event that runs them on.
 */

#include "ngx_http_api_key_wait.h"
#include "ngx_http_api_key_lookup.h"
#include "ngx_http_api_key_quota.h"


struct ngx_http_api_key_wait_s {
    ngx_http_request_t          *request;      /* NULL: it is gone */
    ngx_http_api_key_request_t  *state;
    ngx_http_api_key_quota_t     quota;        /* given back if it is refused
                                                  when gone; store NULL: none */
    ngx_uint_t                   limited;      /* only looks */
};


static ngx_http_api_key_wait_t *ngx_http_api_key_wait_create(
    ngx_http_request_t *r, ngx_http_api_key_request_t *state);
static ngx_int_t ngx_http_api_key_wait_park(ngx_http_request_t *r);
static void ngx_http_api_key_wait_cleanup(void *data);
static void ngx_http_api_key_wait_found(void *data, ngx_int_t rc,
    api_key_record_t *record);
static void ngx_http_api_key_wait_cleared(void *data,
    api_key_verdict_e verdict);
static void ngx_http_api_key_wait_resume(ngx_http_api_key_wait_t *wait);


ngx_int_t
ngx_http_api_key_wait_lookup(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_http_api_key_wait_t  *wait;

    wait = ngx_http_api_key_wait_create(r, state);
    if (wait == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_api_key_lookup(state->store,
                                ngx_http_api_key_request_digest(state),
                                state->live, ngx_http_api_key_wait_found, wait)
        != NGX_OK)
    {
        state->wait = NULL;
        ngx_free(wait);
        return NGX_ERROR;
    }

    return ngx_http_api_key_wait_park(r);
}


ngx_int_t
ngx_http_api_key_wait_clear(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state, ngx_uint_t limited)
{
    ngx_str_t                      request_id;
    ngx_http_api_key_quota_t      *quota;
    ngx_http_variable_value_t     *v;
    ngx_http_api_key_wait_t       *wait;
    ngx_http_api_key_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_api_key_module);

    v = ngx_http_get_indexed_variable(r, amcf->request_id);
    if (v == NULL || v->not_found) {
        return NGX_ERROR;
    }

    request_id.data = v->data;
    request_id.len = v->len;

    wait = ngx_http_api_key_wait_create(r, state);
    if (wait == NULL) {
        return NGX_ERROR;
    }

    wait->limited = limited;

    quota = ngx_http_api_key_quota_held(r, state);

    if (quota) {
        wait->quota = *quota;
    }

    if (ngx_http_api_key_store_clear(state->store,
                                     ngx_http_api_key_request_digest(state),
                                     &r->connection->addr_text, &request_id,
                                     limited, ngx_http_api_key_wait_cleared,
                                     wait)
        != NGX_OK)
    {
        state->wait = NULL;
        ngx_free(wait);
        return NGX_ERROR;
    }

    return ngx_http_api_key_wait_park(r);
}


static ngx_http_api_key_wait_t *
ngx_http_api_key_wait_create(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_http_cleanup_t       *cln;
    ngx_http_api_key_wait_t  *wait;

    /* one cleanup serves all the questions of a request */

    if (!state->guarded) {
        cln = ngx_http_cleanup_add(r, 0);
        if (cln == NULL) {
            return NULL;
        }

        cln->handler = ngx_http_api_key_wait_cleanup;
        cln->data = state;
        state->guarded = 1;
    }

    wait = ngx_alloc(sizeof(ngx_http_api_key_wait_t), r->connection->log);
    if (wait == NULL) {
        return NULL;
    }

    wait->request = r;
    wait->state = state;
    wait->quota.store = NULL;
    wait->limited = 0;

    state->wait = wait;

    return wait;
}


/* As limit_req does it: a client that goes away is noticed while it waits. */

static ngx_int_t
ngx_http_api_key_wait_park(ngx_http_request_t *r)
{
    if (r->connection->read->ready) {
        ngx_post_event(r->connection->read, &ngx_posted_events);

    } else {
        if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
            /* the answer will find the request gone or going */
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "api key: a parked request cannot be watched");
        }
    }

    r->read_event_handler = ngx_http_test_reading;

    return NGX_AGAIN;
}


static void
ngx_http_api_key_wait_cleanup(void *data)
{
    ngx_http_api_key_request_t  *state = data;

    if (state->wait) {
        state->wait->request = NULL;
        state->wait = NULL;
    }
}


static void
ngx_http_api_key_wait_found(void *data, ngx_int_t rc,
    api_key_record_t *record)
{
    void                        *mem;
    ngx_http_api_key_wait_t     *wait = data;
    ngx_http_api_key_place_t     place;
    ngx_http_api_key_request_t  *state;

    if (wait->request) {
        state = wait->state;
        state->found = rc;
        state->record = NULL;

        if (rc == NGX_OK) {
            place.pool = wait->request->pool;
            place.room = state->room;

            mem = ngx_http_api_key_place_alloc(&place,
                                               api_key_record_size(record));
            if (mem) {
                state->record = api_key_record_copy(mem, record);

            } else {
                state->found = NGX_ERROR;
            }
        }
    }

    ngx_http_api_key_wait_resume(wait);
}


static void
ngx_http_api_key_wait_cleared(void *data, api_key_verdict_e verdict)
{
    ngx_http_api_key_wait_t   *wait = data;
    ngx_http_api_key_quota_t  *quota;

    if (wait->limited && verdict == API_KEY_OK) {
        verdict = API_KEY_LIMITED;
    }

    if (wait->request) {
        wait->state->cleared = verdict;

        /* now, as it may still go before it runs on */

        if (verdict != API_KEY_OK) {
            ngx_http_api_key_quota_give(wait->request, wait->state);
        }

    } else if (wait->quota.store && verdict != API_KEY_OK) {
        quota = &wait->quota;
        ngx_http_api_key_rate_give(quota->store->rate, quota->mark,
                                   quota->ms);
    }

    ngx_http_api_key_wait_resume(wait);
}


static void
ngx_http_api_key_wait_resume(ngx_http_api_key_wait_t *wait)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = wait->request;

    if (r) {
        wait->state->wait = NULL;

        r->read_event_handler = ngx_http_block_reading;

        c = r->connection;
        ngx_post_event(c->write, &ngx_posted_events);
    }

    ngx_free(wait);
}
