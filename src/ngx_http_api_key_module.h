/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The configuration as the gate and the admin API read it.
 */

#ifndef _NGX_HTTP_API_KEY_MODULE_H_INCLUDED_
#define _NGX_HTTP_API_KEY_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_api_key_store.h"
#include "api_key_secret.h"


typedef enum {
    NGX_HTTP_API_KEY_HEADER = 0,
    NGX_HTTP_API_KEY_BEARER,
    NGX_HTTP_API_KEY_QUERY,
    NGX_HTTP_API_KEY_COOKIE
} ngx_http_api_key_source_e;


/* a place in a request where a key, or another secret, may stand */

typedef struct {
    ngx_http_api_key_source_e    type;
    ngx_str_t                    name;             /* as configured */
    ngx_str_t                    lowcase;          /* a header's or query's */
    ngx_uint_t                   hash;             /* of the header's name */
} ngx_http_api_key_source_t;


/* some of them, and what tells most of a request's headers apart at once */

typedef struct {
    ngx_array_t                  list;     /* of ngx_http_api_key_source_t */
    uint64_t                     lengths;  /* of names of headers where one
                                              may stand, as bits */
    ngx_uint_t                   query;    /* one is in the query */
} ngx_http_api_key_sources_t;


typedef enum {
    NGX_HTTP_API_KEY_STRIP = 0,
    NGX_HTTP_API_KEY_PASS,
    NGX_HTTP_API_KEY_REPLACE
} ngx_http_api_key_upstream_e;


typedef struct {
    ngx_http_api_key_upstream_e  mode;
    ngx_str_t                    secret;           /* the backend's own key */
    ngx_str_t                    escaped;          /* percent-encoded */
    ngx_http_api_key_source_t   *as;               /* NULL: client's source */
} ngx_http_api_key_upstream_t;


/* one clear rule */

typedef struct {
    ngx_array_t                 *methods;          /* of ngx_str_t */
#if (NGX_PCRE)
    ngx_regex_t                 *match;            /* NULL: always */
    ngx_regex_t                 *unless;           /* NULL: never */
#endif
} ngx_http_api_key_clear_t;


typedef struct {
    ngx_array_t                  stores;   /* of ngx_http_api_key_store_t * */
    ngx_http_api_key_sources_t  *from;             /* where none is named */
    ngx_array_t                  tainted;  /* of ngx_uint_t: the variables
                                              that may hold a key */
    ngx_int_t                    request_id;       /* a variable's index */
    ngx_str_t                    bodies[API_KEY_VERDICTS];    /* of refusals */
    ngx_uint_t                   echoes;   /* a log may hold what a backend
                                              has answered */
    ngx_uint_t                   used;             /* there is a gate */
    ngx_uint_t                   match;    /* of a clear rule, somewhere */
    ngx_uint_t                   replace;  /* a backend has a key of its own */
} ngx_http_api_key_main_conf_t;


typedef struct {
    ngx_http_api_key_sources_t  *secrets;          /* no log may show them */
    ngx_uint_t                   match;    /* of a clear rule, somewhere */
} ngx_http_api_key_srv_conf_t;


typedef enum {
    NGX_HTTP_API_KEY_GATE_UNSET = 0,       /* never heard of */
    NGX_HTTP_API_KEY_GATE_OFF,
    NGX_HTTP_API_KEY_GATE_ON
} ngx_http_api_key_gate_e;


typedef struct {
    ngx_http_api_key_gate_e      gate;
    ngx_http_api_key_store_t    *store;            /* NULL unless on */
    ngx_http_api_key_sources_t  *from;             /* NULL: none to look for */
    ngx_str_t                    challenge;        /* WWW-Authenticate */
    ngx_http_api_key_sources_t  *remove;   /* the same, and what "as" names:
                                              the client may not send it */
    ngx_http_api_key_upstream_t *upstream;         /* NULL: strip */
    ngx_array_t                 *scopes;           /* of api_key_str_t */
    ngx_array_t                 *clear;    /* of ngx_http_api_key_clear_t */
    ngx_flag_t                   observe;
    ngx_str_t                    response_type;
    ngx_http_complex_value_t    *response;         /* NULL: problem+json */
    ngx_http_api_key_sources_t  *mask;

    ngx_http_api_key_store_t    *admin;            /* NULL: no admin API */
    ngx_array_t                 *admin_tokens;     /* api_key_admin_token_t */

    ngx_uint_t                   clear_off;
    ngx_str_t                    written;  /* a request directive that stands
                                              at this very level */
    ngx_str_t                    file;             /* and where it does */
    ngx_uint_t                   line;
} ngx_http_api_key_loc_conf_t;


extern ngx_module_t  ngx_http_api_key_module;
extern ngx_module_t  ngx_http_api_key_filter_module;


#endif /* _NGX_HTTP_API_KEY_MODULE_H_INCLUDED_ */
