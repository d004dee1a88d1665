/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The table of the admin API's routes: method, path, query parameters, body,
 * and who answers.
 */

#include "ngx_http_api_key_route.h"
#include "ngx_http_api_key_audit.h"
#include "ngx_http_api_key_flags.h"
#include "ngx_http_api_key_health.h"
#include "ngx_http_api_key_json.h"
#include "ngx_http_api_key_keys.h"
#include "ngx_http_api_key_metrics.h"
#include "ngx_http_api_key_openapi.h"


static ngx_uint_t ngx_http_api_key_route_match(const char *pattern,
    ngx_str_t *path, u_char *id);
static ngx_int_t ngx_http_api_key_route_pair(
    const ngx_http_api_key_route_t *route, ngx_http_api_key_call_t *call,
    u_char *pair, u_char *last);
static ngx_int_t ngx_http_api_key_route_decode(ngx_pool_t *pool, u_char *data,
    size_t len, ngx_str_t *text);
static ngx_uint_t ngx_http_api_key_route_takes(
    const ngx_http_api_key_route_t *route, ngx_str_t *name);


static const ngx_http_api_key_route_t  ngx_http_api_key_routes[] = {

    { NGX_HTTP_GET, "", "", NGX_HTTP_API_KEY_BODY_NONE, NULL },

    { NGX_HTTP_GET, "page.css", "", NGX_HTTP_API_KEY_BODY_NONE, NULL },

    { NGX_HTTP_GET, "page.js", "", NGX_HTTP_API_KEY_BODY_NONE, NULL },

    { NGX_HTTP_GET, "v1/keys", "limit cursor state name",
      NGX_HTTP_API_KEY_BODY_NONE, ngx_http_api_key_keys_list },

    { NGX_HTTP_POST, "v1/keys", "", NGX_HTTP_API_KEY_BODY_REQUIRED,
      ngx_http_api_key_keys_create },

    { NGX_HTTP_POST, "v1/keys/import", "", NGX_HTTP_API_KEY_BODY_REQUIRED,
      ngx_http_api_key_keys_import },

    { NGX_HTTP_GET, "v1/keys/*", "", NGX_HTTP_API_KEY_BODY_NONE,
      ngx_http_api_key_keys_get },

    { NGX_HTTP_PATCH, "v1/keys/*", "", NGX_HTTP_API_KEY_BODY_REQUIRED,
      ngx_http_api_key_keys_change },

    { NGX_HTTP_DELETE, "v1/keys/*", "", NGX_HTTP_API_KEY_BODY_NONE,
      ngx_http_api_key_keys_revoke },

    { NGX_HTTP_POST, "v1/keys/*/rotate", "", NGX_HTTP_API_KEY_BODY_OPTIONAL,
      ngx_http_api_key_keys_rotate },

    { NGX_HTTP_GET, "v1/clear", "", NGX_HTTP_API_KEY_BODY_NONE,
      ngx_http_api_key_flags_get },

    { NGX_HTTP_PUT, "v1/clear", "", NGX_HTTP_API_KEY_BODY_OPTIONAL,
      ngx_http_api_key_flags_arm },

    { NGX_HTTP_DELETE, "v1/clear", "key", NGX_HTTP_API_KEY_BODY_NONE,
      ngx_http_api_key_flags_disarm },

    { NGX_HTTP_GET, "v1/audit", "limit cursor", NGX_HTTP_API_KEY_BODY_NONE,
      ngx_http_api_key_audit_list },

    { NGX_HTTP_GET, "v1/health", "", NGX_HTTP_API_KEY_BODY_NONE,
      ngx_http_api_key_health },

    { NGX_HTTP_GET, "openapi.json", "", NGX_HTTP_API_KEY_BODY_NONE,
      ngx_http_api_key_openapi },

    { NGX_HTTP_GET, "metrics", "", NGX_HTTP_API_KEY_BODY_NONE,
      ngx_http_api_key_metrics },

    { 0, NULL, NULL, NGX_HTTP_API_KEY_BODY_NONE, NULL }
};


static const struct {
    ngx_uint_t   method;
    const char  *name;

} ngx_http_api_key_route_methods[] = {
    { NGX_HTTP_GET, "GET, HEAD" },
    { NGX_HTTP_POST, "POST" },
    { NGX_HTTP_PUT, "PUT" },
    { NGX_HTTP_PATCH, "PATCH" },
    { NGX_HTTP_DELETE, "DELETE" },
    { 0, NULL }
};


ngx_int_t
ngx_http_api_key_route_find(ngx_pool_t *pool, ngx_uint_t method,
    ngx_str_t *path, u_char *id, const ngx_http_api_key_route_t **found,
    ngx_str_t *allow)
{
    u_char                          *p;
    ngx_uint_t                       i, methods;
    const ngx_http_api_key_route_t  *route;

    if (method == NGX_HTTP_HEAD) {
        method = NGX_HTTP_GET;
    }

    methods = 0;

    ngx_str_null(allow);

    for (route = ngx_http_api_key_routes; route->path; route++) {

        if (!ngx_http_api_key_route_match(route->path, path, id)) {
            continue;
        }

        if (route->method == method) {
            *found = route;
            return NGX_OK;
        }

        methods |= route->method;
    }

    if (methods == 0) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(pool, sizeof("GET, HEAD, POST, PUT, PATCH, DELETE"));
    if (p == NULL) {
        return NGX_ERROR;
    }

    allow->data = p;

    for (i = 0; ngx_http_api_key_route_methods[i].name; i++) {
        if (methods & ngx_http_api_key_route_methods[i].method) {
            p = ngx_sprintf(p, "%s%s", (p == allow->data) ? "" : ", ",
                            ngx_http_api_key_route_methods[i].name);
        }
    }

    allow->len = p - allow->data;

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_http_api_key_route_match(const char *pattern, ngx_str_t *path, u_char *id)
{
    u_char         *p, *last;
    api_key_str_t   text;

    p = path->data;
    last = p + path->len;

    for ( /* void */ ; *pattern; pattern++) {

        if (*pattern != '*') {

            if (p == last || *p++ != (u_char) *pattern) {
                return 0;
            }

            continue;
        }

        if (last - p < API_KEY_ID_LEN) {
            return 0;
        }

        text.len = API_KEY_ID_LEN;
        text.data = p;

        if (api_key_id_check(&text) != 0) {
            return 0;
        }

        ngx_memcpy(id, p, API_KEY_ID_LEN);

        p += API_KEY_ID_LEN;
    }

    return p == last;
}


ngx_int_t
ngx_http_api_key_route_query(const ngx_http_api_key_route_t *route,
    ngx_http_api_key_call_t *call, ngx_str_t *args)
{
    u_char  *p, *end, *last;

    last = args->data + args->len;

    for (p = args->data; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, '&');
        if (end == NULL) {
            end = last;
        }

        if (end > p
            && ngx_http_api_key_route_pair(route, call, p, end) != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_route_pair(const ngx_http_api_key_route_t *route,
    ngx_http_api_key_call_t *call, u_char *pair, u_char *last)
{
    u_char        *equals;
    ngx_int_t      rc;
    ngx_str_t      name, value;
    ngx_uint_t     i;
    const char    *field;
    ngx_keyval_t  *query;

    field = "query";

    equals = ngx_strlchr(pair, last, '=');
    if (equals == NULL) {
        equals = last;
    }

    if (ngx_http_api_key_route_decode(call->pool, pair, equals - pair, &name)
        != NGX_OK)
    {
        goto wrong;
    }

    /* the copy ends with a zero, and holds none */

    if (ngx_http_api_key_json_nameable((char *) name.data, name.len)) {
        field = (char *) name.data;
    }

    if (!ngx_http_api_key_route_takes(route, &name)) {
        goto wrong;
    }

    query = call->query.elts;

    for (i = 0; i < call->query.nelts; i++) {
        if (query[i].key.len == name.len
            && ngx_memcmp(query[i].key.data, name.data, name.len) == 0)
        {
            goto wrong;
        }
    }

    ngx_str_null(&value);

    rc = ngx_http_api_key_route_decode(call->pool, ngx_min(equals + 1, last),
                                       last - ngx_min(equals + 1, last),
                                       &value);
    query = ngx_array_push(&call->query);

    if (rc == NGX_OK && query) {
        query->key = name;
        query->value = value;

        return NGX_OK;
    }

wrong:

    (void) ngx_http_api_key_call_problem(call, 400, "invalid_field", field);

    return NGX_DECLINED;
}


/*
 * Decodes "%XX" and "+".  A "%" without two digits and a zero byte are
 * NGX_DECLINED.
 */

static ngx_int_t
ngx_http_api_key_route_decode(ngx_pool_t *pool, u_char *data, size_t len,
    ngx_str_t *text)
{
    int      high, low;
    u_char  *p, *last;

    p = ngx_pnalloc(pool, len + 1);
    if (p == NULL) {
        return NGX_DECLINED;
    }

    text->data = p;

    for (last = data + len; data < last; data++) {

        switch (*data) {

        case '+':
            *p = ' ';
            break;

        case '%':
            if (last - data < 3) {
                return NGX_DECLINED;
            }

            high = api_key_hex(data[1]);
            low = api_key_hex(data[2]);

            if (high == -1 || low == -1) {
                return NGX_DECLINED;
            }

            *p = (u_char) (high << 4 | low);
            data += 2;
            break;

        default:
            *p = *data;
        }

        if (*p++ == '\0') {
            return NGX_DECLINED;
        }
    }

    *p = '\0';
    text->len = p - text->data;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_api_key_route_takes(const ngx_http_api_key_route_t *route,
    ngx_str_t *name)
{
    size_t       len;
    const char  *word;

    for (word = route->query; *word; word += len + (word[len] == ' ')) {

        len = strcspn(word, " ");

        if (len == name->len && ngx_strncmp(word, name->data, len) == 0) {
            return 1;
        }
    }

    return 0;
}
