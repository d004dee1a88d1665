/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What is written in nginx.conf, and what is wrong with it.
 */

#include "ngx_http_api_key_directives.h"
#include "ngx_http_api_key_admin.h"
#include "ngx_http_api_key_file.h"
#include "ngx_http_api_key_find.h"
#include "ngx_http_api_key_source.h"
#include "ngx_http_api_key_store_conf.h"
#include "ngx_http_api_key_upstream.h"


static ngx_http_api_key_store_t *ngx_http_api_key_find_store(ngx_conf_t *cf,
    ngx_str_t *name);
static char *ngx_http_api_key_sources(ngx_conf_t *cf,
    ngx_http_api_key_sources_t **sources);
static char *ngx_http_api_key_regex(ngx_conf_t *cf, ngx_str_t *pattern,
    ngx_regex_t **regex);
static void ngx_http_api_key_written(ngx_conf_t *cf,
    ngx_http_api_key_loc_conf_t *alcf);
static char *ngx_http_api_key_duplicate(void);


char *
ngx_http_api_key_store_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    size_t                      i;
    ngx_str_t                  *value;
    ngx_http_api_key_store_t   *store;

    value = cf->args->elts;

    for (i = 0; i < value[1].len; i++) {
        if (!((value[1].data[i] >= 'a' && value[1].data[i] <= 'z')
              || (value[1].data[i] >= 'A' && value[1].data[i] <= 'Z')
              || (value[1].data[i] >= '0' && value[1].data[i] <= '9')
              || value[1].data[i] == '_' || value[1].data[i] == '-'))
        {
            break;
        }
    }

    if (i == 0 || i < value[1].len || i > 64
        || ngx_strcmp(value[1].data, "off") == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\" in \"api_key_store\" "
                           "directive", &value[1]);
        return NGX_CONF_ERROR;
    }

    store = ngx_http_api_key_find_store(cf, &value[1]);
    if (store == NULL) {
        return NGX_CONF_ERROR;
    }

    if (store->defined) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"api_key_store\" \"%V\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    store->defined = 1;

    return ngx_http_api_key_store_conf(cf, store);
}


char *
ngx_http_api_key_gate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_api_key_loc_conf_t *alcf = conf;

    ngx_str_t  *value;

    if (alcf->gate != NGX_HTTP_API_KEY_GATE_UNSET) {
        return ngx_http_api_key_duplicate();
    }

    ngx_http_api_key_written(cf, alcf);

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        alcf->gate = NGX_HTTP_API_KEY_GATE_OFF;
        return NGX_CONF_OK;
    }

    alcf->gate = NGX_HTTP_API_KEY_GATE_ON;
    alcf->store = ngx_http_api_key_find_store(cf, &value[1]);

    return alcf->store ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_api_key_from(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_api_key_loc_conf_t *alcf = conf;

    ngx_http_api_key_written(cf, alcf);

    return ngx_http_api_key_sources(cf, &alcf->from);
}


char *
ngx_http_api_key_mask(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_api_key_loc_conf_t *alcf = conf;

    ngx_http_api_key_written(cf, alcf);

    return ngx_http_api_key_sources(cf, &alcf->mask);
}


char *
ngx_http_api_key_upstream(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_api_key_loc_conf_t *alcf = conf;

    ngx_str_t                    *value, text;
    ngx_http_api_key_upstream_t  *upstream;

    if (alcf->upstream) {
        return ngx_http_api_key_duplicate();
    }

    ngx_http_api_key_written(cf, alcf);

    upstream = ngx_pcalloc(cf->pool, sizeof(ngx_http_api_key_upstream_t));
    if (upstream == NULL) {
        return NGX_CONF_ERROR;
    }

    alcf->upstream = upstream;
    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "strip") == 0) {
        upstream->mode = NGX_HTTP_API_KEY_STRIP;
        return NGX_CONF_OK;
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "pass") == 0) {
        upstream->mode = NGX_HTTP_API_KEY_PASS;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[1].data, "replace=", 8) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"api_key_upstream\" "
                           "directive", &value[1]);
        return NGX_CONF_ERROR;
    }

    text.data = value[1].data + 8;
    text.len = value[1].len - 8;

    if (text.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no file in \"%V\" in \"api_key_upstream\" "
                           "directive", &value[1]);
        return NGX_CONF_ERROR;
    }

    upstream->mode = NGX_HTTP_API_KEY_REPLACE;

    if (ngx_http_api_key_file_line(cf, &text, &upstream->secret) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_api_key_upstream_escape(cf->pool, upstream) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    upstream->as = ngx_palloc(cf->pool, sizeof(ngx_http_api_key_source_t));
    if (upstream->as == NULL) {
        return NGX_CONF_ERROR;
    }

    text.data = value[2].data + 3;
    text.len = value[2].len - 3;

    if (ngx_strncmp(value[2].data, "as=", 3) != 0
        || ngx_http_api_key_source(cf, &text, upstream->as) != NGX_OK
        || (upstream->as->type != NGX_HTTP_API_KEY_HEADER
            && upstream->as->type != NGX_HTTP_API_KEY_QUERY))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"api_key_upstream\" "
                           "directive", &value[2]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_api_key_scope(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_api_key_loc_conf_t *alcf = conf;

    ngx_str_t      *value;
    ngx_uint_t      i;
    api_key_str_t  *scope;

    if (alcf->scopes) {
        return ngx_http_api_key_duplicate();
    }

    ngx_http_api_key_written(cf, alcf);

    alcf->scopes = ngx_array_create(cf->pool, 2, sizeof(api_key_str_t));
    if (alcf->scopes == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        scope = ngx_array_push(alcf->scopes);
        if (scope == NULL) {
            return NGX_CONF_ERROR;
        }

        scope->data = value[i].data;
        scope->len = value[i].len;

        if (api_key_scope_check(scope) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid scope \"%V\" in \"api_key_scope\" "
                               "directive", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_http_api_key_clear(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_api_key_loc_conf_t *alcf = conf;

    char                      *rv;
    size_t                     n;
    ngx_str_t                 *value, *method, pattern;
    ngx_uint_t                 i;
    ngx_regex_t              **regex;
    ngx_http_api_key_clear_t  *rule;

    ngx_http_api_key_written(cf, alcf);

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        if (alcf->clear_off) {
            return ngx_http_api_key_duplicate();
        }

        alcf->clear_off = 1;
        return NGX_CONF_OK;
    }

    if (alcf->clear == NULL) {
        alcf->clear = ngx_array_create(cf->pool, 2,
                                       sizeof(ngx_http_api_key_clear_t));
        if (alcf->clear == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    rule = ngx_array_push(alcf->clear);
    if (rule == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(rule, sizeof(ngx_http_api_key_clear_t));

    rule->methods = ngx_array_create(cf->pool, 1, sizeof(ngx_str_t));
    if (rule->methods == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "match=", 6) == 0) {
            regex = &rule->match;
            n = 6;

        } else if (ngx_strncmp(value[i].data, "unless=", 7) == 0) {
            regex = &rule->unless;
            n = 7;

        } else {

            for (n = 0; n < value[i].len; n++) {
                if (value[i].data[n] < 'A' || value[i].data[n] > 'Z') {
                    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                       "invalid parameter \"%V\" in "
                                       "\"api_key_clear\" directive",
                                       &value[i]);
                    return NGX_CONF_ERROR;
                }
            }

            method = ngx_array_push(rule->methods);
            if (method == NULL) {
                return NGX_CONF_ERROR;
            }

            *method = value[i];
            continue;
        }

        if (*regex) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\" in "
                               "\"api_key_clear\" directive", &value[i]);
            return NGX_CONF_ERROR;
        }

        pattern.data = value[i].data + n;
        pattern.len = value[i].len - n;

        rv = ngx_http_api_key_regex(cf, &pattern, regex);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    if (rule->methods->nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no method in \"api_key_clear\" directive");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_api_key_response(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_api_key_loc_conf_t *alcf = conf;

    size_t                             i;
    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    if (alcf->response) {
        return ngx_http_api_key_duplicate();
    }

    ngx_http_api_key_written(cf, alcf);

    value = cf->args->elts;

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] < 0x20 || value[1].data[i] >= 0x7f) {
            break;
        }
    }

    if (i < value[1].len || ngx_strlchr(value[1].data,
                                        value[1].data + value[1].len, '/')
                            == NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid type \"%V\" in \"api_key_response\" "
                           "directive", &value[1]);
        return NGX_CONF_ERROR;
    }

    alcf->response_type = value[1];

    alcf->response = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (alcf->response == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[2];
    ccv.complex_value = alcf->response;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_api_key_observe(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_api_key_loc_conf_t *alcf = conf;

    ngx_http_api_key_written(cf, alcf);

    return ngx_conf_set_flag_slot(cf, cmd, conf);
}


char *
ngx_http_api_key_admin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_api_key_loc_conf_t *alcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (alcf->admin) {
        return ngx_http_api_key_duplicate();
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->exact_match || clcf->named || clcf->noname
#if (NGX_PCRE)
        || clcf->regex
#endif
        || clcf->name.len == 0
        || clcf->name.data[clcf->name.len - 1] != '/')
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"api_key_admin\" needs a prefix location that "
                           "ends in \"/\"");
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    alcf->admin = ngx_http_api_key_find_store(cf, &value[1]);
    if (alcf->admin == NULL) {
        return NGX_CONF_ERROR;
    }

    if (alcf->file.data == NULL) {
        alcf->file = cf->conf_file->file.name;
        alcf->line = cf->conf_file->line;
    }

    clcf->handler = ngx_http_api_key_admin_handler;

    return NGX_CONF_OK;
}


char *
ngx_http_api_key_admin_tokens(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_api_key_loc_conf_t *alcf = conf;

    int                     rc;
    unsigned                line;
    ngx_str_t               text, *value;
    ngx_uint_t              i;
    const char             *reason;
    api_key_str_t           rest;
    api_key_admin_token_t   token, *tokens;

    if (alcf->admin_tokens) {
        return ngx_http_api_key_duplicate();
    }

    value = cf->args->elts;

    if (ngx_http_api_key_file_read(cf, &value[1], &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    alcf->admin_tokens = ngx_array_create(cf->pool, 4,
                                          sizeof(api_key_admin_token_t));
    if (alcf->admin_tokens == NULL) {
        return NGX_CONF_ERROR;
    }

    rest.data = text.data;
    rest.len = text.len;
    line = 0;
    reason = "no token";

    for ( ;; ) {
        rc = api_key_secret_token(&rest, &token, &line, &reason);

        if (rc != 1) {
            break;
        }

        tokens = alcf->admin_tokens->elts;

        for (i = 0; i < alcf->admin_tokens->nelts; i++) {
            if (api_key_str_equal(&tokens[i].name, &token.name)) {
                reason = "duplicate name";
                goto failed;
            }
        }

        text.data = (u_char *) token.name.data;
        text.len = token.name.len;

        token.name.data = ngx_pstrdup(cf->pool, &text);
        if (token.name.data == NULL) {
            return NGX_CONF_ERROR;
        }

        tokens = ngx_array_push(alcf->admin_tokens);
        if (tokens == NULL) {
            return NGX_CONF_ERROR;
        }

        *tokens = token;
    }

    if (rc == 0 && alcf->admin_tokens->nelts) {
        return NGX_CONF_OK;
    }

failed:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"api_key_admin_tokens\": %s in \"%V\" line %ui",
                       reason, &value[1], (ngx_uint_t) line);

    return NGX_CONF_ERROR;
}


/* A store may be named before its block: the end of http{} settles it. */

static ngx_http_api_key_store_t *
ngx_http_api_key_find_store(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                     i;
    ngx_http_api_key_store_t      *store, **stores, **slot;
    ngx_http_api_key_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_api_key_module);
    stores = amcf->stores.elts;

    for (i = 0; i < amcf->stores.nelts; i++) {
        if (stores[i]->name.len == name->len
            && ngx_strncmp(stores[i]->name.data, name->data, name->len) == 0)
        {
            return stores[i];
        }
    }

    store = ngx_pcalloc(cf->pool, sizeof(ngx_http_api_key_store_t));
    if (store == NULL) {
        return NULL;
    }

    store->name = *name;
    store->file = cf->conf_file->file.name;
    store->line = cf->conf_file->line;

    slot = ngx_array_push(&amcf->stores);
    if (slot == NULL) {
        return NULL;
    }

    *slot = store;

    return store;
}


static char *
ngx_http_api_key_sources(ngx_conf_t *cf,
    ngx_http_api_key_sources_t **sources)
{
    ngx_str_t                  *value;
    ngx_uint_t                  i;
    ngx_http_api_key_source_t   source;

    if (*sources) {
        return ngx_http_api_key_duplicate();
    }

    *sources = ngx_http_api_key_sources_create(cf->pool);
    if (*sources == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (cf->args->nelts - 1 > NGX_HTTP_API_KEY_SOURCES) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too many sources in \"%V\" directive", &value[0]);
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_api_key_source(cf, &value[i], &source) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid source \"%V\" in \"%V\" directive",
                               &value[i], &value[0]);
            return NGX_CONF_ERROR;
        }

        if (ngx_http_api_key_sources_have(*sources, &source)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate source \"%V\" in \"%V\" directive",
                               &value[i], &value[0]);
            return NGX_CONF_ERROR;
        }

        if (ngx_http_api_key_sources_add(*sources, &source) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_regex(ngx_conf_t *cf, ngx_str_t *pattern,
    ngx_regex_t **regex)
{
#if (NGX_PCRE)

    ngx_regex_compile_t  rc;
    u_char               errstr[NGX_MAX_CONF_ERRSTR];

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.pattern = *pattern;
    rc.pool = cf->pool;
    rc.options = NGX_REGEX_CASELESS;
    rc.err.len = NGX_MAX_CONF_ERRSTR;
    rc.err.data = errstr;

    if (pattern->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "empty regex in \"api_key_clear\" directive");
        return NGX_CONF_ERROR;
    }

    if (ngx_regex_compile(&rc) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%V in \"api_key_clear\" directive", &rc.err);
        return NGX_CONF_ERROR;
    }

    *regex = rc.regex;

    return NGX_CONF_OK;

#else

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "using regex \"%V\" in \"api_key_clear\" requires PCRE "
                       "library", pattern);
    return NGX_CONF_ERROR;

#endif
}


static void
ngx_http_api_key_written(ngx_conf_t *cf, ngx_http_api_key_loc_conf_t *alcf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    alcf->written = value[0];
    alcf->file = cf->conf_file->file.name;
    alcf->line = cf->conf_file->line;
}


static char *
ngx_http_api_key_duplicate(void)
{
    return "is duplicate";
}
