/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the store knows of a key: from the cache, from Redis, or, where Redis
 * is away and the configuration allows it, from what was known last.
 */

#include "ngx_http_api_key_inquiry.h"
#include "ngx_http_api_key_lookup.h"
#include "ngx_http_api_key_wait.h"


static ngx_int_t ngx_http_api_key_inquire_one(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);
static ngx_int_t ngx_http_api_key_inquire_stale(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);
static void ngx_http_api_key_inquire_hash(
    ngx_http_api_key_request_t *state, ngx_uint_t pepper);


void
ngx_http_api_key_inquire_soon(ngx_http_api_key_store_t *store,
    ngx_http_api_key_request_t *state, ngx_uint_t live)
{
    if (state->store == store && (state->live || !live)) {
        return;
    }

    state->store = store;
    state->live = live;
    state->pepper = 0;
    state->found = NGX_AGAIN;
    state->from = NGX_HTTP_API_KEY_FROM_NOWHERE;
    state->record = NULL;
    state->used = 0;
    state->cleared = API_KEY_UNJUDGED;

    ngx_http_api_key_inquire_hash(state, 0);

    if (!live) {
        ngx_http_api_key_lookup_fetch(store, state->hash);
    }
}


ngx_int_t
ngx_http_api_key_inquire(ngx_http_request_t *r,
    ngx_http_api_key_store_t *store, ngx_http_api_key_request_t *state,
    ngx_uint_t live)
{
    if (state->wait) {
        return NGX_AGAIN;
    }

    ngx_http_api_key_inquire_soon(store, state, live);

    for ( ;; ) {

        if (state->found == NGX_DECLINED
            && state->pepper + 1 < store->npeppers)
        {
            state->pepper++;
            state->found = NGX_AGAIN;
            ngx_http_api_key_inquire_hash(state, state->pepper);
        }

        if (state->found != NGX_AGAIN) {
            break;
        }

        if (ngx_http_api_key_inquire_one(r, state) == NGX_AGAIN) {
            return NGX_AGAIN;
        }
    }

    if (state->found == NGX_ABORT) {
        state->found = ngx_http_api_key_inquire_stale(r, state) == NGX_OK
                       ? NGX_OK : NGX_ERROR;
    }

    return state->found;
}


/* Asks under state->pepper; NGX_AGAIN when the answer will come later. */

static ngx_int_t
ngx_http_api_key_inquire_one(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_http_api_key_place_t  place;

    place.pool = r->pool;
    place.room = state->room;

    if (state->live) {
        state->from = NGX_HTTP_API_KEY_FROM_LIVE;

    } else {
        state->found = ngx_http_api_key_lookup_cached(state->store,
                                                      state->hash, &place,
                                                      &state->record,
                                                      &state->used);

        if (state->found != NGX_AGAIN) {

            if (state->from == NGX_HTTP_API_KEY_FROM_NOWHERE) {
                state->from = NGX_HTTP_API_KEY_FROM_HIT;
            }

            return NGX_OK;
        }

        state->from = NGX_HTTP_API_KEY_FROM_MISS;

        if (ngx_http_api_key_lookup_away(state->store)
            && ngx_http_api_key_inquire_stale(r, state) == NGX_OK)
        {
            state->found = NGX_OK;
            return NGX_OK;
        }
    }

    if (ngx_http_api_key_wait_lookup(r, state) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    state->found = NGX_ABORT;

    return NGX_OK;
}


/* Redis is away, so the key may be known under either pepper. */

static ngx_int_t
ngx_http_api_key_inquire_stale(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_uint_t                i;
    ngx_http_api_key_place_t  place;

    place.pool = r->pool;
    place.room = state->room;

    if (state->live) {
        return NGX_DECLINED;
    }

    for (i = 0; i < state->store->npeppers; i++) {

        ngx_http_api_key_inquire_hash(state, i);

        if (ngx_http_api_key_lookup_stale(state->store, state->hash,
                                          &place, &state->record)
            == NGX_OK)
        {
            state->pepper = i;
            state->from = NGX_HTTP_API_KEY_FROM_STALE;

            ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                          "api key passes on a stale answer, key %*s",
                          (size_t) API_KEY_ID_LEN,
                          ngx_http_api_key_request_digest(state));

            return NGX_OK;
        }
    }

    /* back to what Redis is going to be asked */

    ngx_http_api_key_inquire_hash(state, state->pepper);

    return NGX_DECLINED;
}


static void
ngx_http_api_key_inquire_hash(ngx_http_api_key_request_t *state,
    ngx_uint_t pepper)
{
    api_key_str_t  key;

    key.data = state->key.data;
    key.len = state->key.len;

    api_key_digest(state->store->digests[pepper], &key, state->hash);
    state->digest[0] = '\0';
}
