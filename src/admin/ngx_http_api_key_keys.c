/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Use cases around one key: create, import, get, change, revoke, rotate.
 */

#include "ngx_http_api_key_keys.h"
#include "ngx_http_api_key_fields.h"
#include "ngx_http_api_key_record_json.h"
#include "ngx_http_api_key_script.h"


static ngx_int_t ngx_http_api_key_keys_make(ngx_http_api_key_call_t *call,
    u_char *digest);
static void ngx_http_api_key_keys_digest(ngx_http_api_key_call_t *call,
    ngx_uint_t pepper, ngx_str_t *key, u_char *digest);
static ngx_int_t ngx_http_api_key_keys_add(ngx_http_api_key_call_t *call,
    ngx_http_api_key_action_e action, ngx_http_api_key_fields_t *fields,
    const u_char *digest, const u_char *other, const api_key_str_t *pepper);
static void ngx_http_api_key_keys_field(ngx_http_api_key_call_t *call,
    const char *name, ngx_str_t *value);
static void ngx_http_api_key_keys_metadata(ngx_http_api_key_call_t *call,
    ngx_array_t *metadata);
static ngx_int_t ngx_http_api_key_keys_got(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_keys_added(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_keys_changed(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_keys_revoked(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_keys_locate(ngx_http_api_key_call_t *call,
    const u_char *id);
static ngx_int_t ngx_http_api_key_keys_used(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies);
static ngx_int_t ngx_http_api_key_keys_record(ngx_http_api_key_call_t *call,
    ngx_uint_t status, const u_char *id, ngx_http_api_key_reply_t *hash,
    ngx_http_api_key_reply_t *ttl, ngx_http_api_key_reply_t *used);
static ngx_int_t ngx_http_api_key_keys_refused(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t *word);
static ngx_uint_t ngx_http_api_key_keys_done(ngx_http_api_key_reply_t *reply);


static const api_key_str_t  ngx_http_api_key_none = api_key_string("none");


ngx_int_t
ngx_http_api_key_keys_create(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_fields_t  fields;
    u_char                     digest[API_KEY_DIGEST_LEN];

    if (ngx_http_api_key_fields_create(call, &fields) != NGX_OK) {
        return NGX_OK;
    }

    if (ngx_http_api_key_keys_make(call, digest) != NGX_OK) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    return ngx_http_api_key_keys_add(call, NGX_HTTP_API_KEY_ACTION_CREATE,
                             &fields, digest, NULL,
                             api_key_digest_pepper(call->store->digests[0]));
}


/*
 * A key that is known under the other pepper is known; only its digest can
 * tell, so one that is imported by digest is looked for under that alone.
 */

ngx_int_t
ngx_http_api_key_keys_import(ngx_http_api_key_call_t *call)
{
    ngx_uint_t                 two;
    const api_key_str_t       *pepper;
    api_key_str_t              named;
    ngx_http_api_key_fields_t  fields;
    u_char                     digests[2][API_KEY_DIGEST_LEN];

    if (ngx_http_api_key_fields_import(call, &fields) != NGX_OK) {
        return NGX_OK;
    }

    pepper = api_key_digest_pepper(call->store->digests[0]);

    if (fields.digest.data) {

        if (fields.pepper.data) {
            named.len = fields.pepper.len;
            named.data = fields.pepper.data;
            pepper = &named;
        }

        return ngx_http_api_key_keys_add(call,
                                         NGX_HTTP_API_KEY_ACTION_IMPORT,
                                         &fields, fields.digest.data, NULL,
                                         pepper);
    }

    two = (call->store->npeppers == 2);

    ngx_http_api_key_keys_digest(call, 0, &fields.key, digests[0]);

    if (two) {
        ngx_http_api_key_keys_digest(call, 1, &fields.key, digests[1]);
    }

    return ngx_http_api_key_keys_add(call, NGX_HTTP_API_KEY_ACTION_IMPORT,
                                     &fields, digests[0],
                                     two ? digests[1] : NULL, pepper);
}


/* Makes a key, which stays in the call, and its digest. */

static ngx_int_t
ngx_http_api_key_keys_make(ngx_http_api_key_call_t *call, u_char *digest)
{
    ngx_str_t  key;

    call->key_len = api_key_token_make(call->key, &call->store->issue_prefix,
                                       api_key_digest_random);
    if (call->key_len == 0) {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                      "api key store \"%V\": there are no random bytes",
                      &call->store->name);
        return NGX_ERROR;
    }

    key.len = call->key_len;
    key.data = call->key;

    ngx_http_api_key_keys_digest(call, 0, &key, digest);

    return NGX_OK;
}


static void
ngx_http_api_key_keys_digest(ngx_http_api_key_call_t *call, ngx_uint_t pepper,
    ngx_str_t *key, u_char *digest)
{
    u_char         hash[API_KEY_HASH_LEN];
    api_key_str_t  text;

    text.len = key->len;
    text.data = key->data;

    api_key_digest(call->store->digests[pepper], &text, hash);
    api_key_digest_hex(digest, hash);
}


static ngx_int_t
ngx_http_api_key_keys_add(ngx_http_api_key_call_t *call,
    ngx_http_api_key_action_e action, ngx_http_api_key_fields_t *fields,
    const u_char *digest, const u_char *other, const api_key_str_t *pepper)
{
    u_char                     *copy;
    ngx_str_t                   prefix;
    ngx_http_api_key_store_t   *store;

    store = call->store;

    copy = ngx_pnalloc(call->pool, API_KEY_DIGEST_LEN);
    if (copy == NULL
        || ngx_http_api_key_store_key(store, call->pool, "key:", NULL,
                                      &prefix)
           != NGX_OK)
    {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    ngx_memcpy(copy, digest, API_KEY_DIGEST_LEN);

    ngx_http_api_key_call_write(call, action, copy);

    ngx_http_api_key_call_script(call, &ngx_http_api_key_script_create,
                                 other ? 5 : 4);
    ngx_http_api_key_call_key(call, "key", copy);
    ngx_http_api_key_call_key(call, "keys", NULL);
    ngx_http_api_key_call_key(call, "live", NULL);
    ngx_http_api_key_call_key(call, "audit", NULL);

    if (other) {
        ngx_http_api_key_call_key(call, "key", other);
    }

    ngx_http_api_key_call_arg(call, API_KEY_ID_LEN, copy);
    ngx_http_api_key_call_text(call, ngx_http_api_key_action_name(action));
    ngx_http_api_key_call_audit(call);
    ngx_http_api_key_call_number(call, store->max_keys);

    switch (fields->expiry) {

    case NGX_HTTP_API_KEY_EXPIRY_IN:
        ngx_http_api_key_call_number(call, fields->expires);
        ngx_http_api_key_call_text(call, "");
        break;

    case NGX_HTTP_API_KEY_EXPIRY_AT:
        ngx_http_api_key_call_text(call, "");
        ngx_http_api_key_call_number(call, fields->expires);
        break;

    case NGX_HTTP_API_KEY_EXPIRY_NEVER:
        ngx_http_api_key_call_text(call, "");
        ngx_http_api_key_call_text(call, "");
        break;

    default:                           /* ABSENT: the store says how long */

        if (store->default_ttl
            && (store->max_ttl == 0 || store->default_ttl <= store->max_ttl))
        {
            ngx_http_api_key_call_number(call, store->default_ttl);

        } else if (store->max_ttl) {
            ngx_http_api_key_call_number(call, store->max_ttl);

        } else {
            ngx_http_api_key_call_text(call, "");
        }

        ngx_http_api_key_call_text(call, "");
    }

    ngx_http_api_key_call_arg(call, prefix.len, prefix.data);

    ngx_http_api_key_call_text(call, "digest");
    ngx_http_api_key_call_arg(call, API_KEY_DIGEST_LEN, copy);
    ngx_http_api_key_call_text(call, "state");
    ngx_http_api_key_call_text(call, "active");

    if (!api_key_str_equal(pepper, &ngx_http_api_key_none)) {
        ngx_http_api_key_call_text(call, "pepper");
        ngx_http_api_key_call_arg(call, pepper->len, pepper->data);
    }

    ngx_http_api_key_keys_field(call, "name", &fields->name);

    if (fields->scopes.len) {
        ngx_http_api_key_keys_field(call, "scopes", &fields->scopes);
    }

    if (fields->allow_from.len) {
        ngx_http_api_key_keys_field(call, "allow_from", &fields->allow_from);
    }

    if (fields->rate.len) {
        ngx_http_api_key_keys_field(call, "rate", &fields->rate);
    }

    ngx_http_api_key_keys_metadata(call, fields->metadata);

    return ngx_http_api_key_call_send(call, ngx_http_api_key_keys_added);
}


static void
ngx_http_api_key_keys_field(ngx_http_api_key_call_t *call, const char *name,
    ngx_str_t *value)
{
    ngx_http_api_key_call_text(call, name);
    ngx_http_api_key_call_arg(call, value->len, value->data);
}


static void
ngx_http_api_key_keys_metadata(ngx_http_api_key_call_t *call,
    ngx_array_t *metadata)
{
    ngx_uint_t     i;
    ngx_keyval_t  *meta;

    if (metadata == NULL) {
        return;
    }

    meta = metadata->elts;

    for (i = 0; i < metadata->nelts; i++) {
        ngx_http_api_key_call_arg(call, meta[i].key.len, meta[i].key.data);
        ngx_http_api_key_call_arg(call, meta[i].value.len, meta[i].value.data);
    }
}


/* A key was created, imported, or made by a rotation. */

static ngx_int_t
ngx_http_api_key_keys_added(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    u_char                    *id;
    ngx_http_api_key_reply_t  *reply;

    /* a rotation's subject is the old key, its successor's id is at hand */

    id = call->data ? call->data : call->subject;
    reply = replies[0];

    if (!ngx_http_api_key_keys_done(reply)) {
        return ngx_http_api_key_keys_refused(call, reply);
    }

    (void) ngx_http_api_key_keys_record(call, 201, id, reply->elts[1],
                                        reply->elts[2], NULL);

    if (call->code) {
        return NGX_OK;
    }

    if (ngx_http_api_key_keys_locate(call, id) != NGX_OK) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    if (call->key_len
        && json_object_set_new(call->json, "key",
                               json_stringn((char *) call->key,
                                            call->key_len))
           != 0)
    {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_keys_locate(ngx_http_api_key_call_t *call, const u_char *id)
{
    u_char  *p;

    p = ngx_pnalloc(call->pool, call->base.len + sizeof("v1/keys/") - 1
                                + API_KEY_ID_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    call->location.data = p;

    p = ngx_cpymem(p, call->base.data, call->base.len);
    p = ngx_cpymem(p, "v1/keys/", sizeof("v1/keys/") - 1);
    p = ngx_cpymem(p, id, API_KEY_ID_LEN);

    call->location.len = p - call->location.data;

    return NGX_OK;
}


ngx_int_t
ngx_http_api_key_keys_get(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_call_command(call, "HGETALL");
    ngx_http_api_key_call_key(call, "key", call->id);
    ngx_http_api_key_call_command(call, "PTTL");
    ngx_http_api_key_call_key(call, "key", call->id);
    ngx_http_api_key_call_command(call, "HGET");
    ngx_http_api_key_call_key(call, "used", NULL);
    ngx_http_api_key_call_arg(call, API_KEY_ID_LEN, call->id);

    return ngx_http_api_key_call_send(call, ngx_http_api_key_keys_got);
}


static ngx_int_t
ngx_http_api_key_keys_got(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    return ngx_http_api_key_keys_record(call, 200, call->id, replies[0],
                                        replies[1], replies[2]);
}


ngx_int_t
ngx_http_api_key_keys_change(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_fields_t  fields;

    if (ngx_http_api_key_fields_change(call, &fields) != NGX_OK) {
        return NGX_OK;
    }

    ngx_http_api_key_call_write(call, NGX_HTTP_API_KEY_ACTION_CHANGE,
                                call->id);

    ngx_http_api_key_call_script(call, &ngx_http_api_key_script_change, 2);
    ngx_http_api_key_call_key(call, "key", call->id);
    ngx_http_api_key_call_key(call, "audit", NULL);

    ngx_http_api_key_call_arg(call, API_KEY_ID_LEN, call->id);
    ngx_http_api_key_call_audit(call);

    switch (fields.expiry) {

    case NGX_HTTP_API_KEY_EXPIRY_IN:
        ngx_http_api_key_call_text(call, "in");
        break;

    case NGX_HTTP_API_KEY_EXPIRY_AT:
        ngx_http_api_key_call_text(call, "at");
        break;

    case NGX_HTTP_API_KEY_EXPIRY_NEVER:
        ngx_http_api_key_call_text(call, "none");
        break;

    default:
        ngx_http_api_key_call_text(call, "");
    }

    /* the script's own words for the field, should it find fault with it */

    call->data = (fields.expiry == NGX_HTTP_API_KEY_EXPIRY_IN)
                 ? "expires_in" : "expires_at";

    ngx_http_api_key_call_number(call, fields.expires);
    ngx_http_api_key_call_number(call, call->store->max_ttl);
    ngx_http_api_key_call_text(call, fields.metadata ? "meta" : "");

    if (fields.name.data) {
        ngx_http_api_key_keys_field(call, "name", &fields.name);
    }

    if (fields.state.data) {
        ngx_http_api_key_keys_field(call, "state", &fields.state);
    }

    if (fields.scopes.data) {
        ngx_http_api_key_keys_field(call, "scopes", &fields.scopes);
    }

    if (fields.allow_from.data) {
        ngx_http_api_key_keys_field(call, "allow_from", &fields.allow_from);
    }

    if (fields.rate.data) {
        ngx_http_api_key_keys_field(call, "rate", &fields.rate);
    }

    ngx_http_api_key_keys_metadata(call, fields.metadata);

    return ngx_http_api_key_call_send(call, ngx_http_api_key_keys_changed);
}


static ngx_int_t
ngx_http_api_key_keys_changed(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    ngx_http_api_key_reply_t  *reply;

    reply = replies[0];

    if (!ngx_http_api_key_keys_done(reply)) {
        return ngx_http_api_key_keys_refused(call, reply);
    }

    (void) ngx_http_api_key_keys_record(call, 200, call->id, reply->elts[1],
                                        reply->elts[2], NULL);

    if (call->json == NULL) {
        return NGX_OK;
    }

    /* the change has been made, whatever comes of this question */

    call->judges = 1;

    ngx_http_api_key_call_command(call, "HGET");
    ngx_http_api_key_call_key(call, "used", NULL);
    ngx_http_api_key_call_arg(call, API_KEY_ID_LEN, call->id);

    return ngx_http_api_key_call_send(call, ngx_http_api_key_keys_used);
}


static ngx_int_t
ngx_http_api_key_keys_used(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    if (json_object_set_new(call->json, "last_used_at",
                            ngx_http_api_key_record_used(replies ? replies[0]
                                                                 : NULL))
        != 0)
    {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    return ngx_http_api_key_call_status(call, 200);
}


ngx_int_t
ngx_http_api_key_keys_revoke(ngx_http_api_key_call_t *call)
{
    ngx_http_api_key_call_write(call, NGX_HTTP_API_KEY_ACTION_REVOKE,
                                call->id);

    ngx_http_api_key_call_script(call, &ngx_http_api_key_script_revoke, 5);
    ngx_http_api_key_call_key(call, "key", call->id);
    ngx_http_api_key_call_key(call, "live", NULL);
    ngx_http_api_key_call_key(call, "audit", NULL);
    ngx_http_api_key_call_key(call, "armed", call->id);
    ngx_http_api_key_call_key(call, "armed-keys", NULL);

    ngx_http_api_key_call_arg(call, API_KEY_ID_LEN, call->id);
    ngx_http_api_key_call_audit(call);

    return ngx_http_api_key_call_send(call, ngx_http_api_key_keys_revoked);
}


static ngx_int_t
ngx_http_api_key_keys_revoked(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t **replies)
{
    if (ngx_http_api_key_resp_is(replies[0], "ok")) {
        return ngx_http_api_key_call_status(call, 204);
    }

    return ngx_http_api_key_keys_refused(call, replies[0]);
}


ngx_int_t
ngx_http_api_key_keys_rotate(ngx_http_api_key_call_t *call)
{
    u_char                     *digest;
    const api_key_str_t        *pepper;
    ngx_http_api_key_store_t   *store;
    ngx_http_api_key_fields_t   fields;

    if (ngx_http_api_key_fields_rotate(call, &fields) != NGX_OK) {
        return NGX_OK;
    }

    store = call->store;

    digest = ngx_pnalloc(call->pool, API_KEY_DIGEST_LEN);

    if (digest == NULL || ngx_http_api_key_keys_make(call, digest) != NGX_OK) {
        return ngx_http_api_key_call_problem(call, 500, "internal_error",
                                             NULL);
    }

    call->data = digest;

    ngx_http_api_key_call_write(call, NGX_HTTP_API_KEY_ACTION_ROTATE,
                                call->id);

    ngx_http_api_key_call_script(call, &ngx_http_api_key_script_rotate, 7);
    ngx_http_api_key_call_key(call, "key", call->id);
    ngx_http_api_key_call_key(call, "key", digest);
    ngx_http_api_key_call_key(call, "keys", NULL);
    ngx_http_api_key_call_key(call, "live", NULL);
    ngx_http_api_key_call_key(call, "audit", NULL);
    ngx_http_api_key_call_key(call, "armed", call->id);
    ngx_http_api_key_call_key(call, "armed-keys", NULL);

    ngx_http_api_key_call_arg(call, API_KEY_ID_LEN, call->id);
    ngx_http_api_key_call_audit(call);

    ngx_http_api_key_call_arg(call, API_KEY_ID_LEN, digest);
    ngx_http_api_key_call_arg(call, API_KEY_DIGEST_LEN, digest);

    pepper = api_key_digest_pepper(store->digests[0]);

    if (api_key_str_equal(pepper, &ngx_http_api_key_none)) {
        ngx_http_api_key_call_text(call, "");

    } else {
        ngx_http_api_key_call_arg(call, pepper->len, pepper->data);
    }

    ngx_http_api_key_call_number(call, fields.grace);
    ngx_http_api_key_call_number(call, store->default_ttl);
    ngx_http_api_key_call_number(call, store->max_ttl);
    ngx_http_api_key_call_number(call, ngx_time());

    return ngx_http_api_key_call_send(call, ngx_http_api_key_keys_added);
}


static ngx_int_t
ngx_http_api_key_keys_record(ngx_http_api_key_call_t *call, ngx_uint_t status,
    const u_char *id, ngx_http_api_key_reply_t *hash,
    ngx_http_api_key_reply_t *ttl, ngx_http_api_key_reply_t *used)
{
    ngx_int_t         rc;
    api_key_record_t  record;

    rc = ngx_http_api_key_record_read(call->store, id, hash, ttl, &record);

    if (rc == NGX_DECLINED) {
        return ngx_http_api_key_call_problem(call, 404, "not_found", NULL);
    }

    if (rc != NGX_OK) {
        return ngx_http_api_key_call_problem(call, 503, "unavailable", NULL);
    }

    return ngx_http_api_key_call_json(call, status,
                          ngx_http_api_key_record_json(call->store, id,
                                                       &record, used));
}


/* Whether a script's reply is {"ok", HGETALL, PTTL}. */

static ngx_uint_t
ngx_http_api_key_keys_done(ngx_http_api_key_reply_t *reply)
{
    return reply->type == NGX_HTTP_API_KEY_REPLY_ARRAY
           && reply->nelts == 3
           && ngx_http_api_key_resp_is(reply->elts[0], "ok");
}


/* A script's word, alone or in an array, for why it has changed nothing. */

static ngx_int_t
ngx_http_api_key_keys_refused(ngx_http_api_key_call_t *call,
    ngx_http_api_key_reply_t *word)
{
    if (word->type == NGX_HTTP_API_KEY_REPLY_ARRAY && word->nelts == 1) {
        word = word->elts[0];
    }

    if (ngx_http_api_key_resp_is(word, "unknown")) {
        return ngx_http_api_key_call_problem(call, 404, "not_found", NULL);
    }

    if (ngx_http_api_key_resp_is(word, "conflict")) {
        return ngx_http_api_key_call_problem(call, 409, "conflict", NULL);
    }

    if (ngx_http_api_key_resp_is(word, "too_many_keys")) {
        return ngx_http_api_key_call_problem(call, 409, "too_many_keys", NULL);
    }

    if (ngx_http_api_key_resp_is(word, "too_long")) {
        return ngx_http_api_key_call_problem(call, 400, "invalid_field",
                                             call->data);
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "api key store \"%V\": a script gave no known answer",
                  &call->store->name);

    return ngx_http_api_key_call_problem(call, 503, "outcome_unknown", NULL);
}
