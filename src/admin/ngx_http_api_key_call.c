/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * One call of the admin API: asks Redis, and sorts out what can go wrong.
 */

#include "ngx_http_api_key_call.h"
#include "ngx_http_api_key_lookup.h"


static void ngx_http_api_key_call_replied(void *data,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_call_judge(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);


ngx_http_api_key_call_t *
ngx_http_api_key_call_create(ngx_http_api_key_store_t *store)
{
    ngx_pool_t               *pool;
    ngx_http_api_key_call_t  *call;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    call = ngx_pcalloc(pool, sizeof(ngx_http_api_key_call_t));

    if (call == NULL
        || ngx_array_init(&call->query, pool, 4, sizeof(ngx_keyval_t))
           != NGX_OK
        || ngx_array_init(&call->commands, pool, 4,
                          sizeof(ngx_http_api_key_command_t))
           != NGX_OK
        || ngx_array_init(&call->args, pool, 32, sizeof(ngx_str_t)) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    call->pool = pool;
    call->store = store;

    return call;
}


void
ngx_http_api_key_call_destroy(ngx_http_api_key_call_t *call)
{
    json_t  *key;

    /* the only member of a body or an answer that is a secret */

    key = json_object_get(call->body, "key");
    if (json_is_string(key)) {
        ngx_explicit_memzero((char *) json_string_value(key),
                             json_string_length(key));
    }

    key = json_object_get(call->json, "key");
    if (json_is_string(key)) {
        ngx_explicit_memzero((char *) json_string_value(key),
                             json_string_length(key));
    }

    json_decref(call->body);
    json_decref(call->json);

    ngx_explicit_memzero(call->key, API_KEY_ISSUED_MAX);

    ngx_destroy_pool(call->pool);
}


void
ngx_http_api_key_call_command(ngx_http_api_key_call_t *call, const char *name)
{
    ngx_http_api_key_command_t  *command;

    command = ngx_array_push(&call->commands);
    if (command == NULL) {
        call->failed = 1;
        return;
    }

    command->argc = 0;

    ngx_http_api_key_call_text(call, name);
}


void
ngx_http_api_key_call_script(ngx_http_api_key_call_t *call, ngx_str_t *script,
    ngx_uint_t nkeys)
{
    ngx_http_api_key_call_command(call, "EVAL");
    ngx_http_api_key_call_arg(call, script->len, script->data);
    ngx_http_api_key_call_number(call, nkeys);
}


void
ngx_http_api_key_call_arg(ngx_http_api_key_call_t *call, size_t len,
    const u_char *data)
{
    ngx_str_t                   *arg;
    ngx_http_api_key_command_t  *command;

    if (call->failed) {
        return;
    }

    arg = ngx_array_push(&call->args);
    if (arg == NULL) {
        call->failed = 1;
        return;
    }

    arg->len = len;
    arg->data = (u_char *) data;

    command = call->commands.elts;
    command[call->commands.nelts - 1].argc++;
}


void
ngx_http_api_key_call_text(ngx_http_api_key_call_t *call, const char *text)
{
    ngx_http_api_key_call_arg(call, ngx_strlen(text), (const u_char *) text);
}


void
ngx_http_api_key_call_number(ngx_http_api_key_call_t *call, int64_t n)
{
    u_char  *p;

    p = ngx_pnalloc(call->pool, NGX_INT64_LEN);
    if (p == NULL) {
        call->failed = 1;
        return;
    }

    ngx_http_api_key_call_arg(call, ngx_sprintf(p, "%L", n) - p, p);
}


void
ngx_http_api_key_call_key(ngx_http_api_key_call_t *call, const char *name,
    const u_char *id)
{
    ngx_str_t  key;

    if (ngx_http_api_key_store_key(call->store, call->pool, name, id, &key)
        != NGX_OK)
    {
        call->failed = 1;
        return;
    }

    ngx_http_api_key_call_arg(call, key.len, key.data);
}


void
ngx_http_api_key_call_audit(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_call_arg(call, call->who.len, call->who.data);
    ngx_http_api_key_call_arg(call, call->from.len, call->from.data);
    ngx_http_api_key_call_arg(call, call->request_id.len,
                              call->request_id.data);
}


ngx_int_t
ngx_http_api_key_call_send(ngx_http_api_key_call_t *call,
    ngx_http_api_key_call_reply_pt next)
{
    ngx_int_t                    rc;
    ngx_str_t                   *args;
    ngx_uint_t                   i;
    ngx_http_api_key_redis_t    *redis;
    ngx_http_api_key_command_t  *commands;

    if (call->failed) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    args = call->args.elts;
    commands = call->commands.elts;

    for (i = 0; i < call->commands.nelts; i++) {
        commands[i].argv = args;
        args += commands[i].argc;
    }

    call->next = next;

    rc = NGX_ERROR;
    redis = ngx_http_api_key_store_redis(call->store);

    if (redis) {
        rc = ngx_http_api_key_redis_send(redis, commands,
                                         call->commands.nelts,
                                         call->writes
                                         ? 0 : NGX_HTTP_API_KEY_REDIS_RETRY,
                                         ngx_http_api_key_call_replied, call);
    }

    if (rc == NGX_OK) {
        return NGX_AGAIN;
    }

    if (call->judges) {
        return next(call, NULL);
    }

    return ngx_http_api_key_call_problem(call, 503, "unavailable", NULL);
}


static void
ngx_http_api_key_call_replied(void *data, ngx_http_api_key_reply_t **replies)
{
    ngx_http_api_key_call_t  *call = data;

    /* before anybody is told, and when nobody can be */

    if (call->writes && call->has_subject) {
        ngx_http_api_key_lookup_forget(call->store, call->subject);
    }

    /* who has left does not wait, but what has been written is counted */

    if (call->waiter == NULL && !call->writes) {
        ngx_http_api_key_call_destroy(call);
        return;
    }

    if (ngx_http_api_key_call_judge(call, replies) == NGX_AGAIN) {
        return;
    }

    if (call->writes && call->code == NULL) {
        ngx_http_api_key_count(call->store->counters,
                               NGX_HTTP_API_KEY_COUNT_ADMIN + call->action, 1);
    }

    if (call->waiter == NULL) {
        ngx_http_api_key_call_destroy(call);
        return;
    }

    call->answered = 1;
    call->done(call);
}


static ngx_int_t
ngx_http_api_key_call_judge(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    ngx_str_t   *error;
    ngx_uint_t   i, n;

    n = call->commands.nelts;

    call->commands.nelts = 0;
    call->args.nelts = 0;

    if (call->judges) {
        return call->next(call, replies);
    }

    if (replies == NULL) {
        return ngx_http_api_key_call_problem(call, 503,
                                             call->writes ? "outcome_unknown"
                                                          : "unavailable",
                                             NULL);
    }

    for (i = 0; i < n; i++) {

        if (replies[i]->type != NGX_HTTP_API_KEY_REPLY_ERROR) {
            continue;
        }

        error = &replies[i]->str;

        ngx_http_api_key_resp_printable(error);

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "api key store \"%V\": Redis refused a command of the "
                      "admin API: %V", &call->store->name, error);

        return ngx_http_api_key_call_problem(call, 503, "store_refused", NULL);
    }

    return call->next(call, replies);
}


void
ngx_http_api_key_call_write(ngx_http_api_key_call_t *call,
    ngx_http_api_key_action_e action, const u_char *id)
{
    call->writes = 1;
    call->action = action;

    if (id) {
        call->has_subject = 1;
        ngx_memcpy(call->subject, id, API_KEY_ID_LEN);
    }
}


ngx_int_t
ngx_http_api_key_call_problem(ngx_http_api_key_call_t *call,
    ngx_uint_t status, const char *code, const char *field)
{
    ngx_str_t  name;

    call->status = status;
    call->code = code;

    if (field) {
        name.len = ngx_strlen(field);
        name.data = (u_char *) field;

        call->field.len = name.len;
        call->field.data = ngx_pstrdup(call->pool, &name);

        if (call->field.data == NULL) {
            ngx_str_null(&call->field);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_api_key_call_json(ngx_http_api_key_call_t *call, ngx_uint_t status,
    json_t *json)
{
    if (json == NULL) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    call->status = status;
    call->json = json;

    return NGX_OK;
}


ngx_int_t
ngx_http_api_key_call_document(ngx_http_api_key_call_t *call, const char *type,
    ngx_str_t *text)
{
    call->status = 200;
    call->type = type;
    call->text = *text;

    return NGX_OK;
}


ngx_int_t
ngx_http_api_key_call_status(ngx_http_api_key_call_t *call, ngx_uint_t status)
{
    call->status = status;

    return NGX_OK;
}
