/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The members of the bodies that the admin API takes: one handler each, and
 * one table for each shape of body.
 */

#include "ngx_http_api_key_fields.h"
#include "ngx_http_api_key_time.h"


#define NGX_HTTP_API_KEY_FIELDS_GRACE  (30 * 86400)
#define NGX_HTTP_API_KEY_FIELDS_TTL    86400
#define NGX_HTTP_API_KEY_FIELDS_USES   999999999999999


typedef int (*ngx_http_api_key_fields_check_pt)(const api_key_str_t *text);


static ngx_int_t ngx_http_api_key_fields_name(ngx_http_api_key_call_t *call,
    json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_state(ngx_http_api_key_call_t *call,
    json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_scopes(ngx_http_api_key_call_t *call,
    json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_allow_from(
    ngx_http_api_key_call_t *call, json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_rate(ngx_http_api_key_call_t *call,
    json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_metadata(
    ngx_http_api_key_call_t *call, json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_expires_in(
    ngx_http_api_key_call_t *call, json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_expires_at(
    ngx_http_api_key_call_t *call, json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_key(ngx_http_api_key_call_t *call,
    json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_digest(ngx_http_api_key_call_t *call,
    json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_pepper(ngx_http_api_key_call_t *call,
    json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_id(ngx_http_api_key_call_t *call,
    json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_grace(ngx_http_api_key_call_t *call,
    json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_ttl(ngx_http_api_key_call_t *call,
    json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_uses(ngx_http_api_key_call_t *call,
    json_t *value, void *input);
static ngx_int_t ngx_http_api_key_fields_list(ngx_http_api_key_call_t *call,
    json_t *value, size_t most, ngx_http_api_key_fields_check_pt check,
    ngx_str_t *list);
static ngx_int_t ngx_http_api_key_fields_number(json_t *value, int64_t min,
    int64_t max, int64_t *number);
static ngx_int_t ngx_http_api_key_fields_string(json_t *value,
    ngx_str_t *string);
static ngx_int_t ngx_http_api_key_fields_check(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields);
static ngx_int_t ngx_http_api_key_fields_wrong(ngx_http_api_key_call_t *call,
    const char *field);


#define ngx_http_api_key_fields_common                                        \
    { "name", ngx_http_api_key_fields_name },                                 \
    { "expires_in", ngx_http_api_key_fields_expires_in },                     \
    { "expires_at", ngx_http_api_key_fields_expires_at },                     \
    { "scopes", ngx_http_api_key_fields_scopes },                             \
    { "allow_from", ngx_http_api_key_fields_allow_from },                     \
    { "rate", ngx_http_api_key_fields_rate },                                 \
    { "metadata", ngx_http_api_key_fields_metadata }


static ngx_http_api_key_json_member_t  ngx_http_api_key_fields_to_create[] = {
    ngx_http_api_key_fields_common,
    { NULL, NULL }
};


static ngx_http_api_key_json_member_t  ngx_http_api_key_fields_to_import[] = {
    ngx_http_api_key_fields_common,
    { "key", ngx_http_api_key_fields_key },
    { "digest", ngx_http_api_key_fields_digest },
    { "pepper", ngx_http_api_key_fields_pepper },
    { NULL, NULL }
};


static ngx_http_api_key_json_member_t  ngx_http_api_key_fields_to_change[] = {
    ngx_http_api_key_fields_common,
    { "state", ngx_http_api_key_fields_state },
    { NULL, NULL }
};


static ngx_http_api_key_json_member_t  ngx_http_api_key_fields_to_rotate[] = {
    { "grace", ngx_http_api_key_fields_grace },
    { NULL, NULL }
};


static ngx_http_api_key_json_member_t  ngx_http_api_key_fields_to_arm[] = {
    { "ttl", ngx_http_api_key_fields_ttl },
    { "key", ngx_http_api_key_fields_id },
    { "uses", ngx_http_api_key_fields_uses },
    { NULL, NULL }
};


ngx_int_t
ngx_http_api_key_fields_create(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields)
{
    ngx_memzero(fields, sizeof(ngx_http_api_key_fields_t));

    if (ngx_http_api_key_json_read(call, ngx_http_api_key_fields_to_create,
                                   fields)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_http_api_key_fields_check(call, fields);
}


ngx_int_t
ngx_http_api_key_fields_import(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields)
{
    ngx_memzero(fields, sizeof(ngx_http_api_key_fields_t));

    if (ngx_http_api_key_json_read(call, ngx_http_api_key_fields_to_import,
                                   fields)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (fields->key.data == NULL && fields->digest.data == NULL) {
        return ngx_http_api_key_fields_wrong(call, "key");
    }

    if (fields->key.data && fields->digest.data) {
        return ngx_http_api_key_fields_wrong(call, "digest");
    }

    /* a key is hashed here, and the first pepper is used for that */

    if (fields->key.data && fields->pepper.data) {
        return ngx_http_api_key_fields_wrong(call, "pepper");
    }

    return ngx_http_api_key_fields_check(call, fields);
}


static ngx_int_t
ngx_http_api_key_fields_check(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields)
{
    int64_t  end, max;

    if (fields->name.data == NULL) {
        return ngx_http_api_key_fields_wrong(call, "name");
    }

    max = call->store->max_ttl;

    if (max == 0) {
        return NGX_OK;
    }

    switch (fields->expiry) {

    case NGX_HTTP_API_KEY_EXPIRY_NEVER:
        return ngx_http_api_key_fields_wrong(call, "expires_at");

    case NGX_HTTP_API_KEY_EXPIRY_IN:
        end = fields->expires;
        break;

    case NGX_HTTP_API_KEY_EXPIRY_AT:
        end = fields->expires - ngx_time();
        break;

    default:
        return NGX_OK;
    }

    if (end > max) {
        return ngx_http_api_key_fields_wrong(call,
                          fields->expiry == NGX_HTTP_API_KEY_EXPIRY_IN
                          ? "expires_in" : "expires_at");
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_api_key_fields_change(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields)
{
    ngx_memzero(fields, sizeof(ngx_http_api_key_fields_t));

    if (ngx_http_api_key_json_read(call, ngx_http_api_key_fields_to_change,
                                   fields)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    /* an end beyond max_ttl is found by the script: it counts from creation */

    if (fields->expiry == NGX_HTTP_API_KEY_EXPIRY_NEVER
        && call->store->max_ttl)
    {
        return ngx_http_api_key_fields_wrong(call, "expires_at");
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_api_key_fields_rotate(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields)
{
    ngx_memzero(fields, sizeof(ngx_http_api_key_fields_t));

    return ngx_http_api_key_json_read(call, ngx_http_api_key_fields_to_rotate,
                                      fields);
}


ngx_int_t
ngx_http_api_key_fields_arm(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields)
{
    ngx_memzero(fields, sizeof(ngx_http_api_key_fields_t));

    return ngx_http_api_key_json_read(call, ngx_http_api_key_fields_to_arm,
                                      fields);
}


static ngx_int_t
ngx_http_api_key_fields_name(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    api_key_str_t  text;

    if (ngx_http_api_key_fields_string(value, &fields->name) != NGX_OK) {
        return NGX_DECLINED;
    }

    text.len = fields->name.len;
    text.data = fields->name.data;

    return api_key_name_check(&text) == 0 ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_api_key_fields_state(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    if (ngx_http_api_key_fields_string(value, &fields->state) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ngx_strcmp(fields->state.data, "active") != 0
        && ngx_strcmp(fields->state.data, "disabled") != 0)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_fields_scopes(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    return ngx_http_api_key_fields_list(call, value, API_KEY_SCOPES_MAX,
                                        api_key_scope_check, &fields->scopes);
}


static ngx_int_t
ngx_http_api_key_fields_allow_from(ngx_http_api_key_call_t *call,
    json_t *value, void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    return ngx_http_api_key_fields_list(call, value, API_KEY_CIDRS_MAX,
                                        api_key_cidr_check,
                                        &fields->allow_from);
}


static ngx_int_t
ngx_http_api_key_fields_rate(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    u_char   *p;
    int64_t   limit, window;

    if (json_is_null(value)) {
        fields->rate.data = (u_char *) "";
        return NGX_OK;
    }

    /* an absent member is no number, and one too many shows in the size */

    if (json_object_size(value) != 2
        || ngx_http_api_key_fields_number(json_object_get(value, "limit"), 1,
                                          API_KEY_RATE_MAX, &limit)
           != NGX_OK
        || ngx_http_api_key_fields_number(json_object_get(value, "window"), 1,
                                          API_KEY_WINDOW_MAX, &window)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(call->pool, 2 * NGX_INT64_LEN + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    fields->rate.data = p;
    fields->rate.len = ngx_sprintf(p, "%L/%L", limit, window) - p;

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_fields_metadata(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    u_char         *p;
    json_t         *member;
    ngx_str_t       string;
    const char     *name;
    ngx_keyval_t   *meta;
    api_key_str_t   text;

    if (!json_is_object(value) || json_object_size(value) > API_KEY_META_MAX) {
        return NGX_DECLINED;
    }

    fields->metadata = ngx_array_create(call->pool, API_KEY_META_MAX,
                                        sizeof(ngx_keyval_t));
    if (fields->metadata == NULL) {
        return NGX_ERROR;
    }

    json_object_foreach(value, name, member) {

        text.len = ngx_strlen(name);
        text.data = (const unsigned char *) name;

        if (api_key_meta_name_check(&text) != 0
            || ngx_http_api_key_fields_string(member, &string) != NGX_OK)
        {
            return NGX_DECLINED;
        }

        meta = ngx_array_push(fields->metadata);
        p = ngx_pnalloc(call->pool, sizeof("meta:") - 1 + text.len);

        if (meta == NULL || p == NULL) {
            return NGX_ERROR;
        }

        meta->key.data = p;
        p = ngx_cpymem(p, "meta:", sizeof("meta:") - 1);
        p = ngx_cpymem(p, text.data, text.len);
        meta->key.len = p - meta->key.data;
        meta->value = string;

        text.len = string.len;
        text.data = string.data;

        if (api_key_meta_value_check(&text) != 0) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_fields_expires_in(ngx_http_api_key_call_t *call,
    json_t *value, void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    if (fields->expiry != NGX_HTTP_API_KEY_EXPIRY_ABSENT) {
        return NGX_DECLINED;
    }

    if (json_is_null(value)) {
        fields->expiry = NGX_HTTP_API_KEY_EXPIRY_NEVER;
        return NGX_OK;
    }

    fields->expiry = NGX_HTTP_API_KEY_EXPIRY_IN;

    return ngx_http_api_key_fields_number(value, 1,
                                       NGX_HTTP_API_KEY_TIME_MAX - ngx_time()
                                       - 86400, &fields->expires);
}


static ngx_int_t
ngx_http_api_key_fields_expires_at(ngx_http_api_key_call_t *call,
    json_t *value, void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    ngx_str_t  text;

    if (fields->expiry != NGX_HTTP_API_KEY_EXPIRY_ABSENT) {
        return NGX_DECLINED;
    }

    if (json_is_null(value)) {
        fields->expiry = NGX_HTTP_API_KEY_EXPIRY_NEVER;
        return NGX_OK;
    }

    fields->expiry = NGX_HTTP_API_KEY_EXPIRY_AT;

    if (ngx_http_api_key_fields_string(value, &text) != NGX_OK
        || ngx_http_api_key_time_read((char *) text.data, text.len,
                                      &fields->expires)
           != NGX_OK
        || fields->expires <= ngx_time()
        || fields->expires > NGX_HTTP_API_KEY_TIME_MAX)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_fields_key(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    api_key_str_t  text;

    if (ngx_http_api_key_fields_string(value, &fields->key) != NGX_OK) {
        return NGX_DECLINED;
    }

    text.len = fields->key.len;
    text.data = fields->key.data;

    return api_key_token_check(&text, &call->store->issue_prefix) == 0
           ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_api_key_fields_digest(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    u_char  *p, *last;

    if (ngx_http_api_key_fields_string(value, &fields->digest) != NGX_OK
        || fields->digest.len != API_KEY_DIGEST_LEN)
    {
        return NGX_DECLINED;
    }

    last = fields->digest.data + fields->digest.len;

    for (p = fields->digest.data; p < last; p++) {
        if (api_key_hex(*p) == -1 || *p != api_key_lower(*p)) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_fields_pepper(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    ngx_uint_t            i;
    const api_key_str_t  *pepper;

    if (ngx_http_api_key_fields_string(value, &fields->pepper) != NGX_OK) {
        return NGX_DECLINED;
    }

    for (i = 0; i < call->store->npeppers; i++) {
        pepper = api_key_digest_pepper(call->store->digests[i]);

        if (pepper->len == fields->pepper.len
            && ngx_memcmp(pepper->data, fields->pepper.data, pepper->len)
               == 0)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_api_key_fields_id(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    api_key_str_t  text;

    if (ngx_http_api_key_fields_string(value, &fields->id) != NGX_OK) {
        return NGX_DECLINED;
    }

    text.len = fields->id.len;
    text.data = fields->id.data;

    return api_key_id_check(&text) == 0 ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_api_key_fields_grace(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    return ngx_http_api_key_fields_number(value, 0,
                                          NGX_HTTP_API_KEY_FIELDS_GRACE,
                                          &fields->grace);
}


static ngx_int_t
ngx_http_api_key_fields_ttl(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    return ngx_http_api_key_fields_number(value, 1,
                                          NGX_HTTP_API_KEY_FIELDS_TTL,
                                          &fields->ttl);
}


static ngx_int_t
ngx_http_api_key_fields_uses(ngx_http_api_key_call_t *call, json_t *value,
    void *input)
{
    ngx_http_api_key_fields_t  *fields = input;

    return ngx_http_api_key_fields_number(value, 1,
                                          NGX_HTTP_API_KEY_FIELDS_USES,
                                          &fields->uses);
}


static ngx_int_t
ngx_http_api_key_fields_list(ngx_http_api_key_call_t *call, json_t *value,
    size_t most, ngx_http_api_key_fields_check_pt check, ngx_str_t *list)
{
    u_char         *p;
    size_t          i, size;
    json_t         *word;
    api_key_str_t   text;

    if (!json_is_array(value) || json_array_size(value) > most) {
        return NGX_DECLINED;
    }

    size = 1;

    json_array_foreach(value, i, word) {

        if (!json_is_string(word)) {
            return NGX_DECLINED;
        }

        text.len = json_string_length(word);
        text.data = (const unsigned char *) json_string_value(word);

        if (check(&text) != 0) {
            return NGX_DECLINED;
        }

        size += text.len + 1;
    }

    p = ngx_pnalloc(call->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    list->data = p;

    json_array_foreach(value, i, word) {

        if (i) {
            *p++ = ' ';
        }

        p = ngx_cpymem(p, json_string_value(word), json_string_length(word));
    }

    list->len = p - list->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_fields_number(json_t *value, int64_t min, int64_t max,
    int64_t *number)
{
    if (!json_is_integer(value)) {
        return NGX_DECLINED;
    }

    *number = json_integer_value(value);

    return (*number >= min && *number <= max) ? NGX_OK : NGX_DECLINED;
}


/* The bytes stay jansson's, which ends them with a zero. */

static ngx_int_t
ngx_http_api_key_fields_string(json_t *value, ngx_str_t *string)
{
    if (!json_is_string(value)) {
        return NGX_DECLINED;
    }

    string->len = json_string_length(value);
    string->data = (u_char *) json_string_value(value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_api_key_fields_wrong(ngx_http_api_key_call_t *call, const char *field)
{
    (void) ngx_http_api_key_call_problem(call, 400, "invalid_field", field);

    return NGX_DECLINED;
}
