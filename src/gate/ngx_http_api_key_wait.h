/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Parked requests: questions to the store whose answers may come when the
 * request is gone.
 */

#ifndef _NGX_HTTP_API_KEY_WAIT_H_INCLUDED_
#define _NGX_HTTP_API_KEY_WAIT_H_INCLUDED_


#include "ngx_http_api_key_request.h"


/*
 * Asks the store for the record of state->digest, or for a clear operation by
 * that key.  The answer goes to state->found and state->record, or to
 * state->cleared, and the phases run on from where they are.  A key that is
 * limited only has its flag looked at, and if that is set, it is LIMITED.
 * What a clear has taken of the key's rate is given back when it is refused,
 * be the request there or gone.
 *
 * Returns NGX_AGAIN when the request is parked, else NGX_ERROR: the store
 * cannot be asked.
 */

ngx_int_t ngx_http_api_key_wait_lookup(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);
ngx_int_t ngx_http_api_key_wait_clear(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state, ngx_uint_t limited);


#endif /* _NGX_HTTP_API_KEY_WAIT_H_INCLUDED_ */
