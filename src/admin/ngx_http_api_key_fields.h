/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The members of the bodies that the admin API takes, checked by the rules.
 */

#ifndef _NGX_HTTP_API_KEY_FIELDS_H_INCLUDED_
#define _NGX_HTTP_API_KEY_FIELDS_H_INCLUDED_


#include "ngx_http_api_key_json.h"


typedef enum {
    NGX_HTTP_API_KEY_EXPIRY_ABSENT = 0,
    NGX_HTTP_API_KEY_EXPIRY_NEVER,                 /* null */
    NGX_HTTP_API_KEY_EXPIRY_IN,                    /* seconds from now */
    NGX_HTTP_API_KEY_EXPIRY_AT                     /* Unix seconds */
} ngx_http_api_key_expiry_e;


/*
 * What stood in a body; a string with data NULL was not there.  Lists are
 * separated by single spaces, as in a record.  All lives as long as the call.
 */

typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  state;
    ngx_str_t                  scopes;
    ngx_str_t                  allow_from;
    ngx_str_t                  rate;           /* as in a record; "" is none */
    ngx_array_t               *metadata;   /* of ngx_keyval_t, "meta:NAME" */

    ngx_http_api_key_expiry_e  expiry;
    int64_t                    expires;

    ngx_str_t                  key;
    ngx_str_t                  digest;
    ngx_str_t                  pepper;

    ngx_str_t                  id;
    int64_t                    grace;              /* seconds, 0 by default */
    int64_t                    ttl;                /* seconds, 0: not there */
    int64_t                    uses;               /* 0: not there */
} ngx_http_api_key_fields_t;


/*
 * Read the call's body into fields, one for each shape of body.  Return
 * NGX_OK, or NGX_DECLINED when the problem has become the call's answer.
 */

ngx_int_t ngx_http_api_key_fields_create(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields);
ngx_int_t ngx_http_api_key_fields_import(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields);
ngx_int_t ngx_http_api_key_fields_change(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields);
ngx_int_t ngx_http_api_key_fields_rotate(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields);
ngx_int_t ngx_http_api_key_fields_arm(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields);


#endif /* _NGX_HTTP_API_KEY_FIELDS_H_INCLUDED_ */
