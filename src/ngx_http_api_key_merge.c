/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What a location has of its own, what it inherits, and what follows from both
 * for its server and for all of http.
 */

#include "ngx_http_api_key_merge.h"
#include "ngx_http_api_key_admin.h"
#include "ngx_http_api_key_clear.h"
#include "ngx_http_api_key_find.h"
#include "ngx_http_api_key_source.h"


static ngx_int_t ngx_http_api_key_merge_challenge(ngx_conf_t *cf,
    ngx_http_api_key_loc_conf_t *conf);
static char *ngx_http_api_key_merge_admin(ngx_conf_t *cf,
    ngx_http_api_key_loc_conf_t *prev, ngx_http_api_key_loc_conf_t *conf);
static char *ngx_http_api_key_merge_clear(ngx_conf_t *cf,
    ngx_http_api_key_loc_conf_t *prev, ngx_http_api_key_loc_conf_t *conf);
static char *ngx_http_api_key_merge_remove(ngx_conf_t *cf,
    ngx_http_api_key_loc_conf_t *conf);
static ngx_int_t ngx_http_api_key_merge_sources(
    ngx_http_api_key_sources_t *sources, ngx_http_api_key_sources_t *more);


char *
ngx_http_api_key_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_api_key_loc_conf_t *prev = parent;
    ngx_http_api_key_loc_conf_t *conf = child;

    char                          *rv;
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_api_key_srv_conf_t   *ascf;
    ngx_http_api_key_main_conf_t  *amcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_api_key_module);
    ascf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_api_key_module);

    if (conf->admin_tokens == NULL) {
        conf->admin_tokens = prev->admin_tokens;
    }

    /* whom limit_except lets through comes to the location's own handler */

    if (clcf->lmt_excpt && prev->admin) {
        conf->admin = prev->admin;
        conf->file = prev->file;
        conf->line = prev->line;
        clcf->handler = ngx_http_api_key_admin_handler;
    }

    if (conf->admin) {

        /* the admin API has a limit of its own, which comes after the token */
        clcf->client_max_body_size = 0;

        return ngx_http_api_key_merge_admin(cf, prev, conf);
    }

    if (conf->gate == NGX_HTTP_API_KEY_GATE_UNSET) {
        conf->gate = prev->gate;
        conf->store = prev->store;
    }

    if (conf->from == NULL) {
        conf->from = prev->from;
    }

    if (conf->from == NULL && conf->gate != NGX_HTTP_API_KEY_GATE_UNSET) {
        conf->from = amcf->from;
    }

    if (conf->store && conf->from
        && ngx_http_api_key_merge_challenge(cf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->upstream == NULL) {
        conf->upstream = prev->upstream;
    }

    if (conf->scopes == NULL) {
        conf->scopes = prev->scopes;
    }

    if (conf->response == NULL) {
        conf->response = prev->response;
        conf->response_type = prev->response_type;
    }

    if (conf->mask == NULL) {
        conf->mask = prev->mask;
    }

    ngx_conf_merge_value(conf->observe, prev->observe, 0);

    if (ngx_http_api_key_merge_remove(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_http_api_key_merge_clear(cf, prev, conf);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (conf->from || conf->clear || conf->mask) {
        amcf->used = 1;
    }

    if (ngx_http_api_key_clear_matches(conf->clear)) {
        amcf->match = 1;
        ascf->match = 1;
    }

    if (conf->upstream && conf->upstream->mode == NGX_HTTP_API_KEY_REPLACE) {
        amcf->replace = 1;
    }

    /*
     * What no log of this server may show is one list for all its locations: a
     * request may have been in another one than it is logged from.
     */

    if (ngx_http_api_key_merge_sources(ascf->secrets, conf->from) != NGX_OK
        || ngx_http_api_key_merge_sources(ascf->secrets, conf->mask) != NGX_OK
        || (conf->upstream && conf->upstream->as
            && ngx_http_api_key_sources_add(ascf->secrets, conf->upstream->as)
               != NGX_OK))
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_api_key_merge_challenge(ngx_conf_t *cf,
    ngx_http_api_key_loc_conf_t *conf)
{
    u_char                     *p;
    ngx_str_t                   scheme;
    ngx_uint_t                  n;
    ngx_http_api_key_source_t  *source;

    ngx_str_set(&scheme, "ApiKey");
    source = conf->from->list.elts;

    for (n = 0; n < conf->from->list.nelts; n++) {
        if (source[n].type == NGX_HTTP_API_KEY_BEARER) {
            ngx_str_set(&scheme, "Bearer");
        }
    }

    p = ngx_pnalloc(cf->pool, sizeof("Bearer realm=\"\"")
                              + conf->store->name.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    conf->challenge.data = p;
    p = ngx_sprintf(p, "%V realm=\"%V\"", &scheme, &conf->store->name);
    conf->challenge.len = p - conf->challenge.data;
    *p = '\0';

    return NGX_OK;
}


/* An admin location takes nothing of the gate over, and has none of its own. */

static char *
ngx_http_api_key_merge_admin(ngx_conf_t *cf, ngx_http_api_key_loc_conf_t *prev,
    ngx_http_api_key_loc_conf_t *conf)
{
    ngx_str_t                      bearer;
    ngx_http_api_key_source_t      source;
    ngx_http_api_key_srv_conf_t   *ascf;
    ngx_http_api_key_main_conf_t  *amcf;

    conf->observe = 0;

    if (conf->written.len) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\" directive is not allowed in a location with "
                      "\"api_key_admin\" in %V:%ui",
                      &conf->written, &conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    if (conf->admin_tokens == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"api_key_admin\" requires \"api_key_admin_tokens\" "
                      "in %V:%ui", &conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_api_key_module);
    amcf->used = 1;

    ngx_str_set(&bearer, "bearer");

    if (ngx_http_api_key_source(cf, &bearer, &source) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ascf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_api_key_module);

    return (ngx_http_api_key_sources_add(ascf->secrets, &source) == NGX_OK)
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_api_key_merge_clear(ngx_conf_t *cf, ngx_http_api_key_loc_conf_t *prev,
    ngx_http_api_key_loc_conf_t *conf)
{
    ngx_uint_t                 i;
    ngx_array_t               *rules;
    ngx_http_api_key_clear_t  *rule, *outer, *own;

    if (prev->clear == NULL || conf->clear_off) {
        return NGX_CONF_OK;
    }

    if (conf->clear == NULL) {
        conf->clear = prev->clear;
        return NGX_CONF_OK;
    }

    rules = ngx_array_create(cf->pool, prev->clear->nelts + conf->clear->nelts,
                             sizeof(ngx_http_api_key_clear_t));
    if (rules == NULL) {
        return NGX_CONF_ERROR;
    }

    outer = prev->clear->elts;
    own = conf->clear->elts;

    for (i = 0; i < prev->clear->nelts + conf->clear->nelts; i++) {
        rule = ngx_array_push(rules);
        if (rule == NULL) {
            return NGX_CONF_ERROR;
        }

        *rule = (i < prev->clear->nelts) ? outer[i]
                                         : own[i - prev->clear->nelts];
    }

    conf->clear = rules;

    return NGX_CONF_OK;
}


/* All that is taken out of a request: the sources, then what "as" names. */

static char *
ngx_http_api_key_merge_remove(ngx_conf_t *cf,
    ngx_http_api_key_loc_conf_t *conf)
{
    conf->remove = conf->from;

    if (conf->from == NULL || conf->upstream == NULL
        || conf->upstream->as == NULL)
    {
        return NGX_CONF_OK;
    }

    conf->remove = ngx_http_api_key_sources_create(cf->pool);

    if (conf->remove == NULL
        || ngx_http_api_key_merge_sources(conf->remove, conf->from) != NGX_OK
        || ngx_http_api_key_sources_add(conf->remove, conf->upstream->as)
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_api_key_merge_sources(ngx_http_api_key_sources_t *sources,
    ngx_http_api_key_sources_t *more)
{
    ngx_uint_t                  n;
    ngx_http_api_key_source_t  *source;

    if (more == NULL) {
        return NGX_OK;
    }

    source = more->list.elts;

    for (n = 0; n < more->list.nelts; n++) {
        if (ngx_http_api_key_sources_add(sources, &source[n]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
