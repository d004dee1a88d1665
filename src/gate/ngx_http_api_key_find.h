/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Where in a request a key may stand.
 */

#ifndef _NGX_HTTP_API_KEY_FIND_H_INCLUDED_
#define _NGX_HTTP_API_KEY_FIND_H_INCLUDED_


#include "ngx_http_api_key_request.h"
#include "api_key_query.h"


/* sources are marked by bits, so there are not more of them than this */

#define NGX_HTTP_API_KEY_SOURCES  32


/*
 * Looks for the client's key in the location's sources and adds what is there
 * to state: one key, or none, or ambiguous.  Changes nothing in the request.
 * Returns NGX_OK, or NGX_ERROR when out of memory.
 */

ngx_int_t ngx_http_api_key_find(ngx_http_request_t *r,
    ngx_http_api_key_sources_t *from, ngx_http_api_key_request_t *state);


/*
 * Whether a header has a source's name, also with "_" for "-", which is no
 * source but must not reach a backend either.
 */

ngx_uint_t ngx_http_api_key_header_like(ngx_table_elt_t *header,
    ngx_http_api_key_source_t *source);


/*
 * Whether the value of a header, named so or like it, is one of the source's:
 * a key, or a bearer token.  Never for the other kinds.
 */

ngx_uint_t ngx_http_api_key_header_holds(ngx_table_elt_t *header,
    ngx_http_api_key_source_t *source);


/*
 * The query in a request target or a request line: from behind the first "?"
 * to the next "#", blank or the end.  data is NULL when there is no "?".
 */

void ngx_http_api_key_query(ngx_str_t *text, api_key_str_t *query);


/*
 * A list of sources, in the pool, NULL when out of memory; whether a place is
 * in it; a copy of a source put there unless it is: NGX_OK or NGX_ERROR.
 */

ngx_http_api_key_sources_t *ngx_http_api_key_sources_create(ngx_pool_t *pool);
ngx_uint_t ngx_http_api_key_sources_have(ngx_http_api_key_sources_t *sources,
    const ngx_http_api_key_source_t *source);
ngx_int_t ngx_http_api_key_sources_add(ngx_http_api_key_sources_t *sources,
    const ngx_http_api_key_source_t *source);


/* Whether a header may be a source, by the length of its name; most are not. */

#define ngx_http_api_key_length_bit(len)  ((uint64_t) 1 << ((len) % 64))

#define ngx_http_api_key_may_hold(sources, header)                            \
    ((sources)->lengths & ngx_http_api_key_length_bit((header)->key.len))


/*
 * Whether a piece of a query or of a Cookie header has the name of one of a
 * list's sources of that type; as api_key_piece_pt, data is the list.
 */

int ngx_http_api_key_query_chosen(const api_key_piece_t *piece, void *data);
int ngx_http_api_key_cookie_chosen(const api_key_piece_t *piece, void *data);


#endif /* _NGX_HTTP_API_KEY_FIND_H_INCLUDED_ */
