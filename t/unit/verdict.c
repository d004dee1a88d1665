/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards the order and the edges of the judgement on a key, and the words and
 * statuses that users see.
 */

#include <sys/socket.h>

#include "tap.h"

#include "api_key_verdict.h"


#define NOW  1700000000


typedef struct {
    const char  *allow_from;
    int          family;
    const char  *address;
    int          allowed;
} address_case_t;


static api_key_facts_t   facts;
static api_key_record_t  record;

static unsigned char     hash[API_KEY_HASH_LEN];


/* A good key, and a request that it is good for. */

static void
start(void)
{
    memset(hash, 'a', sizeof(hash));
    memset(&facts, 0, sizeof(facts));
    memset(&record, 0, sizeof(record));

    memset(record.hash, 'a', sizeof(record.hash));
    record.expires_at = API_KEY_NEVER;

    facts.hash = hash;
    facts.family = AF_INET;
    facts.address = (const unsigned char *) "\x0a\x01\x02\x03";
    facts.now = NOW;
}


static void
test_state(void)
{
    size_t  i, good;

    start();
    is_int(api_key_judge(&record, &facts), API_KEY_OK, "a good key");
    is_int(api_key_judge(NULL, &facts), API_KEY_UNKNOWN, "no record");

    for (i = 0, good = 0; i < API_KEY_HASH_LEN; i++) {
        hash[i] = 'b';
        good += api_key_judge(&record, &facts) != API_KEY_UNKNOWN;
        hash[i] = 'a';
    }

    is_int((long long) good, 0, "another hash, wherever it differs");

    record.state = API_KEY_REVOKED;
    is_int(api_key_judge(&record, &facts), API_KEY_REVOKED_KEY, "revoked");

    record.state = API_KEY_DISABLED;
    is_int(api_key_judge(&record, &facts), API_KEY_DISABLED_KEY, "disabled");

    start();
    record.expires_at = NOW + 1;
    is_int(api_key_judge(&record, &facts), API_KEY_OK, "a second to go");

    record.expires_at = NOW;
    is_int(api_key_judge(&record, &facts), API_KEY_EXPIRED, "at its end");

    record.expires_at = NOW - 1;
    is_int(api_key_judge(&record, &facts), API_KEY_EXPIRED, "after its end");
}


/* Everything is wrong, and is put right from the first check on. */

static void
test_order(void)
{
    api_key_str_t  scope;

    start();

    scope = str("read");

    hash[31] = 'b';
    record.state = API_KEY_REVOKED;
    record.expires_at = NOW;
    record.allow_from = str("192.0.2.0/24");
    facts.scopes = &scope;
    facts.nscopes = 1;

    is_int(api_key_judge(&record, &facts), API_KEY_UNKNOWN,
           "nothing is told of a key that is not the one");

    hash[31] = 'a';
    is_int(api_key_judge(&record, &facts), API_KEY_REVOKED_KEY,
           "revoked before expired");

    record.state = API_KEY_DISABLED;
    is_int(api_key_judge(&record, &facts), API_KEY_DISABLED_KEY,
           "disabled before expired");

    record.state = API_KEY_ACTIVE;
    is_int(api_key_judge(&record, &facts), API_KEY_EXPIRED,
           "expired before the address");

    record.expires_at = NOW + 1;
    is_int(api_key_judge(&record, &facts), API_KEY_FORBIDDEN_ADDRESS,
           "the address before the scope");

    record.allow_from = str("10.0.0.0/8");
    is_int(api_key_judge(&record, &facts), API_KEY_FORBIDDEN_SCOPE,
           "the scope last");

    record.scopes = str("read");
    is_int(api_key_judge(&record, &facts), API_KEY_OK, "all is right");
}


#define MAPPED   "\0\0\0\0\0\0\0\0\0\0\xff\xff"
#define DB8      "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"

static const address_case_t  addresses[] = {

    { "10.1.2.3", AF_INET, "\x0a\x01\x02\x03", 1 },
    { "10.1.2.3", AF_INET, "\x0a\x01\x02\x04", 0 },
    { "10.1.2.3/32", AF_INET, "\x0a\x01\x02\x02", 0 },
    { "10.1.2.2/31", AF_INET, "\x0a\x01\x02\x03", 1 },
    { "10.1.2.2/31", AF_INET, "\x0a\x01\x02\x04", 0 },
    { "10.0.0.0/8", AF_INET, "\x0a\xff\xff\xff", 1 },
    { "10.0.0.0/8", AF_INET, "\x0b\x00\x00\x00", 0 },
    { "10.9.9.9/8", AF_INET, "\x0a\x01\x02\x03", 1 },
    { "10.1.16.0/20", AF_INET, "\x0a\x01\x1f\xff", 1 },
    { "10.1.16.0/20", AF_INET, "\x0a\x01\x20\x00", 0 },
    { "10.1.16.0/20", AF_INET, "\x0a\x02\x10\x00", 0 },
    { "128.0.0.0/1", AF_INET, "\xff\x00\x00\x00", 1 },
    { "128.0.0.0/1", AF_INET, "\x7f\xff\xff\xff", 0 },
    { "0.0.0.0/0", AF_INET, "\xff\xff\xff\xff", 1 },

    { "2001:db8::/32", AF_INET6, DB8 "\x01", 1 },
    { "2001:db9::/32", AF_INET6, DB8 "\x01", 0 },
    { "2001:db8::1", AF_INET6, DB8 "\x01", 1 },
    { "2001:db8::1", AF_INET6, DB8 "\x02", 0 },
    { "2001:db8::/127", AF_INET6, DB8 "\x01", 1 },
    { "2001:db8::/127", AF_INET6, DB8 "\x02", 0 },
    { "::/0", AF_INET6, DB8 "\x01", 1 },
    { "::1", AF_INET6, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 1 },
    { "0:0:1::1", AF_INET6, "\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\x01", 1 },

    /* the families are apart, and a mapped address is IPv4 */

    { "0.0.0.0/0", AF_INET6, DB8 "\x01", 0 },
    { "::/0", AF_INET, "\x0a\x01\x02\x03", 0 },
    { "::/0", AF_INET6, MAPPED "\x0a\x01\x02\x03", 0 },
    { "10.0.0.0/8", AF_INET6, MAPPED "\x0a\x01\x02\x03", 1 },
    { "10.0.0.0/8", AF_INET6, MAPPED "\x0b\x01\x02\x03", 0 },
    { "::ffff:10.0.0.0/104", AF_INET6, MAPPED "\x0a\x01\x02\x03", 1 },
    { "::ffff:10.0.0.0/104", AF_INET6, MAPPED "\x0b\x01\x02\x03", 0 },
    { "::ffff:10.0.0.0/104", AF_INET, "\x0a\x01\x02\x03", 1 },

    /* a client without an address */

    { "0.0.0.0/0 ::/0", AF_UNIX, NULL, 0 },
    { "0.0.0.0/0 ::/0", 0, NULL, 0 },

    /* lists, and what cannot be read lets nobody in */

    { "192.0.2.1 10.1.2.3", AF_INET, "\x0a\x01\x02\x03", 1 },
    { "192.0.2.1 ::1 10.1.2.3 192.0.2.2", AF_INET, "\x0a\x01\x02\x03", 1 },
    { "192.0.2.1 192.0.2.2", AF_INET, "\x0a\x01\x02\x03", 0 },
    { "all", AF_INET, "\x0a\x01\x02\x03", 0 },
    { " ", AF_INET, "\x0a\x01\x02\x03", 0 },
    { "10.0.0.0/33", AF_INET, "\x0a\x01\x02\x03", 0 },
    { "10.0.0.0/", AF_INET, "\x0a\x01\x02\x03", 0 }
};


static void
test_addresses(void)
{
    size_t                 i;
    char                   name[128];
    const address_case_t  *c;

    for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        c = &addresses[i];
        start();

        record.allow_from = str(c->allow_from);
        facts.family = c->family;
        facts.address = NULL;

        if (c->address != NULL) {
            facts.address = bytes(c->address,
                                  c->family == AF_INET ? 4 : 16).data;
        }

        snprintf(name, sizeof(name), "allow_from \"%s\", case %d",
                 c->allow_from, (int) i);
        is_int(api_key_judge(&record, &facts),
               c->allowed ? API_KEY_OK : API_KEY_FORBIDDEN_ADDRESS, name);
    }

    start();
    facts.family = AF_UNIX;
    facts.address = NULL;
    is_int(api_key_judge(&record, &facts), API_KEY_OK,
           "no address is needed where none is asked for");
}


static void
test_scopes(void)
{
    api_key_str_t  demanded[2];

    start();

    demanded[0] = str("read");
    demanded[1] = str("write");
    facts.scopes = demanded;
    facts.nscopes = 1;

    is_int(api_key_judge(&record, &facts), API_KEY_FORBIDDEN_SCOPE,
           "a key without scopes");

    record.scopes = str("read");
    is_int(api_key_judge(&record, &facts), API_KEY_OK, "the one demanded");

    record.scopes = str("other read");
    is_int(api_key_judge(&record, &facts), API_KEY_OK, "among others");

    record.scopes = str("reader rea spread Read");
    is_int(api_key_judge(&record, &facts), API_KEY_FORBIDDEN_SCOPE,
           "only ones that look like it");

    facts.nscopes = 2;

    record.scopes = str("read");
    is_int(api_key_judge(&record, &facts), API_KEY_FORBIDDEN_SCOPE,
           "the first of two");

    record.scopes = str("write");
    is_int(api_key_judge(&record, &facts), API_KEY_FORBIDDEN_SCOPE,
           "the second of two");

    record.scopes = str("write x read");
    is_int(api_key_judge(&record, &facts), API_KEY_OK, "both of two");

    facts.nscopes = 0;
    is_int(api_key_judge(&record, &facts), API_KEY_OK, "none is demanded");
}


/* Section 3 of the contract. */

static const struct {
    api_key_verdict_e   verdict;
    const char         *name;
    const char         *error;
    unsigned            status;
} words[] = {
    { API_KEY_UNJUDGED, "", "", 0 },
    { API_KEY_OK, "ok", "ok", 0 },
    { API_KEY_AMBIGUOUS, "ambiguous", "ambiguous", 400 },
    { API_KEY_MISSING, "missing", "missing", 401 },
    { API_KEY_MALFORMED, "malformed", "invalid", 401 },
    { API_KEY_UNKNOWN, "unknown", "invalid", 401 },
    { API_KEY_REVOKED_KEY, "revoked", "invalid", 401 },
    { API_KEY_DISABLED_KEY, "disabled", "invalid", 401 },
    { API_KEY_EXPIRED, "expired", "invalid", 401 },
    { API_KEY_FORBIDDEN_ADDRESS, "forbidden_address", "forbidden_address",
      403 },
    { API_KEY_FORBIDDEN_SCOPE, "forbidden_scope", "forbidden_scope", 403 },
    { API_KEY_NOT_ARMED, "not_armed", "not_armed", 403 },
    { API_KEY_LIMITED, "limited", "limited", 429 },
    { API_KEY_UNAVAILABLE, "unavailable", "unavailable", 503 }
};


static void
test_words(void)
{
    size_t  i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        is_str(api_key_verdict_name(words[i].verdict), words[i].name,
               "the verdict's word");
        is_str(api_key_verdict_error(words[i].verdict), words[i].error,
               "as a client may see it");
        is_int(api_key_verdict_status(words[i].verdict), words[i].status,
               "its status");
    }

    is_int((long long) i, API_KEY_VERDICTS, "all verdicts are tested here");
}


int
main(void)
{
    test_state();
    test_order();
    test_addresses();
    test_scopes();
    test_words();

    return done();
}
