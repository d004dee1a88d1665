/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards the bodies that the admin API takes: what is accepted is within the
 * bounds of README.md, and a refusal names a known member or one that the
 * client has named, and no value.  The input's first byte picks the shape of
 * the body and the store's max_ttl; the rest is the body.
 *
 *     src/admin/ngx_http_api_key_call.c
 *     src/admin/ngx_http_api_key_fields.c
 *     src/admin/ngx_http_api_key_json.c
 *     src/admin/ngx_http_api_key_time.c
 */

#include <arpa/inet.h>

#include "ngx_http_api_key_fields.h"

#include "fuzz.h"


#define NOW      1700000000
#define MAX_TTL  (90 * 86400)
#define LAST     253402300799           /* of the year 9999 */
#define SHAPES   5


typedef ngx_int_t (*read_pt)(ngx_http_api_key_call_t *call,
    ngx_http_api_key_fields_t *fields);


static ngx_log_t                  log_nowhere;
static ngx_cycle_t                cycle = { .log = &log_nowhere };
volatile ngx_cycle_t             *ngx_cycle = &cycle;

static ngx_time_t                 now = { .sec = NOW };
volatile ngx_time_t              *ngx_cached_time = &now;

static ngx_http_api_key_store_t   store;

static const read_pt  readers[SHAPES] = {
    ngx_http_api_key_fields_create,
    ngx_http_api_key_fields_import,
    ngx_http_api_key_fields_change,
    ngx_http_api_key_fields_rotate,
    ngx_http_api_key_fields_arm
};

static const char  *common[] = {
    "name", "expires_in", "expires_at", "scopes", "allow_from", "rate",
    "metadata", NULL
};

static const char  *others[SHAPES][4] = {
    { NULL },
    { "key", "digest", "pepper", NULL },
    { "state", NULL },
    { "grace", NULL },
    { "ttl", "key", "uses", NULL }
};


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    api_key_str_t  pepper = api_key_string("a-pepper-of-32-characters-or-so-");

    json_object_seed(1);

    store.issue_prefix = (api_key_str_t) api_key_string("key");
    store.npeppers = 2;
    store.digests[0] = api_key_digest_create(&pepper);
    store.digests[1] = api_key_digest_create(NULL);
    check(store.digests[0] && store.digests[1]);

    return 0;
}


static int
known(int shape, const char *name)
{
    size_t  i;

    for (i = 0; shape < 3 && common[i]; i++) {
        if (strcmp(common[i], name) == 0) {
            return 1;
        }
    }

    for (i = 0; others[shape][i]; i++) {
        if (strcmp(others[shape][i], name) == 0) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
depth(json_t *json)
{
    size_t       i;
    json_t      *value;
    ngx_uint_t   deepest;
    const char  *name;

    deepest = 0;

    json_object_foreach(json, name, value) {
        deepest = ngx_max(deepest, depth(value));
    }

    json_array_foreach(json, i, value) {
        deepest = ngx_max(deepest, depth(value));
    }

    return deepest + (json_is_object(json) || json_is_array(json));
}


/* The characters of a text without controls; jansson has seen to UTF-8. */

static size_t
characters(const u_char *p, size_t len)
{
    size_t  i, n;

    for (i = 0, n = 0; i < len; i++) {
        check(p[i] >= 0x20 && p[i] != 0x7f);
        check(p[i] != 0xc2 || p[i + 1] >= 0xa0);
        n += (p[i] & 0xc0) != 0x80;
    }

    return n;
}


static void
consists(const u_char *p, size_t len, size_t most, const char *set)
{
    size_t  i;

    check(len >= 1 && len <= most);

    for (i = 0; i < len; i++) {
        check(p[i] && strchr(set, p[i]));
    }
}


#define LOWER   "abcdefghijklmnopqrstuvwxyz0123456789"
#define UPPER   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


static int64_t
integer(json_t *object, const char *name)
{
    json_t  *value;

    value = json_object_get(object, name);
    check(json_is_integer(value));

    return json_integer_value(value);
}


static void
text_is(const ngx_str_t *text, json_t *value)
{
    check(json_is_string(value) && text->data);
    check(text->len == json_string_length(value));
    check(memcmp(text->data, json_string_value(value), text->len) == 0);
}


static void
cidr(const char *text)
{
    char    address[64], *end;
    long    len;
    size_t  n;
    u_char  bytes[16];

    n = strcspn(text, "/");
    check(n < sizeof(address));

    memcpy(address, text, n);
    address[n] = '\0';

    check(inet_pton(AF_INET, address, bytes) == 1
          || inet_pton(AF_INET6, address, bytes) == 1);

    if (text[n] == '/') {
        len = strtol(text + n + 1, &end, 10);
        check(end > text + n + 1 && *end == '\0');
        check(len >= 0 && len <= (strchr(address, ':') ? 128 : 32));
    }
}


/* A list in the input, separated by blanks in what was made of it. */

static void
list(const ngx_str_t *joined, json_t *value, int scopes)
{
    size_t       i, len;
    json_t      *word;
    const char  *text;
    u_char      *p;

    check(json_is_array(value) && json_array_size(value) <= 16);
    check(joined->data);

    p = joined->data;

    json_array_foreach(value, i, word) {
        check(json_is_string(word));
        text = json_string_value(word);
        len = json_string_length(word);

        if (scopes) {
            consists((u_char *) text, len, 64, LOWER UPPER ":._-");

        } else {
            cidr(text);
        }

        check(i == 0 || *p++ == ' ');
        check(memcmp(p, text, len) == 0);
        p += len;
    }

    check(p == joined->data + joined->len);
}


static void
metadata(ngx_array_t *array, json_t *value)
{
    char           name[33];
    ngx_uint_t     i;
    ngx_keyval_t  *meta;

    check(json_is_object(value) && json_object_size(value) <= 16);
    check(array && array->nelts == json_object_size(value));

    meta = array->elts;

    for (i = 0; i < array->nelts; i++) {
        check(meta[i].key.len > 5 && memcmp(meta[i].key.data, "meta:", 5) == 0);
        consists(meta[i].key.data + 5, meta[i].key.len - 5, 32, LOWER "_");

        snprintf(name, sizeof(name), "%.*s", (int) meta[i].key.len - 5,
                 meta[i].key.data + 5);
        text_is(&meta[i].value, json_object_get(value, name));

        check(meta[i].value.len <= 256);
        (void) characters(meta[i].value.data, meta[i].value.len);
    }
}


static void
expiry(json_t *body, ngx_http_api_key_fields_t *fields, int shape)
{
    json_t  *in, *at;

    in = json_object_get(body, "expires_in");
    at = json_object_get(body, "expires_at");

    check(in == NULL || at == NULL);

    switch (fields->expiry) {

    case NGX_HTTP_API_KEY_EXPIRY_ABSENT:
        check(in == NULL && at == NULL);
        return;

    case NGX_HTTP_API_KEY_EXPIRY_NEVER:
        check(json_is_null(in) || json_is_null(at));
        check(store.max_ttl == 0);
        return;

    case NGX_HTTP_API_KEY_EXPIRY_IN:
        check(fields->expires == integer(body, "expires_in"));
        check(fields->expires >= 1 && fields->expires <= LAST - NOW);
        check(store.max_ttl == 0 || shape == 2
              || fields->expires <= store.max_ttl);
        return;

    case NGX_HTTP_API_KEY_EXPIRY_AT:
        check(json_is_string(at));
        check(json_string_length(at) >= sizeof("2026-01-02T03:04:05Z") - 1);
        check(fields->expires > NOW && fields->expires <= LAST);
        check(store.max_ttl == 0 || shape == 2
              || fields->expires <= NOW + store.max_ttl);
    }
}


static void
accepted(json_t *body, ngx_http_api_key_fields_t *fields, int shape)
{
    json_t      *value, *rate;
    char         text[64];
    size_t       n;
    const char  *name;

    check(json_is_object(body) && depth(body) <= 8);

    json_object_foreach(body, name, value) {
        check(known(shape, name));
    }

    check((fields->name.data != NULL)
          == (json_object_get(body, "name") != NULL));

    if (fields->name.data) {
        text_is(&fields->name, json_object_get(body, "name"));
        n = characters(fields->name.data, fields->name.len);
        check(n >= 1 && n <= 100);
    }

    check(shape > 1 || fields->name.data);

    if (json_object_get(body, "scopes")) {
        list(&fields->scopes, json_object_get(body, "scopes"), 1);
    }

    if (json_object_get(body, "allow_from")) {
        list(&fields->allow_from, json_object_get(body, "allow_from"), 0);
    }

    if (json_object_get(body, "metadata")) {
        metadata(fields->metadata, json_object_get(body, "metadata"));
    }

    rate = json_object_get(body, "rate");

    if (json_is_null(rate)) {
        check(fields->rate.data && fields->rate.len == 0);

    } else if (rate) {
        check(json_object_size(rate) == 2);
        check(integer(rate, "limit") >= 1
              && integer(rate, "limit") <= API_KEY_RATE_MAX);
        check(integer(rate, "window") >= 1
              && integer(rate, "window") <= API_KEY_WINDOW_MAX);

        n = snprintf(text, sizeof(text), "%lld/%lld",
                     (long long) integer(rate, "limit"),
                     (long long) integer(rate, "window"));
        check(fields->rate.len == n && memcmp(fields->rate.data, text, n) == 0);
    }

    expiry(body, fields, shape);

    switch (shape) {

    case 1:
        check((fields->key.data != NULL) != (fields->digest.data != NULL));

        if (fields->key.data) {
            check(fields->key.len >= 16 && fields->key.len <= 256);
            check(fields->pepper.data == NULL);

            for (n = 0; n < fields->key.len; n++) {
                check(fields->key.data[n] > 0x20 && fields->key.data[n] < 0x7f);
            }

        } else {
            consists(fields->digest.data, fields->digest.len, 64,
                     "0123456789abcdef");
            check(fields->digest.len == 64);
        }

        break;

    case 2:
        check(fields->state.data == NULL
              || ngx_strcmp(fields->state.data, "active") == 0
              || ngx_strcmp(fields->state.data, "disabled") == 0);
        break;

    case 3:
        check(fields->grace >= 0 && fields->grace <= 30 * 86400);
        check(json_object_size(body) == 0
              || fields->grace == integer(body, "grace"));
        break;

    case 4:
        check(fields->ttl >= 0 && fields->ttl <= 86400);
        check(json_object_get(body, "ttl") == NULL
              || (fields->ttl >= 1 && fields->ttl == integer(body, "ttl")));
        check(json_object_get(body, "uses") == NULL
              || (fields->uses >= 1 && fields->uses == integer(body, "uses")));

        if (fields->id.data) {
            consists(fields->id.data, fields->id.len, 20, "0123456789abcdef");
            check(fields->id.len == 20);
        }
    }
}


/* A refusal: its field is known, or "body", or a member's name. */

static void
refused(ngx_http_api_key_call_t *call, const ngx_str_t *text, int shape)
{
    char     name[65];
    json_t  *body;

    check(call->status == 400 && call->code);

    if (strcmp(call->code, "invalid_json") == 0) {
        check(call->field.data == NULL);
        return;
    }

    check(strcmp(call->code, "invalid_field") == 0);
    check(call->field.len >= 1 && call->field.len < sizeof(name));

    memcpy(name, call->field.data, call->field.len);
    name[call->field.len] = '\0';

    (void) characters(call->field.data, call->field.len);

    if (known(shape, name) || strcmp(name, "body") == 0) {
        return;
    }

    /* a number too big ends the reading: what is before it is all there is */

    body = json_loadb((char *) text->data, text->len, JSON_DISABLE_EOF_CHECK,
                      NULL);
    check(body == NULL || json_object_get(body, name));
    json_decref(body);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                         shape;
    u_char                     *copy;
    ngx_int_t                   rc;
    ngx_str_t                   text;
    ngx_http_api_key_call_t    *call;
    ngx_http_api_key_fields_t   fields;

    if (size < 1) {
        return 0;
    }

    shape = (data[0] & 7) % SHAPES;
    store.max_ttl = (data[0] & 8) ? MAX_TTL : 0;

    copy = copy_of(data + 1, size - 1);
    text.data = copy;
    text.len = size - 1;

    call = ngx_http_api_key_call_create(&store);
    check(call);

    rc = ngx_http_api_key_json_parse(call, &text);

    if (rc == NGX_OK) {
        check(text.len < 3 || memcmp(text.data, "\xef\xbb\xbf", 3) != 0);
        rc = readers[shape](call, &fields);
    }

    if (rc == NGX_OK) {
        check(call->code == NULL && call->status == 0);
        accepted(call->body, &fields, shape);

    } else {
        check(rc == NGX_DECLINED);
        refused(call, &text, shape);
    }

    ngx_http_api_key_call_destroy(call);
    free(copy);

    return 0;
}
