/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A record as the admin API shows it.
 */

#include "ngx_http_api_key_record_json.h"
#include "ngx_http_api_key_time.h"


/* of a time before the year 10000 */

#define NGX_HTTP_API_KEY_RECORD_DIGITS  11


static json_t *ngx_http_api_key_record_string(const api_key_str_t *text);
static json_t *ngx_http_api_key_record_list(const api_key_str_t *list);
static json_t *ngx_http_api_key_record_id(const api_key_str_t *id);
static json_t *ngx_http_api_key_record_rate(const api_key_record_t *record);
static json_t *ngx_http_api_key_record_metadata(
    const api_key_record_t *record);
static ngx_uint_t ngx_http_api_key_record_due(ngx_http_api_key_store_t *store,
    const api_key_record_t *record);


ngx_int_t
ngx_http_api_key_record_read(ngx_http_api_key_store_t *store, const u_char *id,
    ngx_http_api_key_reply_t *hash, ngx_http_api_key_reply_t *ttl,
    api_key_record_t *record)
{
    ngx_int_t                 rc;
    ngx_http_api_key_reply_t  none;

    rc = ngx_http_api_key_store_record(store, id, hash, ttl, record);

    if (rc != NGX_OK || record->state != API_KEY_REVOKED) {
        return rc;
    }

    ngx_memzero(&none, sizeof(ngx_http_api_key_reply_t));
    none.type = NGX_HTTP_API_KEY_REPLY_INTEGER;
    none.integer = -1;

    return ngx_http_api_key_store_record(store, id, hash, &none, record);
}


const char *
ngx_http_api_key_record_state(const api_key_record_t *record)
{
    if (record->state == API_KEY_REVOKED) {
        return "revoked";
    }

    if (record->state == API_KEY_DISABLED) {
        return "disabled";
    }

    return (record->expires_at <= ngx_http_api_key_now()) ? "expired"
                                                          : "active";
}


json_t *
ngx_http_api_key_record_json(ngx_http_api_key_store_t *store,
    const u_char *id, const api_key_record_t *record,
    ngx_http_api_key_reply_t *used)
{
    int      failed;
    json_t  *object;

    object = json_object();

    failed = json_object_set_new(object, "id",
                   json_stringn((const char *) id, API_KEY_ID_LEN));
    failed |= json_object_set_new(object, "name",
                   ngx_http_api_key_record_string(&record->name));
    failed |= json_object_set_new(object, "state",
                   json_string(ngx_http_api_key_record_state(record)));
    failed |= json_object_set_new(object, "created_at",
                   ngx_http_api_key_record_time(record->created_at));
    failed |= json_object_set_new(object, "expires_at",
                   ngx_http_api_key_record_time(
                       api_key_record_seconds(record->expires_at)));
    failed |= json_object_set_new(object, "scopes",
                   ngx_http_api_key_record_list(&record->scopes));
    failed |= json_object_set_new(object, "allow_from",
                   ngx_http_api_key_record_list(&record->allow_from));
    failed |= json_object_set_new(object, "rate",
                   ngx_http_api_key_record_rate(record));
    failed |= json_object_set_new(object, "metadata",
                   ngx_http_api_key_record_metadata(record));
    failed |= json_object_set_new(object, "last_used_at",
                   ngx_http_api_key_record_used(used));
    failed |= json_object_set_new(object, "pepper",
                   ngx_http_api_key_record_string(&record->pepper));
    failed |= json_object_set_new(object, "replaces",
                   ngx_http_api_key_record_id(&record->replaces));
    failed |= json_object_set_new(object, "replaced_by",
                   ngx_http_api_key_record_id(&record->replaced_by));
    failed |= json_object_set_new(object, "rotate_due",
                   json_boolean(ngx_http_api_key_record_due(store, record)));

    if (failed) {
        json_decref(object);
        return NULL;
    }

    return object;
}


json_t *
ngx_http_api_key_record_used(ngx_http_api_key_reply_t *used)
{
    time_t  at;

    if (used == NULL || used->type != NGX_HTTP_API_KEY_REPLY_STRING
        || used->str.len > NGX_HTTP_API_KEY_RECORD_DIGITS)
    {
        return json_null();
    }

    at = ngx_atotm(used->str.data, used->str.len);

    return at == NGX_ERROR ? json_null() : ngx_http_api_key_record_time(at);
}


json_t *
ngx_http_api_key_record_time(int64_t seconds)
{
    char  text[NGX_HTTP_API_KEY_TIME_LEN + 1];

    if (seconds == API_KEY_NEVER) {
        return json_null();
    }

    ngx_http_api_key_time_write(seconds, text);

    return json_string(text);
}


static json_t *
ngx_http_api_key_record_string(const api_key_str_t *text)
{
    return json_stringn((const char *) text->data, text->len);
}


static json_t *
ngx_http_api_key_record_id(const api_key_str_t *id)
{
    return id->len ? ngx_http_api_key_record_string(id) : json_null();
}


static json_t *
ngx_http_api_key_record_list(const api_key_str_t *list)
{
    json_t               *array;
    const unsigned char  *p, *space, *last;

    array = json_array();

    p = list->data;
    last = p + list->len;

    while (p < last) {

        space = memchr(p, ' ', last - p);
        if (space == NULL) {
            space = last;
        }

        if (json_array_append_new(array, json_stringn((const char *) p,
                                                      space - p))
            != 0)
        {
            json_decref(array);
            return NULL;
        }

        p = space + 1;
    }

    return array;
}


static json_t *
ngx_http_api_key_record_rate(const api_key_record_t *record)
{
    if (record->rate_limit == 0) {
        return json_null();
    }

    return json_pack("{s:I, s:I}",
                     "limit", (json_int_t) record->rate_limit,
                     "window", (json_int_t) record->rate_window);
}


static json_t *
ngx_http_api_key_record_metadata(const api_key_record_t *record)
{
    size_t   i;
    json_t  *object;
    char     name[API_KEY_META_NAME_MAX + 1];

    object = json_object();

    for (i = 0; i < record->nmeta; i++) {

        *ngx_cpymem(name, record->meta[i].name.data,
                    record->meta[i].name.len) = '\0';

        if (json_object_set_new(object, name,
                          ngx_http_api_key_record_string(
                                                   &record->meta[i].value))
            != 0)
        {
            json_decref(object);
            return NULL;
        }
    }

    return object;
}


/* A key that is revoked, or rotated already, cannot be rotated. */

static ngx_uint_t
ngx_http_api_key_record_due(ngx_http_api_key_store_t *store,
    const api_key_record_t *record)
{
    if (record->state == API_KEY_REVOKED || record->replaced_by.len) {
        return 0;
    }

    if (store->rotate_after
        && ngx_time() - record->created_at >= store->rotate_after)
    {
        return 1;
    }

    return store->npeppers == 2
           && api_key_str_equal(&record->pepper,
                                api_key_digest_pepper(store->digests[1]));
}
