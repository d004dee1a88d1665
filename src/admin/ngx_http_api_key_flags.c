/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The clear flag: show, set and close it, for the store or for one key.
 */

#include "ngx_http_api_key_flags.h"
#include "ngx_http_api_key_fields.h"
#include "ngx_http_api_key_record_json.h"
#include "ngx_http_api_key_script.h"


#define NGX_HTTP_API_KEY_FLAGS_TTL     3600        /* seconds, by default */
#define NGX_HTTP_API_KEY_FLAGS_DAY     86400000    /* milliseconds */

/* keys with a flag of their own; bounded, so that all can be shown at once */
#define NGX_HTTP_API_KEY_FLAGS_MAX     500

#define NGX_HTTP_API_KEY_FLAGS_DIGITS  15          /* of a number of uses */


typedef struct {
    ngx_uint_t    nids;
    u_char      (*ids)[API_KEY_ID_LEN];
} ngx_http_api_key_flags_t;


static ngx_int_t ngx_http_api_key_flags_armed(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_flags_ids(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_flags_values(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_flags_disarmed(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static int ngx_http_api_key_flags_show(json_t *object, ngx_uint_t armed,
    int64_t ttl, json_int_t uses);
static ngx_int_t ngx_http_api_key_flags_refused(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t *word);


ngx_int_t
ngx_http_api_key_flags_get(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_call_command(call, "ZRANGEBYSCORE");
    ngx_http_api_key_call_key(call, "armed-keys", NULL);
    ngx_http_api_key_call_number(call, ngx_time());
    ngx_http_api_key_call_text(call, "+inf");
    ngx_http_api_key_call_text(call, "LIMIT");
    ngx_http_api_key_call_number(call, 0);
    ngx_http_api_key_call_number(call, NGX_HTTP_API_KEY_FLAGS_MAX);

    return ngx_http_api_key_call_send(call, ngx_http_api_key_flags_ids);
}


static ngx_int_t
ngx_http_api_key_flags_ids(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    ngx_uint_t                 i;
    api_key_str_t              id;
    ngx_http_api_key_reply_t  *reply;
    ngx_http_api_key_flags_t  *flags;

    reply = replies[0];

    if (reply->type != NGX_HTTP_API_KEY_REPLY_ARRAY) {
        return ngx_http_api_key_call_problem(call, 503, "unavailable", NULL);
    }

    flags = ngx_palloc(call->pool, sizeof(ngx_http_api_key_flags_t));
    if (flags == NULL) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    flags->nids = 0;
    flags->ids = ngx_palloc(call->pool,
                            ngx_max(reply->nelts, 1) * API_KEY_ID_LEN);
    if (flags->ids == NULL) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    call->data = flags;

    ngx_http_api_key_call_command(call, "GET");
    ngx_http_api_key_call_key(call, "armed", NULL);
    ngx_http_api_key_call_command(call, "PTTL");
    ngx_http_api_key_call_key(call, "armed", NULL);

    for (i = 0; i < reply->nelts; i++) {

        id.len = reply->elts[i]->str.len;
        id.data = reply->elts[i]->str.data;

        if (reply->elts[i]->type != NGX_HTTP_API_KEY_REPLY_STRING
            || api_key_id_check(&id) != 0)
        {
            continue;
        }

        ngx_memcpy(flags->ids[flags->nids], id.data, API_KEY_ID_LEN);

        ngx_http_api_key_call_command(call, "GET");
        ngx_http_api_key_call_key(call, "armed", flags->ids[flags->nids]);
        ngx_http_api_key_call_command(call, "PTTL");
        ngx_http_api_key_call_key(call, "armed", flags->ids[flags->nids]);

        flags->nids++;
    }

    return ngx_http_api_key_call_send(call, ngx_http_api_key_flags_values);
}


static ngx_int_t
ngx_http_api_key_flags_values(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    int                        failed;
    json_t                    *object, *keys, *key;
    ngx_uint_t                 i, armed;
    json_int_t                 uses;
    ngx_http_api_key_reply_t  *ttl;
    ngx_http_api_key_flags_t  *flags;

    flags = call->data;

    object = json_object();
    keys = json_array();

    armed = ngx_http_api_key_flags_set(replies[0], replies[1], &uses);

    failed = json_object_set_new(object, "armed", json_boolean(armed));
    failed |= ngx_http_api_key_flags_show(object, armed, replies[1]->integer,
                                          uses);

    for (i = 0; i < flags->nids; i++) {

        ttl = replies[2 * i + 3];

        if (!ngx_http_api_key_flags_set(replies[2 * i + 2], ttl, &uses)) {
            continue;
        }

        key = json_object();

        failed |= json_object_set_new(key, "key",
                          json_stringn((char *) flags->ids[i],
                                       API_KEY_ID_LEN));
        failed |= ngx_http_api_key_flags_show(key, 1, ttl->integer, uses);
        failed |= json_array_append_new(keys, key);
    }

    failed |= json_object_set_new(object, "keys", keys);

    if (failed) {
        json_decref(object);
        object = NULL;
    }

    return ngx_http_api_key_call_json(call, 200, object);
}


ngx_uint_t
ngx_http_api_key_flags_set(ngx_http_api_key_reply_t *value,
    ngx_http_api_key_reply_t *ttl, json_int_t *uses)
{
    ngx_int_t  n;

    *uses = 0;

    if (value->type != NGX_HTTP_API_KEY_REPLY_STRING
        || ttl->type != NGX_HTTP_API_KEY_REPLY_INTEGER
        || ttl->integer <= 0
        || ttl->integer > NGX_HTTP_API_KEY_FLAGS_DAY)
    {
        return 0;
    }

    if (value->str.len < 5 || ngx_strncmp(value->str.data, "uses:", 5) != 0) {
        return 1;
    }

    if (value->str.len > 5 + NGX_HTTP_API_KEY_FLAGS_DIGITS) {
        return 0;
    }

    n = ngx_atoi(value->str.data + 5, value->str.len - 5);

    if (n < 1) {
        return 0;
    }

    *uses = n;

    return 1;
}


/* Adds expires_at, expires_in and uses; ttl is in milliseconds. */

static int
ngx_http_api_key_flags_show(json_t *object, ngx_uint_t armed, int64_t ttl,
    json_int_t uses)
{
    int         failed;
    int64_t     end;
    ngx_time_t  *tp;

    if (!armed) {
        failed = json_object_set_new(object, "expires_at", json_null());
        failed |= json_object_set_new(object, "expires_in", json_null());
        failed |= json_object_set_new(object, "uses", json_null());

        return failed;
    }

    tp = ngx_timeofday();
    end = ((int64_t) tp->sec * 1000 + tp->msec + ttl) / 1000;

    failed = json_object_set_new(object, "expires_at",
                                 ngx_http_api_key_record_time(end));
    failed |= json_object_set_new(object, "expires_in",
                                  json_integer((ttl + 999) / 1000));
    failed |= json_object_set_new(object, "uses",
                                  uses ? json_integer(uses) : json_null());

    return failed;
}


ngx_int_t
ngx_http_api_key_flags_arm(ngx_http_api_key_call_t *call)
{
    u_char                     *p, *id;
    ngx_http_api_key_fields_t   fields;

    if (ngx_http_api_key_fields_arm(call, &fields) != NGX_OK) {
        return NGX_OK;
    }

    p = ngx_pnalloc(call->pool, sizeof("uses:") - 1 + NGX_INT64_LEN);
    if (p == NULL) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    id = fields.id.data;

    ngx_http_api_key_call_write(call, NGX_HTTP_API_KEY_ACTION_ARM, id);

    ngx_http_api_key_call_script(call, &ngx_http_api_key_script_arm,
                                 id ? 4 : 3);
    ngx_http_api_key_call_key(call, "armed", id);
    ngx_http_api_key_call_key(call, "audit", NULL);
    ngx_http_api_key_call_key(call, "armed-keys", NULL);

    if (id) {
        ngx_http_api_key_call_key(call, "key", id);
    }

    ngx_http_api_key_call_arg(call, fields.id.len, id);
    ngx_http_api_key_call_audit(call);
    ngx_http_api_key_call_number(call, fields.ttl
                                       ? fields.ttl
                                       : NGX_HTTP_API_KEY_FLAGS_TTL);

    if (fields.uses) {
        ngx_http_api_key_call_arg(call, ngx_sprintf(p, "uses:%L", fields.uses)
                                        - p, p);

    } else {
        ngx_http_api_key_call_text(call, "on");
    }

    ngx_http_api_key_call_number(call, NGX_HTTP_API_KEY_FLAGS_MAX);
    ngx_http_api_key_call_number(call, ngx_time());

    return ngx_http_api_key_call_send(call, ngx_http_api_key_flags_armed);
}


static ngx_int_t
ngx_http_api_key_flags_armed(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    if (!ngx_http_api_key_resp_is(replies[0], "ok")) {
        return ngx_http_api_key_flags_refused(call, replies[0]);
    }

    return ngx_http_api_key_flags_get(call);
}


ngx_int_t
ngx_http_api_key_flags_disarm(ngx_http_api_key_call_t *call)
{
    u_char         *id;
    ngx_str_t       prefix;
    api_key_str_t   text;
    ngx_keyval_t   *query;

    id = NULL;

    if (call->query.nelts) {
        query = call->query.elts;

        text.len = query[0].value.len;
        text.data = query[0].value.data;

        if (api_key_id_check(&text) != 0) {
            return ngx_http_api_key_call_problem(call, 400, "invalid_field",
                                                 "key");
        }

        id = query[0].value.data;
    }

    if (ngx_http_api_key_store_key(call->store, call->pool, "armed:", NULL,
                                   &prefix)
        != NGX_OK)
    {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    ngx_http_api_key_call_write(call, NGX_HTTP_API_KEY_ACTION_DISARM, id);

    ngx_http_api_key_call_script(call, &ngx_http_api_key_script_disarm,
                                 id ? 4 : 3);
    ngx_http_api_key_call_key(call, "armed", id);
    ngx_http_api_key_call_key(call, "audit", NULL);
    ngx_http_api_key_call_key(call, "armed-keys", NULL);

    if (id) {
        ngx_http_api_key_call_key(call, "key", id);
    }

    ngx_http_api_key_call_arg(call, id ? API_KEY_ID_LEN : 0, id);
    ngx_http_api_key_call_audit(call);
    ngx_http_api_key_call_arg(call, prefix.len, prefix.data);

    return ngx_http_api_key_call_send(call, ngx_http_api_key_flags_disarmed);
}


static ngx_int_t
ngx_http_api_key_flags_disarmed(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    if (ngx_http_api_key_resp_is(replies[0], "ok")) {
        return ngx_http_api_key_call_status(call, 204);
    }

    return ngx_http_api_key_flags_refused(call, replies[0]);
}


static ngx_int_t
ngx_http_api_key_flags_refused(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t *word)
{
    if (ngx_http_api_key_resp_is(word, "unknown")) {
        return ngx_http_api_key_call_problem(call, 404, "not_found", NULL);
    }

    /* the key does not work, or too many have a flag of their own */

    return ngx_http_api_key_call_problem(call, 409, "conflict", NULL);
}
