/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A record as the admin API shows it.
 */

#ifndef _NGX_HTTP_API_KEY_RECORD_JSON_H_INCLUDED_
#define _NGX_HTTP_API_KEY_RECORD_JSON_H_INCLUDED_


#include <jansson.h>

#include "ngx_http_api_key_store.h"


/*
 * Reads HGETALL's and PTTL's replies for id into record, as
 * ngx_http_api_key_store_record() does, but the time that a revoked key's
 * record is kept is not taken for its end.
 */

ngx_int_t ngx_http_api_key_record_read(ngx_http_api_key_store_t *store,
    const u_char *id, ngx_http_api_key_reply_t *hash,
    ngx_http_api_key_reply_t *ttl, api_key_record_t *record);


/* The state's word: active, disabled, revoked or expired. */

const char *ngx_http_api_key_record_state(const api_key_record_t *record);


/*
 * The record as an object of the caller's, or NULL when out of memory; used
 * is Redis' reply of when the key was last used, or NULL.
 */

json_t *ngx_http_api_key_record_json(ngx_http_api_key_store_t *store,
    const u_char *id, const api_key_record_t *record,
    ngx_http_api_key_reply_t *used);


/* That reply as last_used_at: null where it is no time. */

json_t *ngx_http_api_key_record_used(ngx_http_api_key_reply_t *used);


/* Unix seconds in RFC 3339, null for API_KEY_NEVER; NULL as above. */

json_t *ngx_http_api_key_record_time(int64_t seconds);


#endif /* _NGX_HTTP_API_KEY_RECORD_JSON_H_INCLUDED_ */
