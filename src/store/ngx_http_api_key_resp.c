/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * RESP2: hiredis parses, the replies are our own, and what a server may make
 * us hold is bounded.
 */

#include "ngx_http_api_key_resp.h"

#include <sys/time.h>
#include <hiredis/hiredis.h>


#define NGX_HTTP_API_KEY_RESP_STRING    (64 * 1024)     /* bytes */
#define NGX_HTTP_API_KEY_RESP_POOL      4096


struct ngx_http_api_key_resp_s {
    redisReader                     *reader;
    ngx_pool_t                      *pool;        /* of the current replies */
    ngx_http_api_key_resp_bounds_t   bounds;
};


#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_http_api_key_resp_nelts_t;
#else
typedef int     ngx_http_api_key_resp_nelts_t;
#endif


static void *ngx_http_api_key_resp_reply(const redisReadTask *task,
    ngx_http_api_key_reply_e type);
static void *ngx_http_api_key_resp_create_string(const redisReadTask *task,
    char *str, size_t len);
static void *ngx_http_api_key_resp_create_array(const redisReadTask *task,
    ngx_http_api_key_resp_nelts_t nelts);
static void *ngx_http_api_key_resp_create_integer(const redisReadTask *task,
    long long value);
static void *ngx_http_api_key_resp_create_nil(const redisReadTask *task);
#if (HIREDIS_MAJOR >= 1)
static void *ngx_http_api_key_resp_create_double(const redisReadTask *task,
    double value, char *str, size_t len);
static void *ngx_http_api_key_resp_create_bool(const redisReadTask *task,
    int value);
#endif
static void ngx_http_api_key_resp_free_object(void *object);


static redisReplyObjectFunctions  ngx_http_api_key_resp_functions = {
    .createString = ngx_http_api_key_resp_create_string,
    .createArray = ngx_http_api_key_resp_create_array,
    .createInteger = ngx_http_api_key_resp_create_integer,
    .createNil = ngx_http_api_key_resp_create_nil,
#if (HIREDIS_MAJOR >= 1)
    .createDouble = ngx_http_api_key_resp_create_double,
    .createBool = ngx_http_api_key_resp_create_bool,
#endif
    .freeObject = ngx_http_api_key_resp_free_object
};


ngx_http_api_key_resp_t *
ngx_http_api_key_resp_create(ngx_http_api_key_resp_bounds_t *bounds,
    ngx_log_t *log)
{
    ngx_http_api_key_resp_t  *resp;

    resp = ngx_calloc(sizeof(ngx_http_api_key_resp_t), log);
    if (resp == NULL) {
        return NULL;
    }

    resp->bounds = *bounds;
    resp->pool = ngx_create_pool(NGX_HTTP_API_KEY_RESP_POOL, log);
    resp->reader = redisReaderCreateWithFunctions(
                                           &ngx_http_api_key_resp_functions);

    if (resp->pool == NULL || resp->reader == NULL) {
        ngx_http_api_key_resp_destroy(resp);
        return NULL;
    }

    resp->reader->privdata = resp;

    return resp;
}


void
ngx_http_api_key_resp_destroy(ngx_http_api_key_resp_t *resp)
{
    if (resp->reader) {
        redisReaderFree(resp->reader);
    }

    if (resp->pool) {
        ngx_destroy_pool(resp->pool);
    }

    ngx_free(resp);
}


ngx_int_t
ngx_http_api_key_resp_feed(ngx_http_api_key_resp_t *resp, u_char *buf,
    size_t len)
{
    if (resp->reader->len - resp->reader->pos > resp->bounds.buffered) {
        return NGX_ERROR;
    }

    return redisReaderFeed(resp->reader, (char *) buf, len) == REDIS_OK
           ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_api_key_resp_next(ngx_http_api_key_resp_t *resp,
    ngx_http_api_key_reply_t **reply, ngx_str_t *error)
{
    void  *object;

    if (redisReaderGetReply(resp->reader, &object) != REDIS_OK) {
        error->data = (u_char *) resp->reader->errstr;
        error->len = ngx_strlen(resp->reader->errstr);
        return NGX_ERROR;
    }

    *reply = object;

    return object ? NGX_OK : NGX_AGAIN;
}


void
ngx_http_api_key_resp_release(ngx_http_api_key_resp_t *resp)
{
    ngx_reset_pool(resp->pool);
}


size_t
ngx_http_api_key_resp_length(ngx_http_api_key_command_t *command)
{
    size_t      len;
    ngx_uint_t  i;

    len = sizeof("*" CRLF) + NGX_INT_T_LEN;

    for (i = 0; i < command->argc; i++) {
        len += sizeof("$" CRLF CRLF) + NGX_INT_T_LEN + command->argv[i].len;
    }

    return len;
}


u_char *
ngx_http_api_key_resp_write(u_char *p, ngx_http_api_key_command_t *command)
{
    ngx_uint_t  i;

    p = ngx_sprintf(p, "*%ui" CRLF, command->argc);

    for (i = 0; i < command->argc; i++) {
        p = ngx_sprintf(p, "$%uz" CRLF, command->argv[i].len);

        if (command->argv[i].len) {
            p = ngx_cpymem(p, command->argv[i].data, command->argv[i].len);
        }

        *p++ = CR;
        *p++ = LF;
    }

    return p;
}


ngx_uint_t
ngx_http_api_key_resp_is(ngx_http_api_key_reply_t *reply, const char *word)
{
    return reply->type == NGX_HTTP_API_KEY_REPLY_STRING
           && reply->str.len == ngx_strlen(word)
           && ngx_strncmp(reply->str.data, word, reply->str.len) == 0;
}


void
ngx_http_api_key_resp_printable(ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < 0x20 || text->data[i] >= 0x7f) {
            text->data[i] = '.';
        }
    }
}


/*
 * Replies as our own type, from the parser's pool, so that nothing above this
 * file knows hiredis and a reply costs no malloc().  NULL refuses a reply.
 */

static void *
ngx_http_api_key_resp_reply(const redisReadTask *task,
    ngx_http_api_key_reply_e type)
{
    ngx_http_api_key_resp_t   *resp = task->privdata;
    ngx_http_api_key_reply_t  *reply, *parent;

    reply = ngx_pcalloc(resp->pool, sizeof(ngx_http_api_key_reply_t));
    if (reply == NULL) {
        return NULL;
    }

    reply->type = type;

    if (task->parent) {
        parent = task->parent->obj;
        parent->elts[task->idx] = reply;
    }

    return reply;
}


static void *
ngx_http_api_key_resp_create_string(const redisReadTask *task, char *str,
    size_t len)
{
    ngx_http_api_key_resp_t   *resp = task->privdata;
    ngx_http_api_key_reply_t  *reply;

    if (len > NGX_HTTP_API_KEY_RESP_STRING
        || (task->type != REDIS_REPLY_STRING
            && task->type != REDIS_REPLY_STATUS
            && task->type != REDIS_REPLY_ERROR))
    {
        return NULL;
    }

    reply = ngx_http_api_key_resp_reply(task,
                                         task->type == REDIS_REPLY_ERROR
                                         ? NGX_HTTP_API_KEY_REPLY_ERROR
                                         : NGX_HTTP_API_KEY_REPLY_STRING);
    if (reply == NULL) {
        return NULL;
    }

    reply->str.data = ngx_pnalloc(resp->pool, len ? len : 1);
    if (reply->str.data == NULL) {
        return NULL;
    }

    ngx_memcpy(reply->str.data, str, len);
    reply->str.len = len;

    return reply;
}


static void *
ngx_http_api_key_resp_create_array(const redisReadTask *task,
    ngx_http_api_key_resp_nelts_t nelts)
{
    ngx_http_api_key_resp_t   *resp = task->privdata;
    ngx_http_api_key_reply_t  *reply;

    if (task->type != REDIS_REPLY_ARRAY
        || (ngx_uint_t) nelts > resp->bounds.elements)
    {
        return NULL;
    }

    reply = ngx_http_api_key_resp_reply(task, NGX_HTTP_API_KEY_REPLY_ARRAY);
    if (reply == NULL) {
        return NULL;
    }

    reply->nelts = nelts;
    reply->elts = ngx_pcalloc(resp->pool,
                              (nelts + 1) * sizeof(ngx_http_api_key_reply_t *));

    return reply->elts ? reply : NULL;
}


static void *
ngx_http_api_key_resp_create_integer(const redisReadTask *task,
    long long value)
{
    ngx_http_api_key_reply_t  *reply;

    reply = ngx_http_api_key_resp_reply(task, NGX_HTTP_API_KEY_REPLY_INTEGER);

    if (reply) {
        reply->integer = value;
    }

    return reply;
}


static void *
ngx_http_api_key_resp_create_nil(const redisReadTask *task)
{
    return ngx_http_api_key_resp_reply(task, NGX_HTTP_API_KEY_REPLY_NIL);
}


#if (HIREDIS_MAJOR >= 1)

/* RESP3 was not asked for; without these hiredis would make up pointers */

static void *
ngx_http_api_key_resp_create_double(const redisReadTask *task, double value,
    char *str, size_t len)
{
    return NULL;
}


static void *
ngx_http_api_key_resp_create_bool(const redisReadTask *task, int value)
{
    return NULL;
}

#endif


static void
ngx_http_api_key_resp_free_object(void *object)
{
    /* the pool owns it */
}
