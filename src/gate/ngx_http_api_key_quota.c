/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Quotas: a request takes one of each store and key that lets it in, last of
 * all, and keeps a note of it through internal redirects.
 */

#include "ngx_http_api_key_quota.h"


static ngx_http_api_key_quota_t *ngx_http_api_key_quota_find(
    ngx_http_api_key_request_t *state);
static ngx_http_api_key_quota_t *ngx_http_api_key_quota_add(
    ngx_http_request_t *r, ngx_http_api_key_request_t *state);
static ngx_uint_t ngx_http_api_key_quota_returns(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state, ngx_http_api_key_quota_t *quota);


api_key_verdict_e
ngx_http_api_key_quota_take(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_http_api_key_quota_t  *quota;

    quota = ngx_http_api_key_quota_find(state);

    if (quota == NULL || quota->verdict == API_KEY_UNJUDGED) {

        /* whatever comes now, the client hears that it was refused before */

        if (r->err_status >= NGX_HTTP_BAD_REQUEST) {
            return API_KEY_OK;
        }

        if (quota == NULL) {
            quota = ngx_http_api_key_quota_add(r, state);
            if (quota == NULL) {
                return API_KEY_UNAVAILABLE;
            }
        }

        quota->pass = state->pass;
        quota->verdict = ngx_http_api_key_rate_take(state->store->rate,
                                                    quota->mark,
                                                    state->record->rate_limit,
                                                    state->record->rate_window,
                                                    &quota->ms)
                         ? API_KEY_OK : API_KEY_LIMITED;
    }

    if (quota->verdict == API_KEY_LIMITED) {
        state->retry = (quota->ms + 999) / 1000;
    }

    return quota->verdict;
}


void
ngx_http_api_key_quota_give(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_http_api_key_quota_t  *quota;

    for (quota = state->quotas; quota; quota = quota->next) {

        if (ngx_http_api_key_quota_returns(r, state, quota)) {
            ngx_http_api_key_rate_give(quota->store->rate, quota->mark,
                                       quota->ms);
            quota->verdict = API_KEY_UNJUDGED;
        }
    }
}


ngx_http_api_key_quota_t *
ngx_http_api_key_quota_held(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_http_api_key_quota_t  *quota;

    quota = ngx_http_api_key_quota_find(state);

    return (quota && ngx_http_api_key_quota_returns(r, state, quota))
           ? quota : NULL;
}


static ngx_http_api_key_quota_t *
ngx_http_api_key_quota_find(ngx_http_api_key_request_t *state)
{
    ngx_http_api_key_quota_t  *quota;

    for (quota = state->quotas; quota; quota = quota->next) {

        if (quota->store == state->store
            && ngx_memcmp(quota->mark, state->hash, API_KEY_MARK_LEN) == 0)
        {
            break;
        }
    }

    return quota;
}


static ngx_http_api_key_quota_t *
ngx_http_api_key_quota_add(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_http_api_key_quota_t  *quota;

    /* hardly ever are there two */

    quota = state->quotas ? ngx_palloc(r->pool,
                                       sizeof(ngx_http_api_key_quota_t))
                          : &state->quota;
    if (quota == NULL) {
        return NULL;
    }

    quota->store = state->store;
    quota->verdict = API_KEY_UNJUDGED;
    quota->next = state->quotas;
    ngx_memcpy(quota->mark, state->hash, API_KEY_MARK_LEN);

    state->quotas = quota;

    return quota;
}


static ngx_uint_t
ngx_http_api_key_quota_returns(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state, ngx_http_api_key_quota_t *quota)
{
    return quota->verdict == API_KEY_OK
           && (quota->pass == state->pass || r->upstream == NULL);
}
