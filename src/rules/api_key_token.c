/*
 * Copyright (C) the ngx_http_api_key_module authors
 *
 * The form of keys: made, and checked on each request before anything else.
 */

#include "api_key_token.h"
#include "api_key_crc32.h"


#define API_KEY_BASE        62

/* the base62 digits at the end of an issued key */
#define API_KEY_DIGITS      (API_KEY_RANDOM_LEN + API_KEY_CHECKSUM_LEN)

/* times a byte, eight of it */
#define API_KEY_BYTES       UINT64_C(0x0101010101010101)

/* the largest multiple of the base in a byte: above it lies the bias */
#define API_KEY_UNBIASED    (256 - 256 % API_KEY_BASE)

#define API_KEY_RANDOM_TRIES  8


static int api_key_token_visible(const unsigned char *p, size_t len);
static int api_key_token_is_base62(const unsigned char *digits);
static void api_key_token_checksum(unsigned char *checksum,
    const unsigned char *text, size_t len);
static int api_key_token_digits(unsigned char *digits, size_t len,
    api_key_random_pt random);


/* all of ASCII's letters and digits, so api_key_is_alnum() tells them */

static const unsigned char  api_key_base62[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";


int
api_key_prefix_check(const api_key_str_t *prefix)
{
    size_t         i;
    unsigned char  c;

    if (prefix->len == 0 || prefix->len > API_KEY_PREFIX_MAX) {
        return -1;
    }

    for (i = 0; i < prefix->len; i++) {
        c = prefix->data[i];

        if (!api_key_is_alnum(c) || c != api_key_lower(c)) {
            return -1;
        }
    }

    return 0;
}


int
api_key_token_check(const api_key_str_t *token, const api_key_str_t *prefix)
{
    size_t         body;
    unsigned char  checksum[API_KEY_CHECKSUM_LEN];

    if (token->len < API_KEY_TOKEN_MIN || token->len > API_KEY_TOKEN_MAX
        || !api_key_token_visible(token->data, token->len))
    {
        return -1;
    }

    if (token->len != prefix->len + 1 + API_KEY_DIGITS
        || token->data[prefix->len] != '_'
        || memcmp(token->data, prefix->data, prefix->len) != 0)
    {
        return 0;
    }

    body = token->len - API_KEY_CHECKSUM_LEN;

    api_key_token_checksum(checksum, token->data, body);

    if (memcmp(checksum, token->data + body, API_KEY_CHECKSUM_LEN) == 0) {
        return 0;
    }

    /* with another character in it, it is not of the form of issued keys */

    return api_key_token_is_base62(token->data + prefix->len + 1) ? -1 : 0;
}


/*
 * Whether each character is visible ASCII, 0x21 to 0x7e; eight at a time, as
 * this is done on each request.  What is lower borrows from its highest bit,
 * what is higher has it, or gets it by one more.
 */

static int
api_key_token_visible(const unsigned char *p, size_t len)
{
    uint64_t  x, bad;

    bad = 0;

    for ( /* void */ ; len >= sizeof(uint64_t); len -= sizeof(uint64_t)) {
        memcpy(&x, p, sizeof(uint64_t));
        bad |= x | (x - 0x21 * API_KEY_BYTES) | (x + API_KEY_BYTES);
        p += sizeof(uint64_t);
    }

    for ( /* void */ ; len; len--, p++) {
        bad |= *p | (*p - 0x21u) | (*p + 1u);
    }

    return (bad & 0x80 * API_KEY_BYTES) == 0;
}


/*
 * Eight at a time, too: who floods us with wrong checksums shall not cost much.
 * A byte, which is below 0x80 here, and what lacks from the first character of
 * a range to 0x80 have the highest bit set from that character on.
 */

static int
api_key_token_is_base62(const unsigned char *digits)
{
    int       i;
    uint64_t  x, small, all;

    all = 0x80 * API_KEY_BYTES;

    for (i = 0; i < API_KEY_DIGITS; i += sizeof(uint64_t)) {

        /* the last ones overlap those before */

        memcpy(&x, digits + (i < API_KEY_DIGITS - 8 ? i : API_KEY_DIGITS - 8),
               sizeof(uint64_t));

        small = x | 0x20 * API_KEY_BYTES;

        all &= ((x + (0x80 - '0') * API_KEY_BYTES)
                & ~(x + (0x7f - '9') * API_KEY_BYTES))
               | ((small + (0x80 - 'a') * API_KEY_BYTES)
                  & ~(small + (0x7f - 'z') * API_KEY_BYTES));
    }

    return all == 0x80 * API_KEY_BYTES;
}


size_t
api_key_token_make(unsigned char *token, const api_key_str_t *prefix,
    api_key_random_pt random)
{
    unsigned char  *p;

    p = token;

    memcpy(p, prefix->data, prefix->len);
    p += prefix->len;

    *p++ = '_';

    if (api_key_token_digits(p, API_KEY_RANDOM_LEN, random) != 0) {
        return 0;
    }

    p += API_KEY_RANDOM_LEN;

    api_key_token_checksum(p, token, (size_t) (p - token));
    p += API_KEY_CHECKSUM_LEN;

    return (size_t) (p - token);
}


static void
api_key_token_checksum(unsigned char *checksum, const unsigned char *text,
    size_t len)
{
    int       i;
    uint32_t  crc;

    crc = api_key_crc32(text, len);

    for (i = API_KEY_CHECKSUM_LEN - 1; i >= 0; i--) {
        checksum[i] = api_key_base62[crc % API_KEY_BASE];
        crc /= API_KEY_BASE;
    }
}


/*
 * One read nearly always gives enough unbiased bytes.  A source that does not
 * in several reads is broken, and must not keep a worker in this loop.
 */

static int
api_key_token_digits(unsigned char *digits, size_t len,
    api_key_random_pt random)
{
    int            tries;
    size_t         i, n;
    unsigned char  buf[API_KEY_RANDOM_LEN + 10];

    n = 0;

    for (tries = 0; tries < API_KEY_RANDOM_TRIES; tries++) {

        if (random(buf, sizeof(buf)) != 0) {
            return -1;
        }

        for (i = 0; i < sizeof(buf); i++) {

            if (buf[i] >= API_KEY_UNBIASED) {
                continue;
            }

            digits[n++] = api_key_base62[buf[i] % API_KEY_BASE];

            if (n == len) {
                return 0;
            }
        }
    }

    return -1;
}
