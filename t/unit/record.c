/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards what is believed of a record in Redis: every field's form, what is
 * missing or repeated, when a record ends, and that a copy stands on its own.
 */

#include <stddef.h>

#include <sys/socket.h>

#include "tap.h"

#include "api_key_record.h"


#define ID      "0123456789abcdef0123"
#define DIGEST  ID "456789abcdef0123456789abcdef0123456789abcdef"

#define NOW     1700000000

#define FIELDS  64


typedef struct {
    const char  *name;
    const char  *value;
    const char  *reason;
} field_case_t;


typedef struct {
    const char  *text;
    int          result;
} check_case_t;


static size_t           nfields;
static api_key_field_t  fields[FIELDS];


static void
add(const char *name, const char *value)
{
    fields[nfields].name = str(name);
    fields[nfields].value = str(value);
    nfields++;
}


static void
start(void)
{
    nfields = 0;

    add("digest", DIGEST);
    add("name", "Till 4");
    add("state", "active");
    add("created_at", "1690000000");
}


static const char *
parse_at(api_key_record_t *record, int64_t ttl, int64_t now)
{
    api_key_str_t  id;

    id = str(ID);

    return api_key_record_parse(record, id.data, fields, nfields, ttl,
                                now * 1000 + 250);
}


static const char *
parse(api_key_record_t *record)
{
    return parse_at(record, -1, NOW);
}


static void
test_least(void)
{
    unsigned char     hex[API_KEY_DIGEST_LEN];
    api_key_record_t  record;

    memset(&record, 'x', sizeof(record));
    start();

    is_text(parse(&record), NULL, "the required fields are enough");

    is_str(&record.digest, DIGEST, "digest");
    api_key_digest_hex(hex, record.hash);
    is_bytes(hex, API_KEY_DIGEST_LEN, DIGEST, "which is the hash");
    is_str(&record.name, "Till 4", "name");
    is_int(record.state, API_KEY_ACTIVE, "state");
    is_int(record.created_at, 1690000000, "created_at");
    ok(record.expires_at == API_KEY_NEVER, "no end");
    is_str(&record.pepper, "none", "no pepper");
    is_str(&record.scopes, "", "no scopes");
    is_str(&record.allow_from, "", "no addresses");
    is_int(record.rate_limit, 0, "no limit");
    is_int(record.rate_window, 0, "no window");
    is_str(&record.replaces, "", "replaces none");
    is_str(&record.replaced_by, "", "replaced by none");
    is_int((long long) record.nmeta, 0, "no metadata");
}


static void
add_rest(void)
{
    add("expires_at", "1800000000");
    add("pepper", "0a1b2c3d");
    add("scopes", "read orders:write");
    add("allow_from", "10.0.0.0/8 2001:db8::/32");
    add("rate", "100/60");
    add("replaces", "00000000000000000000");
    add("replaced_by", "ffffffffffffffffffff");
    add("meta:team", "shop");
    add("meta:note", "");
}


static void
test_all(void)
{
    api_key_record_t  record;

    start();
    add("unheard_of", "\x01\xff");
    add("", "");
    add("meta", "\x01");
    add_rest();

    is_text(parse(&record), NULL, "all fields, and unknown ones");

    is_int(record.expires_at, 1800000000000, "expires_at");
    is_str(&record.pepper, "0a1b2c3d", "pepper");
    is_str(&record.scopes, "read orders:write", "scopes");
    is_str(&record.allow_from, "10.0.0.0/8 2001:db8::/32", "allow_from");
    is_int(record.rate_limit, 100, "rate limit");
    is_int(record.rate_window, 60, "rate window");
    is_str(&record.replaces, "00000000000000000000", "replaces");
    is_str(&record.replaced_by, "ffffffffffffffffffff", "replaced_by");
    is_int((long long) record.nmeta, 2, "metadata");
    is_str(&record.meta[0].name, "team", "its name");
    is_str(&record.meta[0].value, "shop", "its value");
    is_str(&record.meta[1].name, "note", "another name");
    is_str(&record.meta[1].value, "", "an empty value");

    ok(record.name.data == fields[1].value.data,
       "strings point into the fields");
}


static void
test_missing(void)
{
    size_t            i, n;
    api_key_field_t   all[4];
    api_key_record_t  record;

    static const char  *reasons[] = {
        "missing field \"digest\"",
        "missing field \"name\"",
        "missing field \"state\"",
        "missing field \"created_at\""
    };

    start();
    memcpy(all, fields, sizeof(all));

    for (i = 0; i < 4; i++) {
        nfields = 0;

        for (n = 0; n < 4; n++) {
            if (n != i) {
                fields[nfields++] = all[n];
            }
        }

        is_text(parse(&record), reasons[i], reasons[i]);
    }

    nfields = 0;
    is_text(parse(&record), reasons[0], "no field at all");
}


/* A field's value instead of, or beside, the required ones. */

static const field_case_t  values[] = {

    { "digest", "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcd"
      "ef", "malformed field \"digest\"" },
    { "digest", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
      "e", "malformed field \"digest\"" },
    { "digest", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
      "ef0", "malformed field \"digest\"" },
    { "digest", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
      "eg", "malformed field \"digest\"" },
    { "digest", "", "malformed field \"digest\"" },
    { "digest", "0123456789abcdef0124456789abcdef0123456789abcdef0123456789abcd"
      "ef", "digest of another key" },
    { "digest", "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"
      "ef", "digest of another key" },

    { "name", "x", NULL },
    { "name", "", "malformed field \"name\"" },
    { "name", "a\nb", "malformed field \"name\"" },

    { "state", "active", NULL },
    { "state", "disabled", NULL },
    { "state", "revoked", NULL },
    { "state", "expired", "malformed field \"state\"" },
    { "state", "Active", "malformed field \"state\"" },
    { "state", "active ", "malformed field \"state\"" },
    { "state", "activ", "malformed field \"state\"" },
    { "state", "", "malformed field \"state\"" },

    { "created_at", "0", NULL },
    { "created_at", "253402300799", NULL },
    { "created_at", "253402300800", "malformed field \"created_at\"" },
    { "created_at", "0000000000001", "malformed field \"created_at\"" },
    { "created_at", "99999999999999999999", "malformed field \"created_at\"" },
    { "created_at", "-1", "malformed field \"created_at\"" },
    { "created_at", "+1", "malformed field \"created_at\"" },
    { "created_at", " 1", "malformed field \"created_at\"" },
    { "created_at", "1 ", "malformed field \"created_at\"" },
    { "created_at", "1.5", "malformed field \"created_at\"" },
    { "created_at", "1e9", "malformed field \"created_at\"" },
    { "created_at", "1:0", "malformed field \"created_at\"" },
    { "created_at", "1/0", "malformed field \"created_at\"" },
    { "created_at", "", "malformed field \"created_at\"" },

    { "expires_at", "253402300799", NULL },
    { "expires_at", "253402300800", "malformed field \"expires_at\"" },
    { "expires_at", "never", "malformed field \"expires_at\"" },
    { "expires_at", "", "malformed field \"expires_at\"" },

    { "pepper", "none", NULL },
    { "pepper", "01234567", NULL },
    { "pepper", "0123456", "malformed field \"pepper\"" },
    { "pepper", "012345678", "malformed field \"pepper\"" },
    { "pepper", "0123456A", "malformed field \"pepper\"" },
    { "pepper", "None", "malformed field \"pepper\"" },
    { "pepper", "", "malformed field \"pepper\"" },

    { "scopes", "a", NULL },
    { "scopes", "a b", NULL },
    { "scopes", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", NULL },
    { "scopes", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
      "malformed field \"scopes\"" },
    { "scopes", "", "malformed field \"scopes\"" },
    { "scopes", " ", "malformed field \"scopes\"" },
    { "scopes", " a", "malformed field \"scopes\"" },
    { "scopes", "a ", "malformed field \"scopes\"" },
    { "scopes", "a  b", "malformed field \"scopes\"" },
    { "scopes", "a,b", "malformed field \"scopes\"" },
    { "scopes", "a\tb", "malformed field \"scopes\"" },

    { "allow_from", "10.0.0.0/8", NULL },
    { "allow_from", "10.0.0.1 ::1", NULL },
    { "allow_from", "::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 "
      "::1 ::1", NULL },
    { "allow_from", "::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 "
      "::1 ::1 ::1", "malformed field \"allow_from\"" },
    { "allow_from", "", "malformed field \"allow_from\"" },
    { "allow_from", "10.0.0.0/8 all", "malformed field \"allow_from\"" },
    { "allow_from", "10.0.0.0/8 ", "malformed field \"allow_from\"" },

    { "rate", "1/1", NULL },
    { "rate", "1", "malformed field \"rate\"" },
    { "rate", "", "malformed field \"rate\"" },

    { "replaces", "0123456789abcdef0123", NULL },
    { "replaces", "0123456789abcdef012", "malformed field \"replaces\"" },
    { "replaces", "none", "malformed field \"replaces\"" },
    { "replaces", "", "malformed field \"replaces\"" },

    { "replaced_by", "0123456789abcdef0123", NULL },
    { "replaced_by", "0123456789abcdef012", "malformed field \"replaced_by\"" },
    { "replaced_by", "", "malformed field \"replaced_by\"" },

    { "meta:x", "", NULL },
    { "meta:x", "a b", NULL },
    { "meta:x", "a\tb", "malformed value of metadata" },
    { "meta:x", "\xff", "malformed value of metadata" },
    { "meta:", "x", "malformed name of metadata" },
    { "meta:X", "x", "malformed name of metadata" },
    { "meta:a b", "x", "malformed name of metadata" },

    /* these are other fields, whatever they hold */

    { "Meta:x", "\xff", NULL },
    { "STATE", "\xff", NULL },
    { "state ", "\xff", NULL }
};


static void
test_values(void)
{
    size_t               i, n;
    char                 name[256];
    api_key_record_t     record;
    const field_case_t  *c;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        c = &values[i];
        start();

        for (n = 0; n < nfields; n++) {
            if (strlen(c->name) == fields[n].name.len
                && memcmp(fields[n].name.data, c->name, strlen(c->name)) == 0)
            {
                fields[n].value = str(c->value);
                break;
            }
        }

        if (n == nfields) {
            add(c->name, c->value);
        }

        snprintf(name, sizeof(name), "field %s, case %d", c->name, (int) i);
        is_text(parse(&record), c->reason, name);
    }
}


/* Which value of the state is which. */

static void
test_states(void)
{
    api_key_record_t  record;

    start();
    fields[2].value = str("disabled");
    (void) parse(&record);
    is_int(record.state, API_KEY_DISABLED, "disabled");

    fields[2].value = str("revoked");
    (void) parse(&record);
    is_int(record.state, API_KEY_REVOKED, "revoked");
}


/* A value without bytes may come without an address too. */

static void
test_null(void)
{
    size_t            i;
    api_key_record_t  record;

    for (i = 0; i < 11; i++) {
        start();
        add_rest();
        fields[i].value.len = 0;
        fields[i].value.data = NULL;

        ok(parse(&record) != NULL, "an empty value is malformed");
    }
}


static void
test_repeated(void)
{
    size_t            i;
    char              reason[64];
    api_key_record_t  record;

    for (i = 0; i < 11; i++) {
        start();
        add_rest();
        fields[nfields] = fields[i];
        nfields++;

        snprintf(reason, sizeof(reason), "repeated field \"%.*s\"",
                 (int) fields[i].name.len, (const char *) fields[i].name.data);
        is_text(parse(&record), reason, reason);
    }

    start();
    add_rest();
    add("meta:note", "x");
    is_text(parse(&record), "repeated metadata", "the last metadata again");

    start();
    add_rest();
    add("meta:team", "x");
    is_text(parse(&record), "repeated metadata", "the first metadata again");
}


static void
test_metadata(void)
{
    int               i;
    char              name[32];
    api_key_record_t  record;

    start();

    for (i = 0; i < 16; i++) {
        snprintf(name, sizeof(name), "meta:n%d", i);
        add(name, name);
    }

    is_text(parse(&record), NULL, "16 metadata");
    is_int((long long) record.nmeta, 16, "all of them");
    is_str(&record.meta[15].name, "n15", "the last one's name");
    is_str(&record.meta[15].value, "meta:n15", "the last one's value");

    add("meta:n16", "");
    is_text(parse(&record), "too much metadata", "17 metadata");
}


static void
test_end(void)
{
    api_key_record_t  record;

    start();

    is_text(parse_at(&record, 5000, NOW), NULL, "a time to live");
    is_int(record.expires_at, NOW * 1000LL + 5250, "ends the key");

    (void) parse_at(&record, 1, NOW);
    is_int(record.expires_at, NOW * 1000LL + 251, "to the millisecond");

    (void) parse_at(&record, 0, NOW);
    is_int(record.expires_at, NOW * 1000LL + 250, "nothing left: ended");

    is_text(parse_at(&record, -2, NOW), "impossible time to live",
            "a key that is gone");
    is_text(parse_at(&record, INT64_MIN, NOW), "impossible time to live",
            "a negative time to live");

    is_text(parse_at(&record, INT64_MAX, NOW), NULL, "the longest");
    is_int(record.expires_at, 253402300799000, "ends in the year 9999");

    (void) parse_at(&record, (253402300799 - NOW) * 1000 - 250, NOW);
    is_int(record.expires_at, 253402300799000, "at its end");

    (void) parse_at(&record, (253402300799 - NOW) * 1000 - 251, NOW);
    is_int(record.expires_at, 253402300798999, "just before");

    add("expires_at", "1700000010");

    (void) parse_at(&record, -1, NOW);
    is_int(record.expires_at, 1700000010000, "the field's end alone");

    (void) parse_at(&record, 9000, NOW);
    is_int(record.expires_at, 1700000009250, "the Redis key's earlier end");

    (void) parse_at(&record, 11000, NOW);
    is_int(record.expires_at, 1700000010000, "the field's earlier end");

    is_int(api_key_record_seconds(record.expires_at), 1700000010, "seconds");
    is_int(api_key_record_seconds(1700000009001), 1700000010, "rounded up");
    ok(api_key_record_seconds(API_KEY_NEVER) == API_KEY_NEVER,
       "never stays never");
}


static void
test_copy_of(const char *name)
{
    void              *mem, *again;
    size_t             i, size;
    unsigned char      hex[API_KEY_DIGEST_LEN];
    api_key_record_t   record, *copy;

    (void) parse(&record);

    size = api_key_record_size(&record);
    mem = malloc(size);
    again = malloc(size);

    copy = api_key_record_copy(mem, &record);
    ok(copy == mem, name);

    memset(&record, 0, sizeof(record));

    for (i = 0; i < nfields; i++) {
        memset((char *) fields[i].value.data, '?', fields[i].value.len);
        memset((char *) fields[i].name.data, '?', fields[i].name.len);
    }

    is_int((long long) api_key_record_size(copy), (long long) size,
           "a copy is as large");

    /* the copy of a copy, with the first one wiped */

    copy = api_key_record_copy(again, copy);
    memset(mem, '?', size);
    free(mem);

    api_key_digest_hex(hex, copy->hash);
    is_bytes(hex, API_KEY_DIGEST_LEN, DIGEST, "copied hash");
    is_int(copy->state, API_KEY_ACTIVE, "copied state");
    is_str(&copy->name, "Till 4", "copied name");

    if (copy->nmeta == 0) {
        is_int((long long) size, (long long)
               (offsetof(api_key_record_t, meta) + strlen("Till 4")),
               "no byte too many");
        is_str(&copy->scopes, "", "copied absence");
        ok(copy->scopes.data == NULL, "which points nowhere");

    } else {
        is_int(copy->expires_at, 1800000000000, "copied end");
        is_int(copy->rate_limit, 100, "copied limit");
        is_int(copy->rate_window, 60, "copied window");
        is_str(&copy->scopes, "read orders:write", "copied scopes");
        is_str(&copy->allow_from, "10.0.0.0/8 2001:db8::/32",
               "copied allow_from");
        is_int((long long) copy->nmeta, 2, "copied metadata");
        is_str(&copy->meta[0].name, "team", "copied metadata's name");
        is_str(&copy->meta[0].value, "shop", "copied metadata's value");
        is_str(&copy->meta[1].name, "note", "copied other name");
        is_str(&copy->meta[1].value, "", "copied empty value");
        ok(copy->meta[1].value.data == NULL, "which points nowhere");
    }

    free(again);
}


static void
test_copy(void)
{
    start();
    test_copy_of("a copy of the least");

    start();
    add_rest();
    test_copy_of("a copy of all");
}


/* Character counts and what UTF-8 is not. */

static const check_case_t  texts[] = {
    { "Till", 0 },
    { " ", 0 },
    { "~", 0 },
    { "\x1f", -1 },
    { "\x7f", -1 },
    { "a\x01", -1 },
    { "\xc2\x80", -1 },                    /* U+0080, a control character */
    { "\xc2\x9f", -1 },                    /* U+009F, the last one */
    { "\xc2\xa0", 0 },                     /* U+00A0 */
    { "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91", 0 },
    { "\xdf\xbf", 0 },                     /* U+07FF */
    { "\xe0\xa0\x80", 0 },                 /* U+0800 */
    { "\xed\x9f\xbf", 0 },                 /* U+D7FF */
    { "\xed\xa0\x80", -1 },                /* U+D800, a surrogate */
    { "\xed\xbf\xbf", -1 },                /* U+DFFF, the last one */
    { "\xee\x80\x80", 0 },                 /* U+E000 */
    { "\xef\xbf\xbf", 0 },                 /* U+FFFF */
    { "\xf0\x90\x80\x80", 0 },             /* U+10000 */
    { "\xf1\x80\x80\x80", 0 },             /* U+40000 */
    { "\xf4\x8f\xbf\xbf", 0 },             /* U+10FFFF */
    { "\xf4\x90\x80\x80", -1 },            /* U+110000 */
    { "\xf7\xbf\xbf\xbf", -1 },
    { "\xc0\xaf", -1 },                    /* longer than needed */
    { "\xc1\xbf", -1 },
    { "\xe0\x9f\xbf", -1 },
    { "\xf0\x8f\xbf\xbf", -1 },
    { "\x80", -1 },                        /* nothing it could go on from */
    { "\xbf", -1 },
    { "\xf8\x88\x80\x80\x80", -1 },        /* five bytes */
    { "\xff", -1 },
    { "\xc3", -1 },                        /* cut off */
    { "\xe2\x82", -1 },
    { "\xf0\x9f\x94", -1 },
    { "\xc3\x28", -1 },                    /* goes on wrong */
    { "\xe2\x28\xac", -1 },
    { "\xe2\x82\xc0", -1 },
    { "\xf0\x9f\x94\x28", -1 },
    { "a\xc3\x28", -1 },                   /* the same behind a good one */
    { "a\xe2\x82", -1 },
    { "a\xed\xa0\x80", -1 },
    { "a\xff", -1 }
};


static void
test_texts(void)
{
    size_t         i;
    char           name[64], text[512];
    api_key_str_t  value;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        value = str(texts[i].text);

        snprintf(name, sizeof(name), "text %d as a name", (int) i);
        is_int(api_key_name_check(&value), texts[i].result, name);

        snprintf(name, sizeof(name), "text %d as metadata", (int) i);
        is_int(api_key_meta_value_check(&value), texts[i].result, name);
    }

    value = bytes("a\0b", 3);
    is_int(api_key_name_check(&value), -1, "a zero inside");

    value = repeat('x', 0);
    is_int(api_key_name_check(&value), -1, "name of no character");
    is_int(api_key_meta_value_check(&value), 0, "metadata of no byte");

    value = repeat('x', 100);
    is_int(api_key_name_check(&value), 0, "name of 100 characters");

    value = repeat('x', 101);
    is_int(api_key_name_check(&value), -1, "name of 101 characters");

    for (i = 0; i < 404; i += 4) {
        memcpy(text + i, "\xf0\x9f\x94\x91", 4);
    }

    value = bytes(text, 400);
    is_int(api_key_name_check(&value), 0, "name of 100 characters, 400 bytes");

    value = bytes(text, 404);
    is_int(api_key_name_check(&value), -1, "name of 101 such characters");

    value = bytes(text, 256);
    is_int(api_key_meta_value_check(&value), 0, "metadata of 256 bytes");

    value = repeat('x', 257);
    is_int(api_key_meta_value_check(&value), -1, "metadata of 257 bytes");
}


static const check_case_t  cidrs[] = {
    { "10.0.0.1", 0 },
    { "10.0.0.0/8", 0 },
    { "10.1.2.3/8", 0 },                   /* bits of the host are set */
    { "0.0.0.0/0", 0 },
    { "255.255.255.255/32", 0 },
    { "10.0.0.0/08", 0 },                  /* as nginx */
    { "10.0.0.0/33", -1 },
    { "10.0.0.0/", -1 },
    { "10.0.0.0/-1", -1 },
    { "10.0.0.0/+8", -1 },
    { "10.0.0.0/8/8", -1 },
    { "10.0.0.0/ 8", -1 },
    { "10.0.0.0/8 ", -1 },
    { "10.0.0.0/255.0.0.0", -1 },
    { "10.0.0.0/4294967304", -1 },
    { "10.0.0.0/0000000000008", -1 },
    { "10.0.0", -1 },
    { "10.0.0.256", -1 },
    { "10.0.0.1:80", -1 },
    { " 10.0.0.1", -1 },
    { "10.0.0.1.", -1 },
    { "0x0a.0.0.1", -1 },
    { "167772161", -1 },
    { "::", 0 },
    { "::1/128", 0 },
    { "::/0", 0 },
    { "2001:db8::/32", 0 },
    { "2001:DB8::1/32", 0 },
    { "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128", 0 },
    { "ffff:ffff:ffff:ffff:ffff:ffff:0255.255.255.255", -1 },
    { "::/129", -1 },
    { "[::1]", -1 },
    { "fe80::1%eth0", -1 },
    { "1:2:3:4:5:6:7:8:9", -1 },
    { "unix:", -1 },
    { "all", -1 },
    { "/8", -1 },
    { "", -1 }
};


static void
test_cidrs(void)
{
    size_t          i;
    char            name[64];
    api_key_str_t   text;
    api_key_cidr_t  cidr;

    for (i = 0; i < sizeof(cidrs) / sizeof(cidrs[0]); i++) {
        text = str(cidrs[i].text);

        snprintf(name, sizeof(name), "range \"%s\"", cidrs[i].text);
        is_int(api_key_cidr_check(&text), cidrs[i].result, name);
    }

    text = bytes("10.0.0.1\0/8", 11);
    is_int(api_key_cidr_check(&text), -1, "a zero before the length");

    text = bytes("10.0.0.1\0" "1", 10);
    is_int(api_key_cidr_check(&text), -1, "a zero inside an address");

    text = repeat('1', 200);
    is_int(api_key_cidr_check(&text), -1, "an address far too long");

    text = str("10.1.2.3/12");
    (void) api_key_cidr_parse(&text, &cidr);
    is_int(cidr.family, AF_INET, "IPv4");
    is_int((long long) cidr.len, 12, "its length");
    ok(memcmp(cidr.address, "\x0a\x01\x02\x03", 4) == 0, "its address");

    text = str("2001:db8::1");
    (void) api_key_cidr_parse(&text, &cidr);
    is_int(cidr.family, AF_INET6, "IPv6");
    is_int((long long) cidr.len, 128, "all bits without a length");
    ok(memcmp(cidr.address, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16)
       == 0, "its address");

    text = str("::ffff:10.1.2.3/104");
    (void) api_key_cidr_parse(&text, &cidr);
    is_int(cidr.family, AF_INET, "mapped IPv4");
    is_int((long long) cidr.len, 8, "its length");
    ok(memcmp(cidr.address, "\x0a\x01\x02\x03", 4) == 0, "its address");

    text = str("::ffff:0:0/96");
    (void) api_key_cidr_parse(&text, &cidr);
    is_int(cidr.family, AF_INET, "all mapped IPv4");
    is_int((long long) cidr.len, 0, "all of IPv4");

    text = str("::ffff:0:0/95");
    (void) api_key_cidr_parse(&text, &cidr);
    is_int(cidr.family, AF_INET6, "more than mapped IPv4");

    text = str("0:0:1::ffff:0:0/96");
    (void) api_key_cidr_parse(&text, &cidr);
    is_int(cidr.family, AF_INET6, "not mapped, but for a digit");
}


static const struct {
    const char  *text;
    int          result;
    uint32_t     limit;
    uint32_t     window;
} rates[] = {
    { "100/60", 0, 100, 60 },
    { "1/1", 0, 1, 1 },
    { "1000000000/2678400", 0, 1000000000, 2678400 },
    { "1000000001/60", -1, 0, 0 },
    { "100/2678401", -1, 0, 0 },
    { "0/60", -1, 0, 0 },
    { "100/0", -1, 0, 0 },
    { "100", -1, 0, 0 },
    { "100/", -1, 0, 0 },
    { "/60", -1, 0, 0 },
    { "/", -1, 0, 0 },
    { "", -1, 0, 0 },
    { "-1/60", -1, 0, 0 },
    { "100/60/1", -1, 0, 0 },
    { "100 /60", -1, 0, 0 },
    { "100/60s", -1, 0, 0 }
};


static void
test_rates(void)
{
    size_t         i;
    char           name[64];
    uint32_t       limit, window;
    api_key_str_t  text;

    for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        text = str(rates[i].text);
        limit = 0;
        window = 0;

        snprintf(name, sizeof(name), "rate \"%s\"", rates[i].text);
        is_int(api_key_rate_parse(&text, &limit, &window), rates[i].result,
               name);
        ok(limit == rates[i].limit && window == rates[i].window, name);
    }
}


/* Which characters a word may have, and how many. */

static void
test_words_of(int (*check)(const api_key_str_t *word), const char *allowed,
    size_t max, const char *name)
{
    int            c, wrong;
    char           byte;
    api_key_str_t  word;

    for (c = 0, wrong = 0; c < 256; c++) {
        byte = (char) c;
        word.data = (unsigned char *) &byte;
        word.len = 1;

        wrong += check(&word)
                 != (c != 0 && strchr(allowed, c) != NULL ? 0 : -1);
    }

    is_int(wrong, 0, name);

    word = repeat('a', max);
    is_int(check(&word), 0, "as long as it may be");

    word = repeat('a', max + 1);
    is_int(check(&word), -1, "longer than it may be");

    word = repeat('a', 0);
    is_int(check(&word), -1, "empty");

    word = str("ab c");
    is_int(check(&word), -1, "a space inside");
}


static void
test_words(void)
{
    api_key_str_t  id;

    test_words_of(api_key_scope_check, "0123456789:._-ABCDEFGHIJKLMNOPQRSTUV"
                  "WXYZabcdefghijklmnopqrstuvwxyz", 64, "scope");

    test_words_of(api_key_meta_name_check, "0123456789_abcdefghijklmnopqrstuv"
                  "wxyz", 32, "name of metadata");

    id = str(ID);
    is_int(api_key_id_check(&id), 0, "an id");

    id = str("0123456789abcdef012");
    is_int(api_key_id_check(&id), -1, "too short an id");

    id = str("0123456789abcdef01234");
    is_int(api_key_id_check(&id), -1, "too long an id");

    id = str("0123456789abcdef012F");
    is_int(api_key_id_check(&id), -1, "an id with a capital");

    id = str("0123456789abcdef012g");
    is_int(api_key_id_check(&id), -1, "an id with a letter that is no digit");
}


static void
test_list(void)
{
    api_key_str_t  list, word;

    list = str("a bc ");

    is_int(api_key_list_next(&list, &word), 1, "a word");
    is_str(&word, "a", "the first");
    is_int(api_key_list_next(&list, &word), 1, "another word");
    is_str(&word, "bc", "the second");
    is_int(api_key_list_next(&list, &word), 1, "a space at the end");
    is_str(&word, "", "is followed by an empty word");
    is_int(api_key_list_next(&list, &word), 0, "no more");
    is_int(api_key_list_next(&list, &word), 0, "still no more");
}


int
main(void)
{
    test_least();
    test_all();
    test_missing();
    test_values();
    test_states();
    test_null();
    test_repeated();
    test_metadata();
    test_end();
    test_copy();
    test_texts();
    test_cidrs();
    test_rates();
    test_words();
    test_list();

    return done();
}
