/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the store knows of the key that a client presented.
 */

#ifndef _NGX_HTTP_API_KEY_INQUIRY_H_INCLUDED_
#define _NGX_HTTP_API_KEY_INQUIRY_H_INCLUDED_


#include "ngx_http_api_key_request.h"


/*
 * Begins what follows, as far as nothing is to be waited for: forgets what
 * another store has said, makes state->hash and fetches memory ahead, which
 * comes while the caller does something else.
 */

void ngx_http_api_key_inquire_soon(ngx_http_api_key_store_t *store,
    ngx_http_api_key_request_t *state, ngx_uint_t live);


/*
 * Finds the record of state->key, under one pepper after the other, and writes
 * state->hash, ->record and ->from.  What was found out in an earlier
 * location still holds, but live asks what Redis says at this moment.
 *
 * Returns NGX_OK; NGX_DECLINED when the store knows no such key; NGX_AGAIN when
 * the request is parked; NGX_ERROR when the store cannot be asked.
 */

ngx_int_t ngx_http_api_key_inquire(ngx_http_request_t *r,
    ngx_http_api_key_store_t *store, ngx_http_api_key_request_t *state,
    ngx_uint_t live);


#endif /* _NGX_HTTP_API_KEY_INQUIRY_H_INCLUDED_ */
