/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * One request at the gate: find the key, ask the store, judge, pass or refuse.
 */

#include "ngx_http_api_key_access.h"
#include "ngx_http_api_key_clear.h"
#include "ngx_http_api_key_find.h"
#include "ngx_http_api_key_inquiry.h"
#include "ngx_http_api_key_quota.h"
#include "ngx_http_api_key_response.h"
#include "ngx_http_api_key_upstream.h"
#include "ngx_http_api_key_used.h"
#include "ngx_http_api_key_wait.h"
#include "api_key_token.h"


static ngx_int_t ngx_http_api_key_take(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state);
static api_key_verdict_e ngx_http_api_key_form(
    ngx_http_api_key_store_t *store, ngx_http_api_key_request_t *state);
static api_key_verdict_e ngx_http_api_key_judge(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state,
    ngx_uint_t clear);
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

    clear = alcf->clear && ngx_http_api_key_is_clear(r, alcf->clear);
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

        if (alcf->clear && ngx_http_api_key_is_clear(r, alcf->clear)) {
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

    if (state->passed && state->verdict == API_KEY_OK
        && ngx_http_api_key_upstream_replace(r, alcf, state) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/* Counts a request once, by the last verdict on it. */

ngx_int_t
ngx_http_api_key_log_handler(ngx_http_request_t *r)
{
    ngx_http_api_key_request_t  *state;

    state = ngx_http_api_key_request_find(r);

    if (state && state->judge) {
        ngx_http_api_key_count(state->judge->counters,
                               (state->observed
                                ? NGX_HTTP_API_KEY_COUNT_OBSERVED
                                : NGX_HTTP_API_KEY_COUNT_REQUESTS)
                               + state->verdict, 1);
    }

    return NGX_OK;
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

    /* this location may have found another key, or one more */

    state->formed = NULL;

    /* what the cache holds of it comes while the key is taken out */

    if (alcf->store
        && ngx_http_api_key_form(alcf->store, state) == API_KEY_OK)
    {
        ngx_http_api_key_inquire_soon(alcf->store, state, 0);
    }

    if (alcf->observe) {
        return NGX_OK;
    }

    return ngx_http_api_key_upstream_strip(r, alcf, state);
}


/* The verdict as far as the request itself tells it. */

static api_key_verdict_e
ngx_http_api_key_form(ngx_http_api_key_store_t *store,
    ngx_http_api_key_request_t *state)
{
    api_key_str_t  key;

    if (state->formed == store) {
        return state->form;
    }

    state->formed = store;

    key.data = state->key.data;
    key.len = state->key.len;

    if (state->ambiguous) {
        state->form = API_KEY_AMBIGUOUS;

    } else if (key.data == NULL) {
        state->form = API_KEY_MISSING;

    } else if (api_key_token_check(&key, &store->issue_prefix) != 0) {
        state->form = API_KEY_MALFORMED;

    } else {
        state->form = API_KEY_OK;
    }

    return state->form;
}


/* The verdict in the order of the contract; UNJUDGED: the request is parked. */

static api_key_verdict_e
ngx_http_api_key_judge(ngx_http_request_t *r,
    ngx_http_api_key_loc_conf_t *alcf, ngx_http_api_key_request_t *state,
    ngx_uint_t clear)
{
    api_key_verdict_e  verdict;

    verdict = ngx_http_api_key_form(alcf->store, state);

    if (verdict != API_KEY_OK) {
        return verdict;
    }

    switch (ngx_http_api_key_inquire(r, alcf->store, state, clear)) {

    case NGX_AGAIN:
        return API_KEY_UNJUDGED;

    case NGX_ERROR:
        return API_KEY_UNAVAILABLE;
    }

    verdict = ngx_http_api_key_record(r, alcf, state);

    if (verdict != API_KEY_OK) {
        return verdict;
    }

    if (clear) {
        return ngx_http_api_key_permit(r, state);
    }

    return state->record->rate_limit ? ngx_http_api_key_quota_take(r, state)
                                     : API_KEY_OK;
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

    facts.hash = state->hash;
    facts.now = ngx_http_api_key_now();

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


/*
 * A request takes one use, however many locations it comes through.  Its quota
 * is taken before, as only who gets it may take a use; who does not get it may
 * still have to hear that the flag is not set.
 */

static api_key_verdict_e
ngx_http_api_key_permit(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state)
{
    api_key_verdict_e  quota;

    if (state->cleared != API_KEY_UNJUDGED) {
        return state->cleared;
    }

    quota = state->record->rate_limit ? ngx_http_api_key_quota_take(r, state)
                                      : API_KEY_OK;

    if (quota != API_KEY_UNAVAILABLE
        && ngx_http_api_key_wait_clear(r, state, quota == API_KEY_LIMITED)
           == NGX_AGAIN)
    {
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
    state->judge = alcf->store;
    state->observed = 0;

    if (verdict == API_KEY_OK) {
        state->passed = 1;

        /* once a second is enough, for all workers */

        if (state->used != ngx_time()) {
            ngx_http_api_key_used(alcf->store, state->hash);
        }

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
        state->observed = 1;

        name = api_key_verdict_name(verdict);

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "api key would be refused: %*s", name->len, name->data);

        return NGX_DECLINED;
    }

    ngx_http_api_key_quota_give(r, state);

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
                  (size_t) API_KEY_ID_LEN,
                  ngx_http_api_key_request_digest(state),
                  v ? v : &ngx_http_variable_null_value);
}
