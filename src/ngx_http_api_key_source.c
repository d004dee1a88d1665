/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The name of a place where a key may stand.
 */

#include "ngx_http_api_key_source.h"


ngx_int_t
ngx_http_api_key_source(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_api_key_source_t *source)
{
    u_char      c;
    size_t      i;
    ngx_str_t   name;
    ngx_uint_t  n;

    static struct {
        ngx_str_t                  name;
        ngx_http_api_key_source_e  type;
    } types[] = {
        { ngx_string("header:"), NGX_HTTP_API_KEY_HEADER },
        { ngx_string("query:"), NGX_HTTP_API_KEY_QUERY },
        { ngx_string("cookie:"), NGX_HTTP_API_KEY_COOKIE }
    };

    ngx_memzero(source, sizeof(ngx_http_api_key_source_t));

    if (text->len == 6 && ngx_strncmp(text->data, "bearer", 6) == 0) {
        source->type = NGX_HTTP_API_KEY_BEARER;
        ngx_str_set(&name, "Authorization");

    } else {

        for (n = 0; n < 3; n++) {
            if (text->len > types[n].name.len
                && ngx_strncmp(text->data, types[n].name.data,
                               types[n].name.len)
                   == 0)
            {
                break;
            }
        }

        if (n == 3) {
            return NGX_ERROR;
        }

        source->type = types[n].type;
        name.data = text->data + types[n].name.len;
        name.len = text->len - types[n].name.len;
    }

    /* a token of RFC 9110, more or less: no separator of any of the sources */

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (c <= 0x20 || c >= 0x7f || c == ':' || c == '&' || c == '='
            || c == ';' || c == ',' || c == '%' || c == '"' || c == '#'
            || c == '+')
        {
            return NGX_ERROR;
        }
    }

    source->name = name;
    source->lowcase.len = name.len;
    source->lowcase.data = ngx_pnalloc(cf->pool, name.len);
    if (source->lowcase.data == NULL) {
        return NGX_ERROR;
    }

    source->hash = ngx_hash_strlow(source->lowcase.data, name.data, name.len);

    if (source->type == NGX_HTTP_API_KEY_COOKIE) {
        source->hash = ngx_hash_key((u_char *) "cookie", 6);
    }

    if (source->type != NGX_HTTP_API_KEY_HEADER) {
        return NGX_OK;
    }

    /* these mean something to nginx or to the connection */

    for (i = 0; i < name.len; i++) {
        if (name.data[i] == '_') {
            /* no source: a proxy in front may have made it of a dash */
            return NGX_ERROR;
        }
    }

    if (ngx_strcasecmp(name.data, (u_char *) "Host") == 0
        || ngx_strcasecmp(name.data, (u_char *) "Connection") == 0
        || ngx_strcasecmp(name.data, (u_char *) "Cookie") == 0
        || ngx_strcasecmp(name.data, (u_char *) "Content-Length") == 0
        || ngx_strcasecmp(name.data, (u_char *) "Transfer-Encoding") == 0)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
