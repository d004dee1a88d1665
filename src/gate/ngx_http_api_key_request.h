/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * What the gate knows of one request.
 */

#ifndef _NGX_HTTP_API_KEY_REQUEST_H_INCLUDED_
#define _NGX_HTTP_API_KEY_REQUEST_H_INCLUDED_


#include "ngx_http_api_key_lookup.h"
#include "ngx_http_api_key_module.h"


/* waits for an answer of the store: see ngx_http_api_key_wait.h */

typedef struct ngx_http_api_key_wait_s  ngx_http_api_key_wait_t;


/* the request without the key and with the backend's own, see upstream.c */

typedef struct {
    ngx_http_api_key_upstream_t  *own;        /* whose key it is */
    ngx_http_handler_pt           content;    /* the wrapped handler */
    ngx_int_t                   (*create_request)(ngx_http_request_t *r);
    ngx_str_t                     clean_args;
    ngx_str_t                     own_args;
    ngx_str_t                     clean_target;
    ngx_str_t                     own_target;
    ngx_table_elt_t              *own_header;
    unsigned                      injected:1;
} ngx_http_api_key_swap_t;


/* what was taken of a key's rate, see quota.c */

typedef struct ngx_http_api_key_quota_s  ngx_http_api_key_quota_t;

struct ngx_http_api_key_quota_s {
    ngx_http_api_key_store_t     *store;
    ngx_http_api_key_quota_t     *next;
    api_key_verdict_e             verdict;    /* OK: taken, LIMITED: none was
                                                 left, UNJUDGED: given back */
    uint64_t                      ms;         /* when the window began that it
                                                 is of, or how long it lasts */
    ngx_uint_t                    pass;       /* that took it */
    u_char                        mark[API_KEY_MARK_LEN];
};


/* where the answer came from: $api_key_cache */

typedef enum {
    NGX_HTTP_API_KEY_FROM_NOWHERE = 0,
    NGX_HTTP_API_KEY_FROM_HIT,
    NGX_HTTP_API_KEY_FROM_MISS,
    NGX_HTTP_API_KEY_FROM_STALE,
    NGX_HTTP_API_KEY_FROM_LIVE
} ngx_http_api_key_from_e;


typedef struct ngx_http_api_key_request_s  ngx_http_api_key_request_t;

struct ngx_http_api_key_request_s {

    /* what the client presented, in any location the request was in */

    ngx_str_t                     key;        /* data NULL: none */
    ngx_http_api_key_source_t    *source;     /* where it stood first */
    ngx_http_api_key_store_t     *formed;     /* whose key it might be, by */
    api_key_verdict_e             form;       /* its form: OK, or why not */
    unsigned                      ambiguous:1;

    ngx_str_t                     path;       /* before any rewrite; for
                                                 clear rules with a match */

    /* what this store says of it */

    ngx_http_api_key_store_t     *store;      /* NULL: not asked */
    ngx_uint_t                    pepper;     /* the one now tried */
    ngx_int_t                     found;      /* as a lookup's outcome; AGAIN:
                                                 to be asked */
    ngx_http_api_key_from_e       from;
    api_key_verdict_e             cleared;    /* the clear script's answer */
    api_key_record_t             *record;     /* in room or pool */
    time_t                        used;       /* when it was noted, or 0 */
    ngx_http_api_key_wait_t      *wait;       /* NULL: not parked */

    /* what it has taken, in any location the request was in */

    ngx_http_api_key_quota_t     *quotas;     /* NULL: none has a rate */
    ngx_uint_t                    retry;      /* seconds, when one is used up */

    /* the verdict of the last location that judged, for variables and log */

    ngx_http_api_key_store_t     *judge;      /* whose key it should be */
    api_key_verdict_e             verdict;
    unsigned                      observed:1; /* let through all the same */
    unsigned                      live:1;     /* found is for a clear: live */
    unsigned                      guarded:1;  /* wait.c has its cleanup */

    /* this pass through the phases */

    unsigned                      searched:1;
    unsigned                      passed:1;   /* the access phase is done */
    api_key_verdict_e             refused;    /* the response to write */
    ngx_uint_t                    pass;
    ngx_str_t                     body;       /* of the refusal on its way */

    ngx_http_api_key_swap_t      *swap;       /* NULL: nothing to put in */

    ngx_http_api_key_request_t   *next;       /* while out of use */

    /* nothing is zeroed from here on */

    u_char                        hash[API_KEY_HASH_LEN];        /* of key */
    u_char                        digest[API_KEY_DIGEST_LEN];    /* the same;
                                                 a 0 first: not written yet */

    /* for a record, when it is short enough */

    void                         *room[NGX_HTTP_API_KEY_ROOM
                                       / sizeof(void *)];

    ngx_http_api_key_quota_t      quota;      /* the first of quotas */
};


/*
 * The request's state, made on first use.  It outlives internal redirects,
 * which clear contexts; each starts a new pass.  NULL when out of memory.
 */

ngx_http_api_key_request_t *ngx_http_api_key_request(ngx_http_request_t *r);


/* The same, but NULL where there is none yet; starts no new pass. */

ngx_http_api_key_request_t *ngx_http_api_key_request_find(
    ngx_http_request_t *r);


/*
 * state->hash as hex digits, which live as long as it stays the same.  They are
 * written when they are asked for: most requests do without.
 */

u_char *ngx_http_api_key_request_digest(ngx_http_api_key_request_t *state);


/*
 * Forgets the cached values of all variables that may hold a key, after the
 * bytes behind them have changed.
 */

void ngx_http_api_key_request_changed(ngx_http_request_t *r);


#endif /* _NGX_HTTP_API_KEY_REQUEST_H_INCLUDED_ */
