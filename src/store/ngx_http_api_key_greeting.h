/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The first words on a new link to Redis: who we are, which database, and
 * whether it is ready.
 */

#ifndef _NGX_HTTP_API_KEY_GREETING_H_INCLUDED_
#define _NGX_HTTP_API_KEY_GREETING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_api_key_counters.h"
#include "ngx_http_api_key_resp.h"


typedef struct {
    ngx_str_t                    username;         /* len 0 is none */
    ngx_str_t                    password;         /* likewise */
    ngx_uint_t                   database;
} ngx_http_api_key_login_t;


/* What one greeting consists of; its commands point into it. */

typedef struct {
    ngx_uint_t                   n;
    ngx_http_api_key_command_t   commands[3];
    ngx_str_t                    auth[3];
    ngx_str_t                    select[2];
    ngx_str_t                    ping;
    u_char                       database[NGX_INT_T_LEN];
} ngx_http_api_key_greeting_t;


void ngx_http_api_key_greeting(ngx_http_api_key_greeting_t *greeting,
    ngx_http_api_key_login_t *login);


/*
 * Judges the replies to it.  Returns NULL when all of them are good, or what
 * is wrong (static text), of which *kind, and in *error what Redis has said,
 * if it has: that points into the replies.
 */

const char *ngx_http_api_key_greeting_refused(ngx_http_api_key_login_t *login,
    ngx_http_api_key_reply_t **replies, ngx_http_api_key_error_e *kind,
    ngx_str_t **error);


#endif /* _NGX_HTTP_API_KEY_GREETING_H_INCLUDED_ */
