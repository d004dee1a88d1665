/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What a request takes of its key's rate.
 */

#ifndef _NGX_HTTP_API_KEY_QUOTA_H_INCLUDED_
#define _NGX_HTTP_API_KEY_QUOTA_H_INCLUDED_


#include "ngx_http_api_key_request.h"


/*
 * Takes one request of the rate of state->record, which has one.  What a
 * location has taken, or was refused, holds in all later ones with that store
 * and key; while an error page is made, nothing is taken.
 *
 * Returns OK, LIMITED with state->retry set, or UNAVAILABLE when out of memory.
 */

api_key_verdict_e ngx_http_api_key_quota_take(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);


/*
 * The request is refused: gives back all that it has taken, but for what it
 * took before a backend has seen it.
 */

void ngx_http_api_key_quota_give(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);


/* What the key that is now judged would be given back; NULL: nothing. */

ngx_http_api_key_quota_t *ngx_http_api_key_quota_held(ngx_http_request_t *r,
    ngx_http_api_key_request_t *state);


#endif /* _NGX_HTTP_API_KEY_QUOTA_H_INCLUDED_ */
