/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * One call of the admin API: what was asked, what Redis is asked in turn, and
 * the answer.  Knows nothing of HTTP requests: it lives in a pool of its own,
 * because Redis may answer after the client has left.
 */

#ifndef _NGX_HTTP_API_KEY_CALL_H_INCLUDED_
#define _NGX_HTTP_API_KEY_CALL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>

#include "ngx_http_api_key_store.h"
#include "api_key_token.h"


typedef struct ngx_http_api_key_call_s  ngx_http_api_key_call_t;


/*
 * A step of a call.  NGX_OK: the answer is there; NGX_AGAIN: Redis has been
 * asked and the next step follows.
 */

typedef ngx_int_t (*ngx_http_api_key_call_pt)(ngx_http_api_key_call_t *call);

typedef ngx_int_t (*ngx_http_api_key_call_reply_pt)(
    ngx_http_api_key_call_t *call, ngx_http_api_key_reply_t **replies);

typedef void (*ngx_http_api_key_call_done_pt)(ngx_http_api_key_call_t *call);


struct ngx_http_api_key_call_s {
    ngx_pool_t                      *pool;
    ngx_http_api_key_store_t        *store;

    /* what was asked */

    ngx_str_t                        who;          /* the token's name */
    ngx_str_t                        from;         /* the client's address */
    ngx_str_t                        request_id;
    ngx_str_t                        base;         /* the location, "/admin/" */
    u_char                           id[API_KEY_ID_LEN]; /* in the route */
    ngx_array_t                      query;        /* of ngx_keyval_t */
    json_t                          *body;         /* NULL: none */

    /* the answer */

    ngx_uint_t                       status;
    const char                      *code;         /* not NULL: a problem */
    ngx_str_t                        field;        /* the problem's, if any */
    json_t                          *json;         /* NULL: none */
    ngx_str_t                        text;         /* else: this body */
    const char                      *type;         /* the text's */
    ngx_str_t                        location;     /* of what was created */

    /* a key just made, wiped with the call */

    u_char                           key[API_KEY_ISSUED_MAX];
    size_t                           key_len;

    /* under way */

    u_char                           subject[API_KEY_ID_LEN];
    ngx_uint_t                       has_subject;  /* the key being written */
    ngx_uint_t                       writes;       /* no reply is no answer */
    ngx_http_api_key_action_e        action;       /* what it writes */
    ngx_uint_t                       judges;       /* takes a missing reply */
    ngx_uint_t                       failed;       /* out of memory */
    ngx_array_t                      commands;     /* of command_t */
    ngx_array_t                      args;         /* of ngx_str_t */
    ngx_http_api_key_call_reply_pt   next;
    void                            *data;         /* the step's own */

    /* who waits */

    ngx_uint_t                       answered;
    ngx_http_api_key_call_done_pt    done;
    void                            *waiter;       /* NULL: nobody any more */
};


/* A call on store, or NULL when out of memory. */

ngx_http_api_key_call_t *ngx_http_api_key_call_create(
    ngx_http_api_key_store_t *store);


/* Frees the call and all it holds; secrets are wiped. */

void ngx_http_api_key_call_destroy(ngx_http_api_key_call_t *call);


/*
 * The commands of the next pipeline.  _command() begins one, _script() begins
 * an EVAL with nkeys keys, the others add an argument, which must live until
 * _send(); _key() takes the name and id of a Redis key (NULL: without id), see
 * ngx_http_api_key_store_key().  A lack of memory shows in _send().
 */

void ngx_http_api_key_call_command(ngx_http_api_key_call_t *call,
    const char *name);
void ngx_http_api_key_call_script(ngx_http_api_key_call_t *call,
    ngx_str_t *script, ngx_uint_t nkeys);
void ngx_http_api_key_call_arg(ngx_http_api_key_call_t *call, size_t len,
    const u_char *data);
void ngx_http_api_key_call_text(ngx_http_api_key_call_t *call,
    const char *text);
void ngx_http_api_key_call_number(ngx_http_api_key_call_t *call, int64_t n);
void ngx_http_api_key_call_key(ngx_http_api_key_call_t *call,
    const char *name, const u_char *id);


/* Adds who, from and request_id, which each writing script takes. */

void ngx_http_api_key_call_audit(ngx_http_api_key_call_t *call);


/*
 * Sends the pipeline; next gets one reply for each command, none of them an
 * error.  What goes wrong becomes the answer by itself: nothing sent is
 * "unavailable", an error reply "store_refused", and no reply "unavailable"
 * too, or "outcome_unknown" after _write().  Returns NGX_AGAIN, or NGX_OK when
 * that is the answer already.
 */

ngx_int_t ngx_http_api_key_call_send(ngx_http_api_key_call_t *call,
    ngx_http_api_key_call_reply_pt next);


/*
 * Says that what is sent next writes; id is the key concerned, or NULL.  When
 * it has been done, the action is counted.
 */

void ngx_http_api_key_call_write(ngx_http_api_key_call_t *call,
    ngx_http_api_key_action_e action, const u_char *id);


/*
 * The answers: a problem (field NULL: none is at fault; it is copied), a body
 * (taken over; NULL is out of memory), a text of a type, which must live as
 * long as the call, or a status alone.  All return NGX_OK.
 */

ngx_int_t ngx_http_api_key_call_problem(ngx_http_api_key_call_t *call,
    ngx_uint_t status, const char *code, const char *field);
ngx_int_t ngx_http_api_key_call_json(ngx_http_api_key_call_t *call,
    ngx_uint_t status, json_t *json);
ngx_int_t ngx_http_api_key_call_document(ngx_http_api_key_call_t *call,
    const char *type, ngx_str_t *text);
ngx_int_t ngx_http_api_key_call_status(ngx_http_api_key_call_t *call,
    ngx_uint_t status);


#endif /* _NGX_HTTP_API_KEY_CALL_H_INCLUDED_ */
