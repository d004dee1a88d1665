/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The table of contents: directives, their levels, and where the parts hang.
 */

#include "ngx_http_api_key_module.h"
#include "ngx_http_api_key_access.h"
#include "ngx_http_api_key_admin.h"
#include "ngx_http_api_key_clear.h"
#include "ngx_http_api_key_directives.h"
#include "ngx_http_api_key_find.h"
#include "ngx_http_api_key_mask.h"
#include "ngx_http_api_key_variables.h"


#define NGX_HTTP_API_KEY_ANY_CONF                                             \
    (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF                   \
     |NGX_HTTP_LMT_CONF)


static void *ngx_http_api_key_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_api_key_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_api_key_create_srv_conf(ngx_conf_t *cf);
static void *ngx_http_api_key_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_api_key_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
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

static ngx_int_t ngx_http_api_key_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_api_key_phase(ngx_http_core_main_conf_t *cmcf,
    ngx_http_phases phase, ngx_http_handler_pt handler);
static ngx_int_t ngx_http_api_key_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_api_key_init_process(ngx_cycle_t *cycle);
static void ngx_http_api_key_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_api_key_commands[] = {

    { ngx_string("api_key_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_api_key_store_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("api_key"),
      NGX_HTTP_API_KEY_ANY_CONF|NGX_CONF_TAKE1,
      ngx_http_api_key_gate,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("api_key_from"),
      NGX_HTTP_API_KEY_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_api_key_from,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("api_key_upstream"),
      NGX_HTTP_API_KEY_ANY_CONF|NGX_CONF_TAKE12,
      ngx_http_api_key_upstream,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("api_key_scope"),
      NGX_HTTP_API_KEY_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_api_key_scope,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("api_key_clear"),
      NGX_HTTP_API_KEY_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_api_key_clear,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("api_key_response"),
      NGX_HTTP_API_KEY_ANY_CONF|NGX_CONF_TAKE2,
      ngx_http_api_key_response,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("api_key_observe"),
      NGX_HTTP_API_KEY_ANY_CONF|NGX_CONF_FLAG,
      ngx_http_api_key_observe,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_api_key_loc_conf_t, observe),
      NULL },

    { ngx_string("api_key_mask"),
      NGX_HTTP_API_KEY_ANY_CONF|NGX_CONF_1MORE,
      ngx_http_api_key_mask,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("api_key_admin"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_api_key_admin,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("api_key_admin_tokens"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_api_key_admin_tokens,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_api_key_module_ctx = {
    ngx_http_api_key_add_variables,        /* preconfiguration */
    ngx_http_api_key_init,                 /* postconfiguration */

    ngx_http_api_key_create_main_conf,     /* create main configuration */
    ngx_http_api_key_init_main_conf,       /* init main configuration */

    ngx_http_api_key_create_srv_conf,      /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_api_key_create_loc_conf,      /* create location configuration */
    ngx_http_api_key_merge_loc_conf        /* merge location configuration */
};


ngx_module_t  ngx_http_api_key_module = {
    NGX_MODULE_V1,
    &ngx_http_api_key_module_ctx,          /* module context */
    ngx_http_api_key_commands,             /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_api_key_init_module,          /* init module */
    ngx_http_api_key_init_process,         /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_api_key_exit_process,         /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_api_key_create_main_conf(ngx_conf_t *cf)
{
    ngx_str_t                      name;
    ngx_http_api_key_source_t      source;
    ngx_http_api_key_main_conf_t  *amcf;

    amcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_api_key_main_conf_t));
    if (amcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&amcf->stores, cf->pool, 2,
                       sizeof(ngx_http_api_key_store_t *))
        != NGX_OK)
    {
        return NULL;
    }

    if (ngx_array_init(&amcf->tainted, cf->pool, 8, sizeof(ngx_uint_t))
        != NGX_OK)
    {
        return NULL;
    }

    ngx_str_set(&name, "header:X-API-Key");
    amcf->from = ngx_http_api_key_sources_create(cf->pool);

    if (amcf->from == NULL
        || ngx_http_api_key_source(cf, &name, &source) != NGX_OK
        || ngx_http_api_key_sources_add(amcf->from, &source) != NGX_OK)
    {
        return NULL;
    }

    return amcf;
}


static char *
ngx_http_api_key_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_api_key_main_conf_t *amcf = conf;

    ngx_uint_t                  i;
    ngx_http_api_key_store_t  **stores;

    stores = amcf->stores.elts;

    for (i = 0; i < amcf->stores.nelts; i++) {
        if (!stores[i]->defined) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"api_key_store\" \"%V\" is not defined in %V:%ui",
                          &stores[i]->name, &stores[i]->file,
                          stores[i]->line);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_api_key_create_srv_conf(ngx_conf_t *cf)
{
    ngx_http_api_key_srv_conf_t  *ascf;

    ascf = ngx_pcalloc(cf->pool, sizeof(ngx_http_api_key_srv_conf_t));
    if (ascf == NULL) {
        return NULL;
    }

    ascf->secrets = ngx_http_api_key_sources_create(cf->pool);

    return ascf->secrets ? ascf : NULL;
}


static void *
ngx_http_api_key_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_api_key_loc_conf_t  *alcf;

    alcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_api_key_loc_conf_t));
    if (alcf == NULL) {
        return NULL;
    }

    alcf->observe = NGX_CONF_UNSET;

    return alcf;
}


static char *
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


static ngx_int_t
ngx_http_api_key_init(ngx_conf_t *cf)
{
    ngx_str_t                        name;
    ngx_uint_t                       i;
    ngx_array_t                     *log;
    ngx_http_handler_pt             *h;
    ngx_http_core_loc_conf_t        *clcf;
    ngx_http_api_key_store_t       **stores;
    ngx_http_core_main_conf_t       *cmcf;
    ngx_http_api_key_main_conf_t    *amcf;
    ngx_http_api_key_redis_conf_t   *rcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_api_key_module);

    if (!amcf->used) {
        return NGX_OK;
    }

    ngx_str_set(&name, "request_id");

    amcf->request_id = ngx_http_get_variable_index(cf, &name);
    if (amcf->request_id == NGX_ERROR) {
        return NGX_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    stores = amcf->stores.elts;

    for (i = 0; i < amcf->stores.nelts; i++) {
        rcf = &stores[i]->redis_conf;

        /* names are looked up anew only where a resolver is configured */

        if (rcf->server->family != AF_UNIX && rcf->server->host.len
            && rcf->server->host.data[0] != '['
            && ngx_inet_addr(rcf->server->host.data, rcf->server->host.len)
               == INADDR_NONE)
        {
            rcf->resolver = clcf->resolver;
            rcf->resolver_timeout = clcf->resolver_timeout;

            if (rcf->resolver_timeout == NGX_CONF_UNSET_MSEC) {
                rcf->resolver_timeout = 30000;
            }
        }
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (ngx_http_api_key_phase(cmcf, NGX_HTTP_POST_READ_PHASE,
                               ngx_http_api_key_mask_handler)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (amcf->match
        && ngx_http_api_key_phase(cmcf, NGX_HTTP_POST_READ_PHASE,
                                  ngx_http_api_key_clear_handler)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_api_key_phase(cmcf, NGX_HTTP_ACCESS_PHASE,
                               ngx_http_api_key_access_handler)
        != NGX_OK
        || ngx_http_api_key_phase(cmcf, NGX_HTTP_PRECONTENT_PHASE,
                                  ngx_http_api_key_precontent_handler)
           != NGX_OK
        || ngx_http_api_key_phase(cmcf, NGX_HTTP_LOG_PHASE,
                                  ngx_http_api_key_log_handler)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* this phase runs forwards: what masks must stand before what logs */

    log = &cmcf->phases[NGX_HTTP_LOG_PHASE].handlers;

    if (ngx_array_push(log) == NULL) {
        return NGX_ERROR;
    }

    h = log->elts;
    ngx_memmove(&h[1], &h[0], (log->nelts - 1) * sizeof(ngx_http_handler_pt));
    h[0] = ngx_http_api_key_mask_log_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_phase(ngx_http_core_main_conf_t *cmcf, ngx_http_phases phase,
    ngx_http_handler_pt handler)
{
    ngx_http_handler_pt  *h;

    h = ngx_array_push(&cmcf->phases[phase].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = handler;

    return NGX_OK;
}


/* Only now all variables that have an index are known. */

static ngx_int_t
ngx_http_api_key_init_module(ngx_cycle_t *cycle)
{
    ngx_uint_t                     i, n, *index;
    ngx_http_variable_t           *v;
    ngx_http_core_main_conf_t     *cmcf;
    ngx_http_api_key_main_conf_t  *amcf;

    static ngx_str_t  prefixes[] = {
        ngx_string("request_uri"), ngx_string("request"), ngx_string("args"),
        ngx_string("query_string"), ngx_string("http_"), ngx_string("arg_"),
        ngx_string("cookie_")
    };

    amcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_api_key_module);

    if (amcf == NULL || !amcf->used) {
        return NGX_OK;
    }

    cmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module);
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {

        if (ngx_strncmp(v[i].name.data, "upstream_", 9) == 0
            || ngx_strncmp(v[i].name.data, "sent_", 5) == 0)
        {
            amcf->echoes = 1;
        }

        for (n = 0; n < sizeof(prefixes) / sizeof(prefixes[0]); n++) {
            if (v[i].name.len >= prefixes[n].len
                && (v[i].name.len == prefixes[n].len
                    || prefixes[n].data[prefixes[n].len - 1] == '_')
                && ngx_strncmp(v[i].name.data, prefixes[n].data,
                               prefixes[n].len) == 0)
            {
                index = ngx_array_push(&amcf->tainted);
                if (index == NULL) {
                    return NGX_ERROR;
                }

                *index = i;
                break;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                      i;
    ngx_http_api_key_store_t      **stores;
    ngx_http_api_key_main_conf_t   *amcf;

    /* the cache manager and loader come by here too */

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    amcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_api_key_module);

    if (amcf == NULL || !amcf->used) {
        return NGX_OK;
    }

    stores = amcf->stores.elts;

    for (i = 0; i < amcf->stores.nelts; i++) {
        if (ngx_http_api_key_store_redis(stores[i]) == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_api_key_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                      i;
    ngx_http_api_key_store_t      **stores;
    ngx_http_api_key_main_conf_t   *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_api_key_module);

    if (amcf == NULL) {
        return;
    }

    stores = amcf->stores.elts;

    for (i = 0; i < amcf->stores.nelts; i++) {
        ngx_http_api_key_store_close(stores[i]);
    }
}
