/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The module's variables: what is known of the key, and the verdict.
 */

#include "ngx_http_api_key_variables.h"
#include "ngx_http_api_key_request.h"


typedef enum {
    NGX_HTTP_API_KEY_VAR_ID = 0,
    NGX_HTTP_API_KEY_VAR_NAME,
    NGX_HTTP_API_KEY_VAR_SCOPES,
    NGX_HTTP_API_KEY_VAR_EXPIRES,
    NGX_HTTP_API_KEY_VAR_STATUS,
    NGX_HTTP_API_KEY_VAR_ERROR,
    NGX_HTTP_API_KEY_VAR_CACHE
} ngx_http_api_key_variable_e;


static ngx_int_t ngx_http_api_key_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_api_key_variable_record(ngx_http_request_t *r,
    api_key_record_t *record, ngx_http_api_key_variable_e which,
    api_key_str_t *value);
static ngx_int_t ngx_http_api_key_variable_meta(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_api_key_variable_set(ngx_http_variable_value_t *v,
    const api_key_str_t *value);


static ngx_http_variable_t  ngx_http_api_key_variables[] = {

    { ngx_string("api_key_id"), NULL, ngx_http_api_key_variable,
      NGX_HTTP_API_KEY_VAR_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("api_key_name"), NULL, ngx_http_api_key_variable,
      NGX_HTTP_API_KEY_VAR_NAME, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("api_key_scopes"), NULL, ngx_http_api_key_variable,
      NGX_HTTP_API_KEY_VAR_SCOPES, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("api_key_expires"), NULL, ngx_http_api_key_variable,
      NGX_HTTP_API_KEY_VAR_EXPIRES, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("api_key_status"), NULL, ngx_http_api_key_variable,
      NGX_HTTP_API_KEY_VAR_STATUS, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("api_key_error"), NULL, ngx_http_api_key_variable,
      NGX_HTTP_API_KEY_VAR_ERROR, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("api_key_cache"), NULL, ngx_http_api_key_variable,
      NGX_HTTP_API_KEY_VAR_CACHE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("api_key_meta_"), NULL, ngx_http_api_key_variable_meta,
      0, NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_api_key_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_api_key_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_int_t                    rc;
    api_key_str_t                value;
    const api_key_str_t         *word;
    ngx_http_api_key_request_t  *state;

    /* in the order of ngx_http_api_key_from_e */

    static const api_key_str_t  from[] = {
        api_key_string(""), api_key_string("hit"), api_key_string("miss"),
        api_key_string("stale"), api_key_string("live")
    };

    v->not_found = 1;

    state = ngx_http_api_key_request_find(r->main);

    if (state == NULL) {
        return NGX_OK;
    }

    switch (data) {

    case NGX_HTTP_API_KEY_VAR_STATUS:
        word = api_key_verdict_name(state->verdict);
        break;

    case NGX_HTTP_API_KEY_VAR_ERROR:
        word = api_key_verdict_error(state->verdict);
        break;

    case NGX_HTTP_API_KEY_VAR_CACHE:
        word = &from[state->from];
        break;

    case NGX_HTTP_API_KEY_VAR_ID:
        if (state->record == NULL) {
            return NGX_OK;
        }

        value.data = ngx_http_api_key_request_digest(state);
        value.len = API_KEY_ID_LEN;
        word = &value;
        break;

    default:
        if (state->record == NULL) {
            return NGX_OK;
        }

        rc = ngx_http_api_key_variable_record(r, state->record, data, &value);

        if (rc != NGX_OK) {
            return rc;
        }

        word = &value;
    }

    ngx_http_api_key_variable_set(v, word);

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_variable_record(ngx_http_request_t *r,
    api_key_record_t *record, ngx_http_api_key_variable_e which,
    api_key_str_t *value)
{
    u_char    *p;
    ngx_tm_t   tm;

    if (which == NGX_HTTP_API_KEY_VAR_NAME) {
        *value = record->name;
        return NGX_OK;
    }

    if (which == NGX_HTTP_API_KEY_VAR_SCOPES) {
        *value = record->scopes;
        return NGX_OK;
    }

    /* NGX_HTTP_API_KEY_VAR_EXPIRES, RFC 3339 */

    value->len = 0;
    value->data = NULL;

    if (record->expires_at == API_KEY_NEVER) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, sizeof("1970-01-01T00:00:00Z"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    ngx_gmtime((time_t) api_key_record_seconds(record->expires_at), &tm);

    p = ngx_sprintf(p, "%4d-%02d-%02dT%02d:%02d:%02dZ", tm.ngx_tm_year,
                    tm.ngx_tm_mon, tm.ngx_tm_mday, tm.ngx_tm_hour,
                    tm.ngx_tm_min, tm.ngx_tm_sec);

    value->len = p - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_variable_meta(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    size_t                       i;
    ngx_str_t                   *variable = (ngx_str_t *) data;
    api_key_str_t                name;
    ngx_http_api_key_request_t  *state;

    v->not_found = 1;

    name.data = variable->data + sizeof("api_key_meta_") - 1;
    name.len = variable->len - (sizeof("api_key_meta_") - 1);

    state = ngx_http_api_key_request_find(r->main);

    if (state == NULL || state->record == NULL) {
        return NGX_OK;
    }

    for (i = 0; i < state->record->nmeta; i++) {
        if (api_key_str_equal(&state->record->meta[i].name, &name)) {
            ngx_http_api_key_variable_set(v, &state->record->meta[i].value);
            break;
        }
    }

    return NGX_OK;
}


/* An empty value is not found, so that a log shows "-". */

static void
ngx_http_api_key_variable_set(ngx_http_variable_value_t *v,
    const api_key_str_t *value)
{
    if (value->len == 0) {
        return;
    }

    v->data = (u_char *) value->data;
    v->len = value->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
}
