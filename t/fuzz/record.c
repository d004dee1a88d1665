/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards what is believed of a record in Redis: it is complete and each part
 * well-formed, or refused, and packed, unpacked and copied it is the same.
 * The input is a time to live in ms, then a name and a value by turns, each
 * with a line end.  Bytes that were never packed are unpacked within bounds.
 */

#include <sys/socket.h>

#include "api_key_pack.h"
#include "api_key_verdict.h"

#include "fuzz.h"


#define ID      "0123456789abcdef0123"
#define FIELDS  64
#define NOW     1700000000250


static void
words(const api_key_str_t *list, size_t most,
    int (*well_formed)(const api_key_str_t *word))
{
    size_t         n;
    api_key_str_t  rest, word;

    if (list->len == 0) {
        return;
    }

    rest = *list;

    for (n = 0; api_key_list_next(&rest, &word); n++) {
        check(within(&word, list));
        check(well_formed(&word) == 0);
    }

    check(n >= 1 && n <= most);
}


static void
complete(const api_key_record_t *record)
{
    size_t         i;
    unsigned char  hex[API_KEY_DIGEST_LEN];

    api_key_digest_hex(hex, record->hash);

    check(api_key_str_is_hex(&record->digest, API_KEY_DIGEST_LEN));
    check(memcmp(record->digest.data, hex, API_KEY_DIGEST_LEN) == 0);
    check(memcmp(hex, ID, API_KEY_ID_LEN) == 0);
    check(record->state <= API_KEY_REVOKED);
    check(api_key_name_check(&record->name) == 0);
    check(record->nmeta <= API_KEY_META_MAX);
    check(record->rate_limit <= API_KEY_RATE_MAX);
    check(record->rate_window <= API_KEY_WINDOW_MAX);
    check((record->rate_limit == 0) == (record->rate_window == 0));

    words(&record->scopes, API_KEY_SCOPES_MAX, api_key_scope_check);
    words(&record->allow_from, API_KEY_CIDRS_MAX, api_key_cidr_check);

    for (i = 0; i < record->nmeta; i++) {
        check(api_key_meta_name_check(&record->meta[i].name) == 0);
        check(api_key_meta_value_check(&record->meta[i].value) == 0);
    }
}


static void
same(const api_key_record_t *a, const api_key_record_t *b)
{
    size_t  i;

    check(memcmp(a->hash, b->hash, API_KEY_HASH_LEN) == 0);
    check(a->state == b->state && a->nmeta == b->nmeta);
    check(a->expires_at == b->expires_at);
    check(a->rate_limit == b->rate_limit && a->rate_window == b->rate_window);
    check(api_key_str_equal(&a->name, &b->name));
    check(api_key_str_equal(&a->scopes, &b->scopes));
    check(api_key_str_equal(&a->allow_from, &b->allow_from));

    for (i = 0; i < a->nmeta; i++) {
        check(api_key_str_equal(&a->meta[i].name, &b->meta[i].name));
        check(api_key_str_equal(&a->meta[i].value, &b->meta[i].value));
    }
}


static api_key_verdict_e
judge(const api_key_record_t *record)
{
    api_key_str_t    scope = api_key_string("orders:read");
    api_key_facts_t  facts;

    static const unsigned char  address[4] = { 192, 0, 2, 7 };

    facts.hash = record->hash;
    facts.scopes = &scope;
    facts.nscopes = 1;
    facts.family = AF_INET;
    facts.address = address;
    facts.now = NOW;

    return api_key_judge(record, &facts);
}


static void
kept(const api_key_record_t *record)
{
    void              *mem;
    size_t             len;
    unsigned char     *packed;
    api_key_record_t  *copy;

    packed = malloc(API_KEY_PACKED_MAX);
    check(packed);

    len = api_key_pack(packed, record);
    check(len > 0 && len <= API_KEY_PACKED_MAX);
    packed = realloc(packed, len);
    check(packed);

    mem = malloc(api_key_unpack_size(packed, len));
    check(mem);

    copy = api_key_unpack(mem, record->hash, packed, len);
    free(packed);

    check(copy);
    same(record, copy);
    check(judge(record) == judge(copy));
    free(mem);

    mem = malloc(api_key_record_size(record));
    check(mem);

    copy = api_key_record_copy(mem, record);
    same(record, copy);
    check(judge(record) == judge(copy));
    free(mem);
}


/* Bytes from nowhere: refused, or read within their bounds. */

static void
unpacked(const unsigned char *bytes, size_t len)
{
    void              *mem;
    size_t             i, size;
    api_key_str_t      room;
    api_key_record_t  *record;

    size = api_key_unpack_size(bytes, len);

    if (size == 0) {
        return;
    }

    mem = malloc(size);
    check(mem);

    record = api_key_unpack(mem, (const unsigned char *) ID, bytes, len);
    check(record && record->nmeta <= API_KEY_META_MAX);

    room.data = mem;
    room.len = size;

    check(record->name.len == 0 || within(&record->name, &room));
    check(record->scopes.len == 0 || within(&record->scopes, &room));
    check(record->allow_from.len == 0 || within(&record->allow_from, &room));

    for (i = 0; i < record->nmeta; i++) {
        check(record->meta[i].name.len == 0
              || within(&record->meta[i].name, &room));
        check(record->meta[i].value.len == 0
              || within(&record->meta[i].value, &room));
    }

    free(mem);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    long              ttl;
    char              number[24];
    size_t            n;
    unsigned char    *copy;
    const uint8_t    *p;
    api_key_str_t     part;
    api_key_field_t   fields[FIELDS];
    api_key_record_t  record;

    copy = copy_of(data, size);
    p = copy;

    unpacked(copy, size);

    part = take(&p, &size, '\n');
    snprintf(number, sizeof(number), "%.*s", (int) part.len,
             (const char *) part.data);
    ttl = strtol(number, NULL, 10);

    for (n = 0; n < FIELDS && size; n++) {
        fields[n].name = take(&p, &size, '\n');
        fields[n].value = take(&p, &size, '\n');
    }

    if (api_key_record_parse(&record, (const unsigned char *) ID, fields, n,
                             ttl < -1 ? -1 : ttl, NOW)
        == NULL)
    {
        complete(&record);
        kept(&record);
    }

    free(copy);

    return 0;
}
