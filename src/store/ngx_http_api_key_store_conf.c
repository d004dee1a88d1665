/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The api_key_store block: what a store may be configured to be.
 */

#include "ngx_http_api_key_store_conf.h"
#include "ngx_http_api_key_file.h"
#include "api_key_secret.h"
#include "api_key_token.h"


#define NGX_HTTP_API_KEY_CONNECT_TIMEOUT  500          /* ms */
#define NGX_HTTP_API_KEY_TIMEOUT          200

#define NGX_HTTP_API_KEY_CACHE_SIZE       (8 * 1024 * 1024)
#define NGX_HTTP_API_KEY_CACHE_SIZE_MIN   (64 * 1024)
#define NGX_HTTP_API_KEY_CACHE_VALID      60000        /* ms */
#define NGX_HTTP_API_KEY_CACHE_INVALID    5000

/* what one reply of Redis may be: lists are read in pages below that */

#define NGX_HTTP_API_KEY_ELEMENTS         1024
#define NGX_HTTP_API_KEY_BUFFERED         (1024 * 1024)


/* the block as it is being read: what it says stays apart from defaults */

typedef struct {
    ngx_http_api_key_store_t  *store;
    uintptr_t                  seen;      /* a bit for each parameter */
} ngx_http_api_key_store_block_t;


/* name=value as one of the arguments of a parameter */

typedef struct {
    ngx_str_t                  name;      /* with its "=" */
    ngx_str_t                  value;
    ngx_uint_t                 arg;       /* 0: not given */
} ngx_http_api_key_option_t;


typedef char *(*ngx_http_api_key_parameter_pt)(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);


typedef struct {
    ngx_str_t                      name;
    ngx_uint_t                     max;                /* most arguments */
    ngx_http_api_key_parameter_pt  set;
} ngx_http_api_key_parameter_t;


static char *ngx_http_api_key_store_parameter(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static char *ngx_http_api_key_store_invalid(ngx_conf_t *cf, ngx_uint_t i);
static char *ngx_http_api_key_store_later(ngx_conf_t *cf);
static char *ngx_http_api_key_store_server(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_topology(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_username(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_password_file(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_database(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_tls(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_prefix(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_pepper_file(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_issue(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_issue_set(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store, ngx_uint_t which, ngx_str_t *text);
static char *ngx_http_api_key_store_options(ngx_conf_t *cf,
    ngx_http_api_key_option_t *options, ngx_uint_t n);
static char *ngx_http_api_key_store_cache(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_connect_timeout(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_timeout(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_cache_set(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store, ngx_uint_t which, ngx_str_t *text);
static char *ngx_http_api_key_store_zones(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store);
static char *ngx_http_api_key_store_msec(ngx_conf_t *cf, ngx_msec_t *msec);
static char *ngx_http_api_key_store_digest(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store, const api_key_str_t *pepper);
static void ngx_http_api_key_store_digest_free(void *data);


static ngx_http_api_key_parameter_t  ngx_http_api_key_store_parameters[] = {
    { ngx_string("server"), 1, ngx_http_api_key_store_server },
    { ngx_string("topology"), 2, ngx_http_api_key_store_topology },
    { ngx_string("username"), 1, ngx_http_api_key_store_username },
    { ngx_string("password_file"), 1, ngx_http_api_key_store_password_file },
    { ngx_string("database"), 1, ngx_http_api_key_store_database },
    { ngx_string("tls"), 1, ngx_http_api_key_store_tls },
    { ngx_string("tls_ca"), 1, ngx_http_api_key_store_tls },
    { ngx_string("tls_certificate"), 1, ngx_http_api_key_store_tls },
    { ngx_string("tls_certificate_key"), 1, ngx_http_api_key_store_tls },
    { ngx_string("tls_name"), 1, ngx_http_api_key_store_tls },
    { ngx_string("prefix"), 1, ngx_http_api_key_store_prefix },
    { ngx_string("pepper_file"), 1, ngx_http_api_key_store_pepper_file },
    { ngx_string("issue"), 5, ngx_http_api_key_store_issue },
    { ngx_string("cache"), 5, ngx_http_api_key_store_cache },
    { ngx_string("connect_timeout"), 1,
      ngx_http_api_key_store_connect_timeout },
    { ngx_string("timeout"), 1, ngx_http_api_key_store_timeout },
    { ngx_null_string, 0, NULL }
};


char *
ngx_http_api_key_store_conf(ngx_conf_t *cf, ngx_http_api_key_store_t *store)
{
    char                            *rv;
    u_char                          *p;
    ngx_str_t                        url;
    ngx_url_t                       *server;
    ngx_conf_t                       save;
    ngx_http_api_key_store_block_t   block;

    block.store = store;
    block.seen = 0;

    store->redis_conf.connect_timeout = NGX_HTTP_API_KEY_CONNECT_TIMEOUT;
    store->redis_conf.timeout = NGX_HTTP_API_KEY_TIMEOUT;
    store->redis_conf.bounds.elements = NGX_HTTP_API_KEY_ELEMENTS;
    store->redis_conf.bounds.buffered = NGX_HTTP_API_KEY_BUFFERED;

    store->cache_size = NGX_HTTP_API_KEY_CACHE_SIZE;
    store->cache_valid = NGX_HTTP_API_KEY_CACHE_VALID;
    store->cache_invalid = NGX_HTTP_API_KEY_CACHE_INVALID;
    store->cache_push = 1;

    save = *cf;
    cf->handler = ngx_http_api_key_store_parameter;
    cf->handler_conf = (char *) &block;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    store->redis_conf.store = store->name;

    if (store->redis_conf.server == NULL) {
        server = ngx_pcalloc(cf->pool, sizeof(ngx_url_t));
        if (server == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_str_set(&url, "127.0.0.1:6379");
        server->url = url;

        if (ngx_parse_url(cf->pool, server) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        store->redis_conf.server = server;
    }

    if (store->redis_conf.login.username.len
        && store->redis_conf.login.password.len == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"username\" requires \"password_file\"");
        return NGX_CONF_ERROR;
    }

    if (store->prefix.data == NULL) {
        p = ngx_pnalloc(cf->pool, store->name.len + 1);
        if (p == NULL) {
            return NGX_CONF_ERROR;
        }

        store->prefix.data = p;
        store->prefix.len = store->name.len + 1;

        p = ngx_cpymem(p, store->name.data, store->name.len);
        *p = ':';
    }

    if (store->issue_prefix.data == NULL) {
        store->issue_prefix.data = (const unsigned char *) "key";
        store->issue_prefix.len = 3;
    }

    if (store->npeppers == 0
        && ngx_http_api_key_store_digest(cf, store, NULL) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_api_key_store_zones(cf, store);
}


/*
 * What a zone holds is true of one set of keys.  Its name says of which, so
 * that a reload with another one begins with an empty zone.
 */

static char *
ngx_http_api_key_store_zones(ngx_conf_t *cf, ngx_http_api_key_store_t *store)
{
    u_char               *p;
    size_t                len;
    ngx_str_t             name;
    ngx_uint_t            i;
    const api_key_str_t  *pepper;

    len = sizeof("api_key counters ") + store->name.len
          + store->redis_conf.server->url.len + NGX_INT_T_LEN
          + store->prefix.len + 2 * (API_KEY_PEPPER_ID + 1) + 3;

    name.data = ngx_pnalloc(cf->pool, len);
    store->tracked.data = ngx_pnalloc(cf->pool, store->prefix.len + 4);

    if (name.data == NULL || store->tracked.data == NULL) {
        return NGX_CONF_ERROR;
    }

    store->tracked.len = ngx_sprintf(store->tracked.data, "%Vkey:",
                                     &store->prefix)
                         - store->tracked.data;

    name.len = ngx_sprintf(name.data, "api_key counters %V", &store->name)
               - name.data;

    store->counters = ngx_http_api_key_counters_add(cf, &name);
    if (store->counters == NULL) {
        return NGX_CONF_ERROR;
    }

    store->redis_conf.counters = store->counters;

    /* an id stays what it is under another pepper, and so does its quota */

    name.data = ngx_pnalloc(cf->pool, len);
    if (name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    name.len = ngx_sprintf(name.data, "api_key rates %V %V/%ui %V",
                           &store->name, &store->redis_conf.server->url,
                           store->redis_conf.login.database, &store->prefix)
               - name.data;

    store->rate = ngx_http_api_key_rate_add(cf, &name);
    if (store->rate == NULL) {
        return NGX_CONF_ERROR;
    }

    if (store->cache_size == 0) {
        return NGX_CONF_OK;
    }

    name.data = ngx_pnalloc(cf->pool, len);
    if (name.data == NULL) {
        return NGX_CONF_ERROR;
    }

    p = ngx_sprintf(name.data, "api_key cache %V %V/%ui %V", &store->name,
                    &store->redis_conf.server->url,
                    store->redis_conf.login.database, &store->prefix);

    for (i = 0; i < store->npeppers; i++) {
        pepper = api_key_digest_pepper(store->digests[i]);
        p = ngx_sprintf(p, " %*s", pepper->len, pepper->data);
    }

    name.len = p - name.data;

    store->cache = ngx_http_api_key_cache_add(cf, &name, store->cache_size);

    return store->cache ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_api_key_store_parameter(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    ngx_str_t                       *value;
    ngx_uint_t                       i;
    ngx_http_api_key_parameter_t    *parameter;
    ngx_http_api_key_store_block_t  *block = conf;

    value = cf->args->elts;

    for (i = 0; ngx_http_api_key_store_parameters[i].name.len; i++) {
        parameter = &ngx_http_api_key_store_parameters[i];

        if (parameter->name.len != value[0].len
            || ngx_strcmp(parameter->name.data, value[0].data) != 0)
        {
            continue;
        }

        if (block->seen & ((uintptr_t) 1 << i)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" directive is duplicate", &value[0]);
            return NGX_CONF_ERROR;
        }

        block->seen |= (uintptr_t) 1 << i;

        if (cf->args->nelts < 2 || cf->args->nelts - 1 > parameter->max) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"%V\" "
                               "directive", &value[0]);
            return NGX_CONF_ERROR;
        }

        return parameter->set(cf, block->store);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown directive \"%V\" in \"api_key_store\"",
                       &value[0]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_api_key_store_invalid(ngx_conf_t *cf, ngx_uint_t i)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive",
                       &value[i], &value[0]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_api_key_store_later(ngx_conf_t *cf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V %V\" is not supported by this version",
                       &value[0], &value[1]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_api_key_store_server(ngx_conf_t *cf, ngx_http_api_key_store_t *store)
{
    ngx_str_t  *value;
    ngx_url_t  *url;

    value = cf->args->elts;

    url = ngx_pcalloc(cf->pool, sizeof(ngx_url_t));
    if (url == NULL) {
        return NGX_CONF_ERROR;
    }

    url->url = value[1];
    url->default_port = 6379;

    if (ngx_parse_url(cf->pool, url) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in \"server\" directive \"%V\"",
                           url->err ? url->err : "out of memory", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (url->uri.len) {
        return ngx_http_api_key_store_invalid(cf, 1);
    }

    store->redis_conf.server = url;

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_topology(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "standalone") == 0 && cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if ((ngx_strcmp(value[1].data, "sentinel") == 0 && cf->args->nelts == 3)
        || (ngx_strcmp(value[1].data, "cluster") == 0 && cf->args->nelts == 2))
    {
        return ngx_http_api_key_store_later(cf);
    }

    return ngx_http_api_key_store_invalid(cf, 1);
}


static char *
ngx_http_api_key_store_username(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (value[1].len == 0) {
        return ngx_http_api_key_store_invalid(cf, 1);
    }

    store->redis_conf.login.username = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_password_file(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_http_api_key_file_line(cf, &value[1],
                                   &store->redis_conf.login.password)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_database(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n > NGX_MAX_INT32_VALUE) {
        return ngx_http_api_key_store_invalid(cf, 1);
    }

    store->redis_conf.login.database = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_tls(ngx_conf_t *cf, ngx_http_api_key_store_t *store)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "tls") != 0
        || ngx_strcmp(value[1].data, "on") == 0)
    {
        return ngx_http_api_key_store_later(cf);
    }

    if (ngx_strcmp(value[1].data, "off") != 0) {
        return ngx_http_api_key_store_invalid(cf, 1);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_prefix(ngx_conf_t *cf, ngx_http_api_key_store_t *store)
{
    ngx_uint_t   i;
    ngx_str_t   *value;

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].len > NGX_HTTP_API_KEY_STORE_PREFIX) {
        return ngx_http_api_key_store_invalid(cf, 1);
    }

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] <= 0x20 || value[1].data[i] >= 0x7f) {
            return ngx_http_api_key_store_invalid(cf, 1);
        }
    }

    store->prefix = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_pepper_file(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store)
{
    char           *rv;
    size_t          i, n;
    unsigned        line;
    ngx_str_t       text, *value;
    const char     *reason;
    api_key_str_t   whole, peppers[API_KEY_PEPPERS];

    value = cf->args->elts;

    if (ngx_http_api_key_file_read(cf, &value[1], &text) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    whole.data = text.data;
    whole.len = text.len;

    reason = api_key_secret_peppers(&whole, peppers, &n, &line);

    if (reason) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"pepper_file\": %s in \"%V\" line %ui",
                           reason, &value[1], (ngx_uint_t) line);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < n; i++) {
        rv = ngx_http_api_key_store_digest(cf, store,
                                           peppers[i].data ? &peppers[i]
                                                           : NULL);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_issue(ngx_conf_t *cf, ngx_http_api_key_store_t *store)
{
    ngx_uint_t                  i;
    ngx_http_api_key_option_t   options[] = {
        { ngx_string("prefix="), ngx_null_string, 0 },
        { ngx_string("default_ttl="), ngx_null_string, 0 },
        { ngx_string("max_ttl="), ngx_null_string, 0 },
        { ngx_string("rotate_after="), ngx_null_string, 0 },
        { ngx_string("max_keys="), ngx_null_string, 0 }
    };

    if (ngx_http_api_key_store_options(cf, options, 5) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < 5; i++) {
        if (options[i].arg
            && ngx_http_api_key_store_issue_set(cf, store, i,
                                                &options[i].value)
               != NGX_CONF_OK)
        {
            return ngx_http_api_key_store_invalid(cf, options[i].arg);
        }
    }

    if (store->max_ttl && store->default_ttl > store->max_ttl) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"default_ttl\" is longer than \"max_ttl\" "
                           "in \"issue\" directive");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_options(ngx_conf_t *cf,
    ngx_http_api_key_option_t *options, ngx_uint_t n)
{
    ngx_str_t   *value;
    ngx_uint_t   i, k;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        for (k = 0; k < n; k++) {
            if (ngx_strncmp(value[i].data, options[k].name.data,
                            options[k].name.len)
                == 0)
            {
                break;
            }
        }

        if (k == n || options[k].arg) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "%s parameter \"%V\" in \"%V\" directive",
                               k == n ? "invalid" : "duplicate", &value[i],
                               &value[0]);
            return NGX_CONF_ERROR;
        }

        options[k].arg = i;
        options[k].value.data = value[i].data + options[k].name.len;
        options[k].value.len = value[i].len - options[k].name.len;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_issue_set(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store, ngx_uint_t which, ngx_str_t *text)
{
    ngx_int_t      n;
    api_key_str_t  prefix;

    if (which == 0) {
        prefix.data = text->data;
        prefix.len = text->len;
        store->issue_prefix = prefix;

        return api_key_prefix_check(&prefix) == 0 ? NGX_CONF_OK
                                                  : NGX_CONF_ERROR;
    }

    n = (which == 4) ? ngx_atoi(text->data, text->len)
                     : ngx_parse_time(text, 1);

    /* a hundred years is no end that anybody means */

    if (n == NGX_ERROR || n == 0 || n > (ngx_int_t) 100 * 366 * 86400) {
        return NGX_CONF_ERROR;
    }

    switch (which) {

    case 1:
        store->default_ttl = n;
        break;

    case 2:
        store->max_ttl = n;
        break;

    case 3:
        store->rotate_after = n;
        break;

    default:
        store->max_keys = n;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_cache(ngx_conf_t *cf, ngx_http_api_key_store_t *store)
{
    ngx_str_t                  *value;
    ngx_uint_t                  i;
    ngx_http_api_key_option_t   options[] = {
        { ngx_string("size="), ngx_null_string, 0 },
        { ngx_string("valid="), ngx_null_string, 0 },
        { ngx_string("invalid="), ngx_null_string, 0 },
        { ngx_string("stale="), ngx_null_string, 0 },
        { ngx_string("push="), ngx_null_string, 0 }
    };

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        store->cache_size = 0;
        return NGX_CONF_OK;
    }

    if (ngx_http_api_key_store_options(cf, options, 5) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < 5; i++) {
        if (options[i].arg
            && ngx_http_api_key_store_cache_set(cf, store, i,
                                                &options[i].value)
               != NGX_CONF_OK)
        {
            return ngx_http_api_key_store_invalid(cf, options[i].arg);
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_cache_set(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store, ngx_uint_t which, ngx_str_t *text)
{
    ssize_t    size;
    ngx_int_t  n;

    if (which == 0) {
        size = ngx_parse_size(text);
        store->cache_size = size;

        /* cells are counted in 31 bits */

        return (size < NGX_HTTP_API_KEY_CACHE_SIZE_MIN
                || (uint64_t) size > (uint64_t) 256 << 30)
               ? NGX_CONF_ERROR : NGX_CONF_OK;
    }

    if (which == 4) {
        store->cache_push = (text->len == 2
                             && ngx_strncmp(text->data, "on", 2) == 0);

        return (store->cache_push
                || (text->len == 3 && ngx_strncmp(text->data, "off", 3) == 0))
               ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    n = ngx_parse_time(text, 0);

    /* who wants to trust an answer for longer than a day trusts it for good */

    if (n == NGX_ERROR || n > 86400 * 1000 || (which == 1 && n == 0)) {
        return NGX_CONF_ERROR;
    }

    switch (which) {

    case 1:
        store->cache_valid = n;
        break;

    case 2:
        store->cache_invalid = n;
        break;

    default:
        store->cache_stale = n;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_connect_timeout(ngx_conf_t *cf,
    ngx_http_api_key_store_t *store)
{
    return ngx_http_api_key_store_msec(cf, &store->redis_conf.connect_timeout);
}


static char *
ngx_http_api_key_store_timeout(ngx_conf_t *cf, ngx_http_api_key_store_t *store)
{
    return ngx_http_api_key_store_msec(cf, &store->redis_conf.timeout);
}


static char *
ngx_http_api_key_store_msec(ngx_conf_t *cf, ngx_msec_t *msec)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;

    n = ngx_parse_time(&value[1], 0);

    if (n == NGX_ERROR || n == 0 || n > 3600 * 1000) {
        return ngx_http_api_key_store_invalid(cf, 1);
    }

    *msec = n;

    return NGX_CONF_OK;
}


static char *
ngx_http_api_key_store_digest(ngx_conf_t *cf, ngx_http_api_key_store_t *store,
    const api_key_str_t *pepper)
{
    api_key_digest_t    *digest;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    digest = api_key_digest_create(pepper);
    if (digest == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_api_key_store_digest_free;
    cln->data = digest;

    store->digests[store->npeppers++] = digest;

    return NGX_CONF_OK;
}


static void
ngx_http_api_key_store_digest_free(void *data)
{
    api_key_digest_free(data);
}
