/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * A key's record out of the fields of its Redis hash, checked field by field.
 */

#include "api_key_record.h"


#define API_KEY_TIME_MAX       253402300799   /* 9999-12-31T23:59:59Z */


typedef int (*api_key_field_pt)(api_key_record_t *record,
    const api_key_str_t *value);

typedef struct {
    api_key_str_t      name;
    api_key_field_pt   parse;
    const char        *malformed;
    const char        *repeated;
    const char        *missing;               /* NULL: need not be there */
} api_key_rule_t;


static const char *api_key_record_field(api_key_record_t *record,
    const api_key_field_t *field, unsigned *seen);
static const char *api_key_record_meta(api_key_record_t *record,
    const api_key_field_t *field);
static const char *api_key_record_end(api_key_record_t *record, int64_t ttl,
    int64_t now);
static int api_key_field_digest(api_key_record_t *record,
    const api_key_str_t *value);
static int api_key_field_name(api_key_record_t *record,
    const api_key_str_t *value);
static int api_key_field_state(api_key_record_t *record,
    const api_key_str_t *value);
static int api_key_field_created_at(api_key_record_t *record,
    const api_key_str_t *value);
static int api_key_field_expires_at(api_key_record_t *record,
    const api_key_str_t *value);
static int api_key_field_pepper(api_key_record_t *record,
    const api_key_str_t *value);
static int api_key_field_scopes(api_key_record_t *record,
    const api_key_str_t *value);
static int api_key_field_allow_from(api_key_record_t *record,
    const api_key_str_t *value);
static int api_key_field_rate(api_key_record_t *record,
    const api_key_str_t *value);
static int api_key_field_replaces(api_key_record_t *record,
    const api_key_str_t *value);
static int api_key_field_replaced_by(api_key_record_t *record,
    const api_key_str_t *value);
static void api_key_string_copy(unsigned char **p, api_key_str_t *copy,
    const api_key_str_t *string);


#define api_key_field(name, parse)                                            \
    { api_key_string(name), parse, "malformed field \"" name "\"",            \
      "repeated field \"" name "\"", NULL }

#define api_key_field_required(name, parse)                                   \
    { api_key_string(name), parse, "malformed field \"" name "\"",            \
      "repeated field \"" name "\"", "missing field \"" name "\"" }

static const api_key_rule_t  api_key_rules[] = {
    api_key_field_required("digest", api_key_field_digest),
    api_key_field_required("name", api_key_field_name),
    api_key_field_required("state", api_key_field_state),
    api_key_field_required("created_at", api_key_field_created_at),
    api_key_field("expires_at", api_key_field_expires_at),
    api_key_field("pepper", api_key_field_pepper),
    api_key_field("scopes", api_key_field_scopes),
    api_key_field("allow_from", api_key_field_allow_from),
    api_key_field("rate", api_key_field_rate),
    api_key_field("replaces", api_key_field_replaces),
    api_key_field("replaced_by", api_key_field_replaced_by)
};

#define API_KEY_RULES  (sizeof(api_key_rules) / sizeof(api_key_rules[0]))


static const api_key_str_t  api_key_meta = api_key_string("meta:");

static const api_key_str_t  api_key_no_pepper = api_key_string("none");

/* in the order of api_key_state_e */

static const api_key_str_t  api_key_states[] = {
    api_key_string("active"),
    api_key_string("disabled"),
    api_key_string("revoked")
};

#define API_KEY_STATES  (sizeof(api_key_states) / sizeof(api_key_states[0]))


const char *
api_key_record_parse(api_key_record_t *record, const unsigned char *id,
    const api_key_field_t *fields, size_t n, int64_t ttl, int64_t now)
{
    size_t       i;
    unsigned     seen;
    const char  *reason;

    memset(record, 0, sizeof(api_key_record_t));

    record->expires_at = API_KEY_NEVER;
    record->pepper = api_key_no_pepper;

    seen = 0;

    for (i = 0; i < n; i++) {
        reason = api_key_record_field(record, &fields[i], &seen);
        if (reason != NULL) {
            return reason;
        }
    }

    for (i = 0; i < API_KEY_RULES; i++) {
        if (api_key_rules[i].missing != NULL && !(seen & (1u << i))) {
            return api_key_rules[i].missing;
        }
    }

    if (memcmp(record->digest.data, id, API_KEY_ID_LEN) != 0) {
        return "digest of another key";
    }

    return api_key_record_end(record, ttl, now);
}


static const char *
api_key_record_field(api_key_record_t *record, const api_key_field_t *field,
    unsigned *seen)
{
    size_t                 i;
    const api_key_rule_t  *rule;

    if (field->name.len >= api_key_meta.len
        && memcmp(field->name.data, api_key_meta.data, api_key_meta.len) == 0)
    {
        return api_key_record_meta(record, field);
    }

    for (i = 0; i < API_KEY_RULES; i++) {
        rule = &api_key_rules[i];

        if (!api_key_str_equal(&field->name, &rule->name)) {
            continue;
        }

        if (*seen & (1u << i)) {
            return rule->repeated;
        }

        *seen |= 1u << i;

        return rule->parse(record, &field->value) == 0 ? NULL
                                                       : rule->malformed;
    }

    return NULL;
}


static const char *
api_key_record_meta(api_key_record_t *record, const api_key_field_t *field)
{
    size_t         i;
    api_key_str_t  name;

    name.len = field->name.len - api_key_meta.len;
    name.data = field->name.data + api_key_meta.len;

    if (api_key_meta_name_check(&name) != 0) {
        return "malformed name of metadata";
    }

    if (api_key_meta_value_check(&field->value) != 0) {
        return "malformed value of metadata";
    }

    for (i = 0; i < record->nmeta; i++) {
        if (api_key_str_equal(&record->meta[i].name, &name)) {
            return "repeated metadata";
        }
    }

    if (record->nmeta == API_KEY_META_MAX) {
        return "too much metadata";
    }

    record->meta[record->nmeta].name = name;
    record->meta[record->nmeta].value = field->value;
    record->nmeta++;

    return NULL;
}


static const char *
api_key_record_end(api_key_record_t *record, int64_t ttl, int64_t now)
{
    int64_t  end;

    if (ttl == -1) {
        return NULL;
    }

    if (ttl < -1) {
        return "impossible time to live";
    }

    /* the end must stay a date that can be written, year 9999 at most */

    end = API_KEY_TIME_MAX * 1000;

    if (ttl < end - now) {
        end = now + ttl;
    }

    if (end < record->expires_at) {
        record->expires_at = end;
    }

    return NULL;
}


int64_t
api_key_record_seconds(int64_t ms)
{
    return (ms == API_KEY_NEVER) ? ms : (ms + 999) / 1000;
}


static int
api_key_field_digest(api_key_record_t *record, const api_key_str_t *value)
{
    if (!api_key_str_is_hex(value, API_KEY_DIGEST_LEN)) {
        return -1;
    }

    record->digest = *value;
    api_key_digest_bytes(record->hash, value->data, API_KEY_HASH_LEN);

    return 0;
}


static int
api_key_field_name(api_key_record_t *record, const api_key_str_t *value)
{
    record->name = *value;

    return api_key_name_check(value);
}


static int
api_key_field_state(api_key_record_t *record, const api_key_str_t *value)
{
    size_t  i;

    for (i = 0; i < API_KEY_STATES; i++) {
        if (api_key_str_equal(value, &api_key_states[i])) {
            record->state = (api_key_state_e) i;
            return 0;
        }
    }

    return -1;
}


static int
api_key_field_created_at(api_key_record_t *record, const api_key_str_t *value)
{
    return api_key_number(value, API_KEY_TIME_MAX, &record->created_at);
}


static int
api_key_field_expires_at(api_key_record_t *record, const api_key_str_t *value)
{
    if (api_key_number(value, API_KEY_TIME_MAX, &record->expires_at) != 0) {
        return -1;
    }

    record->expires_at *= 1000;

    return 0;
}


static int
api_key_field_pepper(api_key_record_t *record, const api_key_str_t *value)
{
    if (!api_key_str_equal(value, &api_key_no_pepper)
        && !api_key_str_is_hex(value, API_KEY_PEPPER_ID))
    {
        return -1;
    }

    record->pepper = *value;

    return 0;
}


static int
api_key_field_scopes(api_key_record_t *record, const api_key_str_t *value)
{
    record->scopes = *value;

    return api_key_list_check(value, API_KEY_SCOPES_MAX, api_key_scope_check);
}


static int
api_key_field_allow_from(api_key_record_t *record, const api_key_str_t *value)
{
    record->allow_from = *value;

    return api_key_list_check(value, API_KEY_CIDRS_MAX, api_key_cidr_check);
}


static int
api_key_field_rate(api_key_record_t *record, const api_key_str_t *value)
{
    return api_key_rate_parse(value, &record->rate_limit,
                              &record->rate_window);
}


static int
api_key_field_replaces(api_key_record_t *record, const api_key_str_t *value)
{
    record->replaces = *value;

    return api_key_id_check(value);
}


static int
api_key_field_replaced_by(api_key_record_t *record,
    const api_key_str_t *value)
{
    record->replaced_by = *value;

    return api_key_id_check(value);
}


size_t
api_key_record_size(const api_key_record_t *record)
{
    size_t  i, size;

    size = offsetof(api_key_record_t, meta)
           + record->nmeta * sizeof(api_key_field_t)
           + record->name.len + record->scopes.len + record->allow_from.len;

    for (i = 0; i < record->nmeta; i++) {
        size += record->meta[i].name.len + record->meta[i].value.len;
    }

    return size;
}


api_key_record_t *
api_key_record_copy(void *mem, const api_key_record_t *record)
{
    size_t             i, size;
    unsigned char     *p;
    api_key_record_t  *copy;

    size = offsetof(api_key_record_t, meta)
           + record->nmeta * sizeof(api_key_field_t);

    memcpy(mem, record, size);

    copy = mem;
    p = (unsigned char *) mem + size;

    api_key_string_copy(&p, &copy->name, &record->name);
    api_key_string_copy(&p, &copy->scopes, &record->scopes);
    api_key_string_copy(&p, &copy->allow_from, &record->allow_from);

    for (i = 0; i < record->nmeta; i++) {
        api_key_string_copy(&p, &copy->meta[i].name, &record->meta[i].name);
        api_key_string_copy(&p, &copy->meta[i].value, &record->meta[i].value);
    }

    return copy;
}


static void
api_key_string_copy(unsigned char **p, api_key_str_t *copy,
    const api_key_str_t *string)
{
    if (string->len == 0) {
        copy->data = NULL;
        return;
    }

    memcpy(*p, string->data, string->len);

    copy->data = *p;
    *p += string->len;
}
