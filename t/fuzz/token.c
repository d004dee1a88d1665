/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * Guards the form of keys: what is accepted is visible and within bounds, what
 * looks issued has the right checksum, and an issued key with one digit
 * changed is none.  The input is a prefix, a line end, and a key; the bytes of
 * the key also serve as random ones.
 */

#include <zlib.h>

#include "api_key_token.h"

#include "fuzz.h"


static const char  digits[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static const uint8_t  *source;
static size_t          left;


static int
bytes(unsigned char *buf, size_t len)
{
    if (left < len) {
        return -1;
    }

    memcpy(buf, source, len);
    source += len;
    left -= len;

    return 0;
}


/* Whether the last digits are CRC-32 of what stands before. */

static int
checksum(const api_key_str_t *token)
{
    size_t                i;
    uLong                 crc;
    uint64_t              n;
    const unsigned char  *p;

    p = token->data + token->len - API_KEY_CHECKSUM_LEN;
    crc = crc32(0, token->data, (uInt) (p - token->data));
    n = 0;

    for (i = 0; i < API_KEY_CHECKSUM_LEN; i++) {
        n = n * 62 + (uint64_t) (strchr(digits, p[i]) - digits);
    }

    return n == crc;
}


static int
looks_issued(const api_key_str_t *token, const api_key_str_t *prefix)
{
    size_t  i;

    if (token->len != prefix->len + 1 + API_KEY_RANDOM_LEN
                      + API_KEY_CHECKSUM_LEN
        || memcmp(token->data, prefix->data, prefix->len) != 0
        || token->data[prefix->len] != '_')
    {
        return 0;
    }

    for (i = prefix->len + 1; i < token->len; i++) {
        if (!api_key_is_alnum(token->data[i])) {
            return 0;
        }
    }

    return 1;
}


static void
presented(const api_key_str_t *token, const api_key_str_t *prefix)
{
    int     good;
    size_t  i;

    good = token->len >= API_KEY_TOKEN_MIN && token->len <= API_KEY_TOKEN_MAX;

    for (i = 0; i < token->len; i++) {
        good &= token->data[i] > 0x20 && token->data[i] < 0x7f;
    }

    if (good && looks_issued(token, prefix)) {
        good = checksum(token);
    }

    check((api_key_token_check(token, prefix) == 0) == good);
}


static void
issued(const api_key_str_t *prefix, size_t place)
{
    api_key_str_t   token;
    unsigned char   text[API_KEY_ISSUED_MAX], *p;

    token.data = text;
    token.len = api_key_token_make(text, prefix, bytes);

    if (token.len == 0) {
        return;
    }

    check(looks_issued(&token, prefix));
    check(checksum(&token));
    check(api_key_token_check(&token, prefix) == 0);

    p = &text[prefix->len + 1
              + place % (API_KEY_RANDOM_LEN + API_KEY_CHECKSUM_LEN)];
    *p = (unsigned char) digits[(strchr(digits, *p) - digits + 1) % 62];

    check(api_key_token_check(&token, prefix) == -1);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t          i;
    api_key_str_t   prefix, token;
    unsigned char  *copy;

    prefix = take(&data, &size, '\n');

    i = 0;

    while (i < prefix.len && api_key_is_alnum(prefix.data[i])
           && prefix.data[i] == api_key_lower(prefix.data[i]))
    {
        i++;
    }

    check((api_key_prefix_check(&prefix) == 0)
          == (i == prefix.len && i >= 1 && i <= API_KEY_PREFIX_MAX));

    if (api_key_prefix_check(&prefix) != 0) {
        return 0;
    }

    copy = copy_of(data, size);
    token.data = copy;
    token.len = size;

    presented(&token, &prefix);

    source = data;
    left = size;
    issued(&prefix, size ? data[0] : 0);

    free(copy);

    return 0;
}
