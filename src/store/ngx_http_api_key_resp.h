/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * RESP2, what Redis speaks: commands to bytes and bytes to replies.  The only
 * file that knows hiredis.
 */

#ifndef _NGX_HTTP_API_KEY_RESP_H_INCLUDED_
#define _NGX_HTTP_API_KEY_RESP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


typedef enum {
    NGX_HTTP_API_KEY_REPLY_STRING = 0,             /* a bulk or a status */
    NGX_HTTP_API_KEY_REPLY_INTEGER,
    NGX_HTTP_API_KEY_REPLY_ARRAY,
    NGX_HTTP_API_KEY_REPLY_NIL,
    NGX_HTTP_API_KEY_REPLY_ERROR
} ngx_http_api_key_reply_e;


typedef struct ngx_http_api_key_reply_s  ngx_http_api_key_reply_t;

struct ngx_http_api_key_reply_s {
    ngx_http_api_key_reply_e     type;
    int64_t                      integer;
    ngx_str_t                    str;              /* STRING and ERROR */
    ngx_uint_t                   nelts;
    ngx_http_api_key_reply_t   **elts;
};


typedef struct {
    ngx_uint_t                   argc;
    ngx_str_t                   *argv;
} ngx_http_api_key_command_t;


/* how much of one reply is taken in */

typedef struct {
    ngx_uint_t                   elements;         /* of an array */
    size_t                       buffered;         /* bytes, not whole yet */
} ngx_http_api_key_resp_bounds_t;


typedef struct ngx_http_api_key_resp_s  ngx_http_api_key_resp_t;


/* A parser of replies, bounds are copied; NULL when out of memory. */

ngx_http_api_key_resp_t *ngx_http_api_key_resp_create(
    ngx_http_api_key_resp_bounds_t *bounds, ngx_log_t *log);
void ngx_http_api_key_resp_destroy(ngx_http_api_key_resp_t *resp);


/*
 * Takes in len bytes.  Returns NGX_ERROR when more is held back without a
 * whole reply than any reply may have, or when memory is short.
 */

ngx_int_t ngx_http_api_key_resp_feed(ngx_http_api_key_resp_t *resp,
    u_char *buf, size_t len);


/*
 * Takes out the next reply.  Returns NGX_OK; NGX_AGAIN when it is not whole
 * yet; NGX_ERROR when these bytes are no reply or a bound is passed, with the
 * reason in *error, which lives as long as the parser.
 */

ngx_int_t ngx_http_api_key_resp_next(ngx_http_api_key_resp_t *resp,
    ngx_http_api_key_reply_t **reply, ngx_str_t *error);


/* Frees all replies that were taken out. */

void ngx_http_api_key_resp_release(ngx_http_api_key_resp_t *resp);


/* How many bytes a command needs at the most, and the command itself. */

size_t ngx_http_api_key_resp_length(ngx_http_api_key_command_t *command);
u_char *ngx_http_api_key_resp_write(u_char *p,
    ngx_http_api_key_command_t *command);


/* Whether reply is a string, and this word. */

ngx_uint_t ngx_http_api_key_resp_is(ngx_http_api_key_reply_t *reply,
    const char *word);


/* Replaces control characters, so that text from Redis is fit for a log. */

void ngx_http_api_key_resp_printable(ngx_str_t *text);


#endif /* _NGX_HTTP_API_KEY_RESP_H_INCLUDED_ */
