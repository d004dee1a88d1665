/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The verdict on a key, and the words and statuses that verdicts go by.
 */

#include <sys/socket.h>
#include <netinet/in.h>

#include "api_key_verdict.h"


typedef struct {
    api_key_str_t     name;
    api_key_str_t     error;
    unsigned          status;
} api_key_word_t;


static int api_key_from_allowed(const api_key_record_t *record,
    const api_key_facts_t *facts);
static void api_key_client(const api_key_facts_t *facts,
    api_key_cidr_t *client);
static int api_key_cidr_match(const api_key_cidr_t *cidr,
    const api_key_cidr_t *client);
static int api_key_scopes_held(const api_key_record_t *record,
    const api_key_facts_t *facts);
static int api_key_scope_held(const api_key_str_t *scopes,
    const api_key_str_t *scope);


#define api_key_word(name, status)                                            \
    { api_key_string(name), api_key_string(name), status }

/* nobody may learn by trying whether a key exists and what became of it */

#define api_key_word_hidden(name)                                             \
    { api_key_string(name), api_key_string("invalid"), 401 }

static const api_key_word_t  api_key_words[API_KEY_VERDICTS] = {
    [API_KEY_UNJUDGED] = api_key_word("", 0),
    [API_KEY_OK] = api_key_word("ok", 0),
    [API_KEY_AMBIGUOUS] = api_key_word("ambiguous", 400),
    [API_KEY_MISSING] = api_key_word("missing", 401),
    [API_KEY_MALFORMED] = api_key_word_hidden("malformed"),
    [API_KEY_UNKNOWN] = api_key_word_hidden("unknown"),
    [API_KEY_REVOKED_KEY] = api_key_word_hidden("revoked"),
    [API_KEY_DISABLED_KEY] = api_key_word_hidden("disabled"),
    [API_KEY_EXPIRED] = api_key_word_hidden("expired"),
    [API_KEY_FORBIDDEN_ADDRESS] = api_key_word("forbidden_address", 403),
    [API_KEY_FORBIDDEN_SCOPE] = api_key_word("forbidden_scope", 403),
    [API_KEY_NOT_ARMED] = api_key_word("not_armed", 403),
    [API_KEY_LIMITED] = api_key_word("limited", 429),
    [API_KEY_UNAVAILABLE] = api_key_word("unavailable", 503)
};


api_key_verdict_e
api_key_judge(const api_key_record_t *record, const api_key_facts_t *facts)
{
    if (record == NULL
        || !api_key_digest_equal(record->hash, facts->hash, API_KEY_HASH_LEN))
    {
        return API_KEY_UNKNOWN;
    }

    if (record->state == API_KEY_REVOKED) {
        return API_KEY_REVOKED_KEY;
    }

    if (record->state == API_KEY_DISABLED) {
        return API_KEY_DISABLED_KEY;
    }

    if (facts->now >= record->expires_at) {
        return API_KEY_EXPIRED;
    }

    if (!api_key_from_allowed(record, facts)) {
        return API_KEY_FORBIDDEN_ADDRESS;
    }

    if (!api_key_scopes_held(record, facts)) {
        return API_KEY_FORBIDDEN_SCOPE;
    }

    return API_KEY_OK;
}


static int
api_key_from_allowed(const api_key_record_t *record,
    const api_key_facts_t *facts)
{
    api_key_str_t   list, word;
    api_key_cidr_t  cidr, client;

    if (record->allow_from.len == 0) {
        return 1;
    }

    memset(&cidr, 0, sizeof(api_key_cidr_t));
    memset(&client, 0, sizeof(api_key_cidr_t));

    api_key_client(facts, &client);

    list = record->allow_from;

    while (api_key_list_next(&list, &word)) {
        if (api_key_cidr_parse(&word, &cidr) == 0
            && api_key_cidr_match(&cidr, &client))
        {
            return 1;
        }
    }

    return 0;
}


/* A client without an address, on a Unix socket, is of no range's family. */

static void
api_key_client(const api_key_facts_t *facts, api_key_cidr_t *client)
{
    struct in6_addr  address;

    client->family = facts->family;

    if (facts->family == AF_INET) {
        memcpy(client->address, facts->address, 4);
        return;
    }

    if (facts->family != AF_INET6) {
        return;
    }

    memcpy(&address, facts->address, sizeof(address));

    if (IN6_IS_ADDR_V4MAPPED(&address)) {
        client->family = AF_INET;
        memcpy(client->address, address.s6_addr + 12, 4);
        return;
    }

    memcpy(client->address, address.s6_addr, sizeof(address));
}


static int
api_key_cidr_match(const api_key_cidr_t *cidr, const api_key_cidr_t *client)
{
    size_t    bytes;
    unsigned  bits;

    if (cidr->family != client->family) {
        return 0;
    }

    bytes = cidr->len / 8;
    bits = cidr->len % 8;

    if (memcmp(cidr->address, client->address, bytes) != 0) {
        return 0;
    }

    return bits == 0
           || ((cidr->address[bytes] ^ client->address[bytes]) >> (8 - bits))
              == 0;
}


static int
api_key_scopes_held(const api_key_record_t *record,
    const api_key_facts_t *facts)
{
    size_t  i;

    for (i = 0; i < facts->nscopes; i++) {
        if (!api_key_scope_held(&record->scopes, &facts->scopes[i])) {
            return 0;
        }
    }

    return 1;
}


static int
api_key_scope_held(const api_key_str_t *scopes, const api_key_str_t *scope)
{
    api_key_str_t  list, word;

    list = *scopes;

    while (api_key_list_next(&list, &word)) {
        if (api_key_str_equal(&word, scope)) {
            return 1;
        }
    }

    return 0;
}


const api_key_str_t *
api_key_verdict_name(api_key_verdict_e verdict)
{
    return &api_key_words[verdict].name;
}


const api_key_str_t *
api_key_verdict_error(api_key_verdict_e verdict)
{
    return &api_key_words[verdict].error;
}


unsigned
api_key_verdict_status(api_key_verdict_e verdict)
{
    return api_key_words[verdict].status;
}
