/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * When each key was last used: gathered by each worker, and written to Redis
 * every five seconds, outside of what Redis tells caches about.
 */

#ifndef _NGX_HTTP_API_KEY_USED_H_INCLUDED_
#define _NGX_HTTP_API_KEY_USED_H_INCLUDED_


#include "ngx_http_api_key_store.h"


/*
 * Notes that the key with this mark, which is copied, was used now, and in the
 * cache, that it is noted.  Never fails: at worst, the note is lost.
 */

void ngx_http_api_key_used(ngx_http_api_key_store_t *store,
    const u_char *mark);


/* Writes at once: this worker begins to exit.  data is the store. */

void ngx_http_api_key_used_leaving(void *data);


/* Frees what this worker has gathered. */

void ngx_http_api_key_used_free(ngx_http_api_key_store_t *store);


#endif /* _NGX_HTTP_API_KEY_USED_H_INCLUDED_ */
