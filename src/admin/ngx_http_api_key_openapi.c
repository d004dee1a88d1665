/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The admin API as OpenAPI: openapi.json, from the header that scripts/embed
 * makes of it.
 */

#include "ngx_http_api_key_openapi.h"
#include "ngx_http_api_key_openapi_json.h"


ngx_int_t
ngx_http_api_key_openapi(ngx_http_api_key_call_t *call)
{
    ngx_str_t  text;

    text.len = ngx_http_api_key_json_openapi_len;
    text.data = (u_char *) ngx_http_api_key_json_openapi;

    return ngx_http_api_key_call_document(call, "application/json", &text);
}
