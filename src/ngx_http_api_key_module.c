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
#include "ngx_http_api_key_merge.h"
#include "ngx_http_api_key_source.h"
#include "ngx_http_api_key_variables.h"


#define NGX_HTTP_API_KEY_ANY_CONF                                             \
    (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF                   \
     |NGX_HTTP_LMT_CONF)


static void *ngx_http_api_key_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_api_key_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_api_key_create_srv_conf(ngx_conf_t *cf);
static void *ngx_http_api_key_create_loc_conf(ngx_conf_t *cf);

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
