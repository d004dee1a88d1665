/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The query of the routes that answer in pages.
 */

#include "ngx_http_api_key_paging.h"


ngx_int_t
ngx_http_api_key_paging_query(ngx_http_api_key_call_t *call,
    const ngx_http_api_key_paging_parameter_t *parameters, void *input)
{
    ngx_uint_t     i, n;
    ngx_keyval_t  *query;

    query = call->query.elts;

    for (i = 0; i < call->query.nelts; i++) {
        for (n = 0; parameters[n].name; n++) {

            if (ngx_strlen(parameters[n].name) != query[i].key.len
                || ngx_strncmp(parameters[n].name, query[i].key.data,
                               query[i].key.len)
                   != 0)
            {
                continue;
            }

            if (parameters[n].handler(&query[i].value, input) != NGX_OK) {
                (void) ngx_http_api_key_call_problem(call, 400,
                                                     "invalid_field",
                                                     parameters[n].name);
                return NGX_DECLINED;
            }
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_api_key_paging_limit(ngx_str_t *value, ngx_uint_t *limit)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n < 1 || n > NGX_HTTP_API_KEY_PAGING_MAX) {
        return NGX_DECLINED;
    }

    *limit = n;

    return NGX_OK;
}
