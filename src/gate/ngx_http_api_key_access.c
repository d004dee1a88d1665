/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * One request at the gate: find the key, ask the store, judge, pass or refuse.
 */

#include "ngx_http_api_key_access.h"
#include "ngx_http_api_key_clear.h"
#include "ngx_http_api_key_find.h"
#include "ngx_http_api_key_response.h"
#include "ngx_http_api_key_upstream.h"
#include "ngx_http_api_key_wait.h"
#include "api_key_token.h"


static ngx_int_t ngx_http_api_key_take(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state);
static api_key_verdict_e ngx_http_api_key_judge(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state,
    ngx_uint_t clear);
static ngx_int_t ngx_http_api_key_lookup(ngx_http_request_t *r,
    ngx_http_api_key_store_t *store, ngx_http_api_key_request_t *state,
    ngx_uint_t live);
static api_key_verdict_e ngx_http_api_key_record(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state);
static api_key_verdict_e ngx_http_api_key_permit(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);
static ngx_int_t ngx_http_api_key_settle(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state,
    api_key_verdict_e verdict, ngx_uint_t clear);
static void ngx_http_api_key_log_clear(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);


ngx_int_t
ngx_http_api_key_access_handler(ngx_http_request_t *r)
{
    ngx_uint_t                    clear;
    api_key_verdict_e             verdict;
    ngx_http_api_key_request_t   *state;
    ngx_http_api_key_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_api_key_module);

    if (alcf->store == NULL) {
        return NGX_DECLINED;
    }

    state = ngx_http_api_key_request(r);

    if (state == NULL || ngx_http_api_key_take(r, alcf, state) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    clear = ngx_http_api_key_is_clear(r, alcf->clear);
    verdict = ngx_http_api_key_judge(r, alcf, state, clear);

    if (verdict == API_KEY_UNJUDGED) {
        return NGX_AGAIN;
    }

    return ngx_http_api_key_settle(r, alcf, state, verdict, clear);
}


ngx_int_t
ngx_http_api_key_precontent_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    api_key_verdict_e             verdict;
    ngx_http_api_key_request_t   *state;
    ngx_http_api_key_loc_conf_t  *alcf;

    alcf = ngx_http_get_module_loc_conf(r, ngx_http_api_key_module);

    if (r != r->main || (alcf->from == NULL && alcf->clear == NULL)) {
        return NGX_DECLINED;
    }

    state = ngx_http_api_key_request(r);
    if (state == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* what an access module has refused, another one has let in */

    state->refused = API_KEY_UNJUDGED;

    if (!state->passed) {

        if (ngx_http_api_key_take(r, alcf, state) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (ngx_http_api_key_is_clear(r, alcf->clear)) {
            verdict = alcf->store
                      ? ngx_http_api_key_judge(r, alcf, state, 1)
                      : API_KEY_NOT_ARMED;

            if (verdict == API_KEY_UNJUDGED) {
                return NGX_AGAIN;
            }

            rc = ngx_http_api_key_settle(r, alcf, state, verdict, 1);

            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    if (state->passed && state->verdict == API_KEY_OK) {
        ngx_http_api_key_upstream_replace(r, alcf, state);
    }

    return NGX_DECLINED;
}


/*
 * Reads the key and takes it out of the request at once, so that whatever
 * becomes of it, nobody sees the key behind the gate.  Only who observes
 * waits for the verdict.
 */

static ngx_int_t
ngx_http_api_key_take(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state)
{
    if (state->searched || alcf->from == NULL) {
        return NGX_OK;
    }

    if (ngx_http_api_key_find(r, alcf->from, state) != NGX_OK) {
        return NGX_ERROR;
    }

    if (alcf->observe) {
        return NGX_OK;
    }

    return ngx_http_api_key_upstream_strip(r, alcf, state);
}


/* The verdict in the order of the contract; UNJUDGED: the request is parked. */

static api_key_verdict_e
ngx_http_api_key_judge(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state,
    ngx_uint_t clear)
{
    api_key_str_t      key;
    api_key_verdict_e  verdict;

    if (state->ambiguous) {
        return API_KEY_AMBIGUOUS;
    }

    if (state->key.data == NULL) {
        return API_KEY_MISSING;
    }

    key.data = state->key.data;
    key.len = state->key.len;

    if (api_key_token_check(&key, &alcf->store->issue_prefix) != 0) {
        return API_KEY_MALFORMED;
    }

    switch (ngx_http_api_key_lookup(r, alcf->store, state, clear)) {

    case NGX_AGAIN:
        return API_KEY_UNJUDGED;

    case NGX_ERROR:
        return API_KEY_UNAVAILABLE;
    }

    verdict = ngx_http_api_key_record(r, alcf, state);

    if (verdict == API_KEY_OK && clear) {
        verdict = ngx_http_api_key_permit(r, state);
    }

    return verdict;
}


/*
 * Finds the record under one pepper after the other.  What was asked for in an
 * earlier location still holds, but for a clear operation, which is judged on
 * what Redis says at that moment.
 */

static ngx_int_t
ngx_http_api_key_lookup(ngx_http_request_t *r,
    ngx_http_api_key_store_t *store, ngx_http_api_key_request_t *state,
    ngx_uint_t live)
{
    api_key_str_t  key;

    if (state->wait) {
        return NGX_AGAIN;
    }

    if (state->store != store || (live && !state->live)) {
        state->store = store;
        state->live = live;
        state->pepper = 0;
        state->found = NGX_AGAIN;
        state->record = NULL;
        state->cleared = API_KEY_UNJUDGED;
    }

    while (state->found == NGX_AGAIN
           || (state->found == NGX_DECLINED
               && state->pepper < store->npeppers))
    {
        if (state->found == NGX_DECLINED && ++state->pepper
            == store->npeppers)
        {
            break;
        }

        key.data = state->key.data;
        key.len = state->key.len;

        state->found = NGX_ERROR;

        if (api_key_digest(store->digests[state->pepper], &key, state->digest)
            != 0)
        {
            break;
        }

        if (ngx_http_api_key_wait_lookup(r, state) == NGX_AGAIN) {
            return NGX_AGAIN;
        }
    }

    return state->found;
}


static api_key_verdict_e
ngx_http_api_key_record(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif
    api_key_facts_t       facts;

    ngx_memzero(&facts, sizeof(api_key_facts_t));

    facts.digest = state->digest;
    facts.now = ngx_time();

    if (alcf->scopes) {
        facts.scopes = alcf->scopes->elts;
        facts.nscopes = alcf->scopes->nelts;
    }

    facts.family = r->connection->sockaddr->sa_family;

    switch (facts.family) {

    case AF_INET:
        sin = (struct sockaddr_in *) r->connection->sockaddr;
        facts.address = (u_char *) &sin->sin_addr;
        break;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) r->connection->sockaddr;
        facts.address = sin6->sin6_addr.s6_addr;
        break;
#endif
    }

    return api_key_judge(state->record, &facts);
}


/* A request takes one use, however many locations it comes through. */

static api_key_verdict_e
ngx_http_api_key_permit(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    if (state->cleared != API_KEY_UNJUDGED) {
        return state->cleared;
    }

    if (ngx_http_api_key_wait_clear(r, state) == NGX_AGAIN) {
        return API_KEY_UNJUDGED;
    }

    return API_KEY_UNAVAILABLE;
}


static ngx_int_t
ngx_http_api_key_settle(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state,
    api_key_verdict_e verdict, ngx_uint_t clear)
{
    const api_key_str_t  *name;

    state->verdict = verdict;

    if (verdict == API_KEY_OK) {
        state->passed = 1;

        if (clear) {
            ngx_http_api_key_log_clear(r, state);
        }

        if (alcf->observe
            && ngx_http_api_key_upstream_strip(r, alcf, state) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return NGX_OK;
    }

    if (alcf->observe && !clear) {
        state->passed = 1;

        name = api_key_verdict_name(verdict);

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "api key would be refused: %*s", name->len, name->data);

        return NGX_DECLINED;
    }

    return ngx_http_api_key_refuse(r, alcf, state, verdict);
}


static void
ngx_http_api_key_log_clear(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    ngx_http_variable_value_t     *v;
    ngx_http_api_key_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_api_key_module);
    v = ngx_http_get_indexed_variable(r, amcf->request_id);

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "api key clear operation passed, key %*s, request %v",
                  (size_t) API_KEY_ID_LEN, state->digest,
                  v ? v : &ngx_http_variable_null_value);
}
