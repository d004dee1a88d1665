/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * JSON as the admin API takes it in: one object, read strictly, its members
 * handed out by a table.
 */

#ifndef _NGX_HTTP_API_KEY_JSON_H_INCLUDED_
#define _NGX_HTTP_API_KEY_JSON_H_INCLUDED_


#include "ngx_http_api_key_call.h"


/*
 * One member: its name, and what takes its value into the input.  A handler
 * returns NGX_OK, NGX_DECLINED when the value is wrong, or NGX_ERROR when out
 * of memory.
 */

typedef ngx_int_t (*ngx_http_api_key_json_pt)(ngx_http_api_key_call_t *call,
    json_t *value, void *input);

typedef struct {
    const char                *name;               /* NULL ends the table */
    ngx_http_api_key_json_pt   handler;
} ngx_http_api_key_json_member_t;


/*
 * Parses text into call->body: an object, nested at most 8 deep, UTF-8,
 * without NUL, lone surrogate, duplicate or anything behind it.  Returns
 * NGX_OK, or NGX_DECLINED when the problem has become the call's answer.
 */

ngx_int_t ngx_http_api_key_json_parse(ngx_http_api_key_call_t *call,
    ngx_str_t *text);


/*
 * Hands each member of call->body (NULL is an empty object) to its handler.
 * Returns as ngx_http_api_key_json_parse() does.
 */

ngx_int_t ngx_http_api_key_json_read(ngx_http_api_key_call_t *call,
    ngx_http_api_key_json_member_t *members, void *input);


/* Whether text, which a client sent as a name, is fit to be named back. */

ngx_uint_t ngx_http_api_key_json_nameable(const char *text, size_t len);


#endif /* _NGX_HTTP_API_KEY_JSON_H_INCLUDED_ */
